"""`conche history`: the states of nodes over time, from the time-series database."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Final

import click
from rich.console import RenderableType
from rich.text import Text

from conche.client.targets import Targets, TargetUnknown, resolve
from conche.client.words import natural
from conche.contract import ALL, NodeState
from conche.contract.measurements import NODE
from conche.influx import Database, InfluxError, InfluxMisconfigured, Series, login_of, open_session
from conche.local.home import BrokerNotFound, find_settings
from conche.settings import Settings

from .folding import FOLD_OVER
from .output import Trouble, console, count, names_of, show
from .strips import Sample, Scale, axis, legend, scale_of, states, strip
from .times import Since, parse_since

UNKNOWN: Final = 2
AWAY: Final = 3
"""Exit codes: nothing is called so; the database is away, or there is none."""

COLUMNS_AS_JSON: Final = 60
"""Steps in time where nothing is drawn."""

NAME_WIDTH: Final = 24
"""Of the column of names, at most."""

Samples = Mapping[int, Sample]
NodeSamples = dict[tuple[str, str], Samples]

EPILOG: Final = """TARGET is a node (cx/cx27), a group (cx), a pattern ('cx/cx1?', in quotes), or all. Each sign stands
for a step in time, and shows the worst state within it. What happened, and who wished it, is told by conche events.

Exit codes: 0; 2 for an unknown TARGET or a wrong option; 3 if there is no database, or it is away."""


@click.command(epilog=EPILOG)
@click.argument("words", metavar="[TARGET]...", nargs=-1)
@click.option(
    "--since", type=Since(), help="From then on: 2h ago, 3d, 17:30Z, or date, time and zone. Default: 6h."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def history(*, words: tuple[str, ...], since: datetime | None, as_json: bool) -> None:
    """Show the states of nodes over time.

    In a large group nodes that fared alike share a line.
    """
    now = datetime.now(UTC)
    try:
        settings = find_settings()
        width = COLUMNS_AS_JSON if as_json else console().width - NAME_WIDTH
        scale = scale_of(since or parse_since("6h", now), now, width=width)
        samples = asyncio.run(_read(settings, scale))
        targets = _targets(words, samples)
    except (BrokerNotFound, InfluxError, InfluxMisconfigured) as error:
        raise Trouble(str(error), exit_code=AWAY) from None
    except TargetUnknown as error:
        raise Trouble(f"{error}; the database knows of none since then", exit_code=UNKNOWN) from None
    found = {
        (group, node): states(samples[group, node], scale, refresh_s=settings.metrics.refresh_s)
        for group, chosen in targets.items()
        for node in chosen.nodes
    }
    if as_json:
        click.echo(json.dumps(_encoded(found, scale)))
    else:
        show(_drawn(found, scale))


async def _read(settings: Settings, scale: Scale) -> NodeSamples:
    login = login_of(settings.influx)
    async with open_session(settings.influx.ca_file) as session:
        return samples_of(await Database(session, login=login).query(question(scale)), scale)


def question(scale: Scale) -> str:
    """Return what the database is asked: of each node and column the worst and the last state."""
    code = NODE.field("state_code").name
    return (
        f'SELECT max("{code}"), last("{code}") FROM "{NODE.name}" '
        f"WHERE time >= {scale.begin}s AND time < {scale.end}s "
        f'GROUP BY time({scale.bucket_s}s), "group", "node" fill(none)'
    )


def samples_of(series: Sequence[Series], scale: Scale) -> NodeSamples:
    """Return what the database answered, by group and node, and by column."""
    found: NodeSamples = {}
    for one in series:
        rows = {
            scale.column(at): Sample(worst, last)
            for at, worst, last in one.rows
            if isinstance(at, int) and isinstance(worst, int) and isinstance(last, int)
        }
        if rows:
            found[one.tags["group"], one.tags["node"]] = rows
    return found


def _targets(words: Sequence[str], samples: NodeSamples) -> Targets:
    """Return the nodes that are meant, of those that the database knows.

    Raises
    ------
    TargetUnknown
        A word names none.
    """
    groups: dict[str, dict[str, None]] = {}
    for group, node in samples:
        groups.setdefault(group, {})[node] = None
    return resolve(words or (ALL,), groups, error=None) if words or groups else {}


def _encoded(found: Mapping[tuple[str, str], Sequence[NodeState | None]], scale: Scale) -> object:
    return {
        "begin": datetime.fromtimestamp(scale.begin, UTC).isoformat(),
        "step_s": scale.bucket_s,
        "nodes": {f"{group}/{node}": list(line) for (group, node), line in found.items()},
    }


def _drawn(
    found: Mapping[tuple[str, str], Sequence[NodeState | None]], scale: Scale
) -> Iterator[RenderableType]:
    if not found:
        yield Text("the database has no states since then")
        return
    groups = sorted({group for group, _ in found}, key=natural)
    for group in groups:
        lines = {node: line for (of, node), line in found.items() if of == group}
        yield Text(group, "bold")
        for names, line in _rows(lines):
            yield from _line(names, strip(line))
    yield Text(" " * NAME_WIDTH).append(axis(scale))
    yield Text("")
    yield legend(chain.from_iterable(found.values()))


def _line(names: str, line: Text) -> Iterator[RenderableType]:
    """Yield a strip behind its names, or below them where they are long."""
    if len(names) > NAME_WIDTH - 2:
        yield Text(f" {names}")
        names = ""
    yield Text(f" {names:<{NAME_WIDTH - 1}}").append(line)


def _rows(
    lines: Mapping[str, Sequence[NodeState | None]],
) -> Iterator[tuple[str, Sequence[NodeState | None]]]:
    """Yield names and line; in a large group nodes that fared alike share one."""
    names = sorted(lines, key=natural)
    if len(names) <= FOLD_OVER:
        yield from ((name, lines[name]) for name in names)
        return
    alike: dict[tuple[NodeState | None, ...], list[str]] = {}
    for name in names:
        alike.setdefault(tuple(lines[name]), []).append(name)
    for line, members in alike.items():
        label = members[0] if len(members) == 1 else f"{count(len(members), 'node')} {names_of(members)}"
        yield label, line
