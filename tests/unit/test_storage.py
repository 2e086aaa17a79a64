"""The one atomic write: whatever goes wrong, the old file stands and nothing lies beside it."""

import errno
import os
import resource
import stat
import threading
from pathlib import Path

import pytest

from conche.storage import sync_directory, write_atomic


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    return path


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def assert_old_file_stands_alone(file: Path) -> None:
    assert file.read_bytes() == b"old"
    assert list(file.parent.iterdir()) == [file]


def test_file_holds_the_new_content_and_nothing_lies_beside_it(file: Path) -> None:
    write_atomic(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(file.parent.iterdir()) == [file]


def test_file_that_was_not_there_is_made(tmp_path: Path) -> None:
    write_atomic(tmp_path / "first", b"")
    assert (tmp_path / "first").read_bytes() == b""


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_file_has_the_mode_that_was_asked_for(file: Path, mode: int) -> None:
    write_atomic(file, b"new", mode=mode)
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_the_new_file_belongs_to_whom_it_should(tmp_path: Path) -> None:
    file = tmp_path / "file"
    owner = (1883, 1883) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    write_atomic(file, b"new", owner=owner)
    assert (file.stat().st_uid, file.stat().st_gid) == owner


@pytest.mark.skipif(os.geteuid() == 0, reason="root may give files away")
def test_a_file_that_can_not_be_given_away_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with pytest.raises(PermissionError):
        write_atomic(file, b"new", owner=(0, 0))
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("call", ["replace", "fsync", "fchmod"])
def test_any_step_that_fails_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(file, b"new")
    assert_old_file_stands_alone(file)


def test_full_disk_leaves_the_old_file(file: Path) -> None:
    """A limit on the size of files fails the write itself, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_atomic(file, b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_old_file_stands_alone(file)


def test_interrupt_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(file, b"new")
    assert_old_file_stands_alone(file)


def test_folder_that_is_not_there_is_an_error_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "folder" / "file", b"new")
    assert not list(tmp_path.iterdir())


def test_content_is_on_disk_before_the_name_is_and_the_name_before_the_return(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")
        fsync(descriptor)

    def note_replace(source: str, target: Path) -> None:
        done.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_atomic(file, b"new")
    assert done == ["content", "name", "folder"]


def test_folder_that_can_not_be_synced_is_an_error_and_the_new_content_stands(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def fail_on_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            full()
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_on_folders)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(file.parent.iterdir()) == [file]


def test_descriptors_are_given_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/proc/self/fd"))
    write_atomic(file, b"new")
    sync_directory(file.parent)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(file, b"newer")
    with pytest.raises(OSError, match="No space"):
        sync_directory(file.parent)
    assert len(os.listdir("/proc/self/fd")) == before


def test_reader_finds_one_content_or_the_other_and_never_a_part(file: Path) -> None:
    file.write_bytes(b"a" * 100_000)
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(file.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(50):
        write_atomic(file, b"ab"[i % 2 : i % 2 + 1] * 100_000)
    done.set()
    reader.join()
    assert seen <= {b"a" * 100_000, b"b" * 100_000}
