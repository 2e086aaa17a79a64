"""What the broker says of itself on its $SYS topics, as a reading; the names are those of mosquitto 2.0."""

import logging
import math
from typing import Final

from conche.contract import measurements as m

from .readings import Reading

logger = logging.getLogger(__name__)

_ROOT: Final = "$SYS/broker/"

TOPICS: Final = {
    "clients/connected": "clients",
    "subscriptions/count": "subscriptions",
    "retained messages/count": "retained",
    "store/messages/count": "stored",
    "store/messages/bytes": "stored_bytes",
    "publish/messages/received": "received",
    "publish/messages/sent": "sent",
    "publish/messages/dropped": "dropped",
    "bytes/received": "received_bytes",
    "bytes/sent": "sent_bytes",
    "heap/current": "heap_bytes",
    "uptime": "uptime_s",
}
"""Topic below ``$SYS/broker`` to field."""


class BrokerFigures:
    """What the broker said last; it says only what has changed, once in its ``sys_interval``."""

    def __init__(self) -> None:
        self._figures: dict[str, float] = {}
        self._news = False

    def take(self, topic: str, text: str) -> None:
        """Take a figure; what is no number, as another broker may have it, is left out."""
        field = TOPICS.get(topic.removeprefix(_ROOT))
        if field is None:
            return
        figure = _number(text)
        if figure is None:
            self._figures.pop(field, None)
            logger.debug("%s: not a number: %.40r", topic, text)
        else:
            self._figures[field] = figure
        self._news = True

    def forget(self) -> None:
        """Forget what was said: another broker, or another start of it, says it anew."""
        self._figures.clear()
        self._news = False

    def reading(self, at_ns: int) -> Reading | None:
        """Return what the broker said, or None where it has said nothing since the last time."""
        news, self._news = self._news, False
        return Reading(m.BROKER, {}, dict(self._figures), at_ns) if news else None


def _number(text: str) -> float | None:
    """Return the number that a text begins with: the uptime is "12 seconds"."""
    try:
        number = float(text.partition(" ")[0])
    except ValueError:
        return None
    return number if math.isfinite(number) else None
