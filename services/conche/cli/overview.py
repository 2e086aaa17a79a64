"""What is shown of a whole cluster: services and what is wrong with them, and each group with its rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.json import encode

from conche.client.picture import Picture, absence, is_online
from conche.client.targets import Targets
from conche.client.words import natural
from conche.contract import (
    NODE_STATUS,
    EopStatus,
    FpgaStatus,
    GroupSummary,
    Health,
    Service,
    ServiceBirth,
    ServiceState,
)

from .eopline import EopView, eop_view
from .frame0 import FpgaView, fpga_view
from .output import count, names_of, plain
from .rows import Row, row_of, silent_row, worst


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong outside the groups."""

    words: str
    health: Health = Health.ERROR


@dataclass(frozen=True, slots=True)
class GroupView:
    """One group.

    Parameters
    ----------
    name
        Its name.
    served
        None where its worker is there, else why not, in words.
    polled
        None where a poller asks its nodes, as far as can be told, else why not, in words.
    summary
        What its worker said last.
    rows
        One for each node that is shown.
    """

    name: str
    served: str | None
    polled: str | None
    summary: GroupSummary | None
    rows: tuple[Row, ...]

    @property
    def health(self) -> Health:
        """The group in one word."""
        if self.served is not None or self.polled is not None:
            return Health.ERROR
        rows = worst(row.health for row in self.rows)
        return worst([self.summary.summary, rows]) if self.summary else worst([Health.WARNING, rows])


@dataclass(frozen=True, slots=True)
class Overview:
    """All that is shown.

    Parameters
    ----------
    services
        Names of those that are online.
    stopped
        Names of those that were stopped in good order, and stand nowhere else.
    problems
        What is wrong outside the groups.
    groups
        Those that were chosen.
    fpga
        The FPGA master; None where there is none.
    eop
        The Earth-orientation table; None where there is no service for it.
    """

    services: tuple[str, ...]
    stopped: tuple[str, ...]
    problems: tuple[Problem, ...]
    groups: tuple[GroupView, ...]
    fpga: FpgaView | None = None
    eop: EopView | None = None

    @property
    def health(self) -> Health:
        """Everything in one word."""
        others = [view.health for view in (self.fpga, self.eop) if view]
        problems = (problem.health for problem in self.problems)
        return worst([*(group.health for group in self.groups), *problems, *others])


def overview(
    picture: Picture,
    targets: Targets,
    now: datetime,
    *,
    fpga: FpgaStatus | None = None,
    eop: EopStatus | None = None,
) -> Overview:
    """Return what is shown of a picture.

    Parameters
    ----------
    picture
        What the broker holds.
    targets
        Which nodes are shown.
    now
        Wall clock.
    fpga, eop
        What their services said of the FPGA master and of the Earth-orientation table.
    """
    groups = tuple(_group(picture, group, chosen.nodes, now) for group, chosen in targets.items())
    return Overview(
        services=online(picture),
        stopped=stopped(picture),
        problems=tuple(problems_of(picture)),
        groups=groups,
        fpga=fpga_view(fpga, picture.births.get(Service.FPGA)),
        eop=eop_view(eop, picture.births.get(Service.EOP)),
    )


def online(picture: Picture) -> tuple[str, ...]:
    """Return the names of services that are there."""
    return tuple(sorted((name for name, birth in picture.births.items() if is_online(birth)), key=natural))


def stopped(picture: Picture) -> tuple[str, ...]:
    """Return the names of services that were stopped in good order, but for those of which a problem tells."""
    told: set[str] = {Service.RENDERER}
    if not any(is_online(birth) for name, birth in picture.births.items() if _is_poller(name)):
        told |= {name for name in picture.births if _is_poller(name)}
    return tuple(
        name
        for name in sorted(picture.births, key=natural)
        if picture.births[name].state is ServiceState.OFFLINE and name not in told and not _is_worker(name)
    )


def services_words(names: Iterable[str]) -> str:
    """Return names of services as people read them, workers and pollers under one name each."""
    by_service: dict[str, list[str]] = {}
    for name in names:
        service, _, instance = name.partition("/")
        by_service.setdefault(service, []).extend([instance] if instance else [])
    return ", ".join(f"{s} ({names_of(i)})" if i else s for s, i in by_service.items())


def _group(picture: Picture, group: str, nodes: Iterable[str], now: datetime) -> GroupView:
    return GroupView(
        name=group,
        served=unserved(picture, group),
        polled=picture.unpolled.get(group),
        summary=picture.summaries.get(group),
        rows=tuple(row_in(picture, group, node, now) for node in nodes),
    )


