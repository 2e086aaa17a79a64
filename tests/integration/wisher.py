"""Somebody who sends commands to the renderer of a running data plane."""

from typing import Any

from msgspec import structs

from conche.contract import Arguments, Reply, UpdatableConfig

from .dataplane import DataPlane

START_TIME = 1772838439000002880


class Wisher(DataPlane):
    """Sends commands to the renderer."""

    async def wish(
        self, action: str, arguments: Arguments, target: str = "all/all", *, timeout: float = 70
    ) -> Reply:
        group, _, node = target.partition("/")
        self._ids += 1
        arguments = structs.replace(arguments, id=arguments.id or f"wish-{self._ids}")
        async with self.connect() as client:
            async for reply in client.command(action, arguments, group=group, node=node, timeout=timeout):
                return reply
        raise AssertionError("no answer")

    def text(self, name: str) -> str:
        return (self.configs / name).read_text()

    async def gains(self, coeff: float, target: str = "cx/all", **more: Any) -> Reply:
        values = {"coeff": coeff, "start_time": START_TIME}
        return await self.wish(
            "updatable_config", UpdatableConfig(endpoint="gains", values=values, **more), target
        )
