"""Commands on their way: repeated until they are answered, and given up in time. In virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from conche.bus import BusUnavailable, PayloadTooLarge
from conche.client.sending import Order
from conche.contract import Event, EventKind, Ping, Reply, SetStarted
from conche.gateway import commanding
from conche.gateway.commanding import Commander
from conche.gateway.errands import Errands, parcels_of
from conche.gateway.problems import Conflict, TooMany

from .picture_samples import NOW

pytestmark = pytest.mark.looptime
CX = Order("cx", "all")


@dataclass
class Line:
    """A broker that can be away, and a service that answers what it is told to."""

    connected: bool = True
    sent: list[Any] = field(default_factory=list)
    fails: Callable[[], None] = lambda: None

    async def publish(self, _message: Any, payload: Any, **params: str) -> bool:
        self.fails()
        self.sent.append((params, payload))
        return True


@asynccontextmanager
async def running(line: Line) -> AsyncIterator[Commander]:
    commander = Commander(line, errands=Errands(), clock=lambda: NOW)
    task = asyncio.create_task(commander.run())
    await asyncio.sleep(0)
    try:
        yield commander
    finally:
        task.cancel()
        await asyncio.wait([task])


def reply(identity: str) -> Reply:
    return Reply(id=identity, action="ping", group="cx", ok=True)


async def test_a_command_is_sent_for_a_person_with_an_id_and_an_end():
    line = Line()
    async with running(line) as commander:
        commander.submit("ping", Ping(), [CX], user="vera")
        await asyncio.sleep(0.1)
        ((params, sent),) = line.sent
        assert params == {"user": "gateway", "group": "cx", "node": "all", "action": "ping"}
        assert sent.user == "vera"
        assert sent.id.startswith("gw-")
        assert (sent.expires_at - NOW).total_seconds() == 70


async def test_it_is_repeated_with_its_id_until_it_is_answered():
    line = Line()
    async with running(line) as commander:
        errand = commander.submit("ping", Ping(), [CX], user="vera", name="a")
        await asyncio.sleep(11)
        assert [sent.id for _, sent in line.sent] == ["a", "a", "a"]
        commander.on_reply({"id": "a"}, reply("a"))
        await asyncio.sleep(20)
        assert len(line.sent) == 3
        assert errand.status().ok is True
        commander.on_reply({"id": "a"}, reply("a"))  # late ones change nothing


async def test_it_is_given_up_in_time():
    line = Line()
    async with running(line) as commander:
        errand = commander.submit("ping", Ping(), [CX], user="vera", timeout=30)
        await asyncio.sleep(31)
        assert errand.is_silent
        assert len(line.sent) == 6


async def test_it_is_sent_once_the_broker_is_back():
    line = Line(connected=False)

    def refuse() -> None:
        raise BusUnavailable("lost")

    async with running(line) as commander:
        errand = commander.submit("ping", Ping(), [CX], user="vera", name="a")
        await asyncio.sleep(3)
        line.connected, line.fails = True, refuse
        await asyncio.sleep(3)
        assert line.sent == []
        line.fails = lambda: None
        await asyncio.sleep(1)
        commander.on_reply({"id": "a"}, reply("a"))
        await asyncio.sleep(0)
        assert errand.replies


async def test_what_no_broker_would_take_is_told():
    def refuse() -> None:
        raise PayloadTooLarge("too many bytes")

    async with running(Line(fails=refuse)) as commander:
        errand = commander.submit("ping", Ping(), [CX], user="vera")
        await asyncio.sleep(1)
        assert "too many bytes" in (errand.problem or "")


@pytest.mark.parametrize(
    ("service", "kind", "accepted"),
    [
        ("sync", EventKind.COMMAND, True),
        ("renderer", EventKind.COMMAND, False),
        ("renderer", EventKind.CONFIG, True),
        ("journal", EventKind.CONFIG, False),
        ("sync", EventKind.SWITCH, False),
    ],
)
async def test_it_is_accepted_when_its_service_says_so(service: str, kind: EventKind, accepted: bool):
    async with running(Line()) as commander:
        errand = commander.submit("set_started", SetStarted(started=True), [CX], user="vera", name="a")
        await asyncio.sleep(0.1)
        event = Event(at=NOW, kind=kind, text="", command="a")
        commander.on_event({"service": service, "group": "cx", "node": "-"}, event)
        assert errand.accepted.is_set() is accepted
        assert not errand.done.is_set()


async def test_too_many_at_once_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commanding, "MAX_OPEN", 2)
    async with running(Line()) as commander:
        for _ in range(2):
            commander.submit("ping", Ping(), [CX], user="vera")
            await asyncio.sleep(0.1)
        with pytest.raises(TooMany):
            commander.submit("ping", Ping(), [CX], user="vera")


async def test_a_question_is_not_remembered():
    async with running(Line()) as commander:
        errand = commander.submit("ping", Ping(), [CX], user="vera", is_kept=False)
        assert commander.errands.find(errand.id, now=NOW) is None


async def test_an_id_that_is_that_of_a_part_of_another_command_is_refused_while_that_is_open():
    line = Line()
    both = [CX, Order("recv", "all")]
    async with running(line) as commander:
        commander.submit("ping", Ping(), both, user="vera", name="k")
        part = parcels_of(both, "k")[0].id
        with pytest.raises(Conflict, match="take another one"):
            commander.submit("ping", Ping(), [CX], user="oscar", name=part)
        for parcel in parcels_of(both, "k"):
            commander.on_reply({"id": parcel.id}, reply(parcel.id))
        await asyncio.sleep(1)
        again = commander.submit("ping", Ping(), [CX], user="oscar", name=part)
        assert again.user == "oscar"


async def test_who_waits_for_it_to_begin_hears_of_it_when_it_is_given_up():
    async with running(Line()) as commander:
        errand = commander.submit("set_started", SetStarted(started=True), [CX], user="vera", timeout=70)
        await errand.accepted.wait()
        assert errand.is_silent
        assert asyncio.get_running_loop().time() == pytest.approx(70, abs=1)
