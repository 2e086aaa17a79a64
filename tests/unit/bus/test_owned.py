"""Owned state: whatever happens, the broker ends up holding what it should."""

import asyncio
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from conche.bus.owned import OwnedState
from conche.bus.topics import Topics

TOPICS = st.sampled_from(["c/a/1", "c/a/2", "c/b/1"])
PAYLOADS = st.sampled_from([b"", b"x", b"y"])


class Broker(RuleBasedStateMachine):
    """A broker that carries out and acknowledges in order, and a connection that can be lost at any point."""

    def __init__(self) -> None:
        super().__init__()
        self.owned = OwnedState(Topics("c"))
        self.holds: dict[str, bytes] = {}
        self.wanted: dict[str, bytes] = {}
        self.cleared = False
        self.connected = False
        self.sent: deque[tuple[str, bytes]] = deque()
        self.unacknowledged: deque[tuple[str, bytes]] = deque()

    # --- the service

    @rule(topic=TOPICS, payload=PAYLOADS)
    def want(self, topic: str, payload: bytes) -> None:
        self.owned.want(topic, payload)
        self.wanted[topic] = payload

    @rule()
    def clear_unowned(self) -> None:
        self.owned.clear_unowned("a/+")
        self.cleared = True

    @rule()
    def publish(self) -> None:
        if self.connected and (entry := self.owned.take()):
            self.sent.append(entry)

    # --- the broker

    @rule()
    def carry_out(self) -> None:
        if self.sent:
            topic, payload = self.sent.popleft()
            self.holds[topic] = payload
            self.unacknowledged.append((topic, payload))

    @rule()
    def acknowledge(self) -> None:
        if self.unacknowledged:
            self.owned.acknowledged(*self.unacknowledged.popleft())

    @rule(topic=TOPICS, payload=PAYLOADS)
    def write_behind_its_back(self, topic: str, payload: bytes) -> None:
        """What it hears of that comes behind the acknowledgements of what was carried out before."""
        if self.connected and self.wanted.get(topic):
            self.holds[topic] = payload
            self.acknowledge_all()
            self.owned.overwritten(topic, payload)

    def acknowledge_all(self) -> None:
        while self.unacknowledged:
            self.acknowledge()

    @rule(topic=TOPICS, payload=PAYLOADS)
    def write_behind_its_back_while_it_is_away(self, topic: str, payload: bytes) -> None:
        if not self.connected and self.wanted.get(topic, b"never owned"):
            self.holds[topic] = payload

    @rule()
    def forget_everything(self) -> None:
        if not self.connected:
            self.holds.clear()

    @rule(lost=st.integers(0, 3))
    def lose_connection(self, lost: int) -> None:
        """Some of what was sent was still carried out; no acknowledgement comes any more."""
        for topic, payload in list(self.sent)[:lost]:
            self.holds[topic] = payload
        self.sent.clear()
        self.unacknowledged.clear()
        self.connected = False

    @rule()
    def connect(self) -> None:
        if not self.connected:
            self.owned.found({topic: payload for topic, payload in self.holds.items() if payload})
            self.connected = True

    # --- what must hold

    def everything_goes_through(self) -> None:
        for _ in range(100):
            self.publish()
            self.carry_out()
            self.acknowledge()

    @rule()
    def nothing_to_do_means_that_the_broker_holds_it(self) -> None:
        if self.connected and not self.sent and not self.unacknowledged:
            self.publish()
            if not self.sent:
                self.assert_held()

    def teardown(self) -> None:
        self.connect()
        self.everything_goes_through()
        assert self.owned.take() is None
        self.assert_held()

    def assert_held(self) -> None:
        for topic, payload in self.wanted.items():
            assert self.holds.get(topic, b"") == payload, topic
        if self.cleared:
            stray = {t for t, p in self.holds.items() if p and t.startswith("c/a/")} - self.wanted.keys()
            assert not stray


TestWhateverHappensTheBrokerHoldsWhatIsWanted = Broker.TestCase
TestWhateverHappensTheBrokerHoldsWhatIsWanted.settings = settings(
    max_examples=300, stateful_step_count=40, deadline=None
)


