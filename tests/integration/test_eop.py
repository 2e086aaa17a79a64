"""The eop service beside a whole data plane: its table is what simulated kotekans run."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from conche.bus.client import Client
from conche.client import Conche
from conche.contract import EOP, EopState, EopStatus, Outcome
from conche.eop.state import StateFile
from conche.settings import Fpga
from conche.sim.fpga import FpgaMaster
from conche.sim.launch import simulated_fpga

from .harness import Mosquitto
from .stack import CONFIG, PATIENCE_S, Stack, running_stack
from .test_fpga import refreshed

KEY = "earth_orientation_parameter_table"
FRAME0 = 1_772_838_439_000_002_880
NEW = "{t_inst_ns: 1772582400000000000, delta_UT1_inst: 0.1, xp_as: 0.1, yp_as: 0.4}"
OLD = "{time_inst_ns: 1772582400000000000, delta_UT1_inst: 0.1, x_pm: 0.1, y_pm: 0.4}"
BLOCK = f"earth_rotation_data:\n  kotekan_update_endpoint: json\n  {KEY}: [%s]\n"
NODES = ("recv/recv1", "recv/recv2", "cx/cx1", "cx/cx2")


class EopStack(Stack):
    """A stack with the eop service, an FPGA master, and nodes whose configs have the block."""

    fpga: FpgaMaster

    async def eop(self) -> EopStatus | None:
        async with Client(self.broker.settings, account="operator") as client:
            found = await client.read(EOP)
        return found[0][1] if found else None

    async def until_eop(self, **wanted: Any) -> EopStatus:
        """Wait for fields of the status to be so."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                status = await self.eop()
                if status is not None and all(getattr(status, k) == v for k, v in wanted.items()):
                    return status
                await asyncio.sleep(0.05)


@pytest.fixture
async def stack(mosquitto: Mosquitto, tmp_path: Path) -> AsyncIterator[EopStack]:
    async with (
        simulated_fpga() as (master, url),
        running_stack(mosquitto, tmp_path, *NODES, fpga_url=url) as running,
    ):
        running.__class__ = EopStack
        assert isinstance(running, EopStack)
        running.fpga = master
        master.order({"frame0_ns": FRAME0, "start_ctime": FRAME0 / 1e9})
        for node in NODES[:2]:
            running.write(f"{node}.yaml", CONFIG + BLOCK % (NEW if node == "recv/recv1" else OLD))
        running.write("cx/cx1.yaml", CONFIG + BLOCK % "")
        async with Conche(broker=mosquitto.settings) as telescope:
            await telescope.maintenance("all", on=False)
            report = await telescope.start("all")
            assert report.ok, report
        await running.begin("fpga")
        yield running


async def live(stack: EopStack, node: str) -> Any:
    async with Conche(broker=stack.broker.settings) as telescope:
        report = await telescope.inspect(node, config=True)
    inspection = report.results[node].inspection
    assert inspection is not None
    config = json.loads(bytes(inspection.config))
    return config["earth_rotation_data"][KEY]


async def test_the_table_runs_at_every_node_that_has_the_block_under_its_own_names(stack: EopStack):
    await stack.begin("eop")
    status = await stack.until_eop(state=EopState.FRESH)
    assert status.frame0_ns == FRAME0
    assert len(status.entries) == 6
    without = status.targets["cx/cx2"]
    assert {
        key: target.outcome for key, target in status.targets.items() if target.concerned
    } == dict.fromkeys(("recv/recv1", "recv/recv2", "cx/cx1"), Outcome.OK)
    assert (without.outcome, without.error) == (
        Outcome.SKIPPED, "has no updatable block earth_rotation_data"
    )  # fmt: skip
    new, old, empty = [await live(stack, node) for node in ("recv/recv1", "recv/recv2", "cx/cx1")]
    assert [entry["t_inst_ns"] for entry in new] == [entry.t_inst_ns for entry in status.entries]
    assert set(old[0]) == {"time_inst_ns", "delta_UT1_inst", "x_pm", "y_pm"}
    assert (
        [e["time_inst_ns"] for e in old] == [e["t_inst_ns"] for e in new] == [e["t_inst_ns"] for e in empty]
    )
    record, trouble = StateFile(stack.settings.eop.state_file).read(datetime.now(UTC))
    assert trouble is None
    assert record is not None
    assert record.entries == status.entries


