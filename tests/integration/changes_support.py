"""A conche in which every node runs, and programs that stand for an operator's editor and terminal."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conche.contract import Role
from tests.terminals import open_terminal

from .harness import Mosquitto
from .stack import Ran, Stack, running_stack

ROLES = {"operator": Role.ADMIN, "vera": Role.VIEWER, "oscar": Role.OPERATOR}


@asynccontextmanager
async def all_running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    monkeypatch.setattr("conche.sync.worker.DOUBT_S", 0.1, raising=False)
    monkeypatch.setenv("TMPDIR", str(folder))  # where drafts are kept
    broker = Mosquitto(folder / "mosquitto", accounts=ROLES)
    await broker.start()
    async with running_stack(broker, folder, "cx/cx1", "cx/cx2", "recv/recv1") as running:
        assert (await running.conche("maintenance", "off", "all")).code == 0
        assert (await running.conche("start", "all")).code == 0
        yield running
    broker.stop()


def program(folder: Path, what: str) -> str:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{what}\n")
    path.chmod(0o755)
    return str(path)


def text(stack: Stack, name: str) -> str:
    return (stack.settings.renderer.configs / name).read_text()


def content(path: str) -> str:
    return Path(path).read_text()


def fits(ran: Ran) -> bool:
    return all(len(line) <= 80 for line in ran.out.splitlines())


async def typed(stack: Stack, *arguments: str, answer: str, **environment: str) -> Ran:
    """Run a command with a terminal for its input."""
    terminal, keyboard = open_terminal()
    try:
        os.write(terminal, f"{answer}\n".encode())
        return await stack.conche(*arguments, stdin=keyboard, **environment)
    finally:
        os.close(terminal)
        os.close(keyboard)
