"""choco's shapes, made of what conche knows."""

from datetime import timedelta

import pytest

from conche.contract import Maintenance, NodeStatus
from conche.gateway.api.chocoapi import done_of, wish_of
from conche.gateway.choco import ago, registry_of, status_of
from conche.gateway.problems import BadRequest

from .picture_samples import NOW, birth, observed, picture, status, sweep

CX1 = {"group": "cx", "node": "cx1"}


@pytest.mark.parametrize(
    ("said", "word", "error"),
    [
        (status("started"), "started", None),
        (status("stopped"), "idle", None),
        (status("syncing"), "syncing", None),
        (status("down", error="refused"), "down", "refused"),
        (status("unknown"), "unknown", None),
        (status("failed", error="400: no"), "unknown", "failed: 400: no"),
        (status("failed", held="two nodes refused it"), "unknown", "failed: two nodes refused it"),
        (status("failed"), "unknown", "failed"),
        (status("started", held="waits for cx2"), "started", "waits for cx2"),
    ],
)
def test_states_become_chocos_words(said: NodeStatus, word: str, error: str | None):
    (node,) = status_of(picture(cx1=said), NOW).nodes
    assert (node.status, node.error) == (word, error)


def test_the_summary_counts_each_word_and_those_that_should_run():
    one = picture(a=status("started"), b=status("stopped", started=False), c=status("failed"))
    summary = status_of(one, NOW).summary
    assert (summary.started, summary.idle, summary.unknown, summary.down, summary.syncing) == (1, 1, 1, 0, 0)
    assert (summary.total, summary.started_desired) == (3, 2)


def test_a_node_of_which_nothing_is_known_is_in_maintenance_and_takes_its_start_from_the_registry():
    one = picture(cx1=status())
    one.on_status(CX1, None)
    (node,) = status_of(one, NOW).nodes
    assert (node.status, node.started, node.maintenance) == ("unknown", True, True)
    assert registry_of(one).groups["cx"][0].started is True


def test_a_node_that_was_not_adopted_takes_its_start_from_the_registry():
    (node,) = status_of(picture(cx1=status("unknown", started=None)), NOW).nodes
    assert node.started is True


def test_what_a_worker_said_that_is_gone_is_not_believed():
    one = picture(cx1=status())
    one.on_birth({"service": "sync", "instance": "cx"}, birth("lost"))
    (node,) = status_of(one, NOW).nodes
    assert node.status == "unknown"
    assert "sync/cx is lost" in (node.error or "")


def test_version_and_the_last_sight_are_told():
    one = picture(cx1=status(pending=True, maintenance=Maintenance(on=True)))
    one.on_observed(CX1, observed(version="2024.11"))
    one.on_sweep({}, sweep(NOW - timedelta(seconds=3)))
    (node,) = status_of(one, NOW).nodes
    assert (node.version, node.version_info) == ("2024.11", {"kotekan_version": "2024.11"})
    assert node.last_seen == (NOW - timedelta(seconds=3)).timestamp()
    assert (node.last_seen_ago, node.queue_depth, node.maintenance) == ("3s ago", 1, True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0s ago"),
        (0.9, "0s ago"),
        (59.9, "59s ago"),
        (60, "1m ago"),
        (3599, "59m ago"),
        (90_000, "25h ago"),
    ],
)
def test_how_long_ago_is_in_chocos_words(seconds: float, words: str):
    assert ago(seconds) == words


@pytest.mark.parametrize("body", [b"\xff", b"[" * 100_000, b"nan", b'{"action": NaN}'])
def test_what_is_no_json_is_an_unknown_action(body: bytes):
    with pytest.raises(BadRequest, match="Unknown action ''"):
        wish_of(body, content_type="application/json")


@pytest.mark.parametrize(
    "body",
    [
        b'{"action": "updatable_config", "endpoint": 5, "values": {}}',
        b'{"action": "updatable_config", "endpoint": "a", "values": [1]}',
        b'{"action": "base_config", "config_content": 5}',
        b'{"action": ["set_started"], "started": true}',
    ],
)
def test_wrong_kinds_are_refused(body: bytes):
    with pytest.raises(BadRequest):
        wish_of(body, content_type="application/json")


def test_what_was_begun_is_told_for_a_node_or_a_group():
    body = b'{"action": "set_maintenance", "maintenance": false}'
    action, wish = wish_of(body, content_type="application/json")
    one = done_of(action, wish, group="cx", node="cx1")
    assert (one.status, one.node, one.group, one.maintenance) == ("ok", "cx/cx1", None, False)
