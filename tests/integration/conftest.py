"""Fixtures of the integration tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .harness import Mosquitto
from .influx_support import Influxd, running_influxd


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    broker = Mosquitto(tmp_path / "mosquitto")
    await broker.start()
    yield broker
    broker.stop()


@pytest.fixture
async def influxd(tmp_path: Path) -> AsyncIterator[Influxd]:
    """A database; the test is skipped where there is no such program."""
    async with running_influxd(tmp_path / "influxd") as one:
        yield one
