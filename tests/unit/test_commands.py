"""Commands as a service takes them: who sent what, what is refused in which words, and what is answered again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec import ValidationError
from msgspec.json import decode, encode

from conche.bus import Incoming
from conche.commands import Command, CommandRefused, Envelope, envelope_of, read_command
from conche.contract import (
    SYNC_ACTIONS,
    Events,
    Plan,
    ReadFiles,
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
    assert replace(envelope, digest="") == Envelope(
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
