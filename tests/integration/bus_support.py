"""A bus and ways to run it, a listener that misses nothing, and what is retained."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from conche import contract
from conche.bus import Bus
from conche.bus.link import Incoming, Link, Subscription
from conche.bus.login import login_of
from conche.settings import Broker

from .harness import Mosquitto

SEEN = "conche/observed/+/+"
BIRTH = "conche/service/sync/cx"


def sync(broker: Broker) -> Bus:
    """The worker's bus whose birth stands on BIRTH."""
    return Bus(broker, service=contract.Service.SYNC, instance="cx")


@asynccontextmanager
async def running(bus: Bus) -> AsyncIterator[Bus]:
    """Run a bus; the body begins when its picture is complete, or when it has failed."""
    task = asyncio.create_task(bus.run())
    picture = asyncio.create_task(bus.picture_complete())
    try:
        await asyncio.wait([task, picture], return_when=asyncio.FIRST_COMPLETED)
        yield bus
    finally:
        task.cancel()
        picture.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def trying(bus: Bus) -> AsyncIterator[asyncio.Task[None]]:
    """Run a bus that is not expected to get anywhere; it must not end by itself."""
    task = asyncio.create_task(bus.run())
    try:
        yield task
        assert not task.done()
        assert not bus.connected
    finally:
        task.cancel()
        await asyncio.wait([task])


async def ended(bus: Bus) -> Exception:
    """Run a bus until it fails, and return why."""
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(bus.run(), 10)
    (error,) = caught.value.exceptions
    return error


async def until(condition: Callable[[], object], timeout: float = 10) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)


def observed(number: int = 1, boot: str = "b") -> contract.Observed:
    return contract.Observed(boot=boot, sweep=number, reach=contract.Reach.OK)


def retained(mosquitto: Mosquitto, topic: str) -> list[str]:
    out = subprocess.run(
        ["mosquitto_sub", *mosquitto.client_arguments(), "-t", topic, "-v", "-W", "1"],
        capture_output=True,
        text=True,
    )
    return out.stdout.splitlines()


def publish(mosquitto: Mosquitto, topic: str, text: str, *more: str, account: str = "operator") -> None:
    arguments = [*mosquitto.client_arguments(account), "-t", topic, "-m", text, "-q", "1", *more]
    subprocess.run(["mosquitto_pub", *arguments], check=True)


@asynccontextmanager
async def listening(
    broker: Broker, *filters: str, account: str = "operator"
) -> AsyncIterator[list[Incoming]]:
    """Everything that comes, one by one, nothing left out as the bus does."""
    got: list[Incoming] = []
    link = Link(login_of(broker, account=account, client_id=f"listener-{account}"), on_message=got.append)
    await link.connect()
    try:
        await link.subscribe([Subscription(f) for f in filters])
        yield got
    finally:
        await link.disconnect()
