"""Commands that are the renderer's: taken, put in line, carried out one at a time, and each answered once."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder

from conche.bus import Incoming
from conche.commands import (
    ANSWER_WITHIN_S,
    Answers,
    Command,
    CommandRefused,
    Envelope,
    Sender,
    envelope_of,
    read_command,
)
from conche.contract import (
    ALL,
    COMMAND,
    CONFIG_ACTIONS,
    EDIT_ACTIONS,
    NO_NAME,
    SERVICE_ACTIONS,
    Edit,
    EditAction,
    Log,
    Plan,
    ReadFiles,
    RegisteredNode,
    Reply,
    Service,
    Show,
)

from .changeset import ChangeFailed
from .chronicle import Chronicle
from .edits import EditRefused
from .gitwords import HistoryError
from .nodes import Node
from .problems import some_of
from .workers import Workers

logger = logging.getLogger(__name__)

FILTERS = [COMMAND.filter()]
"""All commands: a group that is not in the registry has no worker to say so."""

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing has expired by then."""

MAX_WAITING: Final = 1_000
"""Commands that wait for their turn, for their outcome, or until it is known which nodes there are; a guess."""

Groups = Mapping[str, Mapping[str, RegisteredNode]]

OWN_ACTIONS: Final = SERVICE_ACTIONS[Service.RENDERER]

QUESTIONS: Final = (Log, Show, ReadFiles, Plan)
"""Commands that change nothing: a screen may ask every few seconds, so they are neither told of nor remembered."""

QUESTION_NAMES: Final = frozenset(
    name for name, model in {**CONFIG_ACTIONS, **OWN_ACTIONS}.items() if issubclass(model, QUESTIONS)
)

ON_NODES: Final = (EditAction.BASE_CONFIG, EditAction.UPDATABLE_CONFIG, EditAction.SET_NODES)
"""Changes that are addressed to nodes; the others to the renderer."""


class Carrier(Protocol):
    """Carries out what was understood."""

    async def carry_out(self, command: Command, targets: Sequence[Node]) -> Reply | None:
        """Carry out a command that is first in line; return the reply, or None where it comes later."""


