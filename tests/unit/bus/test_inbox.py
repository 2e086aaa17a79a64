"""The drop rule: of a state the newest wins, a command that finds no room is not taken."""

import asyncio

import pytest

from conche.bus.inbox import Inbox
from conche.bus.link import Incoming

pytestmark = pytest.mark.looptime


def state(topic: str, payload: bytes = b"") -> Incoming:
    return Incoming(topic=topic, payload=payload, retained=False)


async def drained(inbox: Inbox) -> list[tuple[str, bytes]]:
    got = []
    while True:
        try:
            async with asyncio.timeout(1):
                message = await inbox.get()
        except TimeoutError:
            return got
        got.append((message.topic, message.payload))


async def test_messages_come_out_in_the_order_in_which_they_came() -> None:
    inbox = Inbox()
    inbox.put_state(state("a"))
    inbox.put_command(state("command", b"1"))
    inbox.put_state(state("b"))
    inbox.put_command(state("command", b"2"))
    assert await drained(inbox) == [("a", b""), ("command", b"1"), ("b", b""), ("command", b"2")]


async def test_newest_state_of_a_topic_takes_the_place_of_the_older_and_is_counted() -> None:
    inbox = Inbox()
    for payload in (b"1", b"2", b"3"):
        inbox.put_state(state("a", payload))
        inbox.put_state(state("b", payload))
    assert inbox.replaced == 4
    assert await drained(inbox) == [("a", b"3"), ("b", b"3")]
    assert inbox.dropped == 0


async def test_newer_heartbeat_neither_overtakes_what_was_said_before_it_nor_puts_the_older_one_off() -> None:
    inbox = Inbox()
    inbox.put_state(state("sweep", b"1"), late=True)
    inbox.put_state(state("observed", b"new"))
    inbox.put_state(state("sweep", b"2"), late=True)
    assert inbox.replaced == 1
    assert await drained(inbox) == [("sweep", b"1"), ("observed", b"new")]


async def test_state_that_was_handled_is_not_replaced() -> None:
    inbox = Inbox()
    inbox.put_state(state("a", b"1"))
    assert (await inbox.get()).payload == b"1"
    inbox.put_state(state("a", b"2"))
    assert await drained(inbox) == [("a", b"2")]
    assert inbox.replaced == 0


async def test_topics_beyond_the_bound_are_dropped_and_counted_and_known_ones_are_not() -> None:
    inbox = Inbox(max_topics=2)
    for topic in "abcd":
        inbox.put_state(state(topic, b"1"))
    inbox.put_state(state("b", b"2"))
    assert await drained(inbox) == [("a", b"1"), ("b", b"2")]
    assert (inbox.dropped, inbox.replaced) == (2, 1)
    inbox.put_state(state("c"))
    assert await drained(inbox) == [("c", b"")]


async def test_commands_are_never_replaced_and_what_finds_no_room_is_not_taken() -> None:
    inbox = Inbox(max_commands=2)
    assert [inbox.put_command(state("c", b"%d" % i)) for i in range(4)] == [True, True, False, False]
    assert inbox.dropped == 2
    assert (await inbox.get()).payload == b"0"
    assert inbox.put_command(state("c", b"4"))
    assert await drained(inbox) == [("c", b"1"), ("c", b"4")]


async def test_storm_of_states_takes_no_room_from_commands() -> None:
    inbox = Inbox(max_topics=1, max_commands=1)
    for _ in range(100):
        inbox.put_state(state("a"))
    assert inbox.put_command(state("c"))


async def test_new_connection_forgets_states_and_keeps_commands() -> None:
    inbox = Inbox()
    inbox.put_state(state("a"))
    inbox.put_command(state("c"))
    inbox.forget_states()
    inbox.put_state(state("a", b"new"))
    assert await drained(inbox) == [("c", b""), ("a", b"new")]


async def test_who_waits_is_woken_by_state_and_by_command() -> None:
    for put in ("put_state", "put_command"):
        inbox = Inbox()
        waiting = asyncio.ensure_future(inbox.get())
        await asyncio.sleep(5)
        assert not waiting.done()
        getattr(inbox, put)(state("a"))
        assert (await waiting).topic == "a"


async def test_events_of_one_topic_are_all_kept_and_those_that_find_no_room_are_lost_and_counted() -> None:
    inbox = Inbox(max_events=2, max_topics=1, max_commands=1)
    assert [inbox.put_event(state("e", b"%d" % i)) for i in range(3)] == [True, True, False]
    assert inbox.put_command(state("c"))
    inbox.put_state(state("a"))
    assert inbox.dropped == 1
    assert await drained(inbox) == [("e", b"0"), ("e", b"1"), ("c", b""), ("a", b"")]
    assert inbox.put_event(state("e", b"4"))


async def test_a_new_connection_brings_no_event_again_so_those_that_wait_stay() -> None:
    inbox = Inbox()
    inbox.put_event(state("e", b"1"))
    inbox.put_state(state("a"))
    inbox.forget_states()
    assert await drained(inbox) == [("e", b"1")]
