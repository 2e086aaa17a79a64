"""An operator: the commands that he sends, and the replies that he gets."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from msgspec.json import decode, encode

from conche.contract import COMMAND, SYNC_ACTIONS, Reply

from .broker import Broker
from .speakers import GROUP, ROOT

USER = "operator"


@dataclass
class Sent:
    """A command, and what was answered."""

    id: str
    action: str
    node: str
    arguments: dict[str, Any]
    at: float
    heard_at: float | None = None
    """When it last was sent and somebody listened."""
    replies: list[tuple[float, Reply]] = field(default_factory=list)

    @property
    def answered_at(self) -> float | None:
        return self.replies[0][0] if self.replies else None

    @property
    def reply(self) -> Reply:
        assert self.replies, f"{self.action} of {self.node} was not answered"
        return self.replies[0][1]

    def names(self, node: str) -> bool:
        return self.node in (node, "all")


class Operator:
    """Sends commands under ids of their own.

    Parameters
    ----------
    broker
        Takes them, and carries the replies.
    """

    def __init__(self, broker: Broker) -> None:
        self.sent: list[Sent] = []
        self.sendings: list[tuple[float, Sent]] = []
        """Each time that a command was sent, repetitions too."""
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        broker.listeners.append(self._hear)

    def send(self, action: str, node: str = "all", **arguments: Any) -> Sent:
        """Send a command."""
        assert action in SYNC_ACTIONS
        number = len(self.sent) + 1
        sent = Sent(f"id-{number}", action, node, arguments, self._loop.time())
        self.sent.append(sent)
        self.repeat(sent)
        return sent

    def repeat(self, sent: Sent) -> None:
        """Send a command once more, as somebody does who heard nothing."""
        self.sendings.append((self._loop.time(), sent))
        topic = COMMAND.topic(user=USER, group=GROUP, node=sent.node, action=sent.action)
        if self._broker.publish(f"{ROOT}/{topic}", encode({"id": sent.id, **sent.arguments})):
            sent.heard_at = self._loop.time()

    def _hear(self, topic: str, payload: bytes) -> None:
        if not topic.startswith(f"{ROOT}/reply/{USER}/"):
            return
        reply = decode(payload, type=Reply)
        for sent in self.sent:
            if sent.id == reply.id:
                sent.replies.append((self._loop.time(), reply))
