"""The Earth-orientation table of a real observatory's node, in the local mode as an operator has it."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conche.bus.client import Client
from conche.client import Conche
from conche.contract import EOP, EopState, EopStatus
from conche.local.supervisor import PROGRAMS
from conche.settings import Broker, load

from .test_local_mode import OBSERVATORY, Stack, new, until

__all__ = ["new"]
"""A fixture."""

RECV1 = "recv/recv1"
SHIPPED_FRAME0_NS = 1_772_838_439_000_002_880
EPOCH_NS = 1_772_582_400_000_000_000
"""The first entry of the table that its config was shipped with."""


def tables(stack: Stack) -> tuple[list[dict[str, Any]], EopStatus]:
    """The table that recv1 runs, by its own account, and what the eop service says."""
    return asyncio.run(_tables(load(stack.home.settings, environment={}).broker))


async def _tables(broker: Broker) -> tuple[list[dict[str, Any]], EopStatus]:
    async with Conche(broker=broker) as telescope:
        inspection = (await telescope.inspect(RECV1, config=True)).results[RECV1].inspection
    async with Client(broker, account="operator") as client:
        ((_, status),) = await client.read(EOP)
    config = json.loads(bytes(inspection.config)) if inspection is not None else None
    block = (config or {}).get("earth_rotation_data", {})  # null while it is idle
    return block.get("earth_orientation_parameter_table", []), status


def runs_the_table(stack: Stack, *, frame0_ns: int | None = None) -> list[dict[str, Any]]:
    """The table that recv1 runs, if it is the one that was pushed, of this frame0; else nothing."""
    table, status = tables(stack)
    is_pushed = status.state is EopState.FRESH and frame0_ns in (None, status.frame0_ns)
    is_run = [entry.get("time_inst_ns") for entry in table] == [one.t_inst_ns for one in status.entries]
    return table if is_pushed and is_run else []


def starts(stack: Stack) -> int:
    """How often the simulated recv1 was started."""
    books = stack.conche("sim", "books", RECV1, "--last", "1000").stdout
    return sum("start" in line.split() for line in books.splitlines())


@pytest.mark.skipif(not OBSERVATORY.is_dir(), reason=f"there is no {OBSERVATORY}")
def test_recv1_receives_a_new_table_under_its_own_names_without_a_restart(new: Callable[..., Stack]):
    stack = new()
    stack.up("--configs", OBSERVATORY, "--sim")
    stack.conche("maintenance", "off", RECV1)
    assert stack.conche("start", RECV1).returncode == 0
    before = until(lambda: runs_the_table(stack))
    begun = starts(stack)
    assert begun > 0
    assert stack.conche("sim", "fpga", "--restart").returncode == 0
    changed = json.loads(stack.conche("fpga", "--refresh", "--json").stdout)
    after = until(lambda: runs_the_table(stack, frame0_ns=changed["frame0_ns"]))
    assert {frozenset(entry) for entry in after} == {
        frozenset(("time_inst_ns", "delta_UT1_inst", "x_pm", "y_pm"))
    }
    assert after[0]["time_inst_ns"] != EPOCH_NS
    assert len(after) == len(before) == 6
    assert starts(stack) == begun


@pytest.mark.skipif(not OBSERVATORY.is_dir(), reason=f"there is no {OBSERVATORY}")
def test_the_table_of_recv1_survives_a_restart_of_everything(new: Callable[..., Stack], tmp_path: Path):
    """frame0 is fixed: the simulated F-engine would be started with the other programs, and have another."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"eop: {{frame0_ns: {SHIPPED_FRAME0_NS}}}\n")
    stack = new()
    up = ("--configs", OBSERVATORY, "--sim", "--config", mine)
    stack.up(*up)
    stack.conche("maintenance", "off", RECV1)
    assert stack.conche("start", RECV1).returncode == 0
    before = until(lambda: runs_the_table(stack))
    stored = stack.home.eop(rehearsal=True)
    kept = json.loads(stored.read_bytes())["entries"]

    earlier = stack.births()
    for program in PROGRAMS:
        if (process := stack.process(program.name)) is not None:
            process.send(signal.SIGKILL)
    until(lambda: stack.are_new(earlier), timeout=60)
    assert until(lambda: runs_the_table(stack), timeout=60) == before
    assert json.loads(stored.read_bytes())["entries"] == kept

    assert stack.conche("down").stdout == "stopped\n"
    stack.up(*up)  # the copy of the configs is another one: the table is continued from the state file
    stack.conche("maintenance", "off", RECV1)
    assert stack.conche("start", RECV1).returncode == 0
    assert until(lambda: runs_the_table(stack)) == before
    assert json.loads(stored.read_bytes())["entries"] == kept
