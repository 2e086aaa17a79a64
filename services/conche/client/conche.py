"""The telescope as a script sees it: what every node runs, and every command, over one connection."""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from conche.contract import (
    ALL,
    NODE_STATUS,
    Arguments,
    DesiredConfig,
    Events,
    Inspect,
    JournalEntry,
    Log,
    LoggedCommit,
    NodeStatus,
    Ping,
    ReadFiles,
    Resync,
    Service,
    SetMaintenance,
    SetStarted,
    Show,
)
from conche.settings import Broker

from .changes import Changes
from .editing import carry_out, plan
from .line import QUESTION_TIMEOUT_S, Line, Words, listed, registry_of
from .picture import Picture
from .plans import Plan, Wish
from .questions import Digests, Files, Shown, newest
from .sending import TIMEOUT_S, Progress, Report
from .targets import Targets, as_chosen, fits, resolve
from .watching import Watch

Whom = Words | Targets
"""Which nodes, in words, or as `Conche.find` returned them."""


class _Planning(Changes[Plan]):
    """Changes that are planned and not carried out."""

    async def _do(self, wish: Wish, *, timeout: float) -> Plan:
        return await plan(self._line, wish, timeout=timeout)


class Conche(Changes[Report]):
    """One connection to a running conche; an async context manager.

    Every method raises `BrokerAway` where the connection is lost, and `RoleMissing` where the account's role does
    not allow it. Commands are told apart from one another by an id and repeated until they are answered, so one is
    carried out once however bad the connection is; they expire when they are given up. One is carried out at a
    time: a second task waits for the first.

    Parameters
    ----------
    account
        Who is calling; commands bear this name. None for ``CONCHE_ACCOUNT``, else ``operator``.
    broker
        Where it is. None for what the command line finds: the settings that ``CONCHE_CONFIG`` names,
        ``./conche.yaml`` or ``CONCHE_BROKER__…``, else the stack that runs here.
    progress
        Told now and then for whom we wait.

    Attributes
    ----------
    plan
        The same changes of the config directory, and what they would do: ``telescope.plan.set_values(…)``; what it
        returns can be carried out as it is by `carry_out`.
    """

    def __init__(
        self,
        *,
        account: str | None = None,
        broker: Broker | None = None,
        progress: Progress = lambda _: None,
    ) -> None:
        super().__init__(Line(account=account, broker=broker, progress=progress))
        self.plan: Changes[Plan] = _Planning(self._line)

    async def __aenter__(self) -> Self:
        """Connect.

        Raises
        ------
        BrokerAway
            The broker can't be found, or nobody answers there.
        AccountDenied
            It refuses the account.
        """
        await self._line.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._line.closing.__aexit__(kind, error, trace)

    # --- what is so

    async def picture(self, *, statuses: bool = True) -> Picture:
        """Return all that the broker holds: services, registry, groups and, if wanted, the nodes' statuses."""
        return await self._line.picture(statuses=statuses)

    async def status(self, targets: Words = ()) -> dict[str, NodeStatus]:
        """Return what is known of nodes, by ``group/node``; of all where none are named.

        A status is the last that a worker said: `Picture.unserved` tells whether it is still there.
        """
        words = listed(targets)
        async with self._line.connected() as client:
            found = {f"{p['group']}/{p['node']}": s for p, s in await client.read(NODE_STATUS)}
        return {key: status for key, status in found.items() if fits(key, words)}

    def watch(self, targets: Words = ()) -> Watch:
        """Return an async iterator of changes: at first each node as it is, then whatever becomes different.

        It has a connection of its own and connects again by itself; `Watch.lost` says why nothing comes. It ends
        with this client, or with `Watch.close`.
        """
        words = listed(targets)
        watch = Watch(self._line.broker, account=self._line.account, wanted=lambda key: fits(key, words))
        self._line.closing.push_async_callback(watch.close)
        return watch

    async def find(self, targets: Words) -> Targets:
        """Return the nodes that words name, by group; what is sent to them concerns no node that comes later.

        Raises
        ------
        TargetUnknown
            A word names nothing.
        """
        found, _ = await self._line.find(targets)
        return found

    async def desired(self, targets: Words) -> dict[str, DesiredConfig]:
        """Return what nodes should run, by ``group/node``.

        Raises
        ------
        TargetUnknown
            A word names nothing.
        """
        found, _ = await self._line.find(targets)
        return await self._line.desired(found)

    # --- commands to nodes

    async def start(self, targets: Whom, *, reason: str | None = None, timeout: float = TIMEOUT_S) -> Report:
        """Have nodes run their desired config, now and from now on.

        Nodes in maintenance are answered ``held``; they start when they are taken out.

        Raises
        ------
        TargetUnknown
            A word names nothing; nothing was sent.
        """
        return await self._to_nodes("set_started", SetStarted(started=True, reason=reason), targets, timeout)

    async def stop(self, targets: Whom, *, reason: str | None = None, timeout: float = TIMEOUT_S) -> Report:
        """Have nodes stop, and stay stopped until somebody says start. Errors as in `start`."""
        return await self._to_nodes("set_started", SetStarted(started=False, reason=reason), targets, timeout)

    async def maintenance(
        self,
        targets: Whom,
        *,
        on: bool,
        reason: str | None = None,
        until: datetime | None = None,
        timeout: float = TIMEOUT_S,
    ) -> Report:
        """Take nodes out of conche's hands, until some time if one is given, or give them back.

        Errors as in `start`.
        """
        wish = SetMaintenance(maintenance=on, until=until, reason=reason)
        return await self._to_nodes("set_maintenance", wish, targets, timeout)

    async def resync(self, targets: Whom, *, reason: str | None = None, timeout: float = TIMEOUT_S) -> Report:
        """Restart nodes with their desired config, even those that run it. Errors as in `start`."""
        return await self._to_nodes("resync", Resync(reason=reason), targets, timeout)

    async def ping(self, targets: Whom, *, timeout: float = QUESTION_TIMEOUT_S) -> Report:
        """Ask each node's REST server for a word; the latency stands in the result's ``inspection``.

        Errors as in `start`.
        """
        return await self._to_nodes("ping", Ping(), targets, timeout)

    async def inspect(
        self, targets: Whom, *, config: bool = False, timeout: float = QUESTION_TIMEOUT_S
    ) -> Report:
        """Read each node now: how it differs from what is desired, with ``config`` also what it runs.

        Errors as in `start`.
        """
        return await self._to_nodes("inspect", Inspect(config=config), targets, timeout)

    async def _to_nodes(self, action: str, arguments: Arguments, whom: Whom, timeout: float) -> Report:
        picture = await self._line.picture(statuses=False)
        registry = registry_of(picture)
        if isinstance(whom, dict):
            targets = as_chosen(whom, registry.groups)
        else:
            targets = resolve(listed(whom), registry.groups, error=registry.error)
        return await self._line.send(action, arguments, targets=targets, picture=picture, timeout=timeout)

    # --- changes of the config directory

    async def carry_out(self, plan: Plan, *, timeout: float = TIMEOUT_S) -> Report:
        """Do what was planned.

        Raises
        ------
        CommandRefused
            The world has moved since the plan was made, or a node would have no config; nothing was changed.
        """
        return await self._do(plan.named, timeout=timeout)

    async def _do(self, wish: Wish, *, timeout: float) -> Report:
        return await carry_out(self._line, wish, timeout=timeout)

    # --- questions

    async def log(self, path: str | None = None, *, limit: int = 20) -> list[LoggedCommit]:
        """Return the commits of the config directory, the newest first; with a path those that changed it.

        Raises
        ------
        CommandRefused
            No history is kept.
        """
        return (await self._line.answer(Service.RENDERER, "log", Log(path=path, limit=limit))).commits

    async def show(self, commit: str) -> Shown:
        """Return a commit and what it changed.

        Raises
        ------
        CommandRefused
            There is no such commit.
        """
        reply = await self._line.answer(Service.RENDERER, "show", Show(commit=commit))
        return Shown(reply.commits[0], reply.patch or "")

    async def read_files(self, *names: str) -> Files:
        """Return files of the config directory as they are, and at which commit; without names all of them.

        Raises
        ------
        CommandRefused
            A name is none of a config file, one can't be read, or they are too large for one answer.
        """
        wish = ReadFiles(files=list(names), all=not names)
        reply = await self._line.answer(Service.RENDERER, "read_files", wish)
        return Files(reply.files, reply.commit)

    async def digests(self, *names: str) -> Digests:
        """Return what the texts of files are known by, however large these are. Names and errors as in `read_files`."""
        wish = ReadFiles(files=list(names), all=not names, digests=True)
        reply = await self._line.answer(Service.RENDERER, "read_files", wish)
        return Digests(reply.digests, reply.commit)

    async def events(
        self,
        targets: Words = (),
        *,
        kinds: Sequence[str] = (),
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[JournalEntry]:
        """Return what has happened, the newest last.

        Parameters
        ----------
        targets
            Only what concerned these nodes.
        kinds
            Only these kinds, such as ``push``.
        since
            Only what happened from then on.
        limit
            How many at most; the newest.

        Raises
        ------
        ServiceAway
            The journal is not there.
        """
        words = [] if ALL in listed(targets) else list(listed(targets))
        wish = Events(targets=words, kinds=list(kinds), since=since)

        async def ask(one: Events) -> Sequence[JournalEntry]:
            return (await self._line.answer(Service.JOURNAL, "events", one)).events

        return await newest(ask, wish, limit=limit)
