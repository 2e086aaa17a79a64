"""Looking at nodes and pushing to them, one thing at a time for each node."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from conche.contract import LastPush, PushKind
from conche.kotekan.connection import Connection
from conche.kotekan.errors import KotekanClosed, KotekanError, WriteForbidden
from conche.kotekan.snapshot import failure

from .decide import Action, Decision
from .epochs import adopt
from .judging import Judge
from .node import Node
from .push import Pusher, PushFailed, StateMoved
from .records import PushStep, Recorder, RecordsLost
from .status import base_paths

logger = logging.getLogger(__name__)

LOOKS_AT_ONCE: Final = 200
PACE_S: Final = 0.1
"""So many looks may begin within this time [s]; a guess that keeps a start with 1,000 nodes from a burst of SYNs.
How long they last does not count: nodes that are dead must not keep the others waiting."""


class Tender:
    """Tends nodes: looks at each when it is poked, and does what that calls for.

    Parameters
    ----------
    pusher
        Carries out.
    judge
        Decides.
    recorder
        Has the push on disk before its first write.
    refresh
        Told when anything about a node has changed.
    push_begins, push_ended
        Told when a push begins, and when it has ended; both before ``refresh``.
    """

    def __init__(
        self,
        pusher: Pusher,
        *,
        judge: Judge,
        recorder: Recorder,
        refresh: Callable[[Node], None],
        push_begins: Callable[[Node], None],
        push_ended: Callable[[Node], None],
    ) -> None:
        self._pusher = pusher
        self._judge = judge
        self._recorder = recorder
        self._refresh = refresh
        self._push_begins = push_begins
        self._push_ended = push_ended
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def tend(self, node: Node) -> None:
        """Tend a node until it leaves the registry."""
        while not node.gone:
            await node.poke.wait()
            node.poke.clear()
            if not node.gone and self._judge.may_look(node):
                await self._visit_alone(node)
                self._refresh(node)

    async def _visit_alone(self, node: Node) -> None:
        """Visit a node while nobody else asks anything of its machine."""
        lock = node.lock
        async with lock:
            if node.lock is lock and not node.gone:
                await self._visit(node)
            else:
                node.poke.set()  # it was given another address meanwhile

    async def look(self, node: Node) -> Connection | None:
        """Take note of what a node runs; return the connection on which it was asked if it answered."""
        loop = asyncio.get_running_loop()
        for last in (False, True):
            await self._looks.acquire()
            loop.call_later(PACE_S, self._looks.release)
            began = loop.time()
            try:
                return await self._look_once(node)
            except KotekanClosed as error:  # it may have died under the question: ask its successor
                if last:
                    node.saw(failure(error), loop.time())
            except KotekanError as error:
                node.saw(failure(error), loop.time())
                break
            finally:
                node.look_s = loop.time() - began
        return None

    async def _look_once(self, node: Node) -> Connection | None:
        connection = await self._pusher.connect(node)
        try:
            await self._pusher.look(node, connection)
            if connection.address != self._pusher.address_of(node):
                node.seen = None  # it was given another address meanwhile: this was another machine
                node.poke.set()
                connection.close()
                return None
        except BaseException:
            connection.close()
            raise
        return connection

    async def _visit(self, node: Node) -> None:
        """Look at a node, and do on the same connection what that calls for."""
        connection = await self.look(node)
        if adopt(node):
            self._recorder.ask()
        if connection is None:
            return
        try:
            decision = self._judge.decide(node)
            if decision.action is not Action.NONE:
                await self._push(node, decision, connection)
        finally:
            connection.close()

    async def _push(self, node: Node, decision: Decision, connection: Connection) -> None:
        began = asyncio.get_running_loop().time()
        kind = self._begin_push(node, decision, began)
        problem: str | None = None
        done = node.tried = False
        try:
            await self._recorder.save()
            fresh = self._judge.decide(node, pushing=False, patient=False)
            if fresh.action is not decision.action or self._judge.awaited_epoch(node) is not None:
                raise StateMoved("something else is wanted by now")
            node.cure_paths = ()
            if fresh.action is Action.RESTART and not node.forced:
                self._note_cure(node)
            await self._pusher.carry_out(node, fresh, connection)
            done = node.tried = True
        except StateMoved as moved:
            logger.info("%s: %s given up: %s", node.key, kind, moved)
        except WriteForbidden as error:
            problem = f"{kind} stopped half-way: {error}"
        except RecordsLost as error:  # it counts, though it tells nothing of the config
            problem, done = f"{kind} failed: {error}", True
        except (PushFailed, KotekanError) as error:
            problem, done, node.tried = f"{kind} failed: {error}", True, True
        self._end_push(node, problem, counted=done, began=began)

    def _begin_push(self, node: Node, decision: Decision, now: float) -> PushKind:
        kind = PushKind(decision.action.value)
        at = datetime.now(UTC)
        revision = node.desired.revision if node.desired else None
        if kind is PushKind.HEAL:
            revision = node.proven
        elif kind is PushKind.STOP:
            revision = None
        node.push = PushStep(id=secrets.token_hex(4), kind=kind, at=at, revision=revision)
        node.last_push = LastPush(kind=kind, at=at, revision=revision)
        node.problem = None
        node.restarts_before = node.restarts
        node.backoff_for(kind).begin(revision, now)
        if kind not in (PushKind.STOP, PushKind.UPDATE):
            node.resync_lost = False
        self._push_begins(node)
        self._refresh(node)
        return kind

    def _note_cure(self, node: Node) -> None:
        """Tell for which paths a node is restarted that ran what is desired before: drift, not a change."""
        if node.desired is not None and node.seen is not None and node.proven == node.desired.revision:
            node.cure_paths = base_paths(node.desired, node.seen)

    def _end_push(self, node: Node, problem: str | None, *, counted: bool, began: float) -> None:
        now = asyncio.get_running_loop().time()
        push, node.push = node.push, None
        node.problem = problem
        if push is None:
            return
        if not counted:
            node.backoff_for(push.kind).uncount(now)
        node.last_push = LastPush(
            kind=push.kind,
            at=push.at,
            revision=push.revision,
            ok=counted and problem is None,
            took_s=round(now - began, 3),
            error=problem,
        )
        level = logging.WARNING if problem else logging.INFO
        logger.log(level, "%s: %s", node.key, problem or f"{push.kind} ended after {now - began:.2f} s")
        self._push_ended(node)
        self._recorder.ask()
