"""The copy of the last ``nodes.yaml`` that could be understood."""

from pathlib import Path

import pytest

from conche.renderer import lastgood
from conche.renderer.lastgood import FILE, LastGood
from conche.renderer.nodes import parse_nodes

GOOD = parse_nodes("groups: {cx: {a: {host: h}}}  # mine\n")
OTHER = parse_nodes("groups: {cx: {b: {host: h}}}\n")


def test_what_was_kept_is_there_for_the_next_process(tmp_path: Path) -> None:
    LastGood(tmp_path / "run").keep(GOOD)
    assert LastGood(tmp_path / "run").load() == GOOD


def test_nothing_kept_is_nothing(tmp_path: Path) -> None:
    assert LastGood(tmp_path).load() is None


@pytest.mark.parametrize("data", [b"groups: [", b"\xff", b"", b"groups: {cx: {a: {port: x}}}"])
def test_a_copy_that_is_no_good_is_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    assert LastGood(tmp_path).load() is None


def test_a_copy_that_cannot_be_renewed_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = LastGood(tmp_path)
    kept.keep(GOOD)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lastgood, "write_atomic", full)
    kept.keep(OTHER)
    assert kept.load() is None
    monkeypatch.undo()
    kept.keep(GOOD)
    assert kept.load() == GOOD
