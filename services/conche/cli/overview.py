"""What is shown of a whole cluster: services and what is wrong with them, and each group with its rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.json import encode

from conche.contract import NODE_STATUS, GroupSummary, Health, Service, ServiceBirth, ServiceState

from .output import count, natural, plain
from .picture import Picture, is_online
from .rows import Row, row_of, silent_row, worst
from .targets import Targets


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
    summary
        What its worker said last.
    rows
        One for each node that is shown.
    """

    name: str
    served: str | None
    summary: GroupSummary | None
    rows: tuple[Row, ...]

    @property
    def health(self) -> Health:
        """The group in one word."""
        if self.served is not None:
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
    problems
        What is wrong outside the groups.
    groups
        Those that were chosen.
    """

    services: tuple[str, ...]
    problems: tuple[Problem, ...]
    groups: tuple[GroupView, ...]

    @property
    def health(self) -> Health:
        """Everything in one word."""
        return worst(
            [*(group.health for group in self.groups), *(problem.health for problem in self.problems)]
        )


def overview(picture: Picture, targets: Targets, now: datetime) -> Overview:
    """Return what is shown of a picture.

    Parameters
    ----------
    picture
        What the broker holds.
    targets
        Which nodes are shown.
    now
        Wall clock.
    """
    groups = tuple(_group(picture, group, chosen.nodes, now) for group, chosen in targets.items())
    online = [name for name, birth in picture.births.items() if is_online(birth)]
    return Overview(
        services=tuple(sorted(online, key=natural)),
        problems=tuple(_problems(picture)),
        groups=groups,
    )


def _group(picture: Picture, group: str, nodes: Iterable[str], now: datetime) -> GroupView:
    return GroupView(
        name=group,
        served=unserved(picture, group),
        summary=picture.summaries.get(group),
        rows=tuple(_row(picture, group, node, now) for node in nodes),
    )


def _row(picture: Picture, group: str, node: str, now: datetime) -> Row:
    status = picture.statuses.get(group, {}).get(node)
    key = f"{group}/{node}"
    served = picture.is_served(group)
    if status is None:
        topic = NODE_STATUS.topic(group=group, node=node)
        return silent_row(key, served=served, unreadable=picture.unreadable.get(topic))
    registry = picture.registry
    registered = registry is None or node in registry.groups.get(group, {})
    return row_of(key, status, known=served, registered=registered, now=now)


def unserved(picture: Picture, group: str) -> str | None:
    """Return why nobody looks after a group, or None where its worker is there."""
    if picture.is_served(group):
        return None
    return f"no worker serves it: {_state(f'{Service.SYNC}/{group}', picture.worker(group))}"


def _problems(picture: Picture) -> Iterable[Problem]:
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
    if picture.unreadable:
        first, why = next(iter(picture.unreadable.items()))
        number = count(len(picture.unreadable), "topic")
        yield Problem(f"{number} not understood, such as {first}: {plain(why)}")


def _is_elsewhere(name: str) -> bool:
    """Return whether a service is spoken of in its own place: workers stand at their groups."""
    service, _, instance = name.partition("/")
    return service in (Service.RENDERER, Service.POLLER) or (service == Service.SYNC and instance != "")


def _pollers(births: Mapping[str, ServiceBirth]) -> Iterable[Problem]:
    pollers = {name: b for name, b in sorted(births.items()) if name.startswith(f"{Service.POLLER}/")}
    if any(is_online(birth) for birth in pollers.values()):
        for name, birth in pollers.items():
            if birth.state is ServiceState.LOST:  # it may have been given another name since
                yield Problem(_state(name, birth), Health.WARNING)
    else:
        away = [_state(name, birth) for name, birth in pollers.items()] or ["there is no poller"]
        yield Problem(f"{', '.join(away)}: nobody sees what the nodes run")


def _state(name: str, birth: ServiceBirth | None) -> str:
    """Return what has become of a service; its birth tells since when it was there, not when it went."""
    if birth is None:
        return f"{name} has never been online"
    word = {ServiceState.OFFLINE: "was stopped", ServiceState.LOST: "is lost"}.get(birth.state, "is online")
    return f"{name} {word}{f', it ran on {plain(birth.host)}' if birth.host else ''}"


def encoded(picture: Picture, view: Overview) -> bytes:
    """Return everything as one JSON object, payloads as they are on the broker."""
    return encode(
        {
            "health": view.health,
            "problems": [problem.words for problem in view.problems],
            "services": picture.births,
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
        "summary": group.summary,
        "nodes": {name: statuses.get(name) for row in group.rows for name in row.names},
    }
