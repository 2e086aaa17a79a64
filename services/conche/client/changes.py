"""Changes of the config directory, each by its method: carried out by one class, planned by another."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from conche.contract import (
    ALL,
    NO_NAME,
    BaseConfig,
    Edit,
    EditAction,
    NodeEntry,
    Rollback,
    Service,
    SetFiles,
    SetNodes,
    UpdatableConfig,
)

from .editing import complete
from .line import Line, Words
from .plans import Wish
from .sending import TIMEOUT_S, Order, orders_of
from .targets import Groups, Targets

ResultT_co = TypeVar("ResultT_co", covariant=True)


class Changes(ABC, Generic[ResultT_co]):
    """Changes of the config directory.

    Each of them raises `CommandRefused` where nothing at all was done, and `ServiceAway` where the renderer is not
    there or does not answer; then it may still be done.

    Parameters
    ----------
    line
        The connection.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    async def set_values(
        self,
        targets: Words,
        endpoint: str,
        values: Mapping[str, Any],
        *,
        reason: str | None = None,
        force: bool = False,
        partial: bool = True,
        started_from: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> ResultT_co:
        """Give the updatable block of some nodes other values, such as gains; they go on running.

        Parameters
        ----------
        targets
            The nodes. Those of a group that don't have such a block are skipped, and said to be.
        endpoint
            Path of the block, such as ``gains/coeffs``.
        values
            New values by key.
        reason
            Why; it stands in the history.
        force
            Whether values may be sent that a kotekan has refused before.
        partial
            Whether keys that are not given stay as they are desired now; without it all of them have to be given.
        started_from
            Commit that this began with: refused where somebody has changed the same block since. With ``partial``
            it is the commit at which the other values were read, unless another one is given.
        timeout
            When to give up [s].

        Raises
        ------
        ValuesIncomplete
            There is no such block or key, or the nodes differ in a key that is not given.
        TargetUnknown
            A word names nothing.
        CommandRefused
            The values don't fit the block, or were refused before.
        """
        targets_found, groups = await self._line.find(targets)
        endpoint = endpoint.strip("/")
        if partial:
            values, start = await complete(self._line, values, endpoint, targets_found)
            started_from = started_from or start
        edit = UpdatableConfig(
            endpoint=endpoint, values=dict(values), force=force, reason=reason, started_from=started_from
        )
        orders = _orders(targets_found, groups)
        return await self._do(_wish(EditAction.UPDATABLE_CONFIG, edit, *orders), timeout=timeout)

    async def set_base_config(
        self,
        targets: Words,
        content: str,
        *,
        shared: bool = False,
        reason: str | None = None,
        started_from: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> ResultT_co:
        """Replace the base config of some nodes, as it is written, before it is rendered.

        Parameters
        ----------
        targets
            The nodes.
        content
            The text.
        shared
            Whether a file may be written that other nodes use too.
        reason, started_from, timeout
            As in `set_values`.

        Raises
        ------
        TargetUnknown
            A word names nothing.
        CommandRefused
            A node would have no config with it, or it would change others.
        """
        targets_found, groups = await self._line.find(targets)
        edit = BaseConfig(config_content=content, shared=shared, reason=reason, started_from=started_from)
        orders = _orders(targets_found, groups)
        return await self._do(_wish(EditAction.BASE_CONFIG, edit, *orders), timeout=timeout)

    async def set_files(
        self,
        files: Mapping[str, str | None],
        *,
        reason: str | None = None,
        started_from: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> ResultT_co:
        """Write files of the config directory, all or none of them.

        Parameters
        ----------
        files
            Name to new content; None removes it. With ``nodes.yaml`` among them it takes the role admin.
        reason, started_from, timeout
            As in `set_values`.

        Raises
        ------
        CommandRefused
            A node would have no config, or a name is none of a config file.
        """
        edit = SetFiles(files=dict(files), reason=reason, started_from=started_from)
        action = EditAction.SET_DIRECTORY if NODES_FILE in files else EditAction.SET_FILES
        return await self._do(_wish(action, edit, _RENDERER), timeout=timeout)

    async def set_nodes(
        self,
        groups: Mapping[str, Mapping[str, NodeEntry]],
        *,
        reason: str | None = None,
        started_from: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> ResultT_co:
        """Say which nodes there are from now on: these, and no others.

        Parameters
        ----------
        groups
            Nodes by group and name; what an entry leaves out stays as it is in ``nodes.yaml``.
        reason, started_from, timeout
            As in `set_values`.

        Raises
        ------
        CommandRefused
            A name or an address can't be.
        """
        nested = {group: dict(nodes) for group, nodes in groups.items()}
        edit = SetNodes(groups=nested, reason=reason, started_from=started_from)
        return await self._do(_wish(EditAction.SET_NODES, edit, Order(ALL, ALL)), timeout=timeout)

    async def rollback(
        self,
        commit: str,
        *,
        paths: Sequence[str] = (),
        reason: str | None = None,
        started_from: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> ResultT_co:
        """Bring files back to what they were at a commit; that makes a new commit.

        Parameters
        ----------
        commit
            A git revision, such as the first digits of a commit.
        paths
            Only these files, or what lies below them; none for all but ``nodes.yaml``, which has to be named and
            takes the role admin.
        reason, started_from, timeout
            As in `set_values`.

        Raises
        ------
        CommandRefused
            There is no such commit, or a node would have no config.
        """
        edit = Rollback(commit=commit, paths=list(paths), reason=reason, started_from=started_from)
        action = EditAction.ROLLBACK_DIRECTORY if NODES_FILE in paths else EditAction.ROLLBACK
        return await self._do(_wish(action, edit, _RENDERER), timeout=timeout)

    @abstractmethod
    async def _do(self, wish: Wish, *, timeout: float) -> ResultT_co:
        """Carry a change out, or plan it."""


NODES_FILE: Final = "nodes.yaml"
"""Which nodes there are: it takes another role."""

_RENDERER: Final = Order(NO_NAME, Service.RENDERER)


def _orders(targets: Targets, groups: Groups) -> list[Order]:
    """Return to whom a change of nodes' configs is sent; one of all nodes is one change."""
    everything = {group for group, nodes in groups.items() if nodes}
    if len(targets) > 1 and all(chosen.whole for chosen in targets.values()) and targets.keys() == everything:
        return [Order(ALL, ALL)]
    return orders_of(targets)


def _wish(action: EditAction, edit: Edit, *orders: Order) -> Wish:
    return Wish(action, tuple((order, edit) for order in orders))
