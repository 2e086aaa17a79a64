"""The journal: it hears what happens, works out what it missed, and answers who asks."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from conche.bus import Incoming
from conche.bus.intake import Handler, TakeCommand
from conche.commands import (
    Answers,
    Command,
    CommandRefused,
    check_not_expired,
    envelope_of,
    read_command,
)
from conche.contract import (
    BIRTHS,
    COMMAND,
    EVENT,
    NO_NAME,
    NODE_STATUS,
    SERVICE_ACTIONS,
    Event,
    EventKind,
    Events,
    Message,
    NodeStatus,
    Payload,
    Reply,
    Service,
    ServiceBirth,
    ServiceState,
)
from conche.happenings import bounded

from .births import birth_event, is_announcement
from .errors import QueryImpossible, StoreUnavailable
from .keeping import Keeper
from .notes import Born, Found, Heard, Said
from .queries import Query, query_of
from .reading import Page

logger = logging.getLogger(__name__)

PayloadT = TypeVar("PayloadT", bound=Payload)

OWNERS_S: Final = 5.0
"""After each connection owners are given so long to say anew what the broker, back with an old store, has wrong [s]."""

MAX_ASKED: Final = 100
"""Questions that wait for their answer; a guess."""


class Broker(Protocol):
    """What the journal needs of the bus."""

    @property
    def connected(self) -> bool:
        """Whether the picture is complete."""

    async def run(self) -> None:
        """Stay connected."""

    async def picture_complete(self) -> None:
        """Wait for what is retained."""

    def subscribe(self, message: Message[PayloadT], handler: Handler[PayloadT], **only: str) -> None:
        """Read a kind of message."""

    def on_connection(self, handler: Callable[[], None]) -> None:
        """Have somebody told of connections."""

    def take_commands(self, filters: list[str], on_command: TakeCommand, *, on_busy: TakeCommand) -> None:
        """Read commands."""

    def tell(self, message: Message[PayloadT], payload: PayloadT, **params: str) -> bool:
        """Publish an event."""

    def send(self, topic: str, payload: Payload, *, correlation: bytes | None = None) -> None:
        """Publish on a full topic."""


class JournalService:
    """Remembers events, and what changed while it was away.

    Parameters
    ----------
    bus
        The broker.
    keeper
        Has it stored.
    root
        First level of every topic.
    """

    def __init__(self, bus: Broker, keeper: Keeper, *, root: str) -> None:
        self._bus = bus
        self._keeper = keeper
        self._root = root
        self._answers = Answers(bus)
        self._asked: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        """Held by the question that is being answered."""
        self._back = asyncio.Event()
        self._looking = True
        """Whether statuses and births are only gathered: nobody knows yet whether what stands there is of today."""
        self._statuses: dict[tuple[str, str], NodeStatus] = {}
        self._found_births: dict[str, ServiceBirth] = {}
        self._births: dict[str, ServiceBirth] = {}
        keeper.on_worked_out = self._publish
        keeper.on_trouble = self._tell_of_trouble

    async def run(self) -> None:
        """Hear, store, look back after each absence, and answer, until cancelled."""
        await self._begin()
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._bus.run(), name="bus")
            self._tasks.create_task(self._keeper.run(), name="store what is noted")
            self._tasks.create_task(self._look_back(), name="look back")

    def subscribe(self) -> None:
        """Set up what is read."""
        self._bus.subscribe(EVENT, self.on_event)
        self._bus.subscribe(NODE_STATUS, self.on_status)
        for message in BIRTHS:
            self._bus.subscribe(message, self.on_birth)
        self._bus.on_connection(self.on_connection)
        filters = [COMMAND.filter(group=NO_NAME, node=Service.JOURNAL)]
        self._bus.take_commands(filters, self.on_command, on_busy=self.on_busy)

    async def _begin(self) -> None:
        last = None
        try:
            self._births = await self._keeper.call(lambda store: store.births())
            last = await self._keeper.call(lambda store: store.last_at())
        except StoreUnavailable as error:
            logger.error("what was stored before can't be read: %s", error)
        since = f"; the last that it heard before was at {last:%Y-%m-%d %H:%M:%SZ}" if last else ""
        self._tell_service(f"{Service.JOURNAL} came online{since}", after=ServiceState.ONLINE)

    # --- what comes in

    def on_event(self, params: Mapping[str, str], event: Event | None) -> None:
        """Take what somebody tells; the journal's own was stored when it was told."""
        if event is not None and params["service"] != Service.JOURNAL:
            self._keeper.note(Heard(params["service"], params["group"], params["node"], bounded(event)))

    def on_status(self, params: Mapping[str, str], status: NodeStatus | None) -> None:
        """Take how a node is: its events are told by its worker. One that is cleared changes nothing."""
        if status is None:
            return
        if self._looking:
            self._statuses[params["group"], params["node"]] = status
        else:
            self._keeper.note(Said(params["group"], params["node"], status))

    def on_birth(self, params: Mapping[str, str], birth: ServiceBirth | None) -> None:
        """Take that a service came or went."""
        if birth is None:
            return
        name = "/".join(params.values())
        if self._looking:
            self._found_births[name] = birth
        elif not is_announcement(self._births.get(name), birth):
            self._take_birth(name, birth, found=False)

    def _take_birth(self, name: str, birth: ServiceBirth, *, found: bool) -> None:
        event = birth_event(name, self._births.get(name), birth, at=datetime.now(UTC), found=found)
        self._births[name] = birth
        self._keeper.note(Born(name, birth))
        if event is not None:
            self._tell(NO_NAME, NO_NAME, event)

    # --- absences

    def on_connection(self) -> None:
        """Take that the broker is there, or away."""
        self._looking = True
        if self._bus.connected:
            self._back.set()

    async def _look_back(self) -> None:
        """Work out what changed in each absence, once what stands on the broker can be believed."""
        while True:
            await self._back.wait()
            self._back.clear()
            await asyncio.sleep(OWNERS_S)
            if self._bus.connected and not self._back.is_set():
                self._take_found()

    def _take_found(self) -> None:
        self._looking = False
        statuses, self._statuses = self._statuses, {}
        births, self._found_births = self._found_births, {}
        self._keeper.note(Found(statuses, datetime.now(UTC)))
        for name, birth in sorted(births.items()):
            self._take_birth(name, birth, found=True)

    # --- what it tells itself

    def _tell(self, group: str, node: str, event: Event) -> None:
        heard = Heard(Service.JOURNAL, group, node, event)
        self._keeper.note(heard)
        self._publish([heard])

    def _publish(self, heard: Iterable[Heard]) -> None:
        for one in heard:
            self._bus.tell(EVENT, one.event, service=Service.JOURNAL, group=one.group, node=one.node)

    def _tell_service(self, text: str, *, after: str | None = None, ok: bool | None = None) -> None:
        event = Event(at=datetime.now(UTC), kind=EventKind.SERVICE, text=text, after=after, ok=ok)
        self._tell(NO_NAME, NO_NAME, bounded(event))

    def _tell_of_trouble(self, words: str) -> None:
        self._tell_service(f"{Service.JOURNAL}: {words}", ok=self._keeper.trouble is None)

    # --- questions

    def on_busy(self, message: Incoming) -> None:
        """Refuse a question that is one too many."""
        envelope = envelope_of(message, root=self._root)
        self._answers.refuse(envelope, group=NO_NAME, why="busy: too many questions; try again")

    def on_command(self, message: Incoming) -> None:
        """Check a question and begin to answer it."""
        if len(self._asked) >= MAX_ASKED:
            self.on_busy(message)
            return
        envelope = envelope_of(message, root=self._root)
        actions = SERVICE_ACTIONS[Service.JOURNAL]
        try:
            command = read_command(message, envelope, root=self._root, actions=actions, now=datetime.now(UTC))
            query = _query_of(command)
        except CommandRefused as refused:
            self._answers.refuse(envelope, group=NO_NAME, why=str(refused))
            return
        task = self._tasks.create_task(self._answer(command, query), name=f"answer {command.by}")
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _answer(self, command: Command, query: Query) -> None:
        await self._bus.picture_complete()
        page, error = Page(), None
        try:
            async with self._turn:
                check_not_expired(command.arguments, datetime.now(UTC))  # nobody may wait for it any more
                page = await self._keeper.read(query)
        except CommandRefused as refused:
            error = str(refused)
        except StoreUnavailable as trouble:
            error = f"the journal can't be read: {trouble}"
        except QueryImpossible as trouble:
            logger.warning("%s: a question can't be answered: %s", command.by, trouble)
            error = f"the journal can't answer that: {trouble}; ask for fewer targets, or in simpler patterns"
        reply = Reply(
            id=command.envelope.id,
            action=command.envelope.action,
            group=NO_NAME,
            ok=error is None,
            error=error,
            events=page.entries,
            warnings=self._warnings(page),
        )
        self._answers.tell(command.envelope, reply)

    def _warnings(self, page: Page) -> list[str]:
        keeper = self._keeper
        parts = [f"nothing can be stored now: {keeper.trouble}"] if keeper.trouble is not None else []
        if keeper.lost:
            parts.append(f"{keeper.lost} events since the journal's start could not be stored")
        if page.unreadable:
            parts.append(f"entries of a later conche, which can't be read, are left out: {page.unreadable}")
        return parts


def _query_of(command: Command) -> Query:
    match command.arguments:
        case Events() as wish:
            return query_of(wish)
        case other:
            raise TypeError(f"no such action: {other}")