def row_in(picture: Picture, group: str, node: str, now: datetime) -> Row:
    """Return the row of a node, whatever is known of it."""
    status = picture.statuses.get(group, {}).get(node)
    key = f"{group}/{node}"
    served = picture.is_served(group)
    if status is None:
        topic = NODE_STATUS.topic(group=group, node=node)
        return silent_row(key, served=served, unreadable=picture.unreadable.get(topic))
    registry = picture.registry
    registered = registry is None or node in registry.groups.get(group, {})
    return row_of(key, status, known=served, registered=registered, now=now)


def problems_of(picture: Picture) -> Iterable[Problem]:
    """Yield what is wrong outside the groups, the worst first."""
    if picture.registry is None:
        yield Problem("there is no registry: the renderer has not published any")
    elif picture.registry.error is not None:
        yield Problem(f"registry: {plain(picture.registry.error)}; the last good one is in use")
    births = picture.births
    renderer = births.get(Service.RENDERER)
    if not is_online(renderer):
        yield Problem(f"{_state(Service.RENDERER, renderer)}: no change of a config is taken up")
    yield from _pollers(births)
    for name, birth in sorted(births.items()):
        if _is_elsewhere(name) or birth.state is not ServiceState.LOST:
            continue
        words = ": a new group would get no worker" if name == Service.SYNC else ""
        yield Problem(f"{_state(name, birth)}{words}")
    yield from _left_out(births)
    if picture.unreadable:
        first, why = next(iter(picture.unreadable.items()))
        number = count(len(picture.unreadable), "topic")
        yield Problem(f"{number} not understood, such as {first}: {plain(why)}")


def _left_out(births: Mapping[str, ServiceBirth]) -> Iterable[Problem]:
    """Tell what services that are there have not taken in."""
    for name, birth in sorted(births.items()):
        parts = [
            *([f"{count(birth.dropped, 'message')} found no room"] if birth.dropped else []),
            *([f"{count(birth.invalid, 'message')} made no sense"] if birth.invalid else []),
        ]
        if parts and is_online(birth):
            yield Problem(f"{name}: {', '.join(parts)} since it started; see its log", Health.WARNING)


def _is_elsewhere(name: str) -> bool:
    """Return whether a service is spoken of in its own place: workers stand at their groups."""
    return name == Service.RENDERER or _is_poller(name) or _is_worker(name)


def _is_poller(name: str) -> bool:
    return name.startswith(f"{Service.POLLER}/")


def _is_worker(name: str) -> bool:
    return name.startswith(f"{Service.SYNC}/")


def _pollers(births: Mapping[str, ServiceBirth]) -> Iterable[Problem]:
    pollers = {name: birth for name, birth in sorted(births.items()) if _is_poller(name)}
    if any(is_online(birth) for birth in pollers.values()):
        for name, birth in pollers.items():
            if birth.state is ServiceState.LOST:  # it may have been given another name since
                yield Problem(_state(name, birth), Health.WARNING)
    else:
        away = [_state(name, birth) for name, birth in pollers.items()] or ["there is no poller"]
        yield Problem(f"{', '.join(away)}: nobody sees what the nodes run")


def _state(name: str, birth: ServiceBirth | None) -> str:
    return plain(absence(name, birth))


def unserved(picture: Picture, group: str) -> str | None:
    """Return why nobody looks after a group, or None where its worker is there."""
    why = picture.unserved(group)
    return None if why is None else plain(why)


def encoded(picture: Picture, view: Overview) -> bytes:
    """Return everything as one JSON object, payloads as they are on the broker."""
    return encode(
        {
            "health": view.health,
            "problems": [problem.words for problem in view.problems],
            "services": picture.births,
            "fpga": view.fpga.status if view.fpga else None,
            "eop": view.eop.status if view.eop else None,
            "registry": picture.registry,
            "groups": {group.name: _group_json(picture, group) for group in view.groups},
        }
    )


def _group_json(picture: Picture, group: GroupView) -> dict[str, Any]:
    worker = picture.worker(group.name)
    statuses = picture.statuses.get(group.name, {})
    return {
        "health": group.health,
        "worker": worker.state if worker else None,
        "polled": group.polled is None,
        "summary": group.summary,
        "nodes": {name: statuses.get(name) for row in group.rows for name in row.names},
    }
