"""Whether a password is right, asked of a directory that may be slow, away, or not what it says it is."""

import asyncio
import logging
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from conche.gateway.people import Person
from conche.settings import Ldap

from .asking import Conversation
from .errors import DirectoryAway
from .judging import Refusal, known, role_of
from .names import unacceptable
from .plan import Plan, plan_of

logger = logging.getLogger(__name__)

THREADS: Final = 4
"""Logins that are asked for at once; one takes some milliseconds."""
WAITING: Final = 32
"""Logins that wait for one of those; more are refused at once. A guess: everybody of a telescope, after a pause."""
REFUSAL_S: Final = 0.5
"""Refusals come after a multiple of this [s]: a directory takes its time over a password only where there is such a
person, and whoever measures that would learn the names."""
GRACE_S: Final = 0.5
"""How much longer than the time of a login it is waited for, so that the thread can tell what came too late [s]."""


class Directory:
    """Asks one directory; an asynchronous context that ends its threads.

    Parameters
    ----------
    plan
        What is asked of which directory.
    refusal_s
        See `REFUSAL_S` [s].
    """

    def __init__(self, plan: Plan, *, refusal_s: float = REFUSAL_S) -> None:
        self._plan = plan
        self._refusal_s = refusal_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="directory")
        self._places = threading.BoundedSemaphore(THREADS + WAITING)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def check(self, name: str, password: str) -> Person | None:
        """Return who it is; None for nobody who is let in, whatever the reason: that is in the log.

        Raises
        ------
        DirectoryAway
            The directory can't tell just now; that is in the log too.
        """
        if (words := unacceptable(name, password)) is not None:
            logger.info("login: refused: %s", words)
            return None
        started = time.monotonic()
        try:
            answer = await self._answer(name, password)
        except DirectoryAway as error:
            logger.warning("directory %s:%d: away: %s", self._plan.host, self._plan.port, error)
            raise
        if isinstance(answer, Person):
            return answer
        logger.info("login of %r: refused: %s", name, answer.words)
        took = time.monotonic() - started
        await asyncio.sleep(math.ceil(took / self._refusal_s) * self._refusal_s - took)
        return None

    async def _answer(self, name: str, password: str) -> Person | Refusal:
        """Ask in a thread, which is waited for only as long as it may take."""
        if not self._places.acquire(blocking=False):
            raise DirectoryAway(f"busy: {THREADS + WAITING} logins are waiting for it")
        ends_at = time.monotonic() + self._plan.timeout_s
        answer = self._threads.submit(ask, self._plan, name=name, password=password, ends_at=ends_at)
        answer.add_done_callback(lambda _: self._places.release())
        try:
            async with asyncio.timeout(self._plan.timeout_s + GRACE_S):
                return await asyncio.wrap_future(answer)
        except TimeoutError:
            raise DirectoryAway(f"no answer within {self._plan.timeout_s:g} s (ldap.timeout_s)") from None


def directory_of(ldap: Ldap) -> Directory:
    """Return the directory that the settings mean.

    Raises
    ------
    DirectoryMisconfigured
        They name none, contradict each other, or a secret can't be read.
    """
    return Directory(plan_of(ldap))


def ask(plan: Plan, *, name: str, password: str, ends_at: float) -> Person | Refusal:
    """Ask who somebody is; blocks.

    Parameters
    ----------
    ends_at
        When the last answer must be there, of `time.monotonic` [s].

    Raises
    ------
    DirectoryAway
        The directory does not say.
    """
    with Conversation(plan, ends_at=ends_at) as conversation:
        person = known(name, conversation.people(name), plan=plan)
        if isinstance(person, Refusal):
            return person
        groups = conversation.groups(dn=person.dn, name=person.name)
        if (refusal := conversation.refusal(dn=person.dn, password=password)) is not None:
            return refusal
    role = role_of(person, groups, plan=plan)
    return role if isinstance(role, Refusal) else Person(name=person.name, role=role, via="directory")
