"""Commands as a service takes them: who sent what, what is refused in which words, and what is answered again."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec import ValidationError
from msgspec.json import decode, encode

from conche import commands
from conche.bus import BusUnavailable, Incoming, PayloadTooLarge
from conche.commands import Answers, Command, CommandRefused, Envelope, envelope_of, read_command
from conche.contract import (
    SYNC_ACTIONS,
    Events,
    Inspection,
    Outcome,
    Payload,
    Plan,
    Reach,
    ReadFiles,
    Reply,
    Result,
    Resync,
    Rollback,
    SetNodes,
    SetStarted,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT = "conche"


def incoming(payload: Any = b"{}", *, action: str = "set_started", **fields: Any) -> Incoming:
    data = payload if isinstance(payload, bytes) else encode(payload)
    topic = fields.pop("topic", f"conche/command/alice/cx/cx27/{action}")
    return Incoming(topic=topic, payload=data, retained=fields.pop("retained", False), **fields)


def read(message: Incoming, now: datetime = NOW) -> Command:
    return read_command(message, envelope_of(message, root=ROOT), root=ROOT, actions=SYNC_ACTIONS, now=now)


def refusal(message: Incoming, now: datetime = NOW) -> str:
    with pytest.raises(CommandRefused) as caught:
        read(message, now)
    return str(caught.value)


# --- the envelope


def test_envelope_says_who_wants_what_of_whom() -> None:
    envelope = envelope_of(incoming({"id": "a-1", "started": True}, correlation=b"\x00c"), root=ROOT)
    assert envelope == Envelope(
        user="alice",
        group="cx",
        node="cx27",
        action="set_started",
        id="a-1",
        reply_to="conche/reply/alice/a-1",
        correlation=b"\x00c",
    )


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"5", b"\xff", {}, {"id": 5}, {"id": None}, {"id": ""}, {"id": "a/b"}, {"id": "+"}, {"id": "#"},
     {"id": "x" * 65}, {"id": "a\n"}, {"id": "ä"}, b"[" * 100_000],
)  # fmt: skip
def test_command_without_a_usable_id_is_answered_on_the_topic_without_one(payload: Any) -> None:
    envelope = envelope_of(incoming(payload), root=ROOT)
    assert (envelope.id, envelope.reply_to) == (None, "conche/reply/alice/-")


@pytest.mark.parametrize("topic", ["conche/reply/alice/my-reply", "conche/reply/alice/-"])
def test_reply_goes_where_its_sender_may_read(topic: str) -> None:
    message = incoming({"id": "a", "started": True}, response_topic=topic)
    assert envelope_of(message, root=ROOT).reply_to == topic
    read(message)


@pytest.mark.parametrize(
    "topic",
    [
        "conche/reply/bob/x",
        "conche/reply/alice2/x",
        "conche/reply/alice",
        "conche/reply/alice/",
        "conche/reply/alice/x/y",
        "conche/reply/alice/+",
        "conche/reply/alice/#",
        "conche/reply/alice/a+b",
        "conche/reply/+/x",
        "conche/status/cx/cx27",
        "conche/command/alice/cx/cx27/resync",
        "reply/alice/x",
        "other/reply/alice/x",
        "/conche/reply/alice/x",
        "$SYS/x",
    ],
)
def test_foreign_response_topic_is_refused_and_nothing_is_sent_there(topic: str) -> None:
    message = incoming({"id": "a", "started": True}, response_topic=topic)
    assert envelope_of(message, root=ROOT).reply_to == "conche/reply/alice/a"
    assert refusal(message) == (
        f"the response topic must lie under conche/reply/alice/, one level below, is {topic}"
    )


def test_topic_that_is_no_command_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="not a command topic"):
        envelope_of(incoming(topic="conche/status/cx/cx27"), root=ROOT)


# --- what is understood, and what is refused


def test_command_is_read_with_its_arguments() -> None:
    expires = NOW + timedelta(seconds=30)
    command = read(
        incoming({"id": "a", "started": True, "user": "alice", "reason": "r", "expires_at": expires})
    )
    assert command.arguments == SetStarted(started=True, id="a", user="alice", reason="r", expires_at=expires)
    assert (command.by, command.via) == ("alice", None)


def test_command_without_arguments_may_have_no_payload() -> None:
    assert read(incoming(b"", action="resync")).arguments == Resync()


def test_fields_that_are_not_known_are_ignored() -> None:
    assert read(incoming({"colour": "red"}, action="resync")).arguments == Resync()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            incoming({"started": True}, retained=True),
            "commands are not retained: publish it without the retain flag",
        ),
        (
            incoming(b"{"),
            "set_started: Input data was truncated; it takes {started, id, user, reason, expires_at}",
        ),
        (incoming(b"\xff"), "set_started: JSON is malformed"),
        (incoming(b"[]"), "set_started: Expected `object`, got `array`; it takes {started, "),
        (incoming(b""), "set_started: Object missing required field `started`; it takes {started, "),
        (incoming({"started": 1}), "set_started: Expected `bool`, got `int` - at `$.started`; it takes"),
        (incoming({"started": "true"}), "set_started: Expected `bool`, got `str`"),
        (incoming({"started": True, "id": "a/b"}), "set_started: Expected `str` matching regex"),
        (incoming({"started": True, "id": 5}), "set_started: Expected `str | null`, got `int`"),
        (
            incoming({"started": True, "expires_at": "2026-03-01T12:00:00"}),
            "set_started: Expected `datetime` with a timezone component - at `$.expires_at`",
        ),
        (incoming({"started": True, "expires_at": "soon"}), "set_started: Invalid RFC3339 encoded datetime"),
        (
            incoming({}, action="restart"),
            "there is no action 'restart'; there are set_started, set_maintenance, ",
        ),
    ],
)
def test_what_is_wrong_with_a_command_is_said_in_words(message: Incoming, words: str) -> None:
    assert refusal(message).startswith(words)


# --- in whose name


def sent_by(account: str, user: Any) -> Incoming:
    return incoming({"user": user}, topic=f"conche/command/{account}/cx/cx27/resync")


def test_command_is_by_its_sender() -> None:
    command = read(incoming({}, action="resync"))
    assert (command.by, command.via) == ("alice", None)


@pytest.mark.parametrize(
    ("account", "user", "shown"),
    [
        ("alice", "bob", "bob"),
        ("alice", "Alice", "Alice"),
        ("alice", "", "''"),
        ("alice", "bob\nroot", "'bob\\nroot'"),
        ("alice", "x" * 64, "x" * 64),
        ("gateway2", "bob", "bob"),
        ("Gateway", "bob", "bob"),
        ("sync", "bob", "bob"),
    ],
)
def test_nobody_sends_in_the_name_of_another(account: str, user: str, shown: str) -> None:
    assert refusal(sent_by(account, user)) == f"user says {shown}, but {account} sent it: leave `user` out"


@pytest.mark.parametrize("account", ["gateway", "panel"])
def test_account_that_acts_for_people_sends_in_their_name(account: str) -> None:
    command = read(sent_by(account, "zoë.o'hara@example.org"))
    assert (command.by, command.via) == ("zoë.o'hara@example.org", account)


def test_account_that_acts_for_people_may_send_for_itself() -> None:
    command = read(sent_by("gateway", None))
    assert (command.by, command.via) == ("gateway", None)


@pytest.mark.parametrize("account", ["alice", "gateway"])
def test_name_that_is_too_long_is_refused_of_everybody(account: str) -> None:
    assert refusal(sent_by(account, "x" * 65)).startswith(
        "resync: Expected `str` of length <= 64 - at `$.user`"
    )


@pytest.mark.parametrize("user", ["", " ", "a\nb", "a\x1b[2J", "<b>", "-"])
def test_name_that_would_spoil_a_log_or_a_commit_is_refused_of_everybody(user: str) -> None:
    assert refusal(sent_by("gateway", user)).startswith(f"user says {user!r}"[:70])


# --- reasons


def test_reason_may_have_several_lines() -> None:
    command = read(incoming({"reason": "x" * 990 + "\n\tstorm"}, action="resync"))
    assert command.arguments.reason is not None


def test_reason_that_no_state_could_carry_is_refused() -> None:
    message = incoming({"reason": "x" * 1001}, action="resync")
    assert refusal(message).startswith("resync: Expected `str` of length <= 1000 - at `$.reason`")


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\r", "\x7f", "\x9b"])
def test_reason_with_a_control_character_is_refused_in_words(character: str) -> None:
    assert refusal(incoming({"reason": f"why{character}more"}, action="resync")) == (
        f"the reason has a control character, {character!r}: of those only newline and tab may stand in it"
    )


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (Events, {"before": 10**20}),
        (Events, {"after": -1}),
        (Events, {"targets": ["*" * 513]}),
        (Events, {"kinds": ["state"] * 101}),
        (ReadFiles, {"files": ["x" * 4097]}),
        (Rollback, {"commit": "a", "paths": ["x" * 4097]}),
        (Rollback, {"commit": "a", "paths": ["x"] * 1001}),
        (Rollback, {"commit": "a" * 201}),
        (Plan, {"action": "rollback", "reason": "x" * 1001}),
        (SetNodes, {"groups": {"cx": {"cx1": {"host": "x" * 256}}}}),
    ],
)
def test_what_no_service_could_deal_with_is_not_a_command(model: Any, fields: Any) -> None:
    with pytest.raises(ValidationError):
        decode(encode(fields), type=model)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=2)])
def test_clocks_may_differ_by_two_seconds(late: timedelta) -> None:
    read(incoming({"started": True, "expires_at": NOW}), NOW + late)


def test_expired_command_is_refused_with_both_clocks() -> None:
    expires = NOW.astimezone(timezone(timedelta(hours=2)))
    message = incoming({"started": True, "expires_at": expires})
    assert refusal(message, NOW + timedelta(seconds=2.1)) == (
        "expired: expires_at is 2026-03-01T12:00:00+00:00, it is 2026-03-01T12:00:02.100000+00:00 here"
    )


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z"]
)
def test_deadline_at_the_ends_of_the_calendar_is_no_obstacle(text: str) -> None:
    message = incoming({"started": True, "expires_at": text})
    if text.startswith("9"):
        read(message)
    else:
        assert "expires_at" in refusal(message)


# --- answers


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
    monkeypatch.setattr(commands, "REMEMBERED_BYTES", 2500)
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
    monkeypatch.setattr(commands, "REMEMBERED_IDS", 2)
    monkeypatch.setattr(commands, "REMEMBERED_BYTES", 2500)
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
    monkeypatch.setattr(commands, "REMEMBERED_IDS", 3)
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
