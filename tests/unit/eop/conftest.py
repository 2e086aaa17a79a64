"""IERS data without files, and a service that runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche.eop.iers import Day, Iers

from .desk import Desk
from .samples import TODAY


@pytest.fixture
def iers(monkeypatch: pytest.MonkeyPatch) -> Iers:
    """Data of two years around today, measured to yesterday; they are what a run reads."""
    mjd = TODAY + 40_587
    days = {mjd + d: Day(0.05 + d * 1e-4, 0.1, 0.3, predicted=d >= 0) for d in range(-365, 366)}
    data = Iers("test data", days)
    monkeypatch.setattr("conche.eop.running.read_as_set", lambda settings: data)
    return data


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    await desk.end()
