"""Where nodes really are: a rehearsal never leads to a real one."""

import os
from pathlib import Path

import pytest

from conche.kotekan.addresses import AddressMap
from conche.kotekan.connection import Address
from conche.kotekan.errors import KotekanUnreachable


def test_without_a_file_an_address_is_what_it_says() -> None:
    assert AddressMap(None).resolve("cx27.site", 12048) == Address("cx27.site", 12048)


def test_with_a_file_an_address_is_what_it_is_mapped_to(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    file.write_text('{"cx27:12048": "127.0.0.1:21000", "fe80::1:12048": "::1:21001"}')
    addresses = AddressMap(file)
    assert addresses.resolve("cx27", 12048) == Address("127.0.0.1", 21000)
    assert addresses.resolve("fe80::1", 12048) == Address("::1", 21001)


def test_a_rehearsal_can_grow(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    file.write_text('{"cx27:12048": "127.0.0.1:21000"}')
    addresses = AddressMap(file)
    addresses.resolve("cx27", 12048)
    file.write_text('{"cx27:12048": "127.0.0.1:21000", "cx28:12048": "127.0.0.1:21001"}')
    os.utime(file, ns=(1, 1))
    assert addresses.resolve("cx28", 12048) == Address("127.0.0.1", 21001)


def test_an_address_that_the_file_does_not_have_is_not_taken_for_the_real_one(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    file.write_text("{}")
    with pytest.raises(KotekanUnreachable, match=r"cx27:12048: .*addresses\.json names no simulated node"):
        AddressMap(file).resolve("cx27", 12048)


@pytest.mark.parametrize("text", [None, "", "[]", '{"cx27:12048": 5}', '{"cx27:12048": "nowhere"}', '{"cx27'])
def test_a_file_that_is_away_or_broken_leads_to_no_real_node(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "addresses.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(KotekanUnreachable, match=r"can't be read from .*addresses\.json"):
        AddressMap(file).resolve("cx27", 12048)


def test_a_file_that_was_broken_and_is_mended_is_read(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    addresses = AddressMap(file)
    with pytest.raises(KotekanUnreachable):
        addresses.resolve("cx27", 12048)
    file.write_text('{"cx27:12048": "127.0.0.1:21000"}')
    assert addresses.resolve("cx27", 12048).port == 21000
