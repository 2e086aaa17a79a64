"""How commands are answered, and known by id."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.json import encode

from conche.bus import BusUnavailable, Incoming, PayloadTooLarge
from conche.commands import Answers, Command, CommandRefused, Envelope, envelope_of, read_command
from conche.commands import answers as answering
from conche.contract import (
    SYNC_ACTIONS,
    Inspection,
    Outcome,
    Payload,
    Reach,
    Reply,
    Result,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT = "conche"


def incoming(payload: Any = b"{}", *, action: str = "set_started", **fields: Any) -> Incoming:
    data = payload if isinstance(payload, bytes) else encode(payload)
    topic = fields.pop("topic", f"conche/command/alice/cx/cx27/{action}")
    return Incoming(topic=topic, payload=data, retained=fields.pop("retained", False), **fields)


def read(message: Incoming, now: datetime = NOW) -> Command:
    return read_command(message, envelope_of(message, root=ROOT), root=ROOT, actions=SYNC_ACTIONS, now=now)


class Sender:
    """Takes replies; or does not, as told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Payload, bytes | None]] = []
        self.away = False
        self.most = 10**9

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        if self.away:
            raise BusUnavailable("not connected to the broker")
        if len(encode(payload)) > self.most:
            raise PayloadTooLarge(f"{topic}: {len(encode(payload))} bytes are more than {self.most}")
        self.sent.append((topic, payload, correlation))


def envelope(identity: str | None = "a", *, user: str = "alice", reply_to: str = "r") -> Envelope:
    return Envelope(
        user=user, group="cx", node="cx27", action="resync", id=identity, reply_to=reply_to, correlation=b"c"
    )


def reply(identity: str | None = "a", *, ok: bool = True) -> Reply:
    return Reply(id=identity, action="resync", group="cx", ok=ok)


def test_answer_goes_where_its_asker_wants_it() -> None:
    sender = Sender()
    Answers(sender).answer(envelope(), reply())
    assert sender.sent == [("r", reply(), b"c")]


def test_repeated_command_is_answered_again_where_the_repetition_wants_it() -> None:
    sender = Sender()
    answers = Answers(sender)
    assert not answers.is_repeated(envelope())
    answers.answer(envelope(), reply())
    assert answers.is_repeated(envelope(reply_to="elsewhere"))
    assert [topic for topic, *_ in sender.sent] == ["r", "elsewhere"]
    assert sender.sent[0][1] == sender.sent[1][1]


def test_repeated_command_that_is_not_done_yet_is_neither_answered_nor_carried_out() -> None:
    sender = Sender()
    answers = Answers(sender)
    assert not answers.is_repeated(envelope())
    assert answers.is_repeated(envelope())
    assert sender.sent == []
    answers.answer(envelope(), reply())
    assert len(sender.sent) == 1


def test_command_without_an_id_is_never_a_repetition() -> None:
    answers = Answers(Sender())
    assert not answers.is_repeated(envelope(None))
    answers.answer(envelope(None), reply(None))
    assert not answers.is_repeated(envelope(None))


def test_ids_of_two_accounts_are_two_ids() -> None:
    answers = Answers(Sender())
    assert not answers.is_repeated(envelope(user="alice"))
    assert not answers.is_repeated(envelope(user="bob"))


def test_id_of_a_refused_command_may_be_borne_by_a_mended_one() -> None:
    sender = Sender()
    answers = Answers(sender)
    refused = envelope()
    assert not answers.is_repeated(refused)
    answers.refuse(refused, group="cx", why="because")
    assert sender.sent[0][1] == Reply(id="a", action="resync", group="cx", ok=False, error="because")
    assert not answers.is_repeated(envelope())


def test_repetition_that_is_refused_does_not_make_the_first_one_unknown() -> None:
    """As one that finds the inbox full: the first may still be under way."""
    sender = Sender()
    answers = Answers(sender)
    assert not answers.is_repeated(envelope())
    answers.refuse(envelope(), group="cx", why="busy")
    assert answers.is_repeated(envelope())
    answers.answer(envelope(), reply())
    answers.refuse(envelope(), group="cx", why="busy")
    assert answers.is_repeated(envelope())
    assert sender.sent[-1][1] == reply()


def test_answer_that_can_not_be_sent_is_given_to_the_repetition() -> None:
    sender = Sender()
    answers = Answers(sender)
    answers.is_repeated(envelope())
    sender.away = True
    answers.answer(envelope(), reply())
    sender.away = False
    assert answers.is_repeated(envelope())
    assert sender.sent == [("r", reply(), b"c")]


def test_answer_that_no_broker_would_take_is_replaced_by_words() -> None:
    sender = Sender()
    sender.most = 500
    inspection = Inspection(reach=Reach.OK, paths=["x" * 1000])
    result = Result(ok=True, outcome=Outcome.OK, inspection=inspection)
    Answers(sender).answer(
        envelope(), Reply(id="a", action="inspect", group="cx", ok=True, results={"cx/cx27": result})
    )
    ((_, sent, _),) = sender.sent
    assert isinstance(sent, Reply)
    assert not sent.ok
    assert sent.id == "a"
    assert "bytes are more than 500" in str(sent.error)