def owned(**held: bytes) -> OwnedState:
    state = OwnedState(Topics("c"))
    state.found(dict(held))
    return state


def taken(state: OwnedState) -> list[tuple[str, bytes]]:
    return list(iter(state.take, None))


def test_what_stands_there_already_is_not_published() -> None:
    state = owned(a=b"x", b=b"x")
    state.want("a", b"x")
    state.want("b", b"y")
    assert taken(state) == [("b", b"y")]


def test_of_several_wishes_before_the_next_publish_the_last_goes_out_alone() -> None:
    state = owned(a=b"x")
    for payload in (b"y", b"z", b"x"):
        state.want("a", payload)
    assert taken(state) == []
    state.want("a", b"y")
    state.want("a", b"z")
    assert taken(state) == [("a", b"z")]


def test_what_is_under_way_is_not_published_twice() -> None:
    state = owned()
    state.want("a", b"x")
    assert taken(state) == [("a", b"x")]
    state.want("a", b"x")
    assert taken(state) == []


def test_wish_that_returns_while_others_are_under_way_goes_out_last() -> None:
    """The broker ends with the last publish, whatever was acknowledged first."""
    state = owned()
    for payload in (b"x", b"y", b"x"):
        state.want("a", payload)
        state.take()
    state.acknowledged("a", b"x")
    state.acknowledged("a", b"y")
    state.want("a", b"y")
    assert taken(state) == [("a", b"y")]


def test_topic_that_was_let_go_while_away_is_cleared_at_the_next_connection() -> None:
    state = owned(a=b"x")
    state.want("a", b"x")
    state.want("a", b"")
    state.found({"a": b"x"})
    assert taken(state) == [("a", b"")]


def test_what_nobody_owns_is_left_alone_until_the_owner_says_so() -> None:
    state = owned(**{"c/a/1": b"x", "c/a/2": b"x", "c/b/1": b"x"})
    state.want("c/a/1", b"x")
    assert taken(state) == []
    state.clear_unowned("a/+")
    assert taken(state) == [("c/a/2", b"")]
    state.found({"c/a/3": b"x"})
    assert sorted(taken(state)) == [("c/a/1", b"x"), ("c/a/3", b"")]


def test_what_another_wrote_on_an_own_topic_is_put_right() -> None:
    state = owned(a=b"x")
    state.want("a", b"x")
    state.overwritten("a", b"will")
    assert taken(state) == [("a", b"x")]


def test_own_words_that_come_back_change_nothing() -> None:
    state = owned()
    state.want("a", b"x")
    assert taken(state) == [("a", b"x")]
    state.overwritten("a", b"x")
    assert taken(state) == []


@pytest.mark.looptime
async def test_settled_waits_for_the_last_acknowledgement() -> None:
    state = owned()
    await state.settled()
    state.want("a", b"x")
    settled = asyncio.ensure_future(state.settled())
    await asyncio.sleep(5)
    taken(state)
    await asyncio.sleep(5)
    assert not settled.done()
    state.acknowledged("a", b"x")
    await settled


@pytest.mark.looptime
async def test_settled_does_not_wait_for_what_is_wanted_later() -> None:
    """Else a telescope in which something changes all the time would never be said to have been polled."""
    state = owned()
    state.want("a", b"x")
    settled = asyncio.ensure_future(state.settled())
    await asyncio.sleep(0)
    taken(state)
    state.want("b", b"x")
    taken(state)
    state.acknowledged("a", b"x")
    await asyncio.wait_for(settled, 5)


@pytest.mark.looptime
async def test_settled_waits_for_the_newer_wish_of_a_topic_under_way() -> None:
    state = owned()
    state.want("a", b"x")
    taken(state)
    state.want("a", b"y")
    settled = asyncio.ensure_future(state.settled())
    await asyncio.sleep(0)
    state.acknowledged("a", b"x")
    await asyncio.sleep(5)
    assert not settled.done()
    taken(state)
    state.acknowledged("a", b"y")
    await settled
