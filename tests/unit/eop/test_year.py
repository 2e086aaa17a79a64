"""A year of the service's runs: files, restarts, refusals, refined data, wrong clocks, and frame0s that come and go."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from conche.contract import EopEntry, EopTarget, FpgaState, FpgaStatus, Outcome
from conche.eop.iers import Day, Iers
from conche.eop.known import Known
from conche.eop.merge import is_sorted
from conche.eop.running import Runner
from conche.eop.state import StateFile
from conche.eop.times import mjd_of, unix_ns
from conche.settings import Eop

from .samples import FRAME0, NEW, NOW, desired, registry

MJD = mjd_of(unix_ns(NOW))
KEYS = ("cx/cx1", "cx/cx2")
OTHERS = (0, 86_400_000_000_123)
"""Of the frame0s, against the first [ns]."""

Given = dict[tuple[int, str], dict[int, EopEntry]]


def data(refined_s: float) -> Iers:
    """What the IERS say, refined by so much since."""
    days = {
        mjd: Day(0.05 + (mjd - MJD) * 1e-4 + refined_s, 0.1, 0.3, predicted=mjd >= MJD)
        for mjd in range(MJD - 20, MJD + 400)
    }
    return Iers("test", days)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder whose files are not flushed to the disk: thousands are written."""
    made = Path(tempfile.mkdtemp())
    with mock.patch("conche.eop.state.write_atomic", Path.write_bytes):
        yield made
    shutil.rmtree(made)


@dataclass
class Telescope:
    """Two nodes, the service's files, and every value that each node was ever given in the time of each frame0."""

    files: Path
    frame0_ns: int = FRAME0
    given: Given = field(default_factory=dict)
    runner: Runner = field(init=False)

    def __post_init__(self) -> None:
        self.restart(NOW)

    def restart(self, now: datetime) -> None:
        self.runner = Runner(Eop(), file=StateFile(self.files / "eop.json"))
        self.runner.memory.load(now)
        assert self.runner.memory.trouble is None

    async def run(self, now: datetime, *, refined_s: float, takes: tuple[bool, ...], heard: bool) -> None:
        """Build a table and have it pushed; some nodes take it, and what they say is heard or not."""
        known = Known(
            Eop(),
            fpga=FpgaStatus(state=FpgaState.GOOD, frame0_ns=self.frame0_ns),
            fpga_is_there=True,
            registry=registry(*KEYS),
            desired={("cx", key[3:]): desired(NEW) for key in KEYS},
        )
        with mock.patch("conche.eop.running.read_as_set", return_value=data(refined_s)):
            made = await self.runner.prepare(known, why="a test", now=now)
        run = self.runner.send(made.run, now=now)
        assert run.error is None
        assert run.merged is not None
        entries = run.merged.table.entries
        assert is_sorted(entries)
        assert entries[0].t_inst_ns <= unix_ns(now) <= entries[-1].t_inst_ns
        outcomes = {}
        for key, takes_it in zip(KEYS, takes, strict=True):
            if takes_it:
                self.take(key, entries)
            is_ok = takes_it and heard
            outcomes[key] = EopTarget(outcome=Outcome.OK if is_ok else Outcome.FAILED)
        self.runner.store(replace(run, targets=outcomes), now=now)

    def take(self, key: str, entries: tuple[EopEntry, ...]) -> None:
        """Be given a table: nothing of it contradicts what any node was given, or stands between or before."""
        everybody = {
            t: e for (frame0, _), es in self.given.items() if frame0 == self.frame0_ns for t, e in es.items()
        }
        assert all(everybody.get(entry.t_inst_ns, entry) == entry for entry in entries), "a value changed"
        mine = self.given.setdefault((self.frame0_ns, key), {})
        if mine:
            last = max(mine)
            new = [entry.t_inst_ns for entry in entries if entry.t_inst_ns not in everybody]
            assert all(t > last for t in new), "put between or before"
        mine |= {entry.t_inst_ns: entry for entry in entries}


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_a_year_of_runs_contradicts_no_value_that_any_node_was_ever_given(draw: st.DataObject):
    moves = draw.draw(
        st.lists(st.integers(1, 364), max_size=4), label="days on which frame0 is the other one"
    )
    away = draw.draw(st.sets(st.integers(0, 364), max_size=200), label="missed days")
    restarts = draw.draw(st.sets(st.integers(0, 364), max_size=60), label="days with a restart")
    refuses = draw.draw(
        st.dictionaries(st.integers(0, 364), st.sampled_from([0, 1, 2]), max_size=60), label="refusals"
    )
    unheard = draw.draw(st.sets(st.integers(0, 364), max_size=30), label="days on which no answer is heard")
    refined = draw.draw(st.lists(st.floats(0, 1e-3), min_size=1, max_size=8), label="refined values [s]")
    ahead = draw.draw(st.integers(1, 364), label="day on which the clock is five days ahead for a run")

    async def year(telescope: Telescope) -> None:
        for day in sorted(set(range(365)) - away):
            telescope.frame0_ns = FRAME0 + OTHERS[sum(move <= day for move in moves) % 2]
            now = NOW + timedelta(days=day)
            if day in restarts:
                telescope.restart(now)
            takes = tuple(refuses.get(day) not in (n, 2) for n in range(2))
            clock = now + timedelta(days=5 * (day == ahead))
            await telescope.run(
                clock, refined_s=refined[day % len(refined)], takes=takes, heard=day not in unheard
            )

    with folder() as files:
        asyncio.run(year(Telescope(files)))
        assert len(list(files.iterdir())) <= 4, "files pile up"
