import pytest

from conche.local.ready import missing_births
from conche.local.supervisor import PROGRAMS

ALL = {
    "renderer",
    "poller/main",
    "sync/cx",
    "sync/recv",
    "journal",
    "fpga",
    "eop",
    "metrics",
    "notifier",
    "gateway",
}


def words(online: set[str], groups: list[str] | None, poller: str = "main") -> list[str]:
    return [lack.words for lack in missing_births(PROGRAMS, online=online, groups=groups, poller=poller)]


def test_nothing_is_missing_when_all_are_online():
    assert words(ALL, ["cx", "recv"]) == []


@pytest.mark.parametrize("name", sorted(ALL))
def test_who_is_not_online_is_missing(name):
    assert words(ALL - {name}, ["cx", "recv"]) == [f"{name} is not online"]


def test_without_a_registry_nobody_knows_the_groups():
    assert words(ALL, None) == ["sync has no registry to serve"]


def test_a_registry_without_groups_needs_no_worker():
    assert words(ALL - {"sync/cx", "sync/recv"}, []) == []


def test_the_poller_has_the_name_that_the_settings_give_it():
    assert words(ALL, ["cx"], poller="north") == ["poller/north is not online"]
