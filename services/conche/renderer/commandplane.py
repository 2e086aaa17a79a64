"""The command plane of the renderer: what people want of the config directory, and what becomes of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, Protocol

from conche.bus import Incoming
from conche.commands import Envelope
from conche.contract import (
    NODE_OBSERVED,
    NODE_STATUS,
    RESTORER,
    SERVICE,
    SERVICE_INSTANCE,
    Message,
    NodeStatus,
    Payload,
    Service,
)
from conche.happenings import Teller
from conche.settings import Renderer

from .answered import AnsweredIds
from .carrying import Carrying
from .changeset import NOTHING, ChangeFailed, ChangeSet, Note
from .chronicle import Chronicle
from .commits import Commit
from .editor import Editor
from .edits import EditRefused
from .forcing import Forced
from .gitwords import HistoryError
from .history import History
from .keeping import HistoryKeeper
from .orders import FILTERS, Groups, Orders
from .outcomes import OVERTAKEN, Sightings
from .render import Rendered, Rendering
from .restoring import Refusal, Restorer
from .trial import Trial, check
from .workers import Workers
from .worklist import Done, Worklist

logger = logging.getLogger(__name__)

RESTORE_AGAIN_S: Final = 10.0
"""What could not be put back, because git was busy or the disk full, is tried again after this [s]."""


class Bus(Teller, Protocol):
    """What the command plane asks of the bus."""

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        """Publish on a full topic."""

    def subscribe(self, message: Message[Payload], handler: Callable[..., None], **only: str) -> None:
        """Read a kind of message."""

    def take_commands(
        self,
        filters: list[str],
        on_command: Callable[[Incoming], None],
        *,
        on_busy: Callable[[Incoming], None],
    ) -> None:
        """Read commands."""


class CommandPlane:
    """Takes commands, and carries them out one at a time when it is told to.

    Parameters
    ----------
    bus
        The broker.
    settings
        Where the directories are.
    topic_root
        First level of every topic.
    rendering
        Of the directory as it is.
    work
        The nodes as they are.
    forced
        Wishes that refused values be tried once more; filled here.
    groups
        Returns the registry's groups; None before there is a registry.
    publish
        Publishes what was written.
    wake
        Called when there is something to do.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        settings: Renderer,
        topic_root: str,
        rendering: Rendering,
        work: Worklist,
        forced: Forced,
        groups: Callable[[], Groups | None],
        publish: Callable[[Trial], Awaitable[None]],
        wake: Callable[[], None],
    ) -> None:
        self.chronicle = Chronicle(bus)
        self.history = History(settings.configs) if settings.history else None
        changes = ChangeSet(settings.configs)
        self.keeper = (
            HistoryKeeper(self.history, self.chronicle, is_half_done=changes.is_half_done)
            if self.history is not None
            else None
        )
        self._publish = publish
        self._wake = wake
        self._work = work
        self._sightings = Sightings()
        self._restorer = Restorer(work, self._sightings, forced)
        self._refusals: dict[Refusal, None] = {}
        workers = Workers()
        self._orders = Orders(
            bus,
            root=topic_root,
            groups=groups,
            nodes=work.nodes,
            wake=wake,
            workers=workers,
            is_known=self._is_known,
            chronicle=self.chronicle,
        )
        self._editor = Editor(rendering=rendering, work=work, changes=changes, history=self.history)
        self._carrying = Carrying(
            self._editor,
            work=work,
            sightings=self._sightings,
            forced=forced,
            on_registry_change=settings.on_registry_change,
            answered=AnsweredIds(settings.run_dir),
            publish=publish,
            answer=self._orders.answer,
            tell=self.chronicle.changed,
        )
        self._sightings.ask(on_status=self._note_refusals, is_open=self._will_be_put_back)
        self._listen(bus, workers)

    def _listen(self, bus: Bus, workers: Workers) -> None:
        bus.subscribe(NODE_STATUS, self._sightings.on_status)
        bus.subscribe(SERVICE_INSTANCE, workers.on_birth, service=Service.SYNC)
        bus.subscribe(SERVICE, workers.on_birth)
        bus.subscribe(NODE_OBSERVED, self._sightings.on_observed)
        bus.take_commands(FILTERS, self._orders.on_command, on_busy=self._orders.on_busy)

    async def run(self) -> None:
        """Wait for outcomes and keep the history, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carrying.run(), name="await outcomes")
            if self.keeper is not None:
                group.create_task(self.keeper.run(), name="keep history")

    async def begin(self) -> None:
        """Learn which commands earlier processes carried out."""
        async with self._using_history():
            await self._carrying.begin()

    async def is_whole(self) -> bool:
        """Take back what was left half done, here or by another process; return whether the files may be used."""
        if await asyncio.to_thread(self._editor.is_half_done):
            async with self._using_history():
                await self._carrying.recover()
        return self._editor.trouble is None

    def nodes_known(self) -> None:
        """Begin with the commands that came before it was known which nodes there are."""
        self._orders.begin()

    def __bool__(self) -> bool:
        return bool(self._orders) or bool(self._refusals)

    async def do_next(self) -> None:
        """Put back what was refused, or carry out the command that is first in line."""
        async with self._using_history():
            if self._refusals and self.history is not None:
                await self._restore_next(self.history)
                return
            await self._orders.carry_out_next(self._carrying, before=self._take_edits)

    def _using_history(self) -> AsyncExitStack | asyncio.Lock:
        return self.keeper.using if self.keeper is not None else AsyncExitStack()

    async def _take_edits(self) -> None:
        if await asyncio.to_thread(self._editor.is_half_done):
            await self._carrying.recover()
        if (trouble := self._editor.trouble) is not None:
            raise ChangeFailed(f"{NOTHING}: {trouble}; try again")
        if self.keeper is not None:
            await self.keeper.take_edits()

    def _is_known(self, envelope: Envelope) -> bool:
        return self._carrying.knows(envelope)

    def files_changed(self) -> None:
        """Take that somebody, or conche, has changed files."""
        if self.keeper is not None:
            self.keeper.edited.set()

    def published(self, rendered: Rendered, before: Done | None) -> None:
        """Take what a node is to run from now on, and what was remembered of it until now."""
        key = rendered.node.key
        self._sightings.supersede(
            key, rendered.fingerprint.revision if rendered.fingerprint else None, OVERTAKEN
        )
        if before is not None and before.error != rendered.error:
            self.chronicle.desired(key, before=before.error, after=rendered.error)

    # --- refused values

    def _note_refusals(self, key: str, status: NodeStatus) -> None:
        if self.history is None or not status.rejected:
            return
        if found := self._restorer.refusals(key, status):
            self._refusals |= dict.fromkeys(found)
            self._wake()

    def _note_all_refusals(self) -> None:
        for key, status in self._sightings.statuses.items():
            self._note_refusals(key, status)

    def _will_be_put_back(self, key: str) -> bool:
        """Return whether what a node should run now will be taken back."""
        return any(self._restorer.concerns(refusal, key) for refusal in self._refusals)

    async def _restore_next(self, history: History) -> None:
        refusal = next(iter(self._refusals))
        try:
            await self._take_edits()
            await self._restore(refusal, history)
        except (HistoryError, EditRefused, ChangeFailed) as error:
            logger.warning("%s: the refused values of %s stay: %s", refusal.node, refusal.endpoint, error)
            asyncio.get_running_loop().call_later(RESTORE_AGAIN_S, self._note_all_refusals)
        finally:
            del self._refusals[refusal]
        self._sightings.look_again()

    async def _restore(self, refusal: Refusal, history: History) -> None:
        found = await asyncio.to_thread(
            self._restorer.restoration, refusal, rendering=self._editor.rendering, history=history
        )
        if found is None:
            return
        trial = await asyncio.to_thread(self._editor.try_out, found.edit)
        check(trial, self._work)
        note = Note(
            author=RESTORER,
            subject=found.edit.subject,
            reason=refusal.words,
            trailers={"rejected_endpoint": refusal.endpoint, "rejected_values": refusal.values},
        )
        commit: Commit | None = await asyncio.to_thread(self._editor.write, trial, note)
        self.chronicle.changed(note, commit)
        logger.warning("%s: %s", found.edit.subject, refusal.words)
        for key, rendered in trial.after.items():
            revision = rendered.fingerprint.revision if rendered.fingerprint else None
            result = found.result(key, commit.id if commit else None)
            self._sightings.supersede(key, revision, result)
        await self._publish(trial)
