import os
from pathlib import Path

import pytest

from conche.renderer.files import Changes, Files, check_inside

from .directory import ConfigDirectory

NOTHING = Changes(frozenset())


def test_each_file_is_read_once(configs: ConfigDirectory) -> None:
    configs.write("a", "1", age_s=60)
    files = Files(configs.root)
    assert files.text("a") == "1"
    configs.write("a", "2", age_s=60)
    assert files.text("a") == "1"


def test_changed_new_and_removed_files_are_seen(configs: ConfigDirectory) -> None:
    for name in ("same", "changed", "removed", "unread"):
        configs.write(name, "1")
    files = Files(configs.root)
    for name in ("same", "changed", "removed", "new"):
        files.read(name)
    configs.write("changed", "2")
    configs.write("unread", "2")
    configs.write("new", "1")
    (configs.root / "removed").unlink()
    assert files.refresh().names == {"changed", "new", "removed"}
    assert (files.text("changed"), files.text("new"), files.text("removed")) == ("2", "1", None)
    assert files.refresh() == NOTHING


def test_file_that_is_written_anew_with_the_same_content_has_not_changed(configs: ConfigDirectory) -> None:
    configs.write("a", "1", age_s=60)
    files = Files(configs.root)
    files.read("a")
    configs.write("a", "1", age_s=30)
    assert files.refresh() == NOTHING


def test_change_within_one_tick_of_the_clock_is_seen(configs: ConfigDirectory) -> None:
    path = configs.write("a", "1")
    stamp = path.stat()
    files = Files(configs.root)
    files.read("a")
    with path.open("r+b") as file:
        file.write(b"2")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert files.refresh().names == {"a"}


def test_atomic_replacement_with_an_old_time_is_seen(configs: ConfigDirectory) -> None:
    path = configs.write("a", "1", age_s=60)
    files = Files(configs.root)
    files.read("a")
    configs.write("b", "2", age_s=3600).replace(path)
    assert files.refresh().names == {"a"}


def test_nothing_is_taken_while_one_file_may_be_half_written(configs: ConfigDirectory) -> None:
    configs.write("a", "1", age_s=60)
    configs.write("b", "1", age_s=60)
    files = Files(configs.root)
    files.read("a")
    files.read("b")
    configs.write("a", "2", age_s=10)
    configs.write("b", "half")
    assert files.refresh(ripe_s=5) == Changes(frozenset(), unripe=True)
    assert (files.text("a"), files.text("b")) == ("1", "1")
    configs.write("b", "whole", age_s=10)
    assert files.refresh(ripe_s=5).names == {"a", "b"}


def test_file_from_the_future_is_taken(configs: ConfigDirectory) -> None:
    configs.write("a", "1")
    files = Files(configs.root)
    files.read("a")
    configs.write("a", "2", age_s=-3600)
    assert files.refresh(ripe_s=5).names == {"a"}


def test_replaced_directory_changes_what_differs_in_it(configs: ConfigDirectory) -> None:
    configs.write("a", "1")
    configs.write("b", "1")
    files = Files(configs.root)
    files.read("a")
    files.read("b")
    other = ConfigDirectory.__new__(ConfigDirectory)
    other.root = configs.root.parent / "other"
    other.write("a", "1")
    other.write("b", "2")
    configs.root.rename(configs.root.parent / "old")
    other.root.rename(configs.root)
    assert files.refresh().names == {"b"}


def test_absent_directory_takes_every_file_with_it_and_brings_it_back(configs: ConfigDirectory) -> None:
    configs.write("a", "1")
    files = Files(configs.root)
    files.read("a")
    configs.root.rename(configs.root.parent / "away")
    assert files.refresh().names == {"a"}
    assert files.read("a") is None
    (configs.root.parent / "away").rename(configs.root)
    assert files.refresh().names == {"a"}


def test_forgotten_files_are_not_looked_at(configs: ConfigDirectory) -> None:
    files = Files(configs.root)
    files.read("a")
    files.keep({"b"})
    configs.write("a", "1")
    assert files.refresh() == NOTHING


def test_file_that_is_too_large_is_not_read(configs: ConfigDirectory) -> None:
    path = configs.write("a", "")
    os.truncate(path, 9 * 1024 * 1024)
    with pytest.raises(Exception, match="a: is larger than 8388608 bytes"):
        Files(configs.root).read("a")


def test_recordings_nest(configs: ConfigDirectory) -> None:
    files = Files(configs.root)
    with files.recording() as outer:
        files.read("a")
        with files.recording() as inner:
            files.read("b")
    assert (inner, outer) == ({"b"}, {"a", "b"})


@pytest.mark.parametrize("name", ["a", "a/b.j2", "a..b"])
def test_plain_names_are_inside(name: str) -> None:
    assert check_inside(name) is None


@pytest.mark.parametrize("name", ["", "/a", "../a", "a/../../b", "a\\b", "a\0b", ".git/config", "a/.b"])
def test_other_names_are_not(name: str) -> None:
    assert check_inside(name) is not None


def test_byte_order_mark_is_no_part_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffx".encode())
    assert Files(tmp_path).text("a") == "x"
