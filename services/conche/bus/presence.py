"""How a service says that it is there: birth, last will, heartbeat."""

import secrets
import socket
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from msgspec.json import encode

from conche.contract import (
    NO_NAME,
    SERVICE,
    SERVICE_BEAT,
    SERVICE_INSTANCE,
    SERVICE_MARK,
    Beat,
    Service,
    ServiceBirth,
    ServiceState,
)

from .link import Will
from .topics import Topics

BEAT_S: Final = 1.0
"""Period of heartbeats [s]."""


class Presence:
    """What one process of a service says about itself.

    Parameters
    ----------
    topics
        The root.
    service
        Which service.
    instance
        Which instance of it, where there can be several.
    """

    def __init__(self, topics: Topics, service: Service, instance: str | None) -> None:
        self.boot = secrets.token_hex(8)
        name = instance or NO_NAME
        self.mark_topic = topics.full(SERVICE_MARK.topic(service=service, instance=name))
        self.beat_topic = topics.full(SERVICE_BEAT.topic(service=service, instance=name))
        self.birth_topic = topics.full(
            SERVICE_INSTANCE.topic(service=service, instance=instance)
            if instance
            else SERVICE.topic(service=service)
        )
        self._since = datetime.now(UTC)

    def birth(self, state: ServiceState, *, dropped: int = 0, invalid: int = 0) -> bytes:
        """Return the payload of the birth topic, with what was dropped on the way in so far."""
        return encode(
            ServiceBirth(
                state=state,
                boot=self.boot,
                since=datetime.now(UTC) if state is ServiceState.OFFLINE else self._since,
                version=version("conche"),
                host=socket.gethostname(),
                dropped=dropped,
                invalid=invalid,
            )
        )

    def will(self) -> Will:
        """Return what the broker says when this process is lost."""
        return Will(self.birth_topic, self.birth(ServiceState.LOST))

    def beat(self) -> bytes:
        """Return a heartbeat."""
        return encode(Beat(boot=self.boot, period_s=BEAT_S))
