from pathlib import Path

import pytest

from conche.errors import FatalError
from conche.renderer.epoch import Address, EpochFile, EpochRecord, Place, advance
from conche.settings import RegistryChange

ALL, CHANGED = RegistryChange.ALL, RegistryChange.CHANGED
BEFORE = EpochRecord("old", {"cx/a": Place("ha", 1, "first"), "cx/b": Place("hb", 1, "old")})
SAME = {"cx/a": ("ha", 1), "cx/b": ("hb", 1)}


def epochs(addresses: dict[str, Address], policy: RegistryChange) -> dict[str, str]:
    after = advance(BEFORE, addresses, policy=policy, token="new")
    return {key: place.epoch for key, place in after.nodes.items()}


def test_first_epoch_is_everybodys() -> None:
    after = advance(None, SAME, policy=CHANGED, token="new")
    assert after == EpochRecord("new", {"cx/a": Place("ha", 1, "new"), "cx/b": Place("hb", 1, "new")})


@pytest.mark.parametrize("policy", [ALL, CHANGED])
def test_same_nodes_begin_no_epoch(policy: RegistryChange) -> None:
    assert advance(BEFORE, dict(reversed(SAME.items())), policy=policy, token="new") is BEFORE


@pytest.mark.parametrize(
    ("addresses", "changed"),
    [
        ({**SAME, "cx/c": ("hc", 1)}, {"cx/c"}),
        ({**SAME, "cx/b": ("hb", 2)}, {"cx/b"}),
        ({**SAME, "cx/b": ("hx", 1)}, {"cx/b"}),
        ({"cx/a": ("ha", 1), "recv/b": ("hb", 1)}, {"recv/b"}),
        ({"cx/a": ("ha", 1)}, set()),
    ],
)
def test_changed_set_or_address_begins_an_epoch(addresses: dict[str, Address], changed: set[str]) -> None:
    assert set(epochs(addresses, ALL).values()) == {"new"}
    after = epochs(addresses, CHANGED)
    assert {key for key, epoch in after.items() if epoch == "new"} == changed
    assert after["cx/a"] == "first"


def test_epoch_survives_a_restart(tmp_path: Path) -> None:
    first = EpochFile(tmp_path / "run", policy=ALL)
    assert not first.holds_one()
    taken = first.take(SAME)
    again = EpochFile(tmp_path / "run", policy=ALL)
    assert again.holds_one()
    assert again.take(SAME) == taken


def test_new_run_directory_begins_a_new_epoch(tmp_path: Path) -> None:
    one = EpochFile(tmp_path / "one", policy=ALL).take(SAME)
    other = EpochFile(tmp_path / "other", policy=ALL).take(SAME)
    assert one != other


def test_epochs_of_nodes_that_did_not_change_survive_with_the_policy_changed(tmp_path: Path) -> None:
    before = EpochFile(tmp_path, policy=CHANGED).take(SAME)
    after = EpochFile(tmp_path, policy=CHANGED).take({**SAME, "cx/b": ("hx", 1)})
    again = EpochFile(tmp_path, policy=CHANGED).take({**SAME, "cx/b": ("hx", 1)})
    assert after["cx/a"] == before["cx/a"]
    assert after["cx/b"] != before["cx/b"]
    assert again == after


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"epoch": 1}'])
def test_file_that_can_not_be_understood_begins_an_epoch(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "epoch").write_bytes(data)
    file = EpochFile(tmp_path, policy=ALL)
    assert not file.holds_one()
    assert file.take(SAME) == file.take(SAME)


def test_run_directory_that_can_not_be_written_ends_the_service(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(FatalError, match=r"run/epoch: can't be (read|written): "):
        EpochFile(tmp_path / "run", policy=ALL).take(SAME)
