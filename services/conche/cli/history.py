"""`conche log`, `conche show` and `conche rollback`: who changed the config directory, when and why; and back."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any, Final

import click
from msgspec.json import encode
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from conche.contract import LoggedCommit

from .changing import EPILOG, Manner, options_of, propose
from .confirming import AWAY
from .output import console, labelled, plain, show
from .planned import files_words
from .session import ACCOUNT, AS_JSON, with_telescope

SHORT: Final = 8
"""Digits of a commit that are enough to name it."""

LIMIT: Final = 20
MOST: Final = 1000

_TAB: Final = "    "
_STYLES: Final = (
    ("+++", "bold"), ("---", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"), ("diff ", "bold"),
)  # fmt: skip

READ_EPILOG: Final = """Exit codes: 0 if it could be read; 1 if there is no such thing, or no history; 3 if the renderer
or the broker is away."""


@click.command(epilog=READ_EPILOG)
@click.argument("path", required=False)
@click.option(
    "-n", "limit", type=click.IntRange(1, MOST), default=LIMIT, show_default=True, help="The newest so many."
)
@AS_JSON
@ACCOUNT
def log(*, path: str | None, limit: int, as_json: bool, account: str) -> None:
    """List the changes of the config directory, the newest first.

    With PATH only those of a file (vars.yaml), or of anything in a folder (cx).
    """
    commits = with_telescope(lambda telescope: telescope.log(path, limit=limit), account=account, away=AWAY)
    if as_json:
        click.echo(encode({"commits": commits}))
    elif commits:
        show([_table(commits)])
    else:
        click.echo(f"no change {f'of {plain(path)} ' if path else ''}is known", err=True)


@click.command("show", epilog=READ_EPILOG)
@click.argument("commit")
@AS_JSON
@ACCOUNT
def show_(*, commit: str, as_json: bool, account: str) -> None:
    """Show what a change of the config directory was, and who made it and why.

    COMMIT is what conche log lists, or a git revision such as HEAD~2.
    """
    shown = with_telescope(lambda telescope: telescope.show(commit), account=account, away=AWAY)
    if as_json:
        click.echo(encode({"commit": shown.commit, "patch": shown.patch}))
    else:
        show(head_of(shown.commit))
        _show_patch(shown.patch)


@click.command(epilog=EPILOG)
@click.argument("commit")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@options_of
def rollback(
    *, commit: str, paths: tuple[str, ...], reason: str | None, timeout: float, **options: Any
) -> None:
    """Bring the config directory back to what it was at COMMIT; that is a new change.

    With PATH only these files, or what lies below them; nodes.yaml stays as it is unless it is named. COMMIT~ is what
    was before COMMIT.
    """
    propose(
        lambda telescope: telescope.plan.rollback(commit, paths=paths, reason=reason),
        Manner(timeout=timeout, **options),
    )


def _table(commits: Sequence[LoggedCommit]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(max_width=16, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for commit in commits:
        table.add_row(
            Text(commit.id[:SHORT], "yellow"),
            f"{commit.at.astimezone(UTC):%Y-%m-%d %H:%MZ}",
            Text(plain(commit.author)),
            _subject(commit),
        )
    return table


def _subject(commit: LoggedCommit) -> Text:
    return Text("\n").join(
        [Text(plain(commit.subject)), *([Text(plain(commit.reason), "cyan")] if commit.reason else [])]
    )


def head_of(commit: LoggedCommit) -> Iterator[RenderableType]:
    """Yield what is printed of a commit before its patch."""
    yield Text(f"commit {commit.id}", "yellow")
    told = {
        "author": plain(commit.author),
        "when": f"{commit.at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}",
        "what": plain(commit.subject),
        "reason": plain(commit.reason),
        **{plain(name): plain(value) for name, value in commit.trailers.items()},
        "files": plain(files_words(commit.paths)),
    }
    width = max(map(len, told))
    for label, words in told.items():
        if words:
            yield labelled(Text(label.ljust(width), "bright_black"), Text(words))
    yield ""


def _show_patch(patch: str) -> None:
    """Print a patch: coloured and wrapped on a terminal, elsewhere as it is, so that it can be applied."""
    if console().is_terminal:
        show([Text("\n").join(map(patch_line, patch.splitlines()))])
    else:
        click.echo(patch, nl=False)


def patch_line(line: str) -> Text:
    """Return a line of a diff, harmless to a terminal."""
    words = "".join(c if c.isprintable() else "·" for c in line.replace("\t", _TAB))
    return Text(words, next((style for begin, style in _STYLES if line.startswith(begin)), ""))
