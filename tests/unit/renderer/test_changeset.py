"""Files written all or none, on a real file system."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conche.renderer import changeset, steps
from conche.renderer.changeset import FILE, NOTHING, ChangeFailed, ChangeSet, Note

from .directory import ConfigDirectory

NOTE = Note(author="ann", subject="more gain", trailers={"command_id": "ann/1"})
NEW = {"cx/cx1.yaml": b"x: 2\n", "cx/cx2.yaml": None, ".updatable/cx/cx1.json": b"{}\n"}
BEFORE = {"cx/cx1.yaml": b"x: 1\n", "cx/cx2.yaml": b"y: 1\n", ".updatable/cx/cx1.json": None}


@pytest.fixture
def changes(configs: ConfigDirectory) -> ChangeSet:
    configs.write("cx/cx1.yaml", "x: 1\n")
    configs.write("cx/cx2.yaml", "y: 1\n")
    return ChangeSet(configs.root)


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_all_files_are_written_and_nothing_is_left_beside_them(
    changes: ChangeSet, configs: ConfigDirectory
) -> None:
    changes.apply(NEW, NOTE, before=BEFORE)
    changes.finish()
    assert files(configs.root) == {
        "nodes.yaml": b"groups: {cx: {cx1: {host: h1}}}\n",
        "cx/cx1.yaml": b"x: 2\n",
        ".updatable/cx/cx1.json": b"{}\n",
    }


def test_what_was_applied_can_be_taken_back_folders_too(changes: ChangeSet, configs: ConfigDirectory) -> None:
    before = files(configs.root)
    changes.apply(NEW, NOTE, before=BEFORE)
    changes.undo()
    assert files(configs.root) == before
    assert not (configs.root / ".updatable").exists()


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(changes: ChangeSet, configs: ConfigDirectory) -> None:
    path = configs.write("cx/real.yaml", "x: 1\n")
    path.chmod(0o640)
    (configs.root / "cx/link.yaml").symlink_to("real.yaml")
    changes.apply({"cx/link.yaml": b"x: 9\n"}, NOTE, before={"cx/link.yaml": b"x: 1\n"})
    changes.finish()
    assert (configs.root / "cx/link.yaml").is_symlink()
    assert path.read_text() == "x: 9\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_that_leads_out_of_the_directory_is_refused(
    changes: ChangeSet, configs: ConfigDirectory, tmp_path: Path
) -> None:
    (configs.root / "cx/out.yaml").symlink_to(tmp_path / "other.yaml")
    with pytest.raises(ChangeFailed, match="outside of the config directory"):
        changes.apply({"cx/out.yaml": b"x"}, NOTE, before={})


class Fails:
    """Lets a call through so many times and then fails as a full disk does."""

    def __init__(self, real: Callable[..., Any], times: int) -> None:
        self._real = real
        self._left = times

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))
        self._left -= 1
        return self._real(*args, **kwargs)


@pytest.mark.parametrize(
    ("place", "times"),
    [("_write_new", 0), ("_write_new", 1), ("_keep", 1), ("write_atomic", 0)],
)
def test_a_disk_that_fills_on_the_way_changes_nothing(
    changes: ChangeSet,
    configs: ConfigDirectory,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    times: int,
) -> None:
    before = files(configs.root)
    module = changeset if place == "write_atomic" else steps
    monkeypatch.setattr(module, place, Fails(getattr(module, place), times))
    with pytest.raises(ChangeFailed, match=r"nothing was changed: .*No space left"):
        changes.apply(NEW, NOTE, before=BEFORE)
    assert files(configs.root) == before


@pytest.mark.parametrize("times", [0, 1])
def test_a_rename_that_fails_brings_back_what_was_renamed_before(
    changes: ChangeSet, configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    before = files(configs.root)
    real = os.replace

    def replace(old: Any, new: Any) -> None:
        nonlocal times
        if str(old).endswith(".conche-new"):
            if times == 0:
                raise OSError(errno.EIO, "I/O error", str(old))
            times -= 1
        real(old, new)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(ChangeFailed, match="I/O error"):
        changes.apply(NEW, NOTE, before=BEFORE)
    assert files(configs.root) == before


def test_the_words_name_the_file_and_not_the_temporary_one(
    changes: ChangeSet, configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(step: Any, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(step.new))

    monkeypatch.setattr(steps, "_write_new", full)
    with pytest.raises(ChangeFailed, match=r"^nothing was changed: cx1.yaml: No space left on device$"):
        changes.apply({"cx/cx1.yaml": b"x"}, NOTE, before=BEFORE)


class Killed(BaseException):
    """Stands for the end of the process."""


def killed_after(changes: ChangeSet, renamed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process end in the middle of the renames."""
    real = changeset.put_in_place

    def some(wanted: Any) -> None:
        real(list(wanted)[:renamed])
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(changeset, "put_in_place", some)
        with pytest.raises(Killed):
            changes.apply(NEW, NOTE, before=BEFORE)


@pytest.mark.parametrize("renamed", [0, 1, 2, 3])
def test_what_a_crash_left_half_done_can_be_taken_back(
    changes: ChangeSet, configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch, renamed: int
) -> None:
    before = files(configs.root)
    killed_after(changes, renamed, monkeypatch)
    after = ChangeSet(configs.root)
    record = after.recover()
    assert record is not None
    assert (record.note, record.is_done) == (NOTE, renamed == 3)
    assert after.undo() == NOTHING
    assert files(configs.root) == before