async def test_another_frame0_begins_a_new_table_and_says_so(stack: EopStack):
    await stack.begin("eop")
    await stack.until_eop(state=EopState.FRESH, frame0_ns=FRAME0)
    stack.fpga.order({"frame0_ns": FRAME0 + 5, "start_ctime": FRAME0 / 1e9})
    ran = await stack.conche("fpga", "--refresh", "--json")
    assert ran.code == 0, ran
    status = await stack.until_eop(state=EopState.FRESH, frame0_ns=FRAME0 + 5)
    assert f"frame0 was {FRAME0} and is {FRAME0 + 5}: the table begins anew" in (status.warning or "")
    folder = stack.settings.eop.state_file.parent
    assert (folder / f"eop.json.frame0-{FRAME0}").exists()


async def test_a_node_in_maintenance_gets_the_table_when_it_is_taken_out(stack: EopStack):
    async with Conche(broker=stack.broker.settings) as telescope:
        await telescope.maintenance("recv/recv1", on=True, reason="cables")
        await stack.begin("eop")
        status = await stack.until_eop(state=EopState.FRESH)
        assert status.targets["recv/recv1"].outcome is Outcome.HELD
        await telescope.maintenance("recv/recv1", on=False)
        await stack.until_node("recv/recv1", lambda s: s.live == s.desired and not s.drift.endpoints)
    assert len(await live(stack, "recv/recv1")) == 6


async def test_a_kotekan_that_rejects_the_table_fails_the_run_in_its_words_and_nothing_is_stored(
    stack: EopStack,
):
    stack.fault("cx/cx1", "reject_value", endpoint="earth_rotation_data")
    await stack.begin("eop")
    status = await stack.until_eop(state=EopState.FAILED)
    assert status.targets["cx/cx1"].outcome is Outcome.FAILED
    assert status.error is not None
    assert status.error.startswith("cx/cx1: ")
    assert status.targets["recv/recv1"].outcome is Outcome.OK
    assert not stack.settings.eop.state_file.exists()


async def test_an_operator_has_it_run_and_is_shown_what_a_dry_run_would_do(stack: EopStack):
    await stack.begin("eop")
    await stack.until_eop(state=EopState.FRESH)
    dry = await stack.conche("eop", "run", "--dry-run", "--json")
    assert dry.code == 0, dry
    assert {one["outcome"] for one in dry.json["results"].values()} == {"skipped"}
    ran = await stack.conche("eop", "run")
    assert ran.code == 0, ran
    assert "fresh" in ran.out
    assert "ok  cx/cx1, recv/recv1, recv/recv2" in ran.out
    shown = await stack.conche("eop")
    assert shown.code == 0, shown
    assert f"{FRAME0} ns" in shown.out
    assert "next run" in shown.out


async def test_a_node_that_gets_the_block_later_is_told_soon(stack: EopStack):
    await stack.begin("eop")
    await stack.until_eop(state=EopState.FRESH)
    stack.write("cx/cx2.yaml", CONFIG + BLOCK % NEW)
    async with asyncio.timeout(PATIENCE_S):
        while not (status := await stack.until_eop(state=EopState.FRESH)).targets["cx/cx2"].concerned:
            await asyncio.sleep(0.1)
    assert status.targets["cx/cx2"].outcome is Outcome.OK


async def test_without_the_service_that_is_said_and_what_to_do(stack: EopStack):
    ran = await stack.conche("eop")
    assert ran.code == 3
    assert "eop has never been online: begin it with conche eop-service" in ran.err
    await stack.begin("eop")
    await stack.until_eop(state=EopState.FRESH)
    await stack.end("eop")
    ran = await stack.conche("eop")
    assert ran.code == 1
    assert "eop was stopped" in ran.out
    assert (await stack.conche("eop", "run")).code == 3


