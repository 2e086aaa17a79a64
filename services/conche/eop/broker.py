"""What the service needs of the bus."""

from typing import Protocol, TypeVar

from conche.bus.intake import TakeCommand
from conche.contract import Message, Payload

PayloadT = TypeVar("PayloadT", bound=Payload)


class Broker(Protocol):
    """What the service needs of the bus."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""

    async def run(self) -> None:
        """Stay connected."""

    async def picture_complete(self) -> None:
        """Wait for what is retained."""

    def own(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> None:
        """Set an owned state."""

    async def publish(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish something that is not retained."""

    def take_commands(self, filters: list[str], on_command: TakeCommand, *, on_busy: TakeCommand) -> None:
        """Read commands."""

    def tell(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish an event."""

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        """Publish on a full topic."""
