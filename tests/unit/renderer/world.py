"""The renderer's service in real time, on a real directory, against a bus that is a dictionary."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec.json import decode

from conche.contract import NODE_DESIRED, REGISTRY, DesiredConfig, Message, Registry
from conche.renderer.publisher import PayloadT
from conche.renderer.service import RendererService
from conche.settings import Renderer

from .directory import ConfigDirectory


class FakeBus:
    """Holds what is owned, and tells the order in which it was."""

    def __init__(self, boot: str = "me") -> None:
        self.boot = boot
        self.left: dict[str, Any] = {}
        self.held: dict[str, Any] = {}
        self.log: list[str] = []
        self.cleared: set[str] = set()
        self.handlers: dict[str, Callable[..., None]] = {}
        self.told: list[tuple[dict[str, str], Any]] = []
        self.sent: list[tuple[str, Any]] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def picture_complete(self) -> None:
        await asyncio.sleep(0)

    def subscribe(self, message: Message[Any], handler: Callable[..., None], **only: str) -> None:
        self.handlers[message.name] = handler

    def take_commands(self, filters: list[str], on_command: Any, *, on_busy: Any) -> None:
        self.on_command = on_command

    def tell(self, message: Message[Any], payload: Any, **params: str) -> bool:
        self.told.append((params, payload))
        return True

    def send(self, topic: str, payload: Any, *, correlation: bytes | None = None) -> None:
        self.sent.append((topic, payload))

    def own(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> None:
        topic = message.topic(**params)
        if self.held.get(topic) != payload:
            self.log.append(topic)
        self.held[topic] = payload

    def disown(self, message: Message[PayloadT], **params: str) -> None:
        self.held.pop(message.topic(**params), None)
        self.log.append(f"cleared {message.topic(**params)}")

    def found(self, message: Message[PayloadT]) -> list[tuple[dict[str, str], PayloadT]]:
        found = ((message.match(topic), payload) for topic, payload in self.left.items())
        return [(params, payload) for params, payload in found if params is not None]

    def clear_unowned(self, message: Message[PayloadT], **only: str) -> None:
        self.cleared.add(message.filter(**only))
        self.log.append(f"clear {message.filter(**only)}")

    @property
    def registry(self) -> Registry:
        registry: Registry = self.held[REGISTRY.topic()]
        return registry

    def desired(self, node: str = "cx1") -> DesiredConfig:
        desired: DesiredConfig = self.held[NODE_DESIRED.topic(group="cx", node=node)]
        return desired

    def config(self, node: str = "cx1") -> Any:
        return decode(self.desired(node).config)


class World:
    def __init__(self, configs: ConfigDirectory) -> None:
        self.configs = configs
        self.bus = FakeBus()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        settings = Renderer(configs=self.configs.root, run_dir=self.configs.root.parent / "run")
        self._task = asyncio.create_task(
            RendererService(bus=self.bus, settings=settings, topic_root="conche").run()
        )

    async def restart(self) -> None:
        await self.stop()
        held = self.bus.held
        self.bus = FakeBus(boot="next")
        self.bus.left = held
        self.start()

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
            assert self._task.cancelled()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(3):
            while not self._met(condition):
                assert self._task is None or not self._task.done(), self._task
                await asyncio.sleep(0.01)

    @staticmethod
    def _met(condition: Callable[[], object]) -> bool:
        try:
            return bool(condition())
        except KeyError:
            return False
