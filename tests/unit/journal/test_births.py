"""What births and last wills of services say about what happened."""

from datetime import UTC, datetime

import pytest

from conche.contract import ServiceBirth, ServiceState
from conche.journal.births import birth_event

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def birth(state: str, boot: str = "one") -> ServiceBirth:
    return ServiceBirth(state=ServiceState(state), boot=boot, since=AT, host="vm")


def text(before: ServiceBirth | None, after: ServiceBirth, *, found: bool = False) -> str | None:
    event = birth_event("sync/cx", before, after, at=AT, found=found)
    return event.text if event else None


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (None, birth("online"), "sync/cx came online on vm"),
        (birth("online"), birth("lost"), "sync/cx is lost, it ran on vm"),
        (birth("lost"), birth("online"), "sync/cx is back on vm"),
        (birth("lost"), birth("online", "two"), "sync/cx came online on vm"),
        (birth("online"), birth("online", "two"), "sync/cx was begun anew on vm"),
        (birth("online"), birth("offline"), "sync/cx was stopped"),
    ],
)
def test_a_change_is_told(before: ServiceBirth | None, after: ServiceBirth, words: str) -> None:
    assert text(before, after) == words


def test_a_birth_that_is_said_again_tells_nothing() -> None:
    assert text(birth("online"), birth("online")) is None


def test_a_process_that_says_offline_before_it_says_online_was_not_stopped() -> None:
    assert text(birth("lost"), birth("offline", "two")) is None
    assert text(birth("online"), birth("offline", "two"), found=True) == "sync/cx was stopped"


def test_a_service_that_was_never_there_is_not_told_to_be_gone() -> None:
    assert text(None, birth("lost")) is None
    assert text(None, birth("offline"), found=True) is None


def test_a_lost_service_is_not_well() -> None:
    event = birth_event("renderer", birth("online"), birth("lost"), at=AT, found=False)
    assert event is not None
    assert (event.ok, event.before, event.after) == (False, "online", "lost")