class Orders:
    """Takes the commands that the renderer answers.

    Parameters
    ----------
    bus
        Where replies go.
    root
        First level of every topic.
    groups
        Returns the registry's groups; None before there is a registry.
    nodes
        Returns the nodes that there are.
    wake
        Called when a command waits for its turn.
    workers
        Which services are there.
    is_known
        Returns whether a command was carried out before.
    chronicle
        Told of commands and replies.
    """

    def __init__(
        self,
        bus: Sender,
        *,
        root: str,
        groups: Callable[[], Groups | None],
        nodes: Callable[[], Sequence[Node]],
        wake: Callable[[], None],
        workers: Workers,
        is_known: Callable[[Envelope], bool],
        chronicle: Chronicle,
    ) -> None:
        self._is_known = is_known
        self._workers = workers
        self._chronicle = chronicle
        self.answers = Answers(bus)
        self._root = root
        self._groups = groups
        self._nodes = nodes
        self._wake = wake
        self._line: deque[Command] = deque()
        self._open: dict[int, float] = {}
        """When each command was taken that is not answered yet, by its identity [s]."""
        self._early: list[Incoming] = []
        """Commands that came before it was known which nodes there are."""

    def __bool__(self) -> bool:
        return bool(self._line)

    def on_busy(self, message: Incoming) -> None:
        """Refuse a command that finds the inbox full, if it is the renderer's."""
        envelope = envelope_of(message, root=self._root)
        if envelope.group == NO_NAME or envelope.action in CONFIG_ACTIONS:
            self._refuse(envelope, "busy: too many commands; try again")

    def on_command(self, message: Incoming) -> None:
        """Answer what is the renderer's to answer, now or when its turn has come."""
        envelope = envelope_of(message, root=self._root)
        groups = self._groups()
        if groups is None:
            self._hold(message)
            return
        try:
            if envelope.group == NO_NAME:
                self._on_own(message, envelope)
            elif envelope.group not in (ALL, *groups):
                raise CommandRefused(f"there is no group {envelope.group!r}; {_listed(groups)}")
            elif envelope.action in CONFIG_ACTIONS:
                self._take(message, envelope, CONFIG_ACTIONS)
            elif envelope.group == ALL:
                self._name_groups(envelope, groups)
            elif (why := self._workers.absence(envelope.group)) is not None:
                raise CommandRefused(why)
        except CommandRefused as refused:
            self._refuse(envelope, str(refused))

    def begin(self) -> None:
        """Take the commands that came before it was known which nodes there are."""
        if self._groups() is None:
            return
        early, self._early = self._early, []
        for message in early:
            self.on_command(message)

    def _hold(self, message: Incoming) -> None:
        if len(self._early) >= MAX_WAITING:
            self.on_busy(message)
            return
        self._early.append(message)
        asyncio.get_running_loop().call_later(ANSWER_WITHIN_S, self._give_up, message)

    def _give_up(self, message: Incoming) -> None:
        """Refuse a command that was held for so long: it must not come as a surprise later."""
        if message in self._early:
            self._early.remove(message)
            envelope = envelope_of(message, root=self._root)
            self._refuse(envelope, "the renderer does not know yet which nodes there are; try again")

    def _on_own(self, message: Incoming, envelope: Envelope) -> None:
        if envelope.node == Service.RENDERER:
            self._take(message, envelope, OWN_ACTIONS)
        elif envelope.node not in SERVICE_ACTIONS:
            there = ", ".join(SERVICE_ACTIONS)
            raise CommandRefused(f"no service {envelope.node!r} takes commands; there are {there}")
        elif (why := self._workers.absence_of(envelope.node)) is not None:
            raise CommandRefused(why)

    def _take(self, message: Incoming, envelope: Envelope, actions: Mapping[str, type]) -> None:
        if len(self._open) >= MAX_WAITING:
            raise CommandRefused("busy: too many commands; try again")
        question = issubclass(actions.get(envelope.action, Edit), QUESTIONS)
        if not question and self.answers.is_repeated(envelope):
            return
        # One that was carried out is told so, and not that it has expired since.
        now = LONG_AGO if self._is_known(envelope) else datetime.now(UTC)
        try:
            command = read_command(message, envelope, root=self._root, actions=actions, now=now)
            self._targets(command)
        except CommandRefused as refused:
            self._refuse(envelope, str(refused))
            return
        if not question:
            self._chronicle.taken(command)
        logger.info("%s: %s of %s/%s", command.by, envelope.action, envelope.group, envelope.node)
        self._open[id(command)] = time.monotonic()
        self._line.append(command)
        self._wake()

    def _targets(self, command: Command) -> list[Node]:
        envelope, nodes = command.envelope, self._nodes()
        if envelope.group == NO_NAME:
            return []
        found = [n for n in nodes if envelope.group in (ALL, n.group) and envelope.node in (ALL, n.name)]
        action = action_of(command)
        if action is EditAction.SET_NODES and (envelope.group, envelope.node) != (ALL, ALL):
            raise CommandRefused(f"set_nodes concerns all nodes: send it to {ALL}/{ALL}")
        if not found and action is not EditAction.SET_NODES:
            names = sorted(n.name for n in nodes if envelope.group in (ALL, n.group))
            there = f"there are {some_of(names, at_most=10)}" if names else "there are none"
            raise CommandRefused(f"there is no node {envelope.node!r} in {envelope.group}; {there}")
        return found

    def _refuse(self, envelope: Envelope, why: str, *, took_s: float | None = None) -> None:
        self.answers.refuse(envelope, group=envelope.group, why=why)
        if envelope.action in QUESTION_NAMES:
            return
        refused = Reply(id=envelope.id, action=envelope.action, group=envelope.group, ok=False, error=why)
        self._chronicle.answered(envelope, refused, took_s=took_s)

    def _name_groups(self, envelope: Envelope, groups: Groups) -> None:
        """Tell who will answer a command to the nodes of all groups."""
        concerned = sorted(g for g, nodes in groups.items() if envelope.node in (ALL, *nodes))
        if not concerned:
            why = f"no group has a node {envelope.node!r}" if groups else "there are no groups"
            raise CommandRefused(f"{why}; {_listed(groups)}")
        absent = [words for group in concerned if (words := self._workers.absence(group)) is not None]
        self.answers.tell(
            envelope,
            Reply(
                id=envelope.id,
                action=envelope.action,
                group=ALL,
                ok=not absent,
                groups=[group for group in concerned if self._workers.absence(group) is None],
                warnings=absent,
            ),
        )

    # --- in turn

    async def carry_out_next(self, carrier: Carrier, *, before: Callable[[], Awaitable[None]]) -> None:
        """Carry out the command that is first in line, after what has to be done before each change."""
        command = self._line.popleft()
        try:
            targets = self._targets(command)  # again: one may have left the registry meanwhile
            if isinstance(command.arguments, Edit):
                await before()
            elif isinstance(command.arguments, ReadFiles):  # the reply names the commit at which they stand
                with suppress(HistoryError):
                    await before()
            reply = await carrier.carry_out(command, targets)
        except (CommandRefused, EditRefused, ChangeFailed, HistoryError) as refused:
            self._refuse(command.envelope, str(refused), took_s=self._close(command))
            return
        if reply is not None:
            self.answer(command, reply)

    def answer(self, command: Command, reply: Reply) -> None:
        """Send the final reply to a command."""
        took_s = self._close(command)
        if isinstance(command.arguments, QUESTIONS):
            self.answers.tell(command.envelope, reply)
            return
        self.answers.answer(command.envelope, reply)
        self._chronicle.answered(command.envelope, reply, took_s=took_s)

    def _close(self, command: Command) -> float:
        """Take that a command is answered; return how long it was open [s]."""
        return time.monotonic() - self._open.pop(id(command))


def action_of(command: Command) -> EditAction | None:
    """Return which change of the config directory a command is, or plans."""
    if isinstance(command.arguments, Plan):
        return command.arguments.action
    return EditAction(command.envelope.action) if isinstance(command.arguments, Edit) else None


def planned_edit(command: Command, wish: Plan) -> Edit:
    """Return the change that a plan is about.

    Raises
    ------
    CommandRefused
        It is not what that action takes, or is sent to whom it does not concern.
    """
    on_nodes = command.envelope.group != NO_NAME
    if on_nodes is not (wish.action in ON_NODES):
        where = "a node, a group or all" if wish.action in ON_NODES else f"{NO_NAME}/{Service.RENDERER}"
        raise CommandRefused(f"plan: {wish.action} is sent to {where}, and so is its plan")
    try:
        return Decoder(EDIT_ACTIONS[wish.action]).decode(wish.arguments)
    except (ValidationError, DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandRefused(f"plan: arguments of {wish.action}: {error}") from None


def _listed(groups: Groups) -> str:
    return f"there are {some_of(sorted(groups), at_most=10)}" if groups else "the registry is empty"
