"""A service in a process of its own: while it believes to be connected it writes, a byte every few milliseconds.

Started as a program with the broker's port, the folder of secrets, the keepalive and the will's delay [s], and the
file to write to.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from conche.bus import Bus, link
from conche.contract import Service
from conche.runtime import run_service
from conche.settings import Broker, Settings


class Scribe:
    def __init__(self, bus: Bus, file: Path) -> None:
        self.bus = bus
        self.file = file

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.bus.run())
            group.create_task(self.write())

    async def write(self) -> None:
        with self.file.open("ab", buffering=0) as file:
            while True:
                await asyncio.sleep(0.005)
                if self.bus.connected:
                    file.write(b".")


async def build(settings: Settings, _stack: AsyncExitStack) -> Scribe:
    return Scribe(Bus(settings.broker, service=Service.SYNC, instance="cx"), Path(sys.argv[5]))


if __name__ == "__main__":
    link.WILL_DELAY_S = int(sys.argv[4])
    broker = Broker(port=int(sys.argv[1]), secrets=Path(sys.argv[2]), keepalive_s=int(sys.argv[3]))
    sys.exit(run_service("scribe", build, Settings(broker=broker)))
