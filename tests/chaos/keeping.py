"""Whether the workers' files hold, all the time, the switches as they were ordered.

What a worker has answered must be on disk by then, or the next SIGKILL takes it back. A status is no witness: a broker
that was killed comes back with old ones.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from conche.sim.control_client import SimEntry
from conche.sync.records import GroupRecord, load
from tests.integration.dataplane import DataPlane

from .record import Record, Switch
from .switches import Switches

PERIOD_S: Final = 0.5


class Keeper:
    """Reads the files again and again.

    Parameters
    ----------
    stack
        Whose files they are.
    record
        What was ordered; takes what is not kept.
    books
        Returns the books so far.
    """

    def __init__(
        self, stack: DataPlane, record: Record, books: Callable[[], Awaitable[Sequence[SimEntry]]]
    ) -> None:
        self._run_dir = stack.folder / "run"
        self._record = record
        self._books = books

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            begin = time.time()
            groups = {path.stem: load(path) for path in self._run_dir.glob("sync-*.json")}
            end = time.time()
            switches = Switches(self._record, await self._books())
            for name, group in groups.items():
                words = not_kept(
                    group, name.removeprefix("sync-"), self._record, switches, between=(begin, end)
                )
                self._record.not_kept.update(words)


def not_kept(
    group: GroupRecord, name: str, record: Record, switches: Switches, *, between: tuple[float, float]
) -> Iterator[str]:
    """Find each switch in a group's file that does not stand as it was ordered.

    Parameters
    ----------
    group, name
        What the file holds, and of which group.
    record
        What was ordered.
    switches
        What follows from it.
    between
        The times between which the file was read.
    """
    for short, kept in group.nodes.items():
        node = f"{name}/{short}"
        if record.epochs_seen.get(node, [""])[-1] != kept.epoch:
            continue  # it comes into an epoch now, or left the registry
        stands = {Switch.MAINTENANCE: kept.maintenance.on, Switch.STARTED: kept.started}
        for switch, value in stands.items():
            allowed = switches.at(node, switch, between[0]) | switches.at(node, switch, between[1])
            if value is not None and value not in allowed:
                yield f"{node}: {switch} {value} on disk in epoch {kept.epoch}, which nobody ordered"
