"""A screen for tests, with a telescope that does as it is told."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from conche.cli.top.app import Top
from conche.cli.top.eventlog import EventLog
from conche.cli.top.telescope import WishFailed
from conche.cli.top.view import View
from conche.cli.top.wishes import Wish
from conche.client import Report
from conche.client.sending import Progress
from conche.contract import Drift, Event, EventKind, JournalEntry, Maintenance, NodeStatus
from tests.unit.cli.samples import NOW, ago, result, status
from tests.unit.cli.watch.samples import live_of

REVISION, OTHER = "a" * 32, "b" * 32

FEW = {
    "cx/cx1": status(since=ago(hours=3), live=REVISION, desired=REVISION, proven=REVISION),
    "cx/cx2": status("down", error="10.1.0.2:12048: refused", since=ago(minutes=4)),
    "cx/cx10": status(
        maintenance=Maintenance(on=True, by="leonie", reason="new GPU", until=NOW + timedelta(hours=2)),
        drift=Drift(base=True, endpoints=["gains/coeffs"], paths=["log_level: desired 'info', runs 'warn'"]),
        since=ago(days=3),
        live=OTHER,
        desired=REVISION,
        proven=OTHER,
    ),
    "recv/recv1": status("stopped", started=False, since=ago(minutes=50)),
}


def entry(number: int, text: str, **fields: Any) -> JournalEntry:
    event = Event(at=ago(minutes=60 - number), kind=EventKind.STATE, text=text)
    return JournalEntry(number=number, service="sync", **{"group": "cx", "node": "cx1"} | fields, event=event)


class Obedient:
    """Does what is wished, when it may."""

    def __init__(self, past: Sequence[JournalEntry] = (), *, error: str | None = None) -> None:
        self.wishes: list[Wish] = []
        self.may = asyncio.Event()
        self.may.set()
        self._past = list(past)
        self._error = error

    async def carry_out(self, wish: Wish, progress: Progress) -> Report:
        self.wishes.append(wish)
        progress(list(wish.words))
        await self.may.wait()
        if self._error is not None:
            raise WishFailed(self._error)
        return Report(results={key: result() for key in wish.keys})

    async def past(self, words: Sequence[str]) -> list[JournalEntry]:
        return self._past


class Shown:
    """A screen and what it is made of."""

    def __init__(
        self,
        statuses: Mapping[str, NodeStatus] = FEW,
        *words: str,
        telescope: Obedient | None = None,
        view: View | None = None,
        **births: str,
    ) -> None:
        self.live = live_of(statuses, *words, **births)
        self.log = EventLog(words)
        self.telescope = telescope or Obedient()
        self.view = view or View()
        self.app = Top(
            self.live, self.log, telescope=self.telescope, view=self.view, where="here:1883", words=words
        )

    @property
    def screen(self) -> str:
        """What stands there, line by line."""
        compositor = self.app.screen._compositor
        strips = compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    @property
    def chosen(self) -> str:
        return next(line for line in self.screen.splitlines() if line.startswith(">"))


__all__ = ["FEW", "OTHER", "REVISION", "Obedient", "Shown", "entry"]
