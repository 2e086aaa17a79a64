"""The telescope as the gateway has it: what is so, who is commanded, and what happens."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace

from conche.bus import Bus
from conche.client.errors import TargetUnknown, ValuesIncomplete
from conche.client.sending import Order
from conche.client.targets import resolve
from conche.client.values import completed
from conche.contract import (
    ALL,
    CONFIG_ACTIONS,
    EVENT,
    NO_NAME,
    REPLY,
    Arguments,
    EditAction,
    Event,
    Events,
    JournalEntry,
    ReadFiles,
    Reply,
    Service,
    UpdatableConfig,
    as_object,
)
from conche.contract.names import NODE_NAME

from . import choco, shapes
from .commanding import Commander
from .errands import Errand, Errands, Refused
from .picture import Key, Picture
from .problems import Away, Invalid, NoAnswer, NotFound, TooLarge
from .streams import Hub
from .views import View

QUESTION_S: Final = 30.0
"""When a question is given up [s], as in the client."""

AGES_S: Final = 1.0
"""choco tells how long ago a node was seen, in seconds [s]."""

_ANY_FILE: Final = "nodes.yaml"


class Telescope:
    """What is known of the telescope, and how it is commanded.

    Parameters
    ----------
    bus
        The broker.

    Attributes
    ----------
    picture
        What the broker holds.
    commander
        Sends commands.
    hub
        Passes events on.
    choco_status, choco_nodes, nodes
        Answers that are kept ready.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.picture = Picture()
        self.commander = Commander(bus, errands=Errands())
        self.hub = Hub(self._ask_journal)
        picture = self.picture
        self.choco_status = self._view(lambda: choco.status_of(picture, datetime.now(UTC)), lasts_s=AGES_S)
        self.choco_nodes = self._view(lambda: choco.registry_of(picture))
        self.nodes = self._view(lambda: shapes.nodes_of(picture))

    def _view(self, make: Callable[[], Any], *, lasts_s: float = float("inf")) -> View:
        return View(make, changes=lambda: self.picture.changes, clock=time.monotonic, lasts_s=lasts_s)

    def subscribe(self) -> None:
        """Set up what is read."""
        self.picture.subscribe(self._bus)
        self._bus.subscribe(EVENT, self._on_event)
        self._bus.subscribe(REPLY, self.commander.on_reply, user=Service.GATEWAY)

    async def run(self) -> None:
        """Send commands, and number events, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.commander.run(), name="send commands")
            tasks.create_task(self.hub.run(), name="number events")

    def _on_event(self, params: Mapping[str, str], event: Event | None) -> None:
        self.commander.on_event(params, event)
        self.hub.on_event(params, event)

    # --- what is so

    def check_there(self) -> None:
        """Refuse to say anything while the broker is away: what is known is old then.

        Raises
        ------
        Away
            It is.
        """
        if not self._bus.connected:
            raise Away("the broker is away: nothing is known of now, and no command can be sent; try again")

    def check_target(self, group: str, node: str = ALL) -> None:
        """Refuse a group or node that there is not.

        Raises
        ------
        NotFound
            There is none.
        Away
            Nobody knows which there are.
        """
        self.check_there()
        if self.picture.registry is None:
            raise Away("there is no registry: the renderer has not published any")
        for what, name in (("group", group), ("node", node)):
            if not NODE_NAME.fullmatch(name):
                raise NotFound(f"there is no {what} {name!r}")
        try:
            resolve([f"{group}/{node}"], self.picture.groups, error=self.picture.registry.error)
        except TargetUnknown as error:
            raise NotFound(str(error)) from None

    # --- who is commanded

    def orders_to_nodes(self, action: str, group: str, node: str) -> tuple[list[Order], dict[str, str]]:
        """Return the messages of a command to nodes, and for which groups nobody is there, and why.

        Raises
        ------
        NotFound
            There is no such group or node.
        Away
            Nobody is there for it.
        """
        if action in CONFIG_ACTIONS:
            self._check_names(action, group, node)
            self.check_service(Service.RENDERER)
            return [Order(group, node)], {}
        self.check_target(group, node)
        concerned = self._concerned(group, node)
        unserved = {name: why for name in concerned if (why := self.picture.unserved(name)) is not None}
        orders = [Order(name, node) for name in concerned if name not in unserved]
        if not orders:
            raise Away("; ".join(f"{name}: {why}" for name, why in unserved.items()))
        return orders, unserved

    def _check_names(self, action: str, group: str, node: str) -> None:
        if action == EditAction.SET_NODES and (group, node) == (ALL, ALL):
            self.check_there()  # there may be none yet
        else:
            self.check_target(group, node)

    def _concerned(self, group: str, node: str) -> list[str]:
        """Return the groups that have such nodes."""
        groups = self.picture.groups
        names = groups if group == ALL else [group]
        return [name for name in names if (node in groups[name] if node != ALL else groups[name])]

    def check_service(self, service: Service) -> None:
        """Refuse to ask a service that is not there.

        Raises
        ------
        Away
            It is not.
        """
        self.check_there()
        if (why := self.picture.away(service)) is not None:
            raise Away(f"{why}: nobody would answer")

    async def ask(self, service: Service, action: str, question: Arguments, *, user: str) -> Reply:
        """Return a service's answer to a question. Errors as in `answer`, and `Away`."""
        self.check_service(service)
        return await self.answer(action, question, Order(NO_NAME, service), user=user)

    async def answer(self, action: str, question: Arguments, order: Order, *, user: str) -> Reply:
        """Return the answer to a question.

        Raises
        ------
        Refused
            The service says no.
        NoAnswer
            It says nothing.
        TooMany
            Too many wait already.
        """
        errand = self.commander.submit(
            action, question, [order], user=user, timeout=QUESTION_S, is_kept=False
        )
        await errand.done.wait()
        check_answered(errand)
        return next(iter(errand.replies.values()))

    async def _ask_journal(self, wish: Events) -> Sequence[JournalEntry]:
        return (await self.ask(Service.JOURNAL, "events", wish, user=Service.GATEWAY)).events

    # --- configs

    async def whole(self, wish: UpdatableConfig, group: str, node: str, *, user: str) -> UpdatableConfig:
        """Return a change of some keys of a block as one of all: the others stay as they are desired now.

        Raises
        ------
        Invalid
            There is no such block or key, or the nodes differ in a key that is not given.
        """
        # The commit first: the renderer has published by then what led to it, and what comes later is noticed.
        reply = await self.ask(Service.RENDERER, "read_files", ReadFiles(files=[_ANY_FILE]), user=user)
        endpoint = wish.endpoint.strip("/")
        configs = self._configs(endpoint, group, node)
        try:
            values = await asyncio.to_thread(_completed, wish.values, endpoint, configs)
        except ValuesIncomplete as error:
            raise Invalid(str(error)) from None
        return replace(wish, endpoint=endpoint, values=values, started_from=wish.started_from or reply.commit)

    def _configs(self, endpoint: str, group: str, node: str) -> dict[str, bytes]:
        """Return desired configs by node, one for each way in which the block is desired: many nodes have the same."""
        found: dict[str | None, Key] = {}
        for name in self._concerned(group, node):
            for one in self.picture.groups[name] if node == ALL else [node]:
                if (desired := self.picture.desired.get((name, one))) is not None:
                    found.setdefault(desired.updatable.get(endpoint), (name, one))
        return {"/".join(key): self.picture.desired[key].config for key in found.values()}


def _completed(given: Mapping[str, Any], endpoint: str, configs: Mapping[str, bytes]) -> dict[str, Any]:
    decoded = {key: as_object(config) for key, config in configs.items()}
    return completed(given, endpoint, {key: config for key, config in decoded.items() if config})


def check_answered(errand: Errand, *, headers: Mapping[str, str] | None = None) -> None:
    """Refuse to go on where nothing was done, or nobody has said anything.

    Raises
    ------
    TooLarge, Refused, NoAnswer
        Says why.
    """
    if errand.problem is not None:
        raise TooLarge(errand.problem, headers=headers)
    if errand.refusal is not None:
        raise Refused(errand.refusal, headers=headers)
    if errand.is_silent:
        why = "; ".join(f"{name}: {words}" for name, words in errand.status().unanswered.items())
        raise NoAnswer(f"{why}; it may still be done", headers=headers)
