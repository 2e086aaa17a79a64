"""The gateway's service: it stays connected, and sees to certificate and sessions."""

import asyncio
import logging
import sqlite3
from typing import Final, Protocol

from .sessions import Sessions
from .tls import Certificate

logger = logging.getLogger(__name__)

TIDY_S: Final = 300.0
"""How often sessions that are over are removed [s]."""


class Runs(Protocol):
    """Something that goes on: the bus, the telescope."""

    async def run(self) -> None:
        """Go on until cancelled."""


class GatewayService:
    """What goes on beside the answering of requests.

    Parameters
    ----------
    bus
        The broker.
    telescope
        What is known of it, and how it is commanded.
    certificate
        That of HTTPS.
    sessions
        Those of people.
    """

    def __init__(self, bus: Runs, *, telescope: Runs, certificate: Certificate, sessions: Sessions) -> None:
        self._bus = bus
        self._telescope = telescope
        self._certificate = certificate
        self._sessions = sessions

    async def run(self) -> None:
        """Do all of it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bus.run(), name="bus")
            tasks.create_task(self._telescope.run(), name="telescope")
            tasks.create_task(self._certificate.watch(), name="watch the certificate")
            tasks.create_task(self._tidy(), name="remove sessions that are over")

    async def _tidy(self) -> None:
        while True:
            try:
                if removed := self._sessions.tidy():
                    logger.info("sessions: %d are over", removed)
            except sqlite3.OperationalError as error:  # a full disk, or somebody who holds the file
                logger.warning("sessions: those that are over can't be removed now: %s", error)
            await asyncio.sleep(TIDY_S)
