"""A gateway in front of a whole conche with simulated nodes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from conche.contract.roles import Role
from conche.gateway.store import opened
from conche.gateway.tokens import Tokens

from .bus_support import until
from .gateway_support import Answer, Running, running_gateway
from .harness import Mosquitto
from .stack import Stack, running_stack


@dataclass(frozen=True)
class Site:
    """Both."""

    stack: Stack
    gateway: Running

    async def get(self, path: str, *, role: Role = Role.VIEWER, **more: Any) -> Answer:
        return await self.gateway.ask("GET", path, role=role, **more)

    async def post(self, path: str, body: Any = None, *, role: Role = Role.ADMIN, **more: Any) -> Answer:
        return await self.gateway.ask("POST", path, role=role, json=body, **more)

    async def command(self, path: str, body: Any = None, **more: Any) -> Any:
        """Send a command that is carried out; return what became of it."""
        answer = await self.post(f"/api/v1/{path}", body, **more)
        assert answer.status == 200, answer
        return answer.json

    async def run_all(self) -> None:
        """Have every node run."""
        await self.command("nodes/all/all/set_maintenance", {"maintenance": False})
        done = await self.command("nodes/all/all/set_started", {"started": True})
        assert done["ok"], done

    async def begin(self, service: str) -> None:
        """Begin a service that not every test needs."""
        await self.stack.begin(service)
        births = self.gateway.built.desk.telescope.picture.births
        await until(lambda: service in births and births[service].state == "online")

    async def end(self, service: str, name: str) -> None:
        """End a service, and wait until the gateway knows."""
        await self.stack.end(service)
        births = self.gateway.built.desk.telescope.picture.births
        await until(lambda: births[name].state != "online")


def tokens_of(state_dir: Path) -> dict[Role, str]:
    """Make a token for each role, and no local users: to hash their passwords takes seconds."""
    with opened(state_dir) as store:
        made = Tokens(store)
        return {role: made.create(f"script-{role}", role=role, lasts=timedelta(days=1)) for role in Role}


@asynccontextmanager
async def site(broker: Mosquitto, folder: Path, *nodes: str, **gateway: Any) -> AsyncIterator[Site]:
    """Run both until the body ends; every node is in maintenance and stopped, as when a conche starts."""
    tokens = tokens_of(folder / "gateway")
    async with (
        running_stack(broker, folder, *nodes) as stack,
        running_gateway(broker, folder, prepared=tokens, **gateway) as running,
    ):
        picture = running.built.desk.telescope.picture
        await until(lambda: len(picture.statuses) == len(nodes) and len(picture.desired) == len(nodes))
        yield Site(stack, running)


def text(value: Any) -> str:
    """What goes over the wire."""
    return json.dumps(value)
