"""What a worker tells of what happens to its nodes, and of the commands that it takes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from conche.commands import Command, Envelope
from conche.contract import (
    Arguments,
    Event,
    EventKind,
    Maintenance,
    Message,
    NodeState,
    NodeStatus,
    Outcome,
    Payload,
    Reply,
    Result,
    Resync,
    SetMaintenance,
    SetStarted,
)
from conche.sync.chronicle import Chronicle

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


class Broker:
    """Takes events while it is there."""

    def __init__(self) -> None:
        self.up = True
        self.told: list[tuple[str, Event]] = []

    def tell(self, message: Message[Any], payload: Payload, **params: str) -> bool:
        assert (message.name, params["service"], params["group"]) == ("Event", "sync", "cx")
        if self.up:
            assert isinstance(payload, Event)
            self.told.append((params["node"], payload))
        return self.up

    def texts(self) -> list[str]:
        return [event.text for _, event in self.told]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def chronicle(broker: Broker) -> Chronicle:
    return Chronicle("cx", broker)


def status(state: str = "started", **fields: Any) -> NodeStatus:
    defaults: dict[str, Any] = {"started": True, "maintenance": Maintenance(on=False), "epoch": "e1"}
    return NodeStatus(state=NodeState(state), **defaults | fields)


def command(arguments: Arguments, *, action: str = "set_started", node: str = "all") -> Command:
    envelope = Envelope(
        user="panel", group="cx", node=node, action=action, id="7", reply_to="", correlation=None
    )
    return Command(envelope, arguments)


# --- nodes


def test_each_change_is_told_once(chronicle: Chronicle, broker: Broker) -> None:
    for state in ("started", "started", "down", "down", "started"):
        chronicle.note("cx1", status(state))
    assert broker.texts() == ["a new epoch, not in maintenance", "started -> down", "down -> started"]
    assert {node for node, _ in broker.told} == {"cx1"}


def test_what_an_earlier_worker_said_is_not_told_again(chronicle: Chronicle, broker: Broker) -> None:
    chronicle.take_statuses([({"group": "cx", "node": "cx1"}, status())])
    for state in ("unknown", "started", "unknown"):
        chronicle.note("cx1", status(state))
    assert broker.texts() == ["started -> unknown"]


def test_what_changed_between_two_workers_is_told(chronicle: Chronicle, broker: Broker) -> None:
    chronicle.take_statuses([({"group": "cx", "node": "cx1"}, status())])
    chronicle.note("cx1", status("unknown"))
    chronicle.note("cx1", status("down"))
    assert broker.texts() == ["started -> down"]


def test_what_happens_while_the_broker_is_away_is_told_when_it_is_back(
    chronicle: Chronicle, broker: Broker
) -> None:
    chronicle.take_statuses([({"group": "cx", "node": "cx1"}, status())])
    chronicle.note("cx1", status())
    broker.up = False
    chronicle.note("cx1", status("down"))
    chronicle.note("cx1", status("stopped", started=False))
    broker.up = True
    chronicle.note("cx1", status("stopped", started=False))
    assert broker.texts() == ["is to be stopped", "started -> stopped"]


def test_a_node_that_leaves_is_told(chronicle: Chronicle, broker: Broker) -> None:
    chronicle.note("cx1", status())
    chronicle.forget("cx1")
    chronicle.forget("cx1")
    assert broker.texts()[1:] == ["started -> left the registry"]


# --- whose switch it is


def test_a_switch_is_put_down_to_the_command_that_set_it(chronicle: Chronicle, broker: Broker) -> None:
    chronicle.note("cx1", status())
    wish = command(SetStarted(started=False, reason="storm"))
    with chronicle.on_behalf(wish, ["cx1"]):
        chronicle.note("cx1", status("started", started=False, error="x"))
    chronicle.note("cx1", status("stopped", started=False))
    switch, state = broker.told[1][1], broker.told[2][1]
    assert (switch.user, switch.reason, switch.command, switch.before, switch.after) == (
        "panel",
        "storm",
        "7",
        "run",
        "stop",
    )
    assert (state.kind, state.user) == (EventKind.STATE, None)


def test_a_later_switch_is_not_put_down_to_an_earlier_command(chronicle: Chronicle, broker: Broker) -> None:
    chronicle.note("cx1", status())
    with chronicle.on_behalf(command(SetStarted(started=False)), ["cx1"]):
        pass
    chronicle.note("cx1", status(started=False))
    assert broker.told[1][1].user is None


def test_a_person_for_whom_an_account_acts_is_told_with_the_account(
    chronicle: Chronicle, broker: Broker
) -> None:
    chronicle.note("cx1", status())
    wish = command(SetMaintenance(maintenance=True, user="alice"), action="set_maintenance")
    with chronicle.on_behalf(wish, ["cx1"]):
        chronicle.note("cx1", status(maintenance=Maintenance(on=True, by="alice")))
    assert (broker.told[1][1].user, broker.told[1][1].via) == ("alice", "panel")


# --- commands


def test_a_command_is_told_when_it_is_taken_and_when_it_is_answered(
    chronicle: Chronicle, broker: Broker
) -> None:
    wish = command(SetStarted(started=False, reason="storm"))
    results = {
        f"cx/cx{i}": Result(ok=i < 96, outcome=Outcome.OK if i < 96 else Outcome.HELD) for i in range(1, 97)
    }
    chronicle.taken(wish)
    chronicle.answered(
        wish, Reply(id="7", action="set_started", group="cx", ok=False, results=results), took_s=3.25
    )
    (node, taken), (_, answered) = broker.told
    assert node == "-"
    assert (taken.kind, taken.text, taken.reason) == (
        EventKind.COMMAND,
        "stop, by panel: storm",
        "storm",
    )
    assert (answered.kind, answered.text) == (EventKind.REPLY, "stop, by panel: 95 ok, 1 held")
    assert (answered.ok, answered.took_s, answered.command) == (False, 3.25, "7")


@pytest.mark.parametrize(
    ("arguments", "action", "words"),
    [
        (SetStarted(started=True), "set_started", "start, by panel"),
        (SetMaintenance(maintenance=True), "set_maintenance", "maintenance on, by panel"),
        (SetMaintenance(maintenance=False, user="alice"), "set_maintenance", "maintenance off, by alice via panel"),
        (Resync(), "resync", "resync, by panel"),
    ],
)  # fmt: skip
def test_a_command_is_told_as_an_operator_would_say_it(
    chronicle: Chronicle, broker: Broker, arguments: Arguments, action: str, words: str
) -> None:
    chronicle.taken(command(arguments, action=action))
    assert broker.texts() == [words]


def test_the_answer_to_a_command_for_one_node_says_why_and_stands_at_the_node(
    chronicle: Chronicle, broker: Broker
) -> None:
    wish = command(Resync(), action="resync", node="cx1")
    held = Result(ok=False, outcome=Outcome.HELD, error="in maintenance by bob; forgotten")
    chronicle.answered(
        wish, Reply(id="7", action="resync", group="cx", ok=False, results={"cx/cx1": held}), took_s=0.0
    )
    assert broker.told[0][0] == "cx1"
    assert broker.texts() == ["resync, by panel: held, in maintenance by bob; forgotten"]


def test_a_command_that_is_refused_is_told_with_the_words(chronicle: Chronicle, broker: Broker) -> None:
    chronicle.refused(command(Resync(), action="resync", node="cx1").envelope, "expired: x", node="cx1")
    assert broker.texts() == ["resync, by panel: refused: expired: x"]
    assert broker.told[0][1].ok is False
