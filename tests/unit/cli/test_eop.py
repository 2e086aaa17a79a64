"""`conche eop table` and `plot`, which need no broker, and how the table is shown."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from astropy.utils import iers as astropy_iers
from click.testing import CliRunner, Result
from msgspec import structs
from msgspec.structs import replace
from rich.console import Console

from conche.cli.eopline import EopView, eop_view
from conche.cli.eopstate import blocks_of
from conche.cli.main import main
from conche.cli.overview import overview
from conche.cli.status import Detail
from conche.cli.status import blocks_of as status_blocks
from conche.client.targets import resolve
from conche.contract import (
    EopData,
    EopEntry,
    EopState,
    EopStatus,
    EopTarget,
    Health,
    Outcome,
    ServiceBirth,
    ServiceState,
)
from conche.eop.iers import read_bundled, read_bundled_b
from conche.eop.marks import marks_of
from conche.eop.merge import Stored
from conche.eop.plotting import picture as picture_of
from conche.eop.plotting import title
from conche.eop.state import Record, StateFile

from .samples import picture, status

FRAME0 = "1772838439000002880"
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
NAMES = ["t_inst_ns", "delta_UT1_inst", "xp_as", "yp_as"]


def eop(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["eop", *arguments], prog_name="conche")


def test_a_table_is_printed_as_a_list_of_entries():
    ran = eop("table", "--frame0-ns", FRAME0, "--at", "2026-03-04T12:00Z", "--json")
    assert ran.exit_code == 0, ran.output
    entries = json.loads(ran.output)
    assert [list(entry) for entry in entries] == [NAMES] * 6
    assert entries[2]["t_inst_ns"] == 1_772_582_400_000_000_000
    assert entries[2]["delta_UT1_inst"] == pytest.approx(0.0657, abs=1e-3)


def test_before_and_after_are_whole_intervals():
    ran = eop(
        "table", "--frame0-ns", FRAME0, "--at", "2026-03-04T12:00Z", "--before", "0", "--after", "3", "--json"
    )
    assert len(json.loads(ran.output)) == 5


@pytest.mark.parametrize("frame0", ["1400000000123456789", "1451606399999999999", "1483228800000000001"])
def test_a_leap_second_is_crossed_whatever_frame0_is(frame0: str):
    ran = eop("table", "--frame0-ns", frame0, "--at", "2016-12-31T12:00Z", "--iers", "b", "--json")
    times = [entry["t_inst_ns"] for entry in json.loads(ran.output)]
    assert times[3] - times[2] == 86_401_000_000_000


def test_for_people_predictions_are_marked_and_the_data_are_named():
    ran = eop("table", "--frame0-ns", FRAME0, "--at", "2026-03-04T12:00Z")
    assert "2026-03-04  1772582400000000000" in ran.stdout
    assert "predicted" not in ran.stdout
    assert "finals2000A of astropy-iers-data" in ran.stderr
    end = astropy_iers.IERS_A.read(astropy_iers.IERS_A_FILE).meta["predictive_mjd"]
    at = datetime(1858, 11, 17, tzinfo=UTC) + timedelta(days=float(end) + 5)
    assert eop("table", "--frame0-ns", FRAME0, "--at", at.isoformat()).stdout.count("predicted") == 6


def test_data_of_a_file_are_those_that_are_used(tmp_path: Path):
    file = tmp_path / "mine"
    file.write_bytes(Path(astropy_iers.IERS_B_FILE).read_bytes())
    given = ["--frame0-ns", FRAME0, "--at", "2026-03-04T12:00Z", "--json", "--iers"]
    assert json.loads(eop("table", *given, str(file)).output) == json.loads(eop("table", *given, "b").output)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--frame0-ns", "1772838439"), 1, "not in nanoseconds"),
        (("--frame0-ns", "1.5e18"), 2, "not a valid integer"),
        (("--frame0-ns", FRAME0, "--at", "2026-03-04"), 2, "has no zone"),
        (("--frame0-ns", FRAME0, "--at", "noon"), 2, "say 2026-11-21T17:30Z"),
        (("--frame0-ns", FRAME0, "--at", "2050-01-01T00:00Z"), 1, "pip install --upgrade astropy-iers-data"),
        (("--frame0-ns", FRAME0, "--iers", "/nowhere"), 1, "can't be read: No such file"),
        (("--frame0-ns", FRAME0, "--iers", "b", "--at", "2049-01-01T00:00Z"), 1, "eopc04 of"),
        ((), 2, "--frame0-ns"),
        (("--frame0-ns", FRAME0, "--at", "0001-01-01T00:00Z"), 2, "for the years 1900 to 2199"),
        (("--frame0-ns", FRAME0, "--at", "0001-01-01T00:00+14:00"), 2, "for the years 1900 to 2199"),
        (("--frame0-ns", FRAME0, "--at", "9999-12-31T23:00-14:00"), 2, "for the years 1900 to 2199"),
        (("--frame0-ns", FRAME0, "--at", "1900-01-01T00:00Z", "--before", "1000"), 1, "it reaches from"),
    ],
)
def test_what_is_wrong_is_said_in_words(arguments: tuple[str, ...], code: int, words: str):
    ran = eop("table", *arguments)
    assert ran.exit_code == code
    assert words in ran.output


def test_a_picture_is_drawn(tmp_path: Path):
    ran = eop("plot", str(tmp_path / "eop.png"), "--at", "2026-03-04T12:00Z")
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "eop.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_a_year_that_can_not_be_is_refused(tmp_path: Path):
    ran = eop("plot", str(tmp_path / "eop.png"), "--at", "9999-12-31T23:59Z")
    assert (ran.exit_code, "for the years 1900 to 2199" in ran.output) == (2, True)


def entries_of(*values: float, predicted: bool = False) -> list[EopEntry]:
    """Entries of 2026-03-04 and the days after it."""
    return [
        EopEntry(
            t_inst_ns=1_772_582_400_000_000_000 + n * 86_400 * 10**9, delta_UT1_inst=value, xp_as=value, yp_as=value,
            predicted=predicted,
        )
        for n, value in enumerate(values)
    ]  # fmt: skip


def test_marks_are_the_values_that_were_published_and_hollow_where_they_were_predictions():
    entries = (*entries_of(0.1, 0.2), *entries_of(0, 0, 0.3, predicted=True)[2:])
    marks = marks_of(Stored(int(FRAME0), entries))
    assert [(mark.mjd, mark.ut1_utc_s, mark.predicted) for mark in marks] == [
        (61_103, 0.1, False), (61_104, 0.2, False), (61_105, 0.3, True)
    ]  # fmt: skip
    upper = picture_of(read_bundled(), marks=marks).axes[0]
    drawn = [line for line in upper.lines if line.get_marker() == "o"]
    assert [list(line.get_ydata()) for line in drawn] == [[0.1, 0.2], [0.3]]
    assert [line.get_markerfacecolor() for line in drawn] == ["tab:blue", "none"]


def test_marks_have_the_leap_seconds_that_utc_has():
    before = 1_400_000_000_000_000_000  # two leap seconds before the entries
    times = [structs.replace(one, t_inst_ns=one.t_inst_ns + 2 * 10**9) for one in entries_of(-1.9)]
    (mark,) = marks_of(Stored(before, tuple(times)))
    assert (mark.mjd, round(mark.ut1_utc_s, 9)) == (61_103, 0.1)


def test_final_values_are_not_said_to_be_predictions():
    assert "predicted" in title(read_bundled())
    assert "predicted" not in title(read_bundled_b())


def test_a_state_file_s_entries_are_drawn_without_a_broker(tmp_path: Path):
    state = tmp_path / "eop.json"
    entries = entries_of(0.1, 0.2)
    StateFile(state).write(Record(written_at=NOW, frame0_ns=int(FRAME0), iers=DATA, entries=entries))
    ran = eop("plot", str(tmp_path / "eop.png"), "--state", str(state))
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "eop.png").exists()
    state.write_text("{")
    ran = eop("plot", str(tmp_path / "eop.png"), "--state", str(state))
    assert (ran.exit_code, "eop.json: " in ran.output) == (1, True)
    assert state.read_text() == "{"


def test_without_a_broker_a_picture_says_what_can_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONCHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ran = eop("plot", str(tmp_path / "eop.png"))
    assert ran.exit_code != 0
    assert "--state FILE marks the table of a state file, --at TIME" in ran.output
    both = eop("plot", str(tmp_path / "eop.png"), "--at", "2026-03-04T12:00Z", "--state", __file__)
    assert (both.exit_code, "give one of them" in both.output) == (2, True)


@pytest.mark.parametrize(
    ("file", "words"),
    [("eop.foo", "'foo' is not supported"), ("away/eop.png", "can't be written: No such file")],
)
def test_a_picture_that_can_not_be_drawn_is_told(tmp_path: Path, file: str, words: str):
    ran = eop("plot", str(tmp_path / file), "--at", "2026-03-04T12:00Z")
    assert ran.exit_code == 1
    assert words in ran.output


def test_only_these_commands_import_astropy():
    code = (
        "import sys; import conche.cli.status, conche.cli.eopstate, conche.cli.eop, conche.local.commands, "
        "conche.client; sys.exit('astropy' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- the running service's


DATA = EopData(
    source="finals2000A of test", measured_to=NOW - timedelta(days=9), age_days=9, runs_out_at=NOW,
    predicted_from=NOW - timedelta(days=8),
)  # fmt: skip
ENTRY = EopEntry(t_inst_ns=1, delta_UT1_inst=-0.1, xp_as=0.1, yp_as=0.2, predicted=True)
FRESH = EopStatus(
    state=EopState.FRESH, last_success_at=NOW - timedelta(hours=3), first=NOW, last=NOW, entries=[ENTRY],
    frame0_ns=int(FRAME0), iers=DATA, next_run_at=NOW + timedelta(hours=21),
    targets={"cx/cx1": EopTarget(outcome=Outcome.OK), "cx/cx2": EopTarget(outcome=Outcome.HELD, error="stored; why")},
)  # fmt: skip
ONLINE = ServiceBirth(state=ServiceState.ONLINE, boot="b", since=NOW)


def printed(view: EopView, *, width: int = 140) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        for block in blocks_of(view, NOW):
            console.print(block)
    return captured.get()


def test_one_line_tells_state_age_reach_and_how_many_have_it():
    line = EopView(FRESH).words(NOW).plain
    assert line == "fresh  built 3 h ago, reaches 15:00 UTC, at 1 of 2 nodes"


def test_all_of_it_is_shown_with_what_became_of_each_node():
    shown = printed(EopView(FRESH))
    for words in (
        "next run  2026-11-22 12:00 UTC",
        f"frame0    {FRAME0} ns",
        "measured to 2026-11-12 (9 d ago), ends 2026-11-21",
        "nodes     ok  cx/cx1",
        "nodes     held  cx/cx2: stored; why",
        "2026-11-21          1      -0.1000000  0.100000  0.200000  predicted",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("state", "health"),
    [
        (EopState.FRESH, Health.NORMAL),
        (EopState.STALE, Health.WARNING),
        (EopState.FAILED, Health.ERROR),
        (EopState.NEVER, Health.WARNING),
    ],
)
def test_how_bad_it_is_follows_from_the_state_if_a_node_needs_it(state: EopState, health: Health):
    targets = FRESH.targets
    assert EopView(EopStatus(state=state, targets=targets)).health is health
    skipped = {"cx/cx1": EopTarget(outcome=Outcome.SKIPPED, error="has no such block", concerned=False)}
    for nobody in ({}, skipped):
        view = EopView(EopStatus(state=state, targets=nobody))
        assert view.health is Health.NORMAL
        assert view.words(NOW).plain.startswith(f"{state}  none was pushed yet")
        assert view.words(NOW).style == "dim"


def test_a_failure_without_targets_is_seen_in_the_status():
    failed = EopStatus(state=EopState.FAILED, error="there is no registry yet")
    text = in_status(failed)
    assert "eop     failed  none was pushed yet; there is no registry yet" in text


def test_a_warning_stands_in_the_status_and_makes_it_one():
    text = in_status(replace(FRESH, warning="the IERS data end on 2026-12-20"))
    assert "the IERS data end on 2026-12-20" in " ".join(text.split())
    assert text.splitlines()[-1].startswith("warning")


def in_status(eop: EopStatus) -> str:
    """What `conche status` shows, on 80 columns."""
    one = picture({"cx/cx1": status()}, eop="online")
    console = Console(width=80)
    with console.capture() as captured:
        for block in status_blocks(
            overview(one, resolve(["all"], one.groups()), NOW, eop=eop), Detail.FOLDED, now=NOW
        ):
            console.print(block)
    assert all(len(line) <= 80 for line in captured.get().splitlines())
    return captured.get()


def test_eighty_columns_are_enough_for_a_table_to_the_nanosecond():
    long = EopEntry(
        t_inst_ns=1_772_838_439_000_002_880, delta_UT1_inst=-12.3456789, xp_as=-0.123456, yp_as=-0.123456,
        predicted=True,
    )  # fmt: skip
    text = printed(EopView(replace(FRESH, entries=[long], error="word " * 40, warning="x" * 100)), width=80)
    assert all(len(line) <= 80 for line in text.splitlines())
    row = "2026-11-21  1772838439000002880     -12.3456789  -0.123456  -0.123456  predicted"
    assert row in text.splitlines()
    assert text.count("word") == 40


def test_a_service_that_is_away_is_told_with_what_it_said_last():
    gone = ServiceBirth(state=ServiceState.LOST, boot="b", since=NOW, host="tubular")
    view = eop_view(FRESH, gone)
    assert view is not None
    assert view.health is Health.WARNING
    assert view.words(NOW).plain.startswith("eop is lost, it ran on tubular; last it was fresh")
    assert "next run" not in printed(view)
    assert eop_view(None, None) is None
    here = eop_view(FRESH, ONLINE)
    assert here is not None
    assert here.absence is None
