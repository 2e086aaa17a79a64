"""What is shown of a cluster."""

import dataclasses

import pytest
from msgspec import structs
from msgspec.json import decode

from conche.cli.overview import Overview, encoded, overview
from conche.client.picture import Picture
from conche.client.targets import resolve
from conche.contract import Health

from .samples import NOW, birth, picture, registry, status, summary

WELL = {"cx/cx1": status(), "recv/recv1": status()}


def seen(one: Picture) -> Overview:
    return overview(one, resolve(["all"], one.groups()), NOW)


def problems(one: Picture) -> list[str]:
    return [problem.words for problem in seen(one).problems]


def test_a_cluster_that_is_well_is_normal():
    view = seen(picture(WELL))
    assert view.health is Health.NORMAL
    assert view.problems == ()
    assert view.services == ("poller/main", "renderer", "sync/cx", "sync/recv")


@pytest.mark.parametrize(
    ("state", "words"), [("lost", "is lost"), ("offline", "was stopped"), ("never", "never been")]
)
def test_a_group_whose_worker_is_away_is_an_error_and_its_nodes_are_last_known(state: str, words: str):
    view = seen(picture(WELL, sync_cx=state))
    cx, recv = view.groups
    assert cx.served is not None
    assert words in cx.served
    assert (cx.health, recv.health) == (Health.ERROR, Health.NORMAL)
    assert not cx.rows[0].known
    assert recv.rows[0].known


def test_a_renderer_that_is_away_is_a_problem():
    assert problems(picture(WELL, renderer="lost")) == [
        "renderer is lost, it ran on vm: no change of a config is taken up"
    ]


def test_without_any_poller_nobody_sees_anything():
    assert problems(picture(WELL, poller_main="never")) == [
        "there is no poller: nobody sees what the nodes run"
    ]
    assert problems(picture(WELL, poller_main="offline"))[0].startswith("poller/main was stopped")


def test_a_lost_poller_beside_one_that_works_is_a_warning():
    view = seen(picture(WELL, poller_old="lost"))
    assert [(problem.words, problem.health) for problem in view.problems] == [
        ("poller/old is lost, it ran on vm", Health.WARNING)
    ]


def test_a_poller_or_service_that_was_stopped_in_good_order_is_nobodys_problem():
    assert problems(picture(WELL, poller_old="offline", eop="offline")) == []
    assert problems(picture(WELL, eop="lost")) == ["eop is lost, it ran on vm"]


def test_what_was_stopped_in_good_order_is_named():
    assert seen(picture(WELL, poller_old="offline", eop="offline")).stopped == ("eop", "poller/old")
    assert seen(picture(WELL, poller_main="offline", renderer="offline", sync_cx="offline")).stopped == ()


def test_a_group_that_no_poller_asks_is_an_error_whatever_its_nodes_seem_to_be():
    blind = dataclasses.replace(picture(WELL), unpolled={"cx": "no poller has asked its nodes lately"})
    cx, recv = seen(blind).groups
    assert (cx.polled, recv.polled) == ("no poller has asked its nodes lately", None)
    assert (cx.health, recv.health) == (Health.ERROR, Health.NORMAL)
    assert decode(encoded(blind, seen(blind)))["groups"]["cx"]["polled"] is False


def test_what_a_service_could_not_take_in_is_told():
    one = picture(WELL)
    one.births["poller/main"] = structs.replace(birth(), dropped=3, invalid=1)
    view = seen(one)
    assert view.health is Health.WARNING
    assert problems(one) == [
        "poller/main: 3 messages found no room, 1 message made no sense since it started; see its log"
    ]


def test_workers_of_groups_that_are_gone_are_not_spoken_of():
    assert problems(picture(WELL, sync_old="lost")) == []


def test_an_error_of_the_registry_stands_first():
    broken = dataclasses.replace(
        picture(WELL, renderer="lost"), registry=registry("cx/cx1", error="nodes.yaml: 3")
    )
    assert problems(broken)[0] == "registry: nodes.yaml: 3; the last good one is in use"


def test_without_a_registry_nodes_are_shown_by_their_statuses():
    view = seen(dataclasses.replace(picture(WELL), registry=None))
    assert view.problems[0].words.startswith("there is no registry")
    assert [group.name for group in view.groups] == ["cx", "recv"]
    assert view.groups[0].rows[0].notes == ()


def test_a_node_of_which_nothing_is_known_is_an_error_of_its_group():
    bare = dataclasses.replace(picture(WELL), statuses={"recv": {"recv1": status()}})
    cx, recv = seen(bare).groups
    assert (cx.health, recv.health) == (Health.ERROR, Health.NORMAL)


def test_a_group_without_a_summary_is_a_warning():
    assert seen(dataclasses.replace(picture(WELL), summaries={"cx": summary()})).health is Health.WARNING


def test_payloads_of_another_version_are_told():
    strange = dataclasses.replace(picture(WELL), unreadable={"status/cx/cx1": "Invalid enum value 'warm'"})
    assert problems(strange) == ["1 topic not understood, such as status/cx/cx1: Invalid enum value 'warm'"]


def test_json_has_everything_with_payloads_as_they_are():
    one = picture(WELL, sync_cx="lost")
    told = decode(encoded(one, overview(one, resolve(["cx"], one.groups()), NOW)))
    assert told["health"] == "error"
    assert told["services"]["sync/cx"]["state"] == birth("lost").state
    assert list(told["groups"]) == ["cx"]
    assert told["groups"]["cx"]["worker"] == "lost"
    assert told["groups"]["cx"]["nodes"]["cx1"]["maintenance"]["on"] is False
