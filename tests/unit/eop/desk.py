"""A service that runs in virtual time, with a broker and a renderer in memory."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec.json import encode

from conche.bus import Incoming
from conche.contract import (
    COMMAND,
    EopStatus,
    Event,
    FpgaState,
    FpgaStatus,
    Message,
    Outcome,
    Payload,
    Reply,
    Result,
    RunEop,
    ServiceBirth,
    ServiceState,
    UpdatableConfig,
)
from conche.eop.publishing import Publisher
from conche.eop.running import Runner
from conche.eop.schedule import Moment
from conche.eop.service import EopService
from conche.eop.state import StateFile
from conche.settings import Eop

from .samples import FRAME0, NEW, NOW, desired, registry

GOOD = FpgaStatus(state=FpgaState.GOOD, frame0_ns=FRAME0)


class Desk:
    """A service that runs; its renderer answers at once."""

    def __init__(self, folder: Path) -> None:
        self.connected = True
        self.begin = NOW
        """What the wall clock shows at the loop's zero."""
        self.outcome = Outcome.OK
        self.boots = 0
        self.sent: list[UpdatableConfig] = []
        self.events: list[Event] = []
        self.replies: list[Reply] = []
        self.said: list[EopStatus] = []
        self.file = StateFile(folder / "eop.json")
        settings = Eop()
        self.publisher = Publisher(self, endpoint=settings.endpoint)
        runner = Runner(settings, file=self.file)
        self.service = EopService(
            self, runner, self.publisher, settings=settings, root="conche", read_clocks=self.clocks
        )
        self.service.subscribe()

    async def start(self) -> None:
        """Run the service: in the test itself, where time is virtual."""
        self.task = asyncio.create_task(self.service.run())
        await asyncio.sleep(0.1)

    async def end(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    def clocks(self) -> Moment:
        passed_s = asyncio.get_running_loop().time()
        return Moment(self.begin + timedelta(seconds=passed_s), passed_s)

    # --- the broker

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def picture_complete(self) -> None:
        await asyncio.sleep(0)

    def take_commands(self, filters: list[str], on_command: Any, *, on_busy: Any) -> None:
        assert filters == ["command/+/-/eop/+"]

    def own(self, message: Message[Any], payload: Payload, **params: str) -> None:
        assert isinstance(payload, EopStatus)
        if not self.said or self.said[-1] != payload:
            self.said.append(payload)

    def tell(self, message: Message[Any], payload: Payload, **params: str) -> bool:
        assert isinstance(payload, Event)
        self.events.append(payload)
        return True

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        assert isinstance(payload, Reply)
        self.replies.append(payload)

    async def publish(self, message: Message[Any], payload: Payload, **params: str) -> bool:
        assert isinstance(payload, UpdatableConfig)
        self.sent.append(payload)
        result = Result(ok=self.outcome is Outcome.OK, outcome=self.outcome, error="in its words")
        keys = [f"{params['group']}/{node}" for node in ("cx1", "cx2")]
        answer = Reply(
            id=payload.id, action="updatable_config", group="cx", ok=True, results=dict.fromkeys(keys, result)
        )
        self.publisher.on_reply({"id": payload.id or ""}, answer)
        return True

    # --- the others

    def know(self, *, fpga: FpgaStatus | None = GOOD, **configs: Any) -> None:
        configs = configs or {"cx1": desired(NEW)}
        for node, config in configs.items():
            self.service.on_desired({"group": "cx", "node": node}, config)
        self.service.on_registry({}, registry(*(f"cx/{node}" for node in configs)))
        self.service.on_fpga({}, fpga)
        online = ServiceBirth(state=ServiceState.ONLINE, boot="b", since=NOW)
        self.service.on_fpga_birth({}, online if fpga else None)

    def birth(self, state: ServiceState) -> None:
        """Say that the renderer has begun, as a process of its own, or is gone."""
        self.boots += 1
        self.service.on_renderer_birth({}, ServiceBirth(state=state, boot=f"b{self.boots}", since=NOW))

    def command(self, *, dry_run: bool = False, action: str = "run", identity: str = "c1") -> None:
        topic = COMMAND.topic(user="oscar", group="-", node="eop", action=action)
        wish = RunEop(id=identity, dry_run=dry_run)
        self.service.on_command(Incoming(topic=f"conche/{topic}", payload=encode(wish), retained=False))

    @property
    def status(self) -> EopStatus:
        return self.said[-1]

    @property
    def reasons(self) -> list[str]:
        return [(wish.reason or "").removeprefix("Earth orientation, ") for wish in self.sent]


async def until(desk: Desk, number: int) -> None:
    """Wait for so many commands to have been sent, and for what follows."""
    async with asyncio.timeout(200_000):
        while len(desk.sent) < number:
            await asyncio.sleep(1)
    await asyncio.sleep(1)


def hours(number: float) -> float:
    return number * 3600
