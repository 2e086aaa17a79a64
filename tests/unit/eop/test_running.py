"""One run: what is known becomes a table and commands, and what was pushed is stored if it failed nowhere."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from conche.contract import EopTarget, FpgaState, FpgaStatus, Outcome
from conche.eop.iers import Iers
from conche.eop.known import Known
from conche.eop.reporting import Run, sentence
from conche.eop.running import Prepared, Runner
from conche.eop.state import StateFile
from conche.settings import Eop

from .samples import BROKEN, FRAME0, KEY, NEW, NOW, TODAY, WITHOUT, desired, record, registry

pytestmark = pytest.mark.usefixtures("iers")
GOOD = FpgaStatus(state=FpgaState.GOOD, frame0_ns=FRAME0)
OK = EopTarget(outcome=Outcome.OK)
FAILED = EopTarget(outcome=Outcome.FAILED, error="too short")
DAY_NS = 86_400_000_000_000


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(Eop(), file=StateFile(tmp_path / "eop.json"))


@pytest.fixture
def known() -> Known:
    return Known(
        Eop(),
        fpga=GOOD,
        fpga_is_there=True,
        registry=registry("cx/cx1"),
        desired={("cx", "cx1"): desired(NEW)},
    )


async def prepared(runner: Runner, known: Known, *, days: float = 0) -> Prepared:
    return await runner.prepare(known, why="a test", now=NOW + timedelta(days=days))


async def pushed(runner: Runner, known: Known, *, days: float = 0, target: EopTarget = OK) -> Run:
    """Have a table pushed, some days later, with one outcome everywhere."""
    made = await prepared(runner, known, days=days)
    assert made.run.error is None
    now = NOW + timedelta(days=days)
    sent = runner.send(made.run, now=now)
    nodes = [key for parcel in made.parcels for key in parcel.nodes]
    return runner.store(replace(sent, targets=dict.fromkeys(nodes, target)), now=now)


def restarted(tmp_path: Path) -> Runner:
    """Another process, with the same files."""
    later = Runner(Eop(), file=StateFile(tmp_path / "eop.json"))
    later.memory.load(NOW)
    return later


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refine(iers: Iers, by_s: float) -> None:
    assert isinstance(iers.days, dict)
    for mjd, day in list(iers.days.items()):
        iers.days[mjd] = replace(day, ut1_utc_s=day.ut1_utc_s + by_s)


def days_in(run: Run) -> list[int]:
    assert run.merged is not None
    return [entry.t_inst_ns // DAY_NS - TODAY for entry in run.merged.table.entries]


async def test_a_table_lies_around_now_and_is_addressed_to_every_node_with_the_block(
    runner: Runner, known: Known
):
    made = await prepared(runner, known)
    assert days_in(made.run) == [-2, -1, 0, 1, 2, 3]
    assert made.run.warnings == ()
    (parcel,) = made.parcels
    assert [entry["t_inst_ns"] // DAY_NS - TODAY for entry in parcel.values[KEY]] == [-2, -1, 0, 1, 2, 3]


async def test_what_was_pushed_is_stored_and_continued_the_next_day(runner: Runner, known: Known, iers: Iers):
    await pushed(runner, known)
    first = runner.record
    assert first is not None
    assert (first.targets, first.frame0_ns, first.iers.source) == ({"cx/cx1": OK}, FRAME0, "test data")
    refine(iers, 1e-5)
    run = await pushed(runner, known, days=1)
    assert days_in(run) == [-1, 0, 1, 2, 3, 4]
    assert runner.record is not None
    assert runner.record.entries[:-1] == first.entries[1:]


async def test_a_later_process_goes_on_where_the_earlier_one_ended(
    runner: Runner, known: Known, tmp_path: Path
):
    await pushed(runner, known)
    later = restarted(tmp_path)
    assert later.memory.trouble is None
    assert (later.record, later.memory.sent) == (runner.record, runner.memory.sent)


async def test_where_any_target_failed_the_file_stays_as_it_was(runner: Runner, known: Known, tmp_path: Path):
    await pushed(runner, known)
    before = (tmp_path / "eop.json").read_bytes()
    run = await pushed(runner, known, days=1, target=FAILED)
    assert run.problem == "cx/cx1: too short"
    assert (tmp_path / "eop.json").read_bytes() == before


@pytest.mark.parametrize(
    "target", [FAILED, EopTarget(outcome=Outcome.FAILED, error="no answer within 120 s")]
)
async def test_what_was_sent_is_not_contradicted_though_it_failed_and_the_process_was_restarted(
    runner: Runner, known: Known, iers: Iers, tmp_path: Path, target: EopTarget
):
    first = await pushed(runner, known, target=target)
    refine(iers, 1e-3)
    again = await pushed(restarted(tmp_path), known, target=target)
    assert first.merged is not None
    assert again.merged is not None
    assert again.merged.table == first.merged.table
    assert not (tmp_path / "eop.json").exists()


async def test_a_crash_in_the_middle_of_a_push_changes_no_value(
    runner: Runner, known: Known, iers: Iers, tmp_path: Path
):
    made = await prepared(runner, known)
    runner.send(made.run, now=NOW)  # and no more is heard of it
    refine(iers, 1e-3)
    again = await pushed(restarted(tmp_path), known)
    assert made.run.merged is not None
    assert again.merged is not None
    assert again.merged.table == made.run.merged.table


@pytest.mark.parametrize("outcome", [Outcome.HELD, Outcome.UNREACHABLE, Outcome.SKIPPED])
async def test_nodes_that_get_it_later_keep_nothing_from_being_stored(
    runner: Runner, known: Known, outcome: Outcome
):
    await pushed(runner, known, target=EopTarget(outcome=outcome, error="stored; it is away"))
    assert runner.record is not None


async def test_another_frame0_keeps_the_table_beside_begins_anew_and_says_so(
    runner: Runner, known: Known, tmp_path: Path
):
    await pushed(runner, known)
    known.fpga = structs.replace(GOOD, frame0_ns=FRAME0 + 1)
    run = await pushed(runner, known, days=1)
    assert days_in(run) == [-1, 0, 1, 2, 3, 4]
    assert run.warnings == (f"frame0 was {FRAME0} and is {FRAME0 + 1}: the table begins anew",)
    assert "begun anew for another frame0" in sentence(run)
    assert set(os.listdir(tmp_path)) == {"eop.json", "eop.json.sent", f"eop.json.frame0-{FRAME0}"}


async def test_that_the_table_begins_anew_is_said_until_it_is_stored(
    runner: Runner, known: Known, tmp_path: Path
):
    await pushed(runner, known)
    known.fpga = structs.replace(GOOD, frame0_ns=FRAME0 + 1)
    anew = f"frame0 was {FRAME0} and is {FRAME0 + 1}: the table begins anew"
    for later in (runner, restarted(tmp_path)):
        run = await pushed(later, known, target=FAILED)
        assert run.warnings == (anew,)
        assert f"a table for frame0 {FRAME0 + 1} was sent on 2026-11-21 15:00 UTC" in later.standing()[0]
        assert f"what is stored is of frame0 {FRAME0}" in later.standing()[0]
    later = restarted(tmp_path)
    await pushed(later, known)
    assert later.standing() == []
    assert (await pushed(later, known)).warnings == ()


async def test_a_frame0_that_comes_back_is_given_the_table_that_it_had(
    runner: Runner, known: Known, iers: Iers, tmp_path: Path
):
    await pushed(runner, known)
    await pushed(runner, known, days=1, target=FAILED)  # some may have it
    first = runner.memory.sent
    assert first is not None
    known.fpga = structs.replace(GOOD, frame0_ns=FRAME0 + 1)
    await pushed(runner, known, days=1)
    refine(iers, 1e-3)
    known.fpga = GOOD
    back = await pushed(restarted(tmp_path), known, days=1)
    assert back.merged is not None
    assert back.merged.table == first.table
    assert back.warnings == (
        f"frame0 was {FRAME0 + 1} and is {FRAME0}: the table that was pushed for it before is continued",
    )


async def test_where_the_old_table_can_not_be_kept_nothing_is_sent_or_lost(
    runner: Runner, known: Known, tmp_path: Path
):
    await pushed(runner, known)
    before = contents(tmp_path)
    (tmp_path / f"eop.json.frame0-{FRAME0}").mkdir()
    known.fpga = structs.replace(GOOD, frame0_ns=FRAME0 + 1)
    made = await prepared(runner, known)
    run = runner.send(made.run, now=NOW)
    assert "nothing was sent: " in (run.error or "")
    assert contents(tmp_path) == before


async def test_data_that_jump_against_what_was_pushed_fail_the_run_and_are_not_pushed(
    runner: Runner, known: Known, iers: Iers
):
    await pushed(runner, known)
    refine(iers, 1.0)
    for days in (0, 1, 30):
        made = await prepared(runner, known, days=days)
        assert made.parcels == ()
        assert "+1.0" in (made.run.error or "")
        assert "eop.json.sent" in (made.run.error or "")


async def test_a_clock_that_was_five_days_ahead_for_a_run_leaves_a_table_that_covers_now(
    runner: Runner, known: Known
):
    await pushed(runner, known)
    ahead = await pushed(runner, known, days=5)
    assert days_in(ahead) == [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    back = await pushed(runner, known)
    assert back.error is None
    assert days_in(back) == days_in(ahead)
    assert days_in(await pushed(runner, known, days=1))[0] == -1


async def test_a_run_that_may_not_drop_only_appends(runner: Runner, known: Known):
    await pushed(runner, known)
    later = await runner.prepare(known, why="a test", now=NOW + timedelta(days=2), may_drop=False)
    assert days_in(later.run) == [-2, -1, 0, 1, 2, 3, 4, 5]


async def test_a_frame0_that_is_reported_and_not_believed_fails_the_run(runner: Runner, known: Known):
    known.fpga = FpgaStatus(
        state=FpgaState.DEGRADED, error="far off", reported_frame0_ns=FRAME0 + 9, last_frame0_ns=FRAME0
    )
    made = await prepared(runner, known)
    assert made.parcels == ()
    assert "reports a frame0 that is not believed (far off): no new table is made" in (made.run.error or "")
    known.settings = Eop(frame0_ns=FRAME0)
    assert (await prepared(runner, known)).parcels


async def test_nodes_without_the_block_are_listed_as_skipped(runner: Runner, known: Known):
    known.registry = registry("cx/cx1", "cx/cx2")
    known.desired["cx", "cx2"] = WITHOUT
    made = await prepared(runner, known)
    assert {key: (one.outcome, one.concerned) for key, one in made.run.targets.items()} == {
        "cx/cx2": (Outcome.SKIPPED, False)
    }


async def test_a_master_that_is_down_leaves_the_frame0_that_was_and_a_warning(runner: Runner, known: Known):
    known.fpga = FpgaStatus(state=FpgaState.DOWN, error="refused", last_frame0_ns=FRAME0)
    made = await prepared(runner, known)
    assert made.run.frame0_ns == FRAME0
    assert made.run.warnings == ("the FPGA master is down (refused): frame0 is taken to be what it was last",)


async def test_a_service_for_the_fpga_master_that_is_away_is_a_warning(runner: Runner, known: Known):
    known.fpga_is_there = False
    made = await prepared(runner, known)
    assert made.run.warnings == ("the fpga service is not online: frame0 is taken to be what it was last",)


@pytest.mark.parametrize("fpga", [None, FpgaStatus(state=FpgaState.UNCONFIGURED)])
async def test_without_a_frame0_it_fails_where_a_node_needs_it(
    runner: Runner, known: Known, fpga: FpgaStatus | None
):
    known.fpga = fpga
    made = await prepared(runner, known)
    assert made.run.problem is not None
    assert "eop.frame0_ns" in made.run.problem
    assert made.run.targets.keys() == {"cx/cx1"}
    known.desired["cx", "cx1"] = WITHOUT
    made = await prepared(runner, known)
    assert made.run.problem is None
    assert "no node has an updatable block" in sentence(made.run)


async def test_a_frame0_of_the_settings_comes_first(runner: Runner, known: Known):
    known.settings = Eop(frame0_ns=FRAME0 + 7)
    made = await prepared(runner, known)
    assert (made.run.frame0_ns, made.run.warnings) == (FRAME0 + 7, ())


async def test_a_frame0_in_the_future_and_data_that_end_are_told_in_words(runner: Runner, known: Known):
    known.fpga = structs.replace(GOOD, frame0_ns=2 * FRAME0)
    assert "look at the clocks" in ((await prepared(runner, known)).run.error or "")
    known.fpga = GOOD
    assert "has no 20" in ((await prepared(runner, known, days=400)).run.error or "")
    made = await prepared(runner, known, days=340)
    assert any("the IERS data end on" in words for words in made.run.warnings)


async def test_a_stored_table_that_lies_beside_now_is_not_pushed(
    runner: Runner, known: Known, tmp_path: Path
):
    StateFile(tmp_path / "eop.json").write(record(100, 101, 102))
    runner.memory.load(NOW)
    made = await prepared(runner, known)
    assert made.parcels == ()
    assert "lies beside the time that it is here" in (made.run.error or "")
    assert "eop.json" in (made.run.error or "")


async def test_a_clock_that_was_set_back_within_the_table_changes_no_value(runner: Runner, known: Known):
    await pushed(runner, known)
    before = runner.record
    run = await pushed(runner, known, days=-1)
    assert before is not None
    assert run.merged is not None
    assert list(run.merged.table.entries) == before.entries


async def test_without_a_registry_nothing_is_pushed(runner: Runner, known: Known):
    known.registry = None
    made = await prepared(runner, known)
    assert "there is no registry yet" in (made.run.error or "")


async def test_a_node_without_a_config_is_a_warning_and_one_with_other_fields_a_failure(
    runner: Runner, known: Known
):
    known.registry = registry("cx/cx1", "cx/cx2", "cx/cx3")
    known.desired |= {("cx", "cx2"): BROKEN, ("cx", "cx3"): desired({"mjd": 1})}
    made = await prepared(runner, known)
    assert any("no config, so no table, for cx/cx2: cx1.j2: line 3" in words for words in made.run.warnings)
    assert made.run.failed.keys() == {"cx/cx3"}
    assert [parcel.node for parcel in made.parcels] == ["cx1"]


async def test_where_a_disk_is_full_nothing_is_sent_that_could_not_be_remembered(
    runner: Runner, known: Known, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("conche.eop.state.write_atomic", full)
    made = await prepared(runner, known)
    run = runner.send(made.run, now=NOW)
    assert "nothing was sent: " in (run.error or "")
    assert "No space left on device" in (run.error or "")


async def test_a_disk_that_is_full_when_a_table_was_pushed_is_told(
    runner: Runner, known: Known, monkeypatch: pytest.MonkeyPatch
):
    made = await prepared(runner, known)
    run = replace(runner.send(made.run, now=NOW), targets={"cx/cx1": OK})
    monkeypatch.setattr("conche.eop.state.write_atomic", full)
    assert "the table was pushed, and is not stored: " in (runner.store(run, now=NOW).problem or "")


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", ["eop.json", "eop.json.sent"])
async def test_a_file_that_makes_no_sense_is_told_until_a_table_is_stored(
    runner: Runner, known: Known, tmp_path: Path, name: str
):
    (tmp_path / name).write_text("{")
    runner.memory.load(NOW)
    assert f"{name} makes no sense" in runner.standing()[0]
    assert "is set aside" in runner.standing()[0]
    await pushed(runner, known, target=FAILED)
    assert "is set aside" in runner.standing()[0]
    await pushed(runner, known)
    assert runner.standing() == []


@pytest.mark.parametrize("name", ["eop.json", "eop.json.sent"])
async def test_a_file_that_can_not_be_read_is_not_written_over_and_nothing_is_pushed(
    runner: Runner, known: Known, tmp_path: Path, name: str
):
    (tmp_path / name).mkdir()
    runner.memory.load(NOW)
    made = await prepared(runner, known)
    assert made.parcels == ()
    assert "can't be read: Is a directory" in (made.run.error or "")
    (tmp_path / name).rmdir()
    assert (await prepared(runner, known)).parcels
    assert runner.memory.trouble is None