async def test_a_broker_that_dies_while_a_table_is_pushed_is_waited_for(stack: EopStack):
    await stack.begin("eop")
    await stack.until_eop(state=EopState.FRESH)
    await stack.end("renderer")  # nobody answers for now
    before = await stack.eop()
    running = asyncio.create_task(stack.conche("eop", "run"))
    await asyncio.sleep(1)
    stack.broker.stop()
    assert (await running).code == 3
    await stack.broker.start()
    await stack.begin("renderer")
    async with asyncio.timeout(2 * PATIENCE_S):
        while (status := await stack.eop()) is None or status.last_success_at == before.last_success_at:
            await asyncio.sleep(0.1)
    assert status.state is EopState.FRESH


async def test_the_header_of_status_has_a_line_for_it(stack: EopStack):
    await stack.begin("eop")
    await stack.until_eop(state=EopState.FRESH)
    shown = await stack.conche("status")
    assert "eop     fresh  built" in shown.out
    assert "at 3 of 3 nodes" in " ".join(shown.out.split())
    assert (await stack.conche("status", "--json")).json["eop"]["state"] == "fresh"


async def lines_of_status(stack: EopStack) -> dict[str, str]:
    """What `conche status` shows of fpga and eop, each in one line."""
    out = (await stack.conche("status")).out
    assert max(map(len, out.splitlines())) <= 80
    found = {}
    for name in ("fpga", "eop"):
        begin = out.find(f"\n{name} ")
        lines = out[begin + 1 :].splitlines() if begin >= 0 else []
        more = [line for line in takewhile(lambda line: line.startswith("  "), lines[1:])]
        found[name] = " ".join(" ".join([*lines[:1], *more]).split())
    return found


async def test_every_state_of_both_services_is_shown_as_it_is(stack: EopStack):
    await stack.end("fpga")
    await never_and_unconfigured(stack)
    await good_and_fresh(stack)
    await degraded_and_failed(stack)
    await down(stack)
    await stale(stack)


async def never_and_unconfigured(stack: EopStack) -> None:
    settings = stack.settings
    stack.settings = replace(settings, fpga=Fpga())
    await stack.begin("eop")  # it waits for the fpga service, for a while
    await stack.until_eop(state=EopState.NEVER)
    assert (await lines_of_status(stack))["eop"].startswith("eop never none was pushed yet")

    await stack.begin("fpga")
    assert (await refreshed(stack))["state"] == "unconfigured"
    shown = await lines_of_status(stack)
    assert shown["fpga"] == "fpga unconfigured no FPGA master: the setting fpga.url names it"
    await stack.end("fpga")
    stack.settings = settings


async def good_and_fresh(stack: EopStack) -> None:
    await stack.begin("fpga")
    assert (await refreshed(stack))["state"] == "good"
    await stack.until_eop(state=EopState.FRESH)
    shown = await lines_of_status(stack)
    assert shown["fpga"].startswith("fpga good frame0 2026-03-06 23:07:19Z")
    assert shown["eop"].startswith("eop fresh built")


async def degraded_and_failed(stack: EopStack) -> None:
    stack.fpga.order({"frame0_ns": FRAME0 - 3600 * 10**9})
    assert (await refreshed(stack))["state"] == "degraded"
    await stack.until_eop(state=EopState.FAILED)
    shown = await lines_of_status(stack)
    assert shown["fpga"].startswith("fpga degraded frame0 is 2026-03-06 22:07:19Z")
    assert "the setting fpga.max_off_s" in shown["fpga"]
    assert shown["eop"].startswith("eop failed built")
    assert "reports a frame0 that is not believed" in shown["eop"]


async def down(stack: EopStack) -> None:
    stack.fpga.order({"frame0_ns": FRAME0, "fault": "gone"})
    assert (await refreshed(stack))["state"] == "down"
    assert (await lines_of_status(stack))["fpga"].startswith(
        "fpga down GET /status: the connection was closed"
    )


async def stale(stack: EopStack) -> None:
    await stack.until_eop(state=EopState.FRESH)
    await stack.end("eop")
    await stack.end("fpga")  # so that eop waits for it
    file = StateFile(stack.settings.eop.state_file)
    record, _ = file.read(datetime.now(UTC))
    assert record is not None
    file.write(replace(record, written_at=record.written_at - timedelta(hours=26)))
    await stack.begin("eop")
    await stack.until_eop(state=EopState.STALE)
    shown = await lines_of_status(stack)
    assert shown["eop"].startswith("eop stale built 26 h ago")
    assert shown["fpga"].startswith("fpga fpga was stopped")
