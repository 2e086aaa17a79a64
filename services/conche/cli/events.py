"""`conche events`: what has happened, as the journal remembers it, and what happens now."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import click

from conche.bus.client import Client
from conche.client.targets import TargetUnknown, resolve
from conche.contract import ALL, NO_NAME, REGISTRY, EventKind, Events, JournalEntry
from conche.settings import Broker

from .asking import JournalAway, QuestionRefused, check_journal, everything, newest
from .eventlines import Happened, Json, Layout, OnTerminal, Plain, key_width
from .following import Tail, follow
from .output import Trouble, console, plain
from .session import ACCOUNT, with_broker, with_client
from .times import Since

REFUSED: Final = 1
UNKNOWN: Final = 2
AWAY: Final = 3
"""Exit codes: the journal could not answer; nothing is called so; the journal or the broker is away."""

LIMIT: Final = 50
"""Events that are shown where nothing else is said."""

EPILOG: Final = """TARGET is a node (cx/cx27), a group (cx), a pattern ('cx/cx1?', in quotes), or all; what concerned a
whole group, or all, is told with each of its nodes. Nodes that are gone are remembered by their names.

Exit codes: 0 if the journal answered; 1 if it could not; 2 for an unknown TARGET or a wrong option; 3 if the journal
or the broker is away."""


@click.command(epilog=EPILOG)
@click.argument("words", metavar="[TARGET]...", nargs=-1)
@click.option("--since", type=Since(), help="From then on: 2h ago, 3d, 17:30Z, or date, time and zone.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    type=click.Choice([kind.value for kind in EventKind]),
    help=f"Only this kind; may be repeated: {', '.join(EventKind)}.",
)
@click.option("--limit", type=click.IntRange(min=1), help=f"The newest so many. Default: {LIMIT}.")
@click.option("--all", "unbounded", is_flag=True, help="All that the journal has.")
@click.option("--follow", "stay", is_flag=True, help="Stay, and show what happens from now on.")
@click.option("--json", "as_json", is_flag=True, help="Print an object a line, for programs and export.")
@ACCOUNT
def events(
    *,
    words: tuple[str, ...],
    since: datetime | None,
    kinds: tuple[str, ...],
    limit: int | None,
    unbounded: bool,
    stay: bool,
    as_json: bool,
    account: str,
) -> None:
    """Show what has happened, the newest last.

    With --follow it stays until Ctrl-C. On a terminal lines are wrapped; into a pipe or a file goes a line for each
    event.
    """
    if unbounded and (limit is not None or stay):
        raise click.UsageError(f"--all is all that there is: leave --{'follow' if stay else 'limit'} out")
    wish = Events(targets=[] if ALL in words else list(words), kinds=list(kinds), since=since)
    question = _Question(wish, limit=limit or LIMIT, as_json=as_json)
    if stay:
        raise SystemExit(
            with_broker(lambda broker: question.follow(broker, account), away=AWAY, interrupted=None)
        )
    with_client(question.print_all if unbounded else question.print_newest, account=account, away=AWAY)


class _Question:
    """What was asked, and how it is answered.

    Parameters
    ----------
    wish
        For the journal.
    limit
        How many events are shown.
    as_json
        For programs.
    """

    def __init__(self, wish: Events, *, limit: int, as_json: bool) -> None:
        self._wish = wish
        self._limit = limit
        self._as_json = as_json

    async def print_newest(self, client: Client) -> None:
        """Print the newest events, and remark where there are more."""
        try:
            await check_journal(client)
            found, more, warnings = await newest(client, self._wish, limit=self._limit)
        except (JournalAway, QuestionRefused) as error:
            raise _trouble(error) from None
        if not _told_of_targets(found):
            await self._check_targets(client)
        _print(found, self._layout(found))
        if more:
            warnings = [
                f"there are older ones: --limit N shows more than {self._limit}, --all all",
                *warnings,
            ]
        _remark(warnings)

    async def print_all(self, client: Client) -> None:
        """Print all events as they come."""
        layout: Layout | None = None
        try:
            await check_journal(client)
            async for reply in everything(client, self._wish):
                layout = layout or self._layout(reply.events)
                _print(reply.events, layout)
                if not reply.events:
                    _remark(reply.warnings)
        except (JournalAway, QuestionRefused) as error:
            raise _trouble(error) from None

    async def follow(self, broker: Broker, account: str) -> int:
        """Print the newest events and all that come; return the exit code."""
        tail = Tail(self._wish)

        async def past() -> Layout:
            try:
                async with Client(broker, account=account) as client:
                    await check_journal(client)
                    found, _, warnings = await newest(client, self._wish, limit=self._limit)
                    if not _told_of_targets(found):
                        await self._check_targets(client)
            except JournalAway as error:
                found, warnings = [], [f"{error}; nothing that is past can be shown"]
            except QuestionRefused as error:
                raise _trouble(error) from None
            layout = self._layout(found)
            _print(found, layout)
            _remark(warnings)
            tail.forget(found)
            return layout

        return await follow(broker, account=account, tail=tail, past=past)

    async def _check_targets(self, client: Client) -> None:
        """Tell a word that names nothing from a node to which nothing has happened.

        Raises
        ------
        Trouble
            It names nothing.
        """
        for _, registry in await client.read(REGISTRY):
            try:
                resolve(self._wish.targets, registry.groups, error=registry.error)
            except TargetUnknown as error:
                words = f"{error}; and the journal knows of none that there was"
                raise Trouble(words, exit_code=UNKNOWN) from None

    def _layout(self, entries: Sequence[JournalEntry]) -> Layout:
        out = console()
        width = key_width([Happened.of(entry) for entry in entries])
        if self._as_json:
            return Json()
        if not out.is_terminal:
            return Plain(width)
        return OnTerminal(
            width, columns=out.width, coloured=out.color_system is not None, today=datetime.now(UTC)
        )


def _told_of_targets(entries: Iterable[JournalEntry]) -> bool:
    """Return whether anything happened to targets themselves, and not to everybody."""
    return any(entry.group != NO_NAME for entry in entries)


def _print(entries: Iterable[JournalEntry], layout: Layout) -> None:
    lines = [line for entry in entries for line in layout.lines(Happened.of(entry))]
    if lines:
        click.echo("\n".join(lines))


def _remark(words: Iterable[str]) -> None:
    for line in words:
        click.echo(plain(line), err=True)


def _trouble(error: JournalAway | QuestionRefused) -> Trouble:
    return Trouble(str(error), exit_code=AWAY if isinstance(error, JournalAway) else REFUSED)
