"""Commands that are remembered: by whom, for how long, and what has become of them."""

from datetime import timedelta
from typing import Any

import pytest

from conche.client.sending import Order
from conche.contract import Outcome, Ping, Reply, Result, SetStarted
from conche.gateway.errands import CommandState, Errand, Errands, parcels_of
from conche.gateway.problems import Conflict

from .picture_samples import NOW

ONE, TWO = Order("cx", "all"), Order("recv", "all")


def errand(name: str = "a", *orders: Order, user: str = "vera", **fields: Any) -> Errand:
    wish = SetStarted(id=name, user=user, **{"started": True, **fields})
    return Errand("set_started", wish, parcels_of(orders or (ONE,), name), sent_at=NOW)


def reply(group: str = "cx", *, ok: bool = True, error: str | None = None, size: int = 0) -> Reply:
    result = Result(ok=ok, outcome=Outcome.OK if ok else Outcome.FAILED, error="x" * size or None)
    results = {} if error else {f"{group}/{group}1": result}
    return Reply(id="a", action="set_started", group=group, ok=ok, error=error, results=results)


def answered(one: Errand, **fields: Any) -> Errand:
    for parcel in one.parcels:
        one.take(parcel, reply(parcel.order.group, **fields))
    one.end(NOW, waited_s=70.0)
    return one


def test_one_message_bears_the_id_of_the_command_and_several_each_one_of_its_own():
    assert [one.id for one in parcels_of([ONE], "a")] == ["a"]
    several = [one.id for one in parcels_of([ONE, TWO], "a")]
    assert len(set(several)) == 2
    assert all(one.startswith("a.") for one in several)
    assert several == [one.id for one in parcels_of([TWO, ONE], "a")][::-1], "whoever else is there"


def test_a_command_waits_until_everybody_has_answered():
    one = errand("a", ONE, TWO)
    one.take(one.parcels[0], reply())
    assert one.status().state is CommandState.WAITING
    assert one.status().ok is None
    assert one.status().unanswered == {"recv": "has not answered yet"}
    assert not one.accepted.is_set()
    one.take(one.parcels[1], reply("recv", ok=False))
    one.end(NOW, waited_s=70.0)
    assert one.accepted.is_set()
    assert (one.status().state, one.status().ok) == (CommandState.ANSWERED, False)


def test_whose_reply_is_missing_is_told():
    one = errand("a", ONE, TWO)
    one.take(one.parcels[0], reply())
    one.end(NOW, waited_s=70.0)
    status = one.status()
    assert (status.state, status.ok) == (CommandState.UNANSWERED, False)
    assert status.unanswered == {"recv": "no answer within 70 s"}
    assert not one.is_silent


def test_groups_without_a_worker_are_told_and_not_ok():
    one = answered(Errand("ping", Ping(id="a", user="v"), parcels_of([ONE], "a"), NOW, {"recv": "away"}))
    assert one.status().ok is False
    assert one.status().unanswered == {"recv": "away"}


def test_it_is_refused_only_if_everybody_refuses_it():
    one = errand("a", ONE, TWO)
    one.take(one.parcels[0], reply(error="no", ok=False))
    assert one.refusal is None
    one.take(one.parcels[1], reply("recv", error="no", ok=False))
    assert one.refusal == "no"


def test_the_first_reply_counts():
    one = errand()
    one.take(one.parcels[0], reply())
    one.take(one.parcels[0], reply(ok=False))
    assert one.replies["a"].ok is True


def test_a_command_that_is_known_is_returned_and_another_one_with_its_id_refused():
    known = Errands()
    first = errand()
    known.keep(first)
    assert known.known(errand(reason="said otherwise")) is first
    for other in (errand(started=False), errand(user="bob"), errand("a", TWO)):
        with pytest.raises(Conflict):
            known.known(other)
    assert known.known(errand("b")) is None


@pytest.mark.parametrize("fields", [{"ok": False, "error": "no"}])
def test_what_was_refused_may_be_mended_under_the_same_id(fields: dict[str, Any]):
    known = Errands()
    known.keep(answered(errand(), **fields))
    assert known.known(errand(started=False)) is None
    with pytest.raises(Conflict):
        known.known(errand(user="bob"))


def test_what_nobody_answered_may_be_sent_again():
    known = Errands()
    silent = errand()
    known.keep(silent)
    silent.end(NOW, waited_s=70.0)
    assert silent.is_silent
    assert known.known(errand()) is None


def test_an_hour_later_it_is_forgotten_unless_it_is_still_on_its_way():
    known = Errands()
    known.keep(answered(errand("old")))
    known.keep(errand("open"))
    later = NOW + timedelta(hours=1, seconds=1)
    assert known.find("old", now=later) is None
    assert known.find("open", now=later) is not None


def test_more_than_there_is_room_for_is_forgotten_the_oldest_first():
    known = Errands(max_kept=2)
    for name in "abc":
        known.keep(answered(errand(name)))
    assert known.find("a", now=NOW) is None
    assert known.find("c", now=NOW) is not None


def test_long_replies_are_forgotten_sooner():
    known = Errands(max_bytes=2_500)
    for name in "abc":
        known.keep(answered(errand(name), size=1_000))
    assert known.find("a", now=NOW) is None
    assert known.find("c", now=NOW) is not None
