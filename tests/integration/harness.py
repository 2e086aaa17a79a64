"""Real servers and processes for tests: mosquitto as shipped, on a free port, in a folder of its own."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from conche.contract import Role
from conche.local.broker import ACCOUNTS, lay_out
from conche.settings import Broker

PROJECT = Path(__file__).parents[2]
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "mosquitto"


def free_port() -> int:
    """A port on which nothing listens, apart from those that the simulator takes."""
    for _ in range(1000):
        port = random.randrange(5000, 10000)  # at random: tests run beside each other
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no free port")


def free_range(count: int) -> int:
    """The first of so many ports in a row on which nothing listens."""
    first, free = 13000, 0
    while free < count:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", first + free)) == 0:
                first, free = first + free + 1, 0
            else:
                free += 1
    return first


@asynccontextmanager
async def child(*command: str | Path, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that is killed at the end; what it logs is left to be read."""
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, **options)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class Mosquitto:
    """One broker in a folder; it can be killed, stopped, frozen and started again.

    Its accounts are those of the services and some with roles, whose passwords stand in the folder as well.
    """

    def __init__(self, folder: Path, *, accounts: Mapping[str, Role] = ACCOUNTS) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        lay_out(folder, shipped=PROJECT / "mosquitto", port=self.port, accounts=accounts)

    @property
    def settings(self) -> Broker:
        return Broker(port=self.port, secrets=self.folder / "secrets")

    async def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [MOSQUITTO, "-c", "mosquitto.conf"], cwd=self.folder, stdout=log, stderr=log
            )
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                await writer.wait_closed()
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            await asyncio.sleep(0.02)
        raise AssertionError("mosquitto does not listen")

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            while self.process.poll() is None:  # mosquitto 2.0.11 forgets a SIGTERM just before its main loop
                self.process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(1)
            self.process = None

    def password(self, account: str) -> str:
        return (self.folder / "secrets" / account).read_text()

    def client_arguments(self, account: str = "operator") -> list[str]:
        return [
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-u",
            account,
            "-P",
            self.password(account),
            "-V",
            "5",
        ]
