from datetime import UTC, datetime

import pytest

from conche.contract import ServiceBirth, ServiceState
from conche.renderer.workers import PATIENCE_S, Workers

CX = {"service": "sync", "instance": "cx"}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def birth(state: ServiceState) -> ServiceBirth:
    return ServiceBirth(state=state, boot="b", since=datetime.now(UTC))


def test_a_worker_that_is_there_is_not_absent(clock: Clock) -> None:
    workers = Workers(clock)
    workers.on_birth(CX, birth(ServiceState.ONLINE))
    clock.now += 2 * PATIENCE_S
    assert workers.absence("cx") is None


@pytest.mark.parametrize("state", [ServiceState.LOST, ServiceState.OFFLINE])
def test_one_that_went_is_absent_after_a_while(clock: Clock, state: ServiceState) -> None:
    workers = Workers(clock)
    workers.on_birth(CX, birth(ServiceState.ONLINE))
    clock.now += 100
    workers.on_birth(CX, birth(state))
    assert workers.absence("cx") is None
    clock.now += PATIENCE_S
    workers.on_birth(CX, birth(ServiceState.LOST))
    assert workers.absence("cx") == "cx has no worker: is 'conche sync' running for it?"


def test_one_that_never_was_is_absent_a_while_after_the_start(clock: Clock) -> None:
    workers = Workers(clock)
    assert workers.absence("cx") is None
    clock.now += PATIENCE_S
    assert workers.absence("cx") is not None


def test_other_services_are_told_apart_from_workers(clock: Clock) -> None:
    workers = Workers(clock)
    workers.on_birth({"service": "journal"}, birth(ServiceState.ONLINE))
    clock.now += PATIENCE_S
    assert workers.absence_of("journal") is None
    assert workers.absence("journal") is not None
    workers.on_birth({"service": "journal"}, birth(ServiceState.LOST))
    clock.now += PATIENCE_S
    assert workers.absence_of("journal") == "journal is away: does it run? its log says why not"
