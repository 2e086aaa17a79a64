"""What is stored, as it comes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from conche.contract import Event, NodeStatus, ServiceBirth


@dataclass(frozen=True, slots=True)
class Heard:
    """An event and who told it, of what."""

    service: str
    group: str
    node: str
    event: Event


@dataclass(frozen=True, slots=True)
class Said:
    """The last status of a node, of which events tell how it came about."""

    group: str
    node: str
    status: NodeStatus


@dataclass(frozen=True, slots=True)
class Found:
    """Statuses that were found after an absence, by group and node: what changed is worked out and stored."""

    statuses: Mapping[tuple[str, str], NodeStatus]
    at: datetime


@dataclass(frozen=True, slots=True)
class Born:
    """The last birth of a service."""

    name: str
    birth: ServiceBirth


Note = Heard | Said | Found | Born
"""What is stored, in the order in which it came."""
