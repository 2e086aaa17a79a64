"""Events as they happen, over HTTP: at once, to everybody, and to who comes back what he missed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from conche.bus import Bus
from conche.contract import EVENT, Event, EventKind, Service
from conche.contract.roles import Role

from .bus_support import running, until
from .gateway_support import Running, running_gateway
from .harness import Mosquitto
from .telescope_support import Site, site, tokens_of

PATH = "/api/v1/events/stream"


@dataclass
class Reader:
    """Somebody who follows; what he was told."""

    response: aiohttp.ClientResponse
    told: list[Any] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    last_id: str | None = None
    comments: int = 0
    ended: bool = False

    async def read(self) -> None:
        kind = "message"
        async for line in self.response.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data" and kind == "gap":
                self.gaps.append(json.loads(value)["why"])
            elif name == "data":
                self.told.append(json.loads(value))
            elif name == ":":
                self.comments += 1
            elif not name:
                kind = "message"
        self.ended = True

    def texts(self) -> list[str]:
        return [one["event"]["text"] for one in self.told]


@asynccontextmanager
async def reading(gateway: Running, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    sent = {"Authorization": f"Bearer {gateway.tokens[Role.VIEWER]}", **headers}
    url = f"{gateway.url}{PATH}{query}"
    async with gateway.http.get(url, headers=sent, timeout=aiohttp.ClientTimeout(total=None)) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        reader = Reader(response)
        task = asyncio.create_task(reader.read())
        try:
            yield reader
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
async def telescope(mosquitto: Mosquitto, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(mosquitto, tmp_path, "cx/cx1", "recv/recv1") as running_site:
        await running_site.begin("journal")
        yield running_site


async def say(telescope: Site, node: str, reason: str) -> None:
    await telescope.command(f"nodes/{node}/set_maintenance", {"maintenance": True, "reason": reason})


def heard(reader: Reader, word: str) -> list[str]:
    return [text for text in reader.texts() if word in text]


async def test_what_happens_is_told_at_once_and_numbered_a_moment_later(telescope: Site):
    async with reading(telescope.gateway, "?kinds=switch") as reader:
        await until(lambda: reader.last_id is not None)
        before = int(reader.last_id or 0)
        await say(telescope, "cx/cx1", "mirror")
        await until(lambda: heard(reader, "mirror"))
        await until(lambda: int(reader.last_id or 0) > before)
        assert len(heard(reader, "mirror")) == 1
        assert reader.told[0]["node"] == "cx1"


async def test_only_what_is_wanted_is_told(telescope: Site):
    async with reading(telescope.gateway, "?targets=recv/*&kinds=switch") as reader:
        await until(lambda: reader.last_id is not None)
        await say(telescope, "cx/cx1", "not this")
        await say(telescope, "recv/recv1", "but this")
        await until(lambda: heard(reader, "but this"))
        assert not heard(reader, "not this")


async def test_who_comes_back_is_told_what_he_missed_and_nothing_twice(telescope: Site):
    async with reading(telescope.gateway, "?kinds=switch") as reader:
        await say(telescope, "cx/cx1", "first")
        await until(lambda: heard(reader, "first"))
        number = reader.last_id
        await until(lambda: reader.last_id not in (None, number))
        last = reader.last_id or ""
    await say(telescope, "cx/cx1", "second")
    await say(telescope, "cx/cx1", "third")
    async with asyncio.timeout(20):
        while (
            not (await telescope.get("/api/v1/events?kinds=switch&limit=1"))
            .json["events"][0]["event"]["text"]
            .endswith("third")
        ):
            await asyncio.sleep(0.05)
    async with reading(telescope.gateway, "?kinds=switch", **{"Last-Event-ID": last}) as again:
        await until(lambda: heard(again, "third"))
        await say(telescope, "cx/cx1", "fourth")
        await until(lambda: heard(again, "fourth"))
        words = ("first", "second", "third", "fourth")
        assert [len(heard(again, word)) for word in words] == [0, 1, 1, 1]
        assert [one["number"] for one in again.told[:2]] == sorted(one["number"] for one in again.told[:2])


async def test_who_comes_back_while_the_journal_is_away_is_told_of_the_gap(telescope: Site):
    await telescope.end("journal", "journal")
    async with reading(telescope.gateway, **{"Last-Event-ID": "1"}) as reader:
        await until(lambda: reader.gaps)
        assert "journal was stopped" in reader.gaps[0]
        await say(telescope, "cx/cx1", "all the same")
        await until(lambda: heard(reader, "all the same"))


@pytest.mark.parametrize(
    ("query", "headers"),
    [("?kinds=nonsense", {}), ("?after=-1", {}), ("?after=x", {}), ("", {"Last-Event-ID": "x"}),
     ("", {"Last-Event-ID": "9" * 30})],
)  # fmt: skip
async def test_a_wrong_question_is_no_stream(telescope: Site, query: str, headers: dict[str, str]):
    answer = await telescope.get(f"{PATH}{query}", headers=headers)
    assert answer.status == 422


# --- many readers, and bad ones


@pytest.fixture
async def gateway(mosquitto: Mosquitto, tmp_path: Path) -> AsyncIterator[Running]:
    """Without any service behind it."""
    async with running_gateway(
        mosquitto, tmp_path, prepared=tokens_of(tmp_path / "gateway"), max_streams=250
    ) as one:
        yield one


@asynccontextmanager
async def teller(mosquitto: Mosquitto) -> AsyncIterator[Bus]:
    async with running(Bus(mosquitto.settings, service=Service.SYNC, instance="cx")) as bus:
        yield bus


def tell(bus: Bus, text: str) -> None:
    event = Event(at=datetime.now(UTC), kind=EventKind.STATE, text=text)
    assert bus.tell(EVENT, event, service="sync", group="cx", node="cx1")


async def test_two_hundred_readers_are_told_all_at_once(gateway: Running, mosquitto: Mosquitto):
    hub = gateway.built.desk.telescope.hub
    async with teller(mosquitto) as bus, asyncio.timeout(60):
        stop = asyncio.Event()
        readers: list[Reader] = []

        async def one() -> None:
            async with reading(gateway) as reader:
                readers.append(reader)
                await stop.wait()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(200):
                tasks.create_task(one())
            await until(lambda: len(readers) == 200 and hub.listeners == 200, 30)
            for number in range(5):
                tell(bus, f"event {number}")
            await until(lambda: all(len(heard(r, "event")) == 5 for r in readers), 30)
            stop.set()
    await until(lambda: hub.listeners == 0)


async def test_one_stream_too_many_is_refused_and_those_that_end_make_room(
    mosquitto: Mosquitto, tmp_path: Path
):
    tokens = tokens_of(tmp_path / "gateway")
    async with running_gateway(mosquitto, tmp_path, prepared=tokens, max_streams=1) as gateway:
        hub = gateway.built.desk.telescope.hub
        async with reading(gateway):
            refused = await gateway.ask("GET", PATH, role=Role.VIEWER)
            assert refused.status == 429
            assert "Retry-After" in refused.headers
        await until(lambda: hub.listeners == 0)
        async with reading(gateway):
            await until(lambda: hub.listeners == 1)


async def test_a_reader_who_takes_nothing_is_cut_off_and_disturbs_nobody(
    gateway: Running, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("conche.gateway.streams.MAX_WAITING", 100)
    hub = gateway.built.desk.telescope.hub
    sent = {"Authorization": f"Bearer {gateway.tokens[Role.VIEWER]}"}
    async with teller(mosquitto) as bus, reading(gateway) as good:
        async with gateway.http.get(f"{gateway.url}{PATH}", headers=sent, read_bufsize=1) as _slow:
            await until(lambda: hub.listeners == 2)
            number = 0
            async with asyncio.timeout(60):
                while hub.listeners == 2:
                    for _ in range(50):
                        tell(bus, f"event {number} " + "x" * 900)
                        number += 1
                    await until(lambda told=number: len(good.told) >= told, 20)
        assert not good.ended


async def test_a_silent_stream_has_comments_and_ends_when_its_token_is_revoked(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("conche.gateway.streams.HEARTBEAT_S", 0.1)
    async with reading(gateway) as reader:
        await until(lambda: reader.comments > 2)
        gateway.built.desk.tokens.revoke("script-viewer")
        await until(lambda: gateway.built.desk.telescope.hub.listeners == 0)
