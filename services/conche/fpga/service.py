"""The fpga service: it looks at the FPGA master on a fixed period, and at once when somebody asks."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from conche.bus import Incoming
from conche.bus.intake import TakeCommand
from conche.commands import Answers, Command, CommandRefused, envelope_of, read_command
from conche.contract import (
    COMMAND,
    EVENT,
    FPGA,
    NO_NAME,
    SERVICE_ACTIONS,
    FpgaStatus,
    Message,
    Payload,
    Reply,
    Service,
)
from conche.happenings import bounded
from conche.settings import Fpga

from .client import FpgaError, FpgaTimeout, FpgaUnreachable
from .judging import Look, frame0_change, news, status_after
from .timing import SECOND_NS, TimingInvalid, is_page, judge, read_timing

logger = logging.getLogger(__name__)

PayloadT = TypeVar("PayloadT", bound=Payload)

HEALTH: Final = "/status"
TIMING: Final = "/get-frame0-time"

MAX_ASKED: Final = 100
"""Questions that wait for the next look; a guess."""

APART_S: Final = 0.5
"""However often somebody asks, looks begin so long after the one before [s]; a guess."""


class Broker(Protocol):
    """What the service needs of the bus."""

    async def run(self) -> None:
        """Stay connected."""

    async def picture_complete(self) -> None:
        """Wait for what is retained."""

    def found(self, message: Message[PayloadT]) -> list[tuple[dict[str, str], PayloadT]]:
        """Return what own topics hold."""

    def own(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> None:
        """Set an owned state."""

    def on_connection(self, handler: Callable[[], None]) -> None:
        """Have somebody told of connections."""

    def take_commands(self, filters: list[str], on_command: TakeCommand, *, on_busy: TakeCommand) -> None:
        """Read commands."""

    def tell(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish an event."""

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        """Publish on a full topic."""


class Master(Protocol):
    """What answers questions: the FPGA master."""

    async def get(self, path: str) -> bytes:
        """Return the body of an answer."""


class FpgaService:
    """Tells how the FPGA master is, and when frame 0 was.

    Parameters
    ----------
    bus
        The broker.
    master
        Whom it asks; None where none is configured.
    settings
        Of this service.
    root
        First level of every topic.
    """

    def __init__(self, bus: Broker, master: Master | None, *, settings: Fpga, root: str) -> None:
        self._bus = bus
        self._master = master
        self._settings = settings
        self._root = root
        self._answers = Answers(bus)
        self._asked: list[Command] = []
        self._due = asyncio.Event()
        self._status: FpgaStatus | None = None
        self._told: FpgaStatus | None = None
        """Of which the last event was; what is different since is still to be told."""

    async def run(self) -> None:
        """Stay connected, and look."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bus.run(), name="bus")
            tasks.create_task(self._watch(), name="watch the FPGA master")

    def subscribe(self) -> None:
        """Set up what is read."""
        filters = [COMMAND.filter(group=NO_NAME, node=Service.FPGA)]
        self._bus.take_commands(filters, self.on_command, on_busy=self.on_busy)
        self._bus.on_connection(self.on_connection)

    # --- looking

    async def _watch(self) -> None:
        """Look again and again; what an earlier process published last is where it goes on."""
        await self._bus.picture_complete()
        self._status = self._told = next((status for _, status in self._bus.found(FPGA)), None)
        while True:
            asked, self._asked = self._asked, []
            self._due.clear()
            self._take(await self._look())
            for command in asked:
                self._answer(command)
            await asyncio.sleep(APART_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.period_s - APART_S):
                    await self._due.wait()

    async def _look(self) -> Look | None:
        if self._master is None:
            return None
        health = None
        try:
            if is_page(await self._master.get(HEALTH)):
                health = f"GET {HEALTH}: a page, HTML or XML, and no FPGA master's answer"
        except (FpgaUnreachable, FpgaTimeout) as error:
            return Look(down=str(error))
        except FpgaError as error:
            health = str(error)
        try:
            timing = read_timing(await self._master.get(TIMING))
        except FpgaError as error:
            return Look(health=health, unread=str(error))
        except TimingInvalid as error:
            return Look(health=health, unread=f"GET {TIMING}: {error}")
        tolerance_ns = round(self._settings.max_off_s * SECOND_NS)
        return Look(health=health, timing=judge(timing, now_ns=time.time_ns(), tolerance_ns=tolerance_ns))

    def _take(self, look: Look | None) -> None:
        before = self._status
        status = status_after(before, look, url=self._settings.url, at=datetime.now(UTC))
        if before is None or status.state is not before.state:
            logger.info("fpga: %s%s", status.state, f", {status.error}" if status.error else "")
        if before is not None and (change := frame0_change(before, status)):
            logger.warning("fpga: %s", change)
        self._status = status
        self._tell_news()
        self._bus.own(FPGA, status)

    def _tell_news(self) -> None:
        """Tell what is different from what was told; where the broker is away, when it is back."""
        if self._status is None:
            return
        for event in news(self._told, self._status, at=datetime.now(UTC)):
            sent = bounded(event)
            if not self._bus.tell(EVENT, sent, service=Service.FPGA, group=NO_NAME, node=NO_NAME):
                return
        self._told = self._status

    def on_connection(self) -> None:
        """Take that the broker is there, or away."""
        self._tell_news()

    # --- questions

    def on_busy(self, message: Incoming) -> None:
        """Refuse a question that is one too many."""
        envelope = envelope_of(message, root=self._root)
        self._answers.refuse(envelope, group=NO_NAME, why="busy: too many questions; try again")

    def on_command(self, message: Incoming) -> None:
        """Check a question; the next look, which begins now or after the one under way, answers it."""
        if len(self._asked) >= MAX_ASKED:
            self.on_busy(message)
            return
        envelope = envelope_of(message, root=self._root)
        actions = SERVICE_ACTIONS[Service.FPGA]
        try:
            command = read_command(message, envelope, root=self._root, actions=actions, now=datetime.now(UTC))
        except CommandRefused as refused:
            self._answers.refuse(envelope, group=NO_NAME, why=str(refused))
            return
        self._asked.append(command)
        self._due.set()

    def _answer(self, command: Command) -> None:
        envelope = command.envelope
        reply = Reply(id=envelope.id, action=envelope.action, group=NO_NAME, ok=True, fpga=self._status)
        self._answers.tell(envelope, reply)
