"""What stands above the table of a live status: everything in one line, what is wrong, services, groups."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rich.text import Text

from conche.cli.output import ERROR_STYLE, HEALTH_STYLES, clock, count, plain, span
from conche.cli.overview import online, services_words, stopped
from conche.cli.rows import SEVERITY
from conche.client.words import natural
from conche.contract import Service

from .live import Live

SHOWN_PROBLEMS: Final = 3
"""Lines for what is wrong outside the groups."""

NAME_COLUMNS: Final = 16
"""Longer names of groups are cut."""


def title(live: Live, *, where: str, columns: int, now: datetime) -> Text:
    """Return the first line: how bad it is, and how much there is to look at."""
    health = live.health
    words = f"{count(len(live.entries), 'node')} in {count(len(live.tallies), 'group')}"
    words += f", {live.wrong} to look at" if live.wrong else ""
    left = Text.assemble(("conche", "bold"), "  ", (health.value, HEALTH_STYLES[health]), f"  {words}")
    for right in (f"{where}  {clock(now)}", clock(now)):
        if (room := columns - left.cell_len - len(right)) >= 2:
            return left.append(f"{'':{room}}{right}")
    return left


def header(live: Live, *, room: int, now: datetime) -> list[Text]:
    """Return what stands between title and table.

    Parameters
    ----------
    live
        What is shown.
    room
        Lines that there are for it.
    now
        Wall clock.
    """
    lines = [*_broker(live, now), *_problems(live)]
    left = room - len(lines)
    if left > len(live.tallies) or left > 2:
        above = [_services(live), *_instrument(live, now)]
        lines += above
        left -= len(above)
    return [*lines, *_groups(live, left)][:room]


def _broker(live: Live, now: datetime) -> Iterable[Text]:
    if live.lost is not None:
        since = f"{clock(live.lost.since)}, {span(now - live.lost.since)}"
        yield Text(f"broker away since {since}: all below is old; {plain(live.lost.words)}", ERROR_STYLE)


def _problems(live: Live) -> Iterable[Text]:
    problems = list(live.problems())
    shown = problems if len(problems) <= SHOWN_PROBLEMS else problems[: SHOWN_PROBLEMS - 1]
    for problem in shown:
        yield Text(f"{problem.health}  {problem.words}", HEALTH_STYLES[problem.health])
    if len(shown) < len(problems):
        yield Text(f"and {len(problems) - len(shown)} problems more: conche status", ERROR_STYLE)


def _services(live: Live) -> Text:
    """Return which services are there, by machine."""
    births = live.picture.births
    names = online(live.picture)
    if not names:
        return Text("no service is online", ERROR_STYLE)
    hosts = sorted({births[name].host for name in names}, key=natural)
    parts = [
        f"{plain(host) or '?'}: {services_words([name for name in names if births[name].host == host])}"
        for host in hosts
    ]
    line = Text.assemble(("online", "green"), f"  {'; '.join(parts)}")
    if away := stopped(live.picture):
        line.append(f"; offline: {services_words(away)}")
    return line


def _instrument(live: Live, now: datetime) -> Iterable[Text]:
    if live.fpga:
        yield Text.assemble(f"{Service.FPGA:<6}  ", live.fpga.words(now))
    if live.eop:
        yield Text.assemble(f"{Service.EOP:<6}  ", live.eop.words(now))


def _groups(live: Live, room: int) -> list[Text]:
    """Return a line for each group; where there is no room for all, for the worst ones, and a sum of the others."""
    names = list(live.tallies)
    if len(names) <= room:
        return [_group(live, name, names) for name in names]
    if room < 1:
        return []
    names.sort(key=lambda name: -SEVERITY.index(live.group_health(name)))
    shown, others = names[: room - 1], names[room - 1 :]
    healths = Counter(live.group_health(name) for name in others)
    sums = ", ".join(f"{healths[health]} {health}" for health in reversed(SEVERITY) if healths[health])
    more = " more" if shown else ""
    return [
        *(_group(live, name, shown) for name in shown),
        Text(f"{count(len(others), 'group')}{more}: {sums}"),
    ]


def _group(live: Live, name: str, names: Sequence[str]) -> Text:
    width = min(NAME_COLUMNS, max(map(len, names)))
    label = Text(plain(name), "bold")
    label.truncate(width, overflow="ellipsis", pad=True)
    health = live.group_health(name)
    trouble = live.trouble_of(name)
    return Text.assemble(
        label,
        "  ",
        (health.value.ljust(len("warning")), HEALTH_STYLES[health]),
        "  ",
        (f"{trouble}; " if trouble else "", ERROR_STYLE),
        live.tallies[name].words,
    )