def test_what_a_crash_left_done_can_be_made_final(
    changes: ChangeSet, configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_after(changes, 3, monkeypatch)
    after = ChangeSet(configs.root)
    record = after.recover()
    assert record is not None
    assert record.names == sorted(NEW)
    after.finish()
    assert files(configs.root).keys() == {"nodes.yaml", "cx/cx1.yaml", ".updatable/cx/cx1.json"}
    assert (configs.root / "cx/cx1.yaml").read_text() == "x: 2\n"


@pytest.mark.parametrize("renamed", [0, 3])
@pytest.mark.parametrize("name", ["cx/cx1.yaml", "cx/cx2.yaml"])
def test_what_somebody_wrote_after_a_crash_is_his(
    changes: ChangeSet, configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch, renamed: int, name: str
) -> None:
    killed_after(changes, renamed, monkeypatch)
    configs.write(name, "mine: 1\n")
    after = ChangeSet(configs.root)
    record = after.recover()
    assert record is not None
    assert name not in record.names
    after.undo() if renamed else after.finish()
    assert (configs.root / name).read_text() == "mine: 1\n"


@pytest.mark.parametrize("name", sorted(NEW))
def test_what_somebody_writes_meanwhile_is_not_written_over(
    changes: ChangeSet, configs: ConfigDirectory, name: str
) -> None:
    configs.write(name, "mine: 1\n")
    before = files(configs.root)
    with pytest.raises(ChangeFailed, match=rf"{name} was changed at this very moment"):
        changes.apply(NEW, NOTE, before=BEFORE)
    assert files(configs.root) == before


def test_what_somebody_writes_between_the_renames_is_not_written_over(
    changes: ChangeSet, configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = changeset.put_in_place

    def slow(wanted: Any) -> None:
        configs.write("cx/cx2.yaml", "mine: 1\n")
        real(wanted)

    monkeypatch.setattr(changeset, "put_in_place", slow)
    with pytest.raises(ChangeFailed, match=r"cx/cx2.yaml was changed at this very moment"):
        changes.apply(NEW, NOTE, before=BEFORE)
    assert files(configs.root) == {
        "nodes.yaml": b"groups: {cx: {cx1: {host: h1}}}\n",
        "cx/cx1.yaml": b"x: 1\n",
        "cx/cx2.yaml": b"mine: 1\n",
    }


def test_a_disk_that_refuses_to_take_it_back_is_told_and_nothing_else_is_changed_until_it_does(
    changes: ChangeSet, configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(configs.root)
    with monkeypatch.context() as patch:
        patch.setattr(changeset, "put_in_place", Fails(steps.put_in_place, 0))
        patch.setattr(changeset, "take_back", Fails(steps.take_back, 1))
        with pytest.raises(ChangeFailed, match=r"it is half done, .*No space left on device"):
            changes.apply(NEW, NOTE, before=BEFORE)
    with pytest.raises(ChangeFailed, match=r"nothing was changed: .*can't be taken back yet"):
        changes.apply(NEW, NOTE, before=BEFORE)
    assert changes.is_half_done()
    assert changes.undo() == NOTHING
    assert (changes.trouble, changes.is_half_done()) == (None, False)
    assert files(configs.root) == before
    changes.apply(NEW, NOTE, before=BEFORE)


def test_what_another_process_left_half_done_is_seen_and_nothing_is_changed_until_it_is_whole(
    changes: ChangeSet, configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(configs.root)
    late = ChangeSet(configs.root)
    assert late.recover() is None
    killed_after(changes, 1, monkeypatch)
    assert late.is_half_done()
    with pytest.raises(ChangeFailed, match="nothing was changed: another change is half done"):
        late.apply({"cx/cx3.yaml": b"x: 3\n"}, NOTE, before={"cx/cx3.yaml": None})
    assert late.recover() is not None
    late.undo()
    assert files(configs.root) == before


def test_a_start_after_a_crash_clears_away_what_was_only_prepared(
    changes: ChangeSet, configs: ConfigDirectory
) -> None:
    before = files(configs.root)
    configs.write("cx/.cx1.yaml.0123abcd.conche-new", "half")
    configs.write("cx/.cx1.yaml.0123abcd.conche-old", "x: 1\n")
    assert ChangeSet(configs.root).recover() is None
    assert files(configs.root) == before


def test_a_record_that_cannot_be_read_changes_nothing(
    changes: ChangeSet, configs: ConfigDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    (configs.root / FILE).write_text("{")
    before = files(configs.root)
    assert changes.recover() is None
    assert files(configs.root) == before
    assert "can't be read" in caplog.text
    assert not changes.is_half_done()


def test_a_folder_that_stands_where_a_file_was_is_left_alone_and_ends_no_start(
    changes: ChangeSet, configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_after(changes, 0, monkeypatch)
    (configs.root / "cx/cx1.yaml").unlink()
    (configs.root / "cx/cx1.yaml").mkdir()
    after = ChangeSet(configs.root)
    record = after.recover()
    assert record is not None
    assert not record.is_done
    after.undo()
    assert (configs.root / "cx/cx1.yaml").is_dir()
    assert ChangeSet(configs.root).recover() is None
