"""All states that are on the broker, as readings of what is news and of what is to be written again."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from conche.contract import (
    NO_NAME,
    EopStatus,
    FpgaStatus,
    GroupSummary,
    NodeStatus,
    Observed,
    Registry,
    Service,
    ServiceBirth,
    ServiceState,
    Sweep,
)
from conche.contract import measurements as m

from .board import Board, Make, Moment
from .cluster import Cluster, Key
from .nodes import group_reading, node_reading
from .readings import Reading, time_ns
from .services import Life
from .timing import eop_reading, fpga_reading

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Picture:
    """What is known, from what was said.

    Nothing is made of it before all that is retained was heard: a status says nothing while it is not known whether
    its worker is there.

    Parameters
    ----------
    refresh_s
        What has not changed is written again after this [s].
    poll_s
        Period of the pollers, as far as the settings tell [s].
    """

    def __init__(self, *, refresh_s: float, poll_s: float) -> None:
        self.cluster = Cluster(poll_s)
        self._board = Board(refresh_s=refresh_s)
        self._lives: dict[tuple[str, str], Life] = {}
        self._fpga: FpgaStatus | None = None
        self._eop: EopStatus | None = None
        self._shown: set[Key] = set()
        self._groups_shown: set[str] = set()
        self._listening = False

    # --- the connection

    def listen(self, at: Moment) -> Iterator[Reading]:
        """Take that all that is retained was heard; yield what is news."""
        self._listening = True
        self.cluster.listen(at.clock)
        yield from self._note_all(at)

    def deafen(self) -> None:
        """Take that the broker is away: nothing is known until it is heard again."""
        self._listening = False

    def _note_all(self, at: Moment) -> Iterator[Reading]:
        yield from self._note_cluster(at)
        for life in self._lives.values():
            yield from self._note(life.reading, at)
        yield from self._note_fpga(at)
        yield from self._note_eop(at)

    # --- as time goes by

    def due(self, at: Moment) -> Iterator[Reading]:
        """Yield what is to be written now: what was written long ago, and what counts no more."""
        if not self._listening:
            return
        rejudged = set(self.cluster.rejudged(at.clock))
        for key in list(self.cluster.nodes(rejudged)):
            yield from self._note_node(key, at)
        yield from self._board.due(at)

    def readings(self, at: Moment) -> list[Reading]:
        """Return everything that is known now."""
        return self._board.readings(at) if self._listening else []

    # --- nodes and groups

    def on_registry(self, registry: Registry | None, at: Moment) -> Iterator[Reading]:
        """Take which nodes there are; a registry that is absent or broken changes nothing."""
        if registry is not None and registry.error is None:
            self.cluster.registry = registry
            yield from self._note_cluster(at)

    def on_status(self, key: Key, status: NodeStatus | None, at: Moment) -> Iterator[Reading]:
        """Take a node's status."""
        _put(self.cluster.statuses, key, status)
        yield from self._note_node(key, at)

    def on_observed(self, key: Key, observed: Observed | None, at: Moment) -> Iterator[Reading]:
        """Take what the poller saw."""
        _put(self.cluster.observed, key, observed)
        yield from self._note_node(key, at)

    def on_summary(self, group: str, summary: GroupSummary | None, at: Moment) -> Iterator[Reading]:
        """Take a group's summary."""
        _put(self.cluster.summaries, group, summary)
        yield from self._note_group(group, at)

    def on_sweep(self, sweep: Sweep, at: Moment) -> None:
        """Take a poller's heartbeat; what follows from it is `due`."""
        self.cluster.on_sweep(sweep, at.clock)

    def _note_cluster(self, at: Moment) -> Iterator[Reading]:
        for group in self._groups_shown.union(self.cluster.groups()):
            yield from self._note_group(group, at)
        for key in self._shown.union(self.cluster.nodes()):
            yield from self._note_node(key, at)

    def _note_node(self, key: Key, at: Moment) -> Iterator[Reading]:
        if self.cluster.has(key):
            self._shown.add(key)
            yield from self._note(partial(self._node, key), at)
        else:
            self._shown.discard(key)
            self._board.forget(m.NODE, {"group": key[0], "node": key[1]})

    def _note_group(self, group: str, at: Moment) -> Iterator[Reading]:
        if group in self.cluster.groups():
            self._groups_shown.add(group)
            yield from self._note(partial(self._group, group), at)
        else:
            self._groups_shown.discard(group)
            self._board.forget(m.GROUP, {"group": group})

    def _node(self, key: Key, at: Moment) -> Reading:
        node = self.cluster.node(key, at.clock)
        return node_reading(node, group=key[0], name=key[1], at_ns=time_ns(at.wall))

    def _group(self, group: str, at: Moment) -> Reading:
        cluster = self.cluster
        return group_reading(
            cluster.summaries.get(group),
            group=group,
            served=group in cluster.workers,
            nodes=cluster.size(group),
            at_ns=time_ns(at.wall),
        )

    # --- services

    def on_birth(
        self, params: Mapping[str, str], birth: ServiceBirth | None, at: Moment
    ) -> Iterator[Reading]:
        """Take that a service came or went."""
        service, instance = params["service"], params.get("instance", NO_NAME)
        life = self._lives.get((service, instance))
        if birth is None:
            self._lives.pop((service, instance), None)
            self._board.forget(m.SERVICE, {"service": service, "instance": instance})
        elif life is None:
            life = self._lives[service, instance] = Life(service, instance, birth)
            yield from self._note(life.reading, at)
        else:
            life.take(birth)
            yield from self._note(life.reading, at)
        yield from self._follow(service, instance, at)

    def _follow(self, service: str, instance: str, at: Moment) -> Iterator[Reading]:
        """Yield what is known otherwise because a service came or went."""
        match service:
            case Service.SYNC if (instance in self.cluster.workers) is not self._is_online(service, instance):
                self.cluster.workers ^= {instance}
                yield from self._note_group(instance, at)
                for key in list(self.cluster.nodes([instance])):
                    yield from self._note_node(key, at)
            case Service.FPGA:
                yield from self._note_fpga(at)
            case Service.EOP:
                yield from self._note_eop(at)

    def _is_online(self, service: str, instance: str = NO_NAME) -> bool:
        life = self._lives.get((service, instance))
        return life is not None and life.birth.state is ServiceState.ONLINE

    # --- timing

    def on_fpga(self, status: FpgaStatus | None, at: Moment) -> Iterator[Reading]:
        """Take the FPGA master's status."""
        self._fpga = status
        yield from self._note_fpga(at)

    def on_eop(self, status: EopStatus | None, at: Moment) -> Iterator[Reading]:
        """Take that of the Earth-orientation table."""
        self._eop = status
        yield from self._note_eop(at)

    def _note_fpga(self, at: Moment) -> Iterator[Reading]:
        if self._fpga is None:
            self._board.forget(m.FPGA, {})
            return
        status, served = self._fpga, self._is_online(Service.FPGA)
        yield from self._note(lambda when: fpga_reading(status, served=served, now=when.wall), at)

    def _note_eop(self, at: Moment) -> Iterator[Reading]:
        if self._eop is None:
            self._board.forget(m.EOP, {})
            return
        status, served = self._eop, self._is_online(Service.EOP)
        yield from self._note(lambda when: eop_reading(status, served=served, now=when.wall), at)

    def _note(self, make: Make, at: Moment) -> Iterable[Reading]:
        """Return a state if it is news, and if it is time to tell."""
        if not self._listening:
            return ()
        reading = self._board.set(make, at)
        return () if reading is None else (reading,)


def _put(table: dict[KeyT, ValueT], key: KeyT, value: ValueT | None) -> None:
    """Put a value into a table, or None for nothing there."""
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
