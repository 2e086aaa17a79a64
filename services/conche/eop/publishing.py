"""The table on its way to the nodes: through the command plane, each command repeated until it is answered.

What a command stores, stays: a node that is held, stopped or unreachable gets the table from its worker when it is
back, without this service. So only what failed is tried again. Each command has an end: what has failed here is not
carried out later.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from conche.bus import BusUnavailable
from conche.contract import COMMAND, EopTarget, Message, Outcome, Payload, Reply, Service, UpdatableConfig

from .targets import Parcel

logger = logging.getLogger(__name__)

PayloadT = TypeVar("PayloadT", bound=Payload)

ACTION: Final = "updatable_config"

REPEAT_S: Final = 5.0
"""A command that was not answered is sent again, with the same id, after this [s]; a guess, as in the client."""

PATIENCE_S: Final = 120.0
"""A command that was not answered in this time, while the broker was there, has failed [s]: the renderer answers
within 60 s from its turn on, and may have other commands to carry out before. So long it is valid, too."""

MAX_AT_ONCE: Final = 100
"""Commands that wait for their answer; the renderer takes a thousand of all senders."""

AWAY_S: Final = 0.5
"""While the broker is away it is looked for again after this [s]."""


class Sender(Protocol):
    """What sending commands needs of the bus."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""

    async def publish(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish something that is not retained."""


class Publisher:
    """Sends commands and waits for their answers.

    Parameters
    ----------
    bus
        The broker.
    endpoint
        The updatable block that is written.
    """

    def __init__(self, bus: Sender, *, endpoint: str) -> None:
        self._bus = bus
        self._endpoint = endpoint
        self._awaited: dict[str, asyncio.Future[Reply]] = {}

    def on_reply(self, params: Mapping[str, str], reply: Reply | None) -> None:
        """Take an answer; one to a command that is not awaited any more changes nothing."""
        future = self._awaited.get(params["id"])
        if reply is not None and future is not None and not future.done():
            future.set_result(reply)

    async def push(self, parcels: Sequence[Parcel], *, run: str, reason: str) -> dict[str, EopTarget]:
        """Return what has become of commands at each of their nodes, by ``group/node``.

        Parameters
        ----------
        parcels
            What is sent to whom.
        run
            Name of the run: the ids of its commands begin with it.
        reason
            Why, for the history of the config directory.
        """
        at_once = asyncio.Semaphore(MAX_AT_ONCE)

        async def send(number: int, parcel: Parcel) -> dict[str, EopTarget]:
            async with at_once:
                return outcomes(parcel, await self._answer(parcel, name=f"{run}-{number}", reason=reason))

        async with asyncio.TaskGroup() as tasks:
            sent = [tasks.create_task(send(n, parcel)) for n, parcel in enumerate(parcels)]
        return {key: target for task in sent for key, target in task.result().items()}

    async def _answer(self, parcel: Parcel, *, name: str, reason: str) -> Reply | None:
        """Return the answer to a command, or None where none came; while the broker is away no time passes.

        A command that was refused after its end, because the broker was away, was not carried out: it is sent anew.
        """
        clock = asyncio.get_running_loop().time
        waited_s = 0.0
        again = 0
        while True:
            wish = self._wish(parcel, name=f"{name}-{again}" if again else name, reason=reason)
            end_s = clock() + PATIENCE_S
            reply, waited_s = await self._repeated(parcel, wish, waited_s)
            if reply is None or reply.error is None or clock() < end_s:
                return reply
            again += 1

    def _wish(self, parcel: Parcel, *, name: str, reason: str) -> UpdatableConfig:
        return UpdatableConfig(
            id=name,
            endpoint=self._endpoint,
            values=dict(parcel.values),
            reason=reason,
            expires_at=datetime.now(UTC) + timedelta(seconds=PATIENCE_S),
        )

    async def _repeated(
        self, parcel: Parcel, wish: UpdatableConfig, waited_s: float
    ) -> tuple[Reply | None, float]:
        """Send a command until it is answered; return the answer, and how long it was waited for in all [s]."""
        identity = wish.id or ""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._awaited[identity] = future
        try:
            while waited_s < PATIENCE_S:
                if not await self._sent(parcel, wish):
                    await asyncio.sleep(AWAY_S)
                    continue
                await asyncio.wait([future], timeout=REPEAT_S)
                if future.done():
                    return future.result(), waited_s
                waited_s += REPEAT_S
            return None, waited_s
        finally:
            del self._awaited[identity]

    async def _sent(self, parcel: Parcel, wish: UpdatableConfig) -> bool:
        if not self._bus.connected:
            return False
        target = {"user": Service.EOP.value, "group": parcel.group, "node": parcel.node, "action": ACTION}
        try:
            await self._bus.publish(COMMAND, wish, **target)
        except BusUnavailable as error:
            logger.info("eop: %s of %s/%s: %s; goes on", ACTION, parcel.group, parcel.node, error)
            return False
        return True


def outcomes(parcel: Parcel, reply: Reply | None) -> dict[str, EopTarget]:
    """Return what an answer says of each node of a command."""
    if reply is None:
        why = f"the renderer did not answer within {PATIENCE_S:g} s"
        return dict.fromkeys(parcel.nodes, EopTarget(outcome=Outcome.FAILED, error=why))
    if reply.error is not None:
        return dict.fromkeys(parcel.nodes, EopTarget(outcome=Outcome.FAILED, error=reply.error))
    silent = EopTarget(outcome=Outcome.FAILED, error="the renderer's answer does not mention it")
    return {
        key: EopTarget(outcome=result.outcome, error=result.error)
        if (result := reply.results.get(key)) is not None
        else silent
        for key in parcel.nodes
    }
