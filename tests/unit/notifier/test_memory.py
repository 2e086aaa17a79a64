"""What outlives a restart, and a file that is no good."""

from pathlib import Path

import pytest

from conche.notifier.memory import Memory, MemoryFile, MemoryUnavailable, drops_of, records_of, remembered
from conche.notifier.picture import Drops
from conche.notifier.raising import Ledger
from conche.notifier.times import Now

from .samples import Course, at, course, down, plan, rule, shapes


@pytest.fixture
def file(tmp_path: Path) -> MemoryFile:
    return MemoryFile(tmp_path / "state" / "notifier.json")


def successor(before: Course, file: MemoryFile) -> Course:
    """A process that begins five seconds later, on a machine that was started anew: its other clock begins at 0."""
    then = at(before.second)
    file.write(remembered(before.ledger.records, None, then))
    memory, problem = file.read()
    assert problem is None
    begun = at(before.second + 5)
    records = records_of(memory, ("ops", "night"), begun)
    after = Course(Ledger(plan(rule("ops", "night"), repeat_s=3600.0), records), begin_s=before.second + 5)
    after.standing = before.standing
    return after


def test_a_restart_neither_repeats_nor_forgets_that_it_ended(file: MemoryFile):
    ops = course(rule("ops", "night"), repeat_s=3600.0)
    ops.set(down())
    assert len(ops.run(600)) == 2
    after = successor(ops, file)
    assert after.run(2000) == []
    after = successor(after, file)
    after.set()
    told = after.run(100)
    assert shapes(told) == [(0, 0, 1)] * 2
    assert told[0].cleared[0].lasted_s == pytest.approx(2610)
    assert successor(after, file).run(5000) == []


def test_what_ended_during_the_restart_is_told_as_ended(file: MemoryFile):
    ops = course(rule("ops"))
    ops.set(down())
    ops.run(600)
    ops.set()
    assert shapes(successor(ops, file).run(100)) == [(0, 0, 1)]


def test_what_had_begun_before_a_restart_need_not_last_anew(file: MemoryFile):
    ops = course()
    ops.set(down())
    ops.run(50)
    after = successor(ops, file)
    assert after.run(5) == []
    assert len(after.run(20)) == 2


def test_it_is_repeated_when_that_is_due_whatever_was_restarted(file: MemoryFile):
    ops = course(rule("ops", "night"), repeat_s=3600.0)
    ops.set(down())
    ops.run(1800)
    assert shapes(successor(ops, file).run(1900)) == [(0, 1, 0)] * 2


def test_times_hold_although_the_other_clock_begins_anew_and_the_wall_clock_was_set_back():
    then = at(600)
    ops = course()
    ops.set(down())
    ops.run(600)
    memory = remembered(ops.ledger.records, Drops(7, 5, at(590).s), then)
    anew = Now(at(610).at, 3.0)
    (record,) = records_of(memory, ("ops",), anew)
    assert record.since_s == pytest.approx(3.0 - 609)
    drops = drops_of(memory, anew)
    assert drops == Drops(7, 5, pytest.approx(-17.0))
    (record,) = records_of(memory, ("ops",), Now(at(0).at, 3.0))
    assert record.since_s == pytest.approx(3.0)


def test_channels_that_there_are_no_more_were_told_nothing():
    ops = course(rule("ops", "night"))
    ops.set(down())
    ops.run(600)
    (record,) = records_of(remembered(ops.ledger.records, None, at(600)), ("ops",), at(600))
    assert list(record.told) == ["ops"]


def test_without_a_file_nothing_is_known_and_nothing_is_wrong(file: MemoryFile):
    assert file.read() == (Memory(), None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "makes no sense"),
        (b'{"format": 1, "alerts": [{"kind"', "makes no sense"),
        (b'{"format": 1, "alerts": [{"kind": "rain"}]}', "makes no sense"),
        (b"\xff\xfe", "makes no sense"),
        (b'{"format": 7}', "is of format 7, this version writes 1"),
        (b"{}", "is of format 0, this version writes 1"),
    ],
    ids=["empty", "truncated", "another kind", "no text", "newer", "foreign"],
)
def test_a_file_that_is_no_good_is_set_aside_and_said(
    file: MemoryFile, content: bytes, words: str, caplog: pytest.LogCaptureFixture
):
    file.path.parent.mkdir()
    file.path.write_bytes(content)
    memory, problem = file.read()
    assert memory == Memory()
    assert words in str(problem)
    assert str(problem) in caplog.text
    assert file.path.with_name("notifier.json.bad").read_bytes() == content
    assert file.read() == (Memory(), None)


def test_a_file_that_can_not_be_read_is_said_too(file: MemoryFile):
    file.path.mkdir(parents=True)
    memory, problem = file.read()
    assert memory == Memory()
    assert "can't be read: Is a directory" in str(problem)


def test_a_file_that_can_not_be_written_is_named(file: MemoryFile):
    file.path.parent.write_text("in the way")
    with pytest.raises(MemoryUnavailable, match="can't be written"):
        file.write(Memory())
