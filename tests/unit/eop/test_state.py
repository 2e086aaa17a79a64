"""The state file: what is in it can be believed, and what can't be is set aside."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from msgspec.json import encode

from conche.eop.state import KEPT, StateFile, StateUnavailable

from .samples import FRAME0, NOW, record

DAY_NS = 86_400_000_000_000
NOON = {"t_inst_ns": 20_000 * DAY_NS + DAY_NS // 2, "delta_UT1_inst": 0.1, "xp_as": 0.1, "yp_as": 0.1}
GOOD = record(-2, -1, 0, 1, 2, 3)


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "eop" / "eop.json")


def content(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode(GOOD)), **changes}).encode()


def test_what_is_written_is_read_and_is_json_for_people(file: StateFile):
    file.write(GOOD)
    assert file.read(NOW) == (GOOD, None)
    assert json.loads(file.path.read_text())["entries"][0].keys() == {
        "t_inst_ns", "delta_UT1_inst", "xp_as", "yp_as", "predicted"
    }  # fmt: skip


def test_without_a_file_nothing_is_stored_and_nothing_is_wrong(file: StateFile):
    assert file.read(NOW) == (None, None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "makes no sense"),
        (encode(GOOD)[:-20], "makes no sense"),
        (b'"\xff', "makes no sense"),
        (b"[" * 10_000, "makes no sense"),
        (b"[]", "makes no sense"),
        (content(format=0), "format 0, this version writes 1"),
        (content(format=2), "format 2"),
        (b"{}", "format 0"),
        (content(entries=json.loads(encode(GOOD.entries))[::-1]), "out of order"),
        (content(entries=[json.loads(encode(GOOD.entries[0]))] * 2), "out of order"),
        (content(entries=[]), "has no entries"),
        (content(entries=[{"t_inst_ns": 1.5, "delta_UT1_inst": 0, "xp_as": 0, "yp_as": 0}]), "no sense"),
        (content(frame0_ns=0), "times that can't be"),
        (content(entries=[dict(NOON)]), "at no midnight"),
        (
            content(
                entries=[{**NOON, "t_inst_ns": NOON["t_inst_ns"] - NOON["t_inst_ns"] % DAY_NS + 2 * 10**9}]
            ),
            "no midnight",
        ),
        (content(frame0_ns=10**30), "."),
    ],
)
def test_what_can_not_be_believed_is_set_aside_with_a_warning_that_says_why(
    file: StateFile, data: bytes, words: str
):
    file.path.parent.mkdir()
    file.path.write_bytes(data)
    found, trouble = file.read(NOW)
    assert found is None
    assert trouble is not None
    assert words in trouble
    assert "set aside as eop.json.bad-20261121T150000Z" in trouble
    assert not file.path.exists()
    assert (file.path.parent / "eop.json.bad-20261121T150000Z").read_bytes() == data


def test_entries_from_before_a_leap_second_became_known_are_believed(file: StateFile):
    late = structs.replace(GOOD.entries[-1], t_inst_ns=GOOD.entries[-1].t_inst_ns + 10**9)
    one = structs.replace(GOOD, entries=[*GOOD.entries[:-1], late])
    file.write(one)
    assert file.read(NOW) == (one, None)


def test_only_the_last_few_files_that_were_set_aside_are_kept(file: StateFile):
    for second in range(KEPT + 3):
        file.path.parent.mkdir(exist_ok=True)
        file.path.write_text("{")
        file.read(NOW + timedelta(seconds=second))
        file.keep_beside(record(-1, 0, 1, frame0_ns=FRAME0 + second))
    assert len(list(file.path.parent.glob("*.bad-*"))) == KEPT
    kept = [file.kept_beside(FRAME0 + second) for second in range(KEPT + 3)]
    assert [one is not None for one in kept] == [False] * 3 + [True] * KEPT


def test_a_file_that_can_not_be_read_is_not_taken_for_none(file: StateFile):
    file.path.mkdir(parents=True)
    with pytest.raises(StateUnavailable, match="can't be read: Is a directory"):
        file.read(NOW)


def test_where_nothing_can_be_written_that_is_said_and_the_old_one_stays(tmp_path: Path):
    (tmp_path / "eop").write_text("a file in the place of the folder")
    with pytest.raises(StateUnavailable, match="can't be written"):
        StateFile(tmp_path / "eop" / "eop.json").write(GOOD)


def test_setting_aside_what_is_not_there_changes_nothing(file: StateFile):
    file.path.parent.mkdir()
    file.set_aside("is old", suffix=f"bad-{datetime(2026, 1, 1, tzinfo=UTC):%Y}")
    assert list(file.path.parent.iterdir()) == []
