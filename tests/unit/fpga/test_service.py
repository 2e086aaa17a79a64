"""The service's loop in virtual time, with a broker and an FPGA master in memory."""

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Callable
from typing import Any, Self

import pytest
from msgspec.json import encode

from conche.bus import Incoming
from conche.contract import Event, FpgaState, FpgaStatus, Message, Payload, Refresh, Reply
from conche.fpga.client import FpgaError, FpgaGarbled, FpgaHttpError, FpgaTimeout, FpgaUnreachable
from conche.fpga.service import APART_S, HEALTH, MAX_ASKED, TIMING, FpgaService
from conche.settings import Fpga

pytestmark = pytest.mark.looptime

START = int(time.time()) - 3600
FIRST = START * 10**9 + 123_456_789
SETTINGS = Fpga(url="http://fpga:54321")


def timing(frame0: Any = FIRST, start: Any = START) -> bytes:
    return json.dumps({"frame0_nano": frame0, "start_ctime": start}).encode()


class Master:
    """Answers what it is told to; notes when it was asked for its health."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | FpgaError] = {HEALTH: b"{}", TIMING: timing()}
        self.asked: list[float] = []
        self.takes_s = 0.0

    async def get(self, path: str) -> bytes:
        if path == HEALTH:
            self.asked.append(asyncio.get_running_loop().time())
            await asyncio.sleep(self.takes_s)
        answer = self.answers[path]
        if isinstance(answer, FpgaError):
            raise answer
        return answer


class Broker:
    """Keeps what the service says."""

    def __init__(self, *found: FpgaStatus) -> None:
        self.connected = True
        self.owned: list[FpgaStatus] = []
        self.told: list[Event] = []
        self.replies: list[Reply] = []
        self.filters: list[str] = []
        self._found = found
        self._on_connection: list[Callable[[], None]] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def picture_complete(self) -> None:
        await asyncio.sleep(0)

    def found(self, _message: Message[Any]) -> list[tuple[dict[str, str], Any]]:
        return [({}, status) for status in self._found]

    def own(self, _message: Message[Any], payload: Payload, **_params: str) -> None:
        assert isinstance(payload, FpgaStatus)
        self.owned.append(payload)

    def on_connection(self, handler: Callable[[], None]) -> None:
        self._on_connection.append(handler)

    def take_commands(self, filters: list[str], _on_command: Any, *, on_busy: Any) -> None:
        self.filters = filters

    def tell(self, _message: Message[Any], payload: Payload, **params: str) -> bool:
        assert params == {"service": "fpga", "group": "-", "node": "-"}
        assert isinstance(payload, Event)
        if self.connected:
            self.told.append(payload)
        return self.connected

    def send(self, _topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        assert isinstance(payload, Reply)
        self.replies.append(payload)

    def connect(self, *, there: bool) -> None:
        self.connected = there
        for told in self._on_connection:
            told()

    @property
    def now(self) -> FpgaStatus:
        return self.owned[-1]


class Desk:
    """A service that runs."""

    def __init__(self, *found: FpgaStatus, configured: bool = True) -> None:
        self.master = Master()
        self.broker = Broker(*found)
        self.service = FpgaService(
            self.broker,
            self.master if configured else None,
            settings=SETTINGS if configured else Fpga(),
            root="conche",
        )
        self.service.subscribe()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return await self.begin()

    async def __aexit__(self, *_error: object) -> None:
        await self.end()

    async def begin(self) -> Self:
        self._task = asyncio.create_task(self.service.run())
        await asyncio.sleep(0.1)
        return self

    async def end(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    def ask(self, id_: str = "q", **fields: Any) -> None:
        self.service.on_command(question(Refresh(id=id_, **fields)))

    async def next_look(self) -> FpgaStatus:
        await asyncio.sleep(SETTINGS.period_s)
        return self.broker.now


def question(wish: Refresh, *, action: str = "refresh") -> Incoming:
    return Incoming(topic=f"conche/command/alice/-/fpga/{action}", payload=encode(wish), retained=False)


# --- looking


async def test_it_looks_once_in_each_period():
    async with Desk() as desk:
        await asyncio.sleep(3 * SETTINGS.period_s)
        began, *others = desk.master.asked
        assert [round(at - began) for at in others] == [30, 60, 90]


async def test_what_it_sees_is_told_with_where_it_was_seen():
    async with Desk() as desk:
        status = desk.broker.now
        assert (status.state, status.frame0_ns, status.error) == ("good", FIRST, None)
        assert (status.url, status.reported_frame0_ns, status.rollovers) == (SETTINGS.url, FIRST, 0)


async def test_a_page_with_a_clock_in_it_makes_the_same_state_each_time():
    async with Desk() as desk:
        for second in range(5):
            desk.master.answers[TIMING] = b"<html>It is 12:00:%02d</html>" % second
            desk.master.answers[HEALTH] = b"<html>It is 12:00:%02d</html>" % second
            await asyncio.sleep(SETTINGS.period_s)
        assert desk.broker.now.state == "degraded"
        assert len(set(map(encode, desk.broker.owned[1:]))) == 1


async def test_a_frame0_that_is_not_believed_names_the_setting_that_allows_more():
    async with Desk() as desk:
        desk.master.answers[TIMING] = timing(FIRST - 3600 * 10**9)
        await asyncio.sleep(SETTINGS.period_s)
        assert desk.broker.now.frame0_ns is None
        assert "the setting fpga.max_off_s" in (desk.broker.now.error or "")


async def test_a_steady_master_makes_the_same_state_again_and_no_event():
    async with Desk() as desk:
        await asyncio.sleep(5 * SETTINGS.period_s)
        assert len(set(map(encode, desk.broker.owned))) == 1
        assert desk.broker.told == []


@pytest.mark.parametrize(
    ("health", "timing_", "state", "words"),
    [
        (FpgaUnreachable("GET /status: refused"), timing(), "down", "GET /status: refused"),
        (FpgaTimeout("no whole answer"), timing(), "down", "no whole answer"),
        (FpgaHttpError("HTTP 500"), timing(), "degraded", "HTTP 500"),
        (FpgaGarbled("no HTTP"), FpgaGarbled("no HTTP"), "degraded", "no HTTP; no HTTP"),
        (b"", FpgaTimeout("GET /get-frame0-time: no whole answer"), "degraded", "no whole answer"),
        (b"", FpgaUnreachable("closed"), "degraded", "closed"),
        (b"", b"<html>", "degraded", "GET /get-frame0-time: not JSON: a page, HTML or XML"),
        (b" <!DOCTYPE html><p>It works!", timing(), "degraded", "GET /status: a page"),
        (b"", timing(1.5e18), "degraded", "has lost nanoseconds"),
        (b"", timing(start=START + 7 * 86400), "degraded", "start_ctime is 20"),
        (b"", timing(start=START - 7 * 86400), "degraded", "7 d 0 h after it"),
    ],
    ids=range(11),  # the times in the answers are others each time
)
async def test_each_trouble_has_a_state_and_words(
    health: bytes | FpgaError, timing_: bytes | FpgaError, state: str, words: str
):
    desk = Desk()
    desk.master.answers = {HEALTH: health, TIMING: timing_}
    await desk.begin()
    assert desk.broker.now.state == state
    assert words in str(desk.broker.now.error)
    await desk.end()


async def test_a_frame0_behind_by_rollovers_is_corrected_and_told_as_reported_too():
    desk = Desk()
    behind = FIRST - 2 * 1024 * 7 * 86400 * 10**9
    desk.master.answers[TIMING] = timing(behind)
    await desk.begin()
    status = desk.broker.now
    assert (status.frame0_ns, status.reported_frame0_ns, status.rollovers) == (FIRST, behind, 2)
    await desk.end()


async def test_without_a_url_it_says_so_and_asks_nobody():
    desk = await Desk(configured=False).begin()
    assert (desk.broker.now.state, desk.broker.now.url) == (FpgaState.UNCONFIGURED, None)
    assert desk.master.asked == []
    await desk.end()


async def test_another_frame0_is_an_event_and_a_warning(caplog: pytest.LogCaptureFixture):
    async with Desk() as desk:
        desk.master.answers[TIMING] = timing(FIRST + 1)
        status = await desk.next_look()
        assert (status.frame0_ns, status.previous_frame0_ns) == (FIRST + 1, FIRST)
        (event,) = desk.broker.told
        assert (event.before, event.after) == (str(FIRST), str(FIRST + 1))
        (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert "the F-engine was started anew" in record.getMessage()


# --- absences


async def test_a_frame0_that_changed_while_the_service_was_away_is_told():
    first = await Desk().begin()
    await first.end()
    second = Desk(first.broker.now)
    second.master.answers[TIMING] = timing(FIRST + 1)
    await second.begin()
    (event,) = second.broker.told
    assert (event.before, event.after) == (str(FIRST), str(FIRST + 1))
    assert second.broker.now.previous_frame0_ns == FIRST
    await second.end()


async def test_a_frame0_that_changed_while_master_and_service_were_away_is_told():
    first = await Desk().begin()
    first.master.answers[HEALTH] = FpgaUnreachable("refused")
    down = await first.next_look()
    await first.end()
    second = Desk(down)
    second.master.answers[TIMING] = timing(FIRST + 1)
    await second.begin()
    assert [event.after for event in second.broker.told] == [str(FIRST + 1), "good"]
    await second.end()


async def test_a_service_that_is_begun_again_says_what_it_said_and_tells_nothing():
    first = await Desk().begin()
    await first.end()
    second = await Desk(first.broker.now).begin()
    assert second.broker.now == first.broker.now
    assert second.broker.told == []
    await second.end()


async def test_what_happens_while_the_broker_is_away_is_told_drawn_together_when_it_is_back():
    async with Desk() as desk:
        desk.broker.connect(there=False)
        for number in (1, 2):
            desk.master.answers[TIMING] = timing(FIRST + number)
            await desk.next_look()
        assert desk.broker.told == []
        desk.broker.connect(there=True)
        (event,) = desk.broker.told
        assert (event.before, event.after) == (str(FIRST), str(FIRST + 2))
        await desk.next_look()
        assert len(desk.broker.told) == 1


# --- questions


async def test_a_refresh_is_answered_with_what_is_so_now():
    async with Desk() as desk:
        desk.master.answers[TIMING] = timing(FIRST + 1)
        await asyncio.sleep(1)
        desk.ask(user="alice")
        await asyncio.sleep(0.1)
        (reply,) = desk.broker.replies
        assert (reply.ok, reply.id, reply.action, reply.group) == (True, "q", "refresh", "-")
        assert reply.fpga == desk.broker.now
        assert reply.fpga.frame0_ns == FIRST + 1


async def test_a_refresh_during_a_look_is_answered_by_the_next_one():
    async with Desk() as desk:
        desk.master.takes_s = 3.0
        await asyncio.sleep(SETTINGS.period_s)
        desk.master.answers[TIMING] = timing(FIRST + 1)
        desk.ask()
        await asyncio.sleep(3.2)
        assert desk.broker.replies == []
        await asyncio.sleep(3.5)
        assert len(desk.broker.replies) == 1


async def test_many_questions_share_one_look_and_one_too_many_is_busy():
    async with Desk() as desk:
        await asyncio.sleep(1)
        looks = len(desk.master.asked)
        for number in range(MAX_ASKED + 1):
            desk.ask(f"q{number}")
        (busy,) = desk.broker.replies
        assert not busy.ok
        assert "busy" in str(busy.error)
        await asyncio.sleep(0.1)
        assert [reply.ok for reply in desk.broker.replies] == [False] + MAX_ASKED * [True]
        assert len(desk.master.asked) == looks + 1


async def test_however_often_somebody_asks_looks_are_apart():
    async with Desk() as desk:
        for number in range(200):
            desk.ask(f"q{number}")
            await asyncio.sleep(0.05)
        times = desk.master.asked
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= APART_S * 0.99


async def test_a_refresh_where_no_master_is_configured_is_answered_with_that():
    desk = await Desk(configured=False).begin()
    desk.ask()
    await asyncio.sleep(1)
    (reply,) = desk.broker.replies
    assert reply.fpga is not None
    assert reply.fpga.state is FpgaState.UNCONFIGURED
    await desk.end()


async def test_another_action_is_refused_in_words():
    async with Desk() as desk:
        desk.service.on_command(question(Refresh(id="q"), action="reboot"))
        (reply,) = desk.broker.replies
        assert not reply.ok
        assert "there is no action 'reboot'; there are refresh" in str(reply.error)


async def test_it_reads_its_own_commands_only():
    async with Desk() as desk:
        assert desk.broker.filters == ["command/+/-/fpga/+"]
