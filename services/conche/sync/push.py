"""How a node is changed: on one connection, with proof of death, read-back and settle time."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from conche.contract import Reach, Rejection, as_object
from conche.kotekan.addresses import AddressMap
from conche.kotekan.blocks import updatable_blocks, values
from conche.kotekan.client import Reader, Writer
from conche.kotekan.connection import Address, Connection
from conche.kotekan.differences import differences
from conche.kotekan.errors import (
    KotekanClosed,
    KotekanConflict,
    KotekanHttpError,
    KotekanMalformed,
    KotekanRefused,
    KotekanRejected,
    KotekanUnreachable,
)
from conche.kotekan.revision import FingerprintCache, parse_config, revision
from conche.kotekan.snapshot import Snapshot, look
from conche.settings import Kotekan, Sync

from .cures import Ignored
from .decide import Action, Decision, Queue
from .node import Node

SHOWN_PATHS: Final = 3
"""Differing paths in the words of a push that failed; the status has more."""

RETRY_S: Final = 0.05
"""Between two tries to reach a process that is just coming up; it listens within 10 ms of its start [s]."""


class PushFailed(Exception):
    """A push that did not bring the node where it should be; its words go into the status."""


class StateMoved(Exception):
    """The node is not in the state that the push took for granted: look at it again."""


@dataclass(frozen=True)
class Pusher:
    """Carries out decisions. It never waits for one node on account of another.

    Parameters
    ----------
    settings, kotekan
        Timeouts.
    addresses
        Where nodes really are.
    cache
        Fingerprints.
    gate
        Raises `WriteForbidden` when nothing may be written to a node now.
    decide_again
        Returns what to do about a node, back-off and the push itself left aside.
    proven_config
        Returns a config that ran well, by revision.
    ignored
        Paths that a node may rewrite by itself.
    """

    settings: Sync
    kotekan: Kotekan
    addresses: AddressMap
    cache: FingerprintCache
    gate: Callable[[Node], None]
    decide_again: Callable[[Node], Decision]
    proven_config: Callable[[str], bytes | None]
    ignored: Ignored

    async def connect(self, node: Node) -> Connection:
        """Open a connection to a node.

        Raises
        ------
        KotekanRefused, KotekanUnreachable
        """
        return await Connection.open(self.address_of(node), timeout=self.kotekan.connect_timeout_s)

    def address_of(self, node: Node) -> Address:
        """Return where a node is.

        Raises
        ------
        KotekanUnreachable
            A rehearsal has no simulated node for it.
        """
        return self.addresses.resolve(node.entry.host, node.entry.port)

    async def look(self, node: Node, connection: Connection) -> Snapshot:
        """Look at a node and take note of it.

        Raises
        ------
        KotekanError
            It did not answer as one that is idle or runs.
        """
        snapshot = await look(self._reader(connection), self.cache)
        node.saw(snapshot, _now())
        return snapshot

    async def carry_out(self, node: Node, decision: Decision, connection: Connection) -> None:
        """Do what was decided about a node, on the connection on which it was just read.

        Raises
        ------
        PushFailed
            It did not work; what the node refused is remembered in it.
        StateMoved
            Nothing was written: something else is wanted by now.
        WriteForbidden
            The gate shut on the way.
        KotekanError
            Anything else between here and there.
        """
        match decision.action:
            case Action.UPDATE:
                await self._update(node, decision.endpoints, connection)
            case Action.START | Action.HEAL:
                await self._start(node, decision.action, connection)
            case Action.STOP | Action.RESTART:
                await self._kill(node, connection)
                idle = await self._wait_idle(node)
                try:
                    await self._start_after_kill(node, idle)
                finally:
                    idle.close()
            case Action.NONE:
                pass

    async def _start_after_kill(self, node: Node, connection: Connection) -> None:
        """Start what is wanted by now; where that is broken by now, what last ran well: not idle until it is mended."""
        action = self._after_kill(node)
        if action is Action.NONE and node.started and node.desired is not None and node.desired.error:
            if node.proven is None:
                raise PushFailed(
                    f"stopped half-way: what it should run is broken by now: {node.desired.error}"
                )
            action = Action.HEAL
        await self._start(node, action, connection)

    def _after_kill(self, node: Node) -> Action:
        """Return what to start an idle node with that this push has killed, if it is still to run.

        Raises
        ------
        WriteForbidden
            Somebody stops the push half-way.
        """
        decision = self.decide_again(node)
        if decision.queue is Queue.TURN and node.proven is not None:
            return (
                Action.HEAL
            )  # something new is desired by now, which another tries first: not idle until then
        if decision.action is Action.NONE:
            self.gate(node)
        return decision.action

    # --- kill, and the proof that it is done

    async def _kill(self, node: Node, connection: Connection) -> None:
        patience = self.settings.exit_timeout_s
        try:
            with self._sending(node, "GET /kill"):
                # The answer comes before the exit, but a hung REST thread gives it late: to give up early
                # would be to give up the connection, and with it the proof.
                await self._restarter(node, connection).kill(timeout=patience)
            if not await connection.wait_closed(timeout=patience):
                raise PushFailed(f"it was killed and is not gone after {patience:g} s: a stage does not end")
        except KotekanClosed:
            pass  # it died first: the end-of-file came all the same
        self._count_death(node)
        node.cures.restarted_for(node.cure_paths, _now())

    async def _wait_idle(self, node: Node) -> Connection:
        """Return a connection to the next process, once it says that it is idle."""
        try:
            async with asyncio.timeout(self.settings.restart_timeout_s):
                while True:
                    connection = await self._idle_connection(node)
                    if connection is not None:
                        return connection
                    await asyncio.sleep(RETRY_S)
        except TimeoutError:
            raise PushFailed(
                f"its process was ended and no other came up within {self.settings.restart_timeout_s:g} s: "
                "is its service enabled?"
            ) from None

    async def _idle_connection(self, node: Node) -> Connection | None:
        try:
            connection = await self.connect(node)
        except (KotekanRefused, KotekanUnreachable):
            return None
        try:
            snapshot = await self.look(node, connection)
            # Only after a 404 of /config: /status hangs while stages are being joined.
            if snapshot.idle and not await self._reader(connection).running():
                return connection
        except (KotekanClosed, KotekanHttpError):
            connection.close()
            return None
        except BaseException:
            connection.close()
            raise
        connection.close()
        if snapshot.running is not None:
            raise PushFailed("its process was ended and the next one runs already: something else starts it")
        return None

    # --- start

    async def _start(self, node: Node, action: Action, connection: Connection) -> None:
        """Start an idle node with what is desired, or with what last ran well; or leave it idle."""
        if action is Action.START and node.desired is not None and node.desired.revision is not None:
            wanted, config = node.desired.revision, bytes(node.desired.config)
        elif action is Action.HEAL and node.proven is not None:
            wanted, config = node.proven, self.proven_config(node.proven) or b""
        else:
            return
        if not config:
            raise PushFailed("the config that last ran well is not there any more")
        await self._start_with(node, wanted, config, connection)

    async def _start_with(self, node: Node, wanted: str, config: bytes, connection: Connection) -> None:
        try:
            with self._sending(node, "POST /start"):
                await self._restarter(node, connection).start(config, timeout=self.settings.start_timeout_s)
        except KotekanConflict:
            raise PushFailed("it says that it runs already: something else starts it") from None
        except KotekanRejected as error:
            self._reject_revision(node, wanted, error.words)
            await self._wait_death(node, connection)
            raise PushFailed(f"rejected: {error.words}") from None
        await self._settle(node, wanted, config, connection)

    async def _wait_death(self, node: Node, connection: Connection) -> None:
        """Wait for the end of a process that has said that it will end: nothing may be sent to it any more."""
        await connection.wait_closed(timeout=self.settings.exit_timeout_s)
        self._count_death(node)

    def _count_death(self, node: Node) -> None:
        """Take note that the process is gone, once: what was seen of it is of the past."""
        node.exits.count(_now())
        node.saw(Snapshot(Reach.REFUSED, error="its process has ended, the next is not up yet"), _now())

    async def _settle(self, node: Node, wanted: str, config: bytes, connection: Connection) -> None:
        """Read back now and after the settle time: a 200 from /start is not success."""
        try:
            self._check_runs(await self.look(node, connection), wanted, config)
            ended = await connection.wait_closed(timeout=self.settings.settle_s)
            if not ended:
                self._check_runs(await self.look(node, connection), wanted, config)
        except KotekanClosed:
            ended = True
        if ended:
            self._count_death(node)
            words = f"it ended within {self.settings.settle_s:g} s of its start"
            self._reject_revision(node, wanted, words)
            raise PushFailed(words)
        node.proven = wanted

    def _check_runs(self, snapshot: Snapshot, wanted: str, config: bytes) -> None:
        if snapshot.running is None:
            raise PushFailed(f"it was given {wanted} and runs nothing")
        if snapshot.running.revision == wanted:
            return
        found = self._unlike(config, snapshot)
        if found:
            raise PushFailed(
                f"it was given {wanted} and runs {snapshot.running.revision}: {'; '.join(found[:SHOWN_PATHS])}; "
                "paths that its stages rewrite belong into the group's ignore:"
            )

    def _unlike(self, config: bytes, snapshot: Snapshot) -> list[str]:
        """Return where a running node differs from a config, but for paths that are to be ignored."""
        if snapshot.running is not None and snapshot.running.revision == self.cache.of(config).revision:
            return []
        if snapshot.body is None:
            return ["it can't be compared"]
        found = differences(as_object(config), parse_config(snapshot.body))
        return [str(d) for d in found if d.endpoint is not None or not self.ignored.covers(d.path)]

    def _reject_revision(self, node: Node, wanted: str, words: str) -> None:
        """Remember a rejection, unless the node has run this very config: then the node is sick, not the config."""
        if node.proven != wanted:
            node.reject(Rejection(error=words, at=datetime.now(UTC), revision=wanted))

    # --- update in place

    async def _update(self, node: Node, endpoints: tuple[str, ...], connection: Connection) -> None:
        desired = node.desired
        if desired is None or desired.revision is None:
            raise StateMoved("nothing is desired any more")
        blocks = _values_of(bytes(desired.config))
        for endpoint in endpoints:
            await self._post(node, endpoint, blocks[endpoint], connection)
        snapshot = await self.look(node, connection)
        live = snapshot.running.updatable if snapshot.running else {}
        missed = [e for e in endpoints if live.get(e) != desired.updatable.get(e)]
        if missed:
            raise PushFailed(f"it took the values of {', '.join(missed)} and runs others")
        if not self._unlike(bytes(desired.config), snapshot):
            node.proven = desired.revision

    async def _post(
        self, node: Node, endpoint: str, block: dict[str, object], connection: Connection
    ) -> None:
        try:
            with self._sending(node, f"POST /{endpoint}"):
                await self._writer(node, connection).update(endpoint, block)
        except (KotekanRejected, KotekanMalformed) as error:
            node.reject(
                Rejection(
                    error=error.words,
                    at=datetime.now(UTC),
                    endpoint=endpoint,
                    values=revision(block),
                    forced=node.desired.forced.get(endpoint) if node.desired else None,
                )
            )
            if isinstance(error, KotekanRejected):
                await self._wait_death(node, connection)
            raise PushFailed(f"refused the values of {endpoint}: {error.words}") from None

    # --- the gate

    def _reader(self, connection: Connection) -> Reader:
        return Reader(connection, self.kotekan.answer_timeout_s)

    def _writer(self, node: Node, connection: Connection) -> Writer:
        return Writer(connection, lambda: self.gate(node))

    def _restarter(self, node: Node, connection: Connection) -> Writer:
        def gate() -> None:
            self.gate(node)
            node.restart_begins()

        return Writer(connection, gate)

    @contextmanager
    def _sending(self, node: Node, what: str) -> Iterator[None]:
        """Name the request that is in flight: who asks for maintenance waits for it."""
        node.in_flight = f"{what}, sent at {datetime.now(UTC):%H:%M:%S}"
        try:
            yield
        finally:
            node.in_flight = None
            node.tell_change()


def _now() -> float:
    return asyncio.get_running_loop().time()


@lru_cache(maxsize=32)
def _values_of(config: bytes) -> dict[str, dict[str, object]]:
    """Return the values of each updatable block; many nodes have the same config."""
    return {endpoint: values(block) for endpoint, block in updatable_blocks(as_object(config)).items()}
