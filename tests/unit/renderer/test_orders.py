"""Commands that the renderer takes: each id is that of one command, none is lost because it came early, and each is
told where those look whom it concerns.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import encode

from conche.bus import Incoming
from conche.commands import Envelope
from conche.contract import Event, EventKind, RegisteredNode, Reply
from conche.renderer import orders as taking
from conche.renderer.changeset import Note
from conche.renderer.chronicle import Chronicle
from conche.renderer.commits import Commit
from conche.renderer.nodes import Node
from conche.renderer.orders import Groups, Orders
from conche.renderer.workers import Workers

from .plane import Plane


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(tmp_path)
    plane.start()
    yield plane
    plane.kill()
    plane.loop.run_until_complete(plane.loop.shutdown_default_executor())
    plane.loop.close()


def gains(identity: str, coeff: float, **more: Any) -> Incoming:
    wish = {"id": identity, "endpoint": "gains", "values": {"coeff": coeff}, **more}
    return Incoming("conche/command/ann/cx/cx1/updatable_config", encode(wish), retained=False)


@pytest.mark.parametrize("restarted", [False, True])
def test_one_id_with_other_values_is_refused_and_writes_nothing(plane: Plane, restarted: bool):
    plane.order(gains("g", 2.0))
    if restarted:
        plane.kill()
        plane.start()
    plane.order(gains("g", 3.0))
    first, second = plane.replies[0], plane.replies[-1]
    assert (first.ok, second.ok) == (True, False)
    assert "updatable_config of cx/cx1 with other arguments" in (second.error or "")
    assert '"coeff": 2.0' in (plane.text(".updatable/cx/cx1.json") or "")


@pytest.mark.parametrize("restarted", [False, True])
def test_a_repetition_may_give_another_reason_and_another_time(plane: Plane, restarted: bool):
    plane.order(gains("g", 2.0, reason="sun", expires_at="2999-01-01T00:00:00Z"))
    if restarted:
        plane.kill()
        plane.start()
    plane.order(gains("g", 2.0, reason="moon"))
    assert [reply.ok for reply in plane.replies] == [True, True]


def test_an_id_of_a_commit_that_does_not_say_with_which_arguments_is_answered_as_before(plane: Plane):
    plane.order(gains("g", 2.0))
    plane.write("cx/cx2.yaml", (plane.text("cx/cx2.yaml") or "") + "# old\n")
    trailers = {"command": "cx/cx1/updatable_config", "command_id": "ann/old"}
    plane.history.commit(["cx/cx2.yaml"], author="ann", subject="of an earlier conche", **trailers)
    plane.kill()
    plane.start()
    plane.replies.clear()
    plane.order(gains("old", 2.0))
    assert [reply.ok for reply in plane.replies] == [True]


# --- the first moments


class Early:
    """Orders before it is known which nodes there are."""

    def __init__(self) -> None:
        self.groups: Groups | None = None
        self.nodes: list[Node] = []
        self.replies: list[Reply] = []
        self.events: list[tuple[str, str, Event]] = []
        self.orders = Orders(
            self,
            root="conche",
            groups=lambda: self.groups,
            nodes=lambda: self.nodes,
            wake=lambda: None,
            workers=Workers(),
            is_known=lambda _: False,
            chronicle=Chronicle(self),
        )

    def send(self, _topic: str, payload: Any, *, correlation: bytes | None = None) -> None:
        self.replies.append(payload)

    def tell(self, _message: Any, payload: Any, **params: str) -> bool:
        self.events.append((params["group"], params["node"], payload))
        return True

    def know(self) -> None:
        self.groups = {"cx": {"cx1": RegisteredNode(host="h", port=1, epoch="e")}}
        self.nodes = [Node(group="cx", name="cx1", host="h", port=1)]
        self.orders.begin()


async def test_a_command_that_comes_before_the_nodes_are_known_is_taken_when_they_are():
    early = Early()
    early.orders.on_command(gains("g", 2.0))
    assert not early.orders
    early.know()
    assert early.orders
    assert [event.kind for *_, event in early.events] == [EventKind.COMMAND]


async def test_early_commands_are_taken_in_their_order_and_each_once():
    early = Early()
    for message in (gains("g", 2.0), gains("g", 3.0), gains("g", 2.0)):
        early.orders.on_command(message)
    early.know()
    assert [event.kind for *_, event in early.events] == [EventKind.COMMAND, EventKind.REPLY]
    assert ["with other arguments" in str(reply.error) for reply in early.replies] == [True]


async def test_one_that_expires_before_the_nodes_are_known_is_told_so():
    early = Early()
    early.orders.on_command(gains("g", 2.0, expires_at="2020-01-01T00:00:00Z"))
    early.know()
    assert str(early.replies[0].error).startswith("expired")
    assert not early.orders


@pytest.mark.looptime
async def test_early_commands_are_given_up_in_words_when_nobody_says_which_nodes_there_are():
    early = Early()
    early.orders.on_command(gains("g", 2.0))
    await asyncio.sleep(taking.ANSWER_WITHIN_S + 1)
    assert "which nodes there are" in str(early.replies[0].error)
    early.know()
    assert not early.orders


async def test_of_many_early_commands_the_last_are_told_to_try_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(taking, "MAX_WAITING", 2)
    early = Early()
    for identity in "abc":
        early.orders.on_command(gains(identity, 2.0))
    assert [(reply.id, reply.error) for reply in early.replies] == [
        ("c", "busy: too many commands; try again")
    ]


# --- what is told, and of whom


def test_a_reply_tells_how_long_it_took(plane: Plane):
    plane.order(gains("g", 2.0))
    took = [event.took_s for event in plane.events if event.kind is EventKind.REPLY]
    assert len(took) == 1
    assert took[0] is not None
    assert 0 < took[0] < 60


@pytest.mark.parametrize(
    ("target", "where"),
    [
        (("cx", "cx1"), ("cx", "cx1")),
        (("cx", "all"), ("cx", "-")),
        (("all", "all"), ("-", "-")),
        (("all", "cx1"), ("-", "cx1")),
        (("-", "renderer"), ("-", "-")),
    ],
)
def test_a_reply_is_told_of_whom_its_command_concerned(target: tuple[str, str], where: tuple[str, str]):
    early = Early()
    group, node = target
    envelope = Envelope("ann", group, node, "set_nodes", id=None, reply_to="", correlation=None)
    Chronicle(early).answered(envelope, Reply(id=None, action="set_nodes", group=group, ok=True))
    assert early.events[0][:2] == where


@pytest.mark.parametrize(
    ("paths", "where"),
    [
        ([".updatable/cx/cx1.json"], ("cx", "cx1")),
        ([".updatable/cx/cx1.json", ".updatable/cx/cx2.json"], ("cx", "-")),
        ([".updatable/cx/cx1.json", ".updatable/recv/recv1.json"], ("-", "-")),
        ([".updatable/cx/cx1.json", "vars.yaml"], ("-", "-")),
        (["cx/cx1.yaml"], ("-", "-")),  # others may use it too
        ([".updatable/c x/cx1.json"], ("-", "-")),  # can't stand in a topic
        ([".updatable/cx/cx+1.json"], ("-", "-")),
        ([".updatable/all/cx1.json"], ("-", "-")),
        ([".updatable/cx/cx1.d/x.json"], ("-", "-")),
        ([], ("-", "-")),
    ],
)
def test_a_change_of_stored_values_is_told_of_those_whose_they_are(paths: list[str], where: tuple[str, str]):
    early = Early()
    commit = Commit("c", datetime.now(UTC), "ann", "s", paths=tuple(paths))
    Chronicle(early).changed(Note(author="ann", subject="s"), commit)
    Chronicle(early).edited(commit)
    assert [event[:2] for event in early.events] == [where, where]


def test_a_change_of_which_no_history_is_kept_is_told_of_all():
    early = Early()
    Chronicle(early).changed(Note(author="ann", subject="s"), None)
    assert early.events[0][:2] == ("-", "-")