@pytest.mark.parametrize(
    "large",
    [
        {"files": {"a.yaml": "x" * 1000}},
        {"patch": "x" * 1000},
        {"warnings": ["x" * 1000]},
        {"error": "x" * 1000},
    ],
)
def test_answer_that_is_too_long_is_replaced_whatever_makes_it_so(large: dict[str, Any]) -> None:
    sender = Sender()
    sender.most = 500
    answers = Answers(sender)
    answers.is_repeated(envelope())
    answers.answer(envelope(), Reply(id="a", action="show", group="cx", ok=True, **large))
    assert answers.is_repeated(envelope())
    first, again = [sent for _, sent, _ in sender.sent]
    assert isinstance(first, Reply)
    assert (first.id, first.action, first.group, first.ok) == ("a", "resync", "cx", False)
    assert "ask for less at a time" in str(first.error)
    assert first == again


def test_answer_is_given_up_where_not_even_why_can_be_sent() -> None:
    sender = Sender()
    sender.most = 5
    Answers(sender).answer(envelope(), reply())
    assert sender.sent == []


def test_question_that_was_answered_may_be_asked_again_under_its_id() -> None:
    sender = Sender()
    answers = Answers(sender)
    first = envelope()
    assert not answers.is_repeated(first)
    assert answers.is_repeated(envelope())  # it is being answered
    answers.tell(first, reply())
    second = envelope()
    assert not answers.is_repeated(second)
    assert answers.is_repeated(envelope())
    answers.tell(second, reply(ok=False))
    assert [sent.ok for _, sent, _ in sender.sent if isinstance(sent, Reply)] == [True, False]


def test_id_of_a_question_that_was_answered_is_refused_for_anything_else() -> None:
    answers = Answers(Sender())
    first = envelope()
    answers.is_repeated(first)
    answers.tell(first, reply())
    with pytest.raises(CommandRefused, match="'a' is that of resync of cx/cx27"):
        answers.is_repeated(envelope_of(incoming({"id": "a", "started": True}), root=ROOT))


def test_replies_are_remembered_up_to_a_number_of_bytes_and_ids_beyond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answering, "REMEMBERED_BYTES", 2500)
    sender = Sender()
    answers = Answers(sender)
    for identity in "abc":
        assert not answers.is_repeated(envelope(identity))
        long = Reply(
            id=identity, action="resync", group="cx", ok=False, error="refused", warnings=["x" * 1000]
        )
        answers.answer(envelope(identity), long)
    sender.sent.clear()
    assert all(answers.is_repeated(envelope(identity)) for identity in "abc")
    a, b, c = [sent for _, sent, _ in sender.sent if isinstance(sent, Reply)]
    assert (a.id, a.ok, a.error) == ("a", False, "refused")
    assert a.warnings == ["it was answered before; the answer as a whole is not kept any more"]
    assert [len(whole.warnings[0]) for whole in (b, c)] == [1000, 1000]


def test_nothing_is_left_of_the_reply_to_an_id_that_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answering, "REMEMBERED_IDS", 2)
    monkeypatch.setattr(answering, "REMEMBERED_BYTES", 2500)
    sender = Sender()
    answers = Answers(sender)
    for number in range(50):
        answers.is_repeated(envelope(f"i{number}"))
        answers.answer(
            envelope(f"i{number}"),
            Reply(id=f"i{number}", action="resync", group="cx", ok=True, patch="x" * 1000),
        )
    sender.sent.clear()
    assert all(answers.is_repeated(envelope(f"i{number}")) for number in (48, 49))
    assert [sent.patch for _, sent, _ in sender.sent if isinstance(sent, Reply)] == ["x" * 1000] * 2


def test_ids_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "REMEMBERED_IDS", 3)
    answers = Answers(Sender())
    for identity in "abcd":
        assert not answers.is_repeated(envelope(identity))
    for identity in "dcb":
        assert answers.is_repeated(envelope(identity))
    assert not answers.is_repeated(envelope("a"))


def test_an_id_that_another_command_bore_is_refused_and_tells_which() -> None:
    answers = Answers(Sender())
    first = envelope_of(incoming({"id": "a", "started": True}), root=ROOT)
    assert not answers.is_repeated(first)
    answers.answer(first, Reply(id="a", action="set_started", group="cx", ok=True))
    other = envelope_of(incoming({"id": "a"}, action="resync"), root=ROOT)
    with pytest.raises(CommandRefused, match="'a' is that of set_started of cx/cx27"):
        answers.is_repeated(other)
    assert answers.is_repeated(first)


def wish(**arguments: Any) -> Envelope:
    return envelope_of(incoming({"id": "a", **arguments}), root=ROOT)


@pytest.mark.parametrize("answered", [False, True])
def test_an_id_with_other_arguments_is_refused_and_tells_so(answered: bool) -> None:
    sender = Sender()
    answers = Answers(sender)
    assert not answers.is_repeated(wish(started=True))
    if answered:
        answers.answer(wish(started=True), reply())
    with pytest.raises(CommandRefused) as caught:
        answers.is_repeated(wish(started=False))
    assert "the id 'a' is that of set_started of cx/cx27 with other arguments" in str(caught.value)


def test_the_order_of_arguments_a_reason_and_the_time_of_expiry_make_no_other_command() -> None:
    answers = Answers(Sender())
    assert not answers.is_repeated(wish(values={"a": 1, "b": 2.0}, started=True))
    again = wish(started=True, reason="late", values={"b": 2.0, "a": 1}, expires_at="2026-03-01T12:00:00Z")
    assert answers.is_repeated(again)


@pytest.mark.parametrize("other", [{"values": 2}, {"values": "2.0"}, {"user": "bob"}, {}])
def test_another_kind_of_value_another_person_or_none_makes_another_command(other: dict[str, Any]) -> None:
    answers = Answers(Sender())
    assert not answers.is_repeated(wish(values=2.0))
    with pytest.raises(CommandRefused):
        answers.is_repeated(wish(**other))
