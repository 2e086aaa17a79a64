"""What a change of the config directory would do to each node; nothing is changed."""

import hashlib
from collections.abc import Mapping
from typing import Final

from msgspec.json import encode
from msgspec.structs import replace

from conche.contract import (
    Change,
    NodeStatus,
    Observed,
    Planned,
    PlannedNode,
    as_object,
)
from conche.kotekan.differences import differences
from conche.settings import RegistryChange

from .nodes import Node
from .outcomes import Sightings
from .render import Rendered, Rendering
from .trial import Trial, changed_by
from .worklist import Worklist

SHOWN_PATHS: Final = 10
"""Differing paths of one node."""


def plan(
    trial: Trial,
    *,
    rendering: Rendering,
    work: Worklist,
    sightings: Sightings,
    on_registry_change: RegistryChange,
) -> Planned:
    """Return what an edit would do.

    Parameters
    ----------
    trial
        What it would give.
    rendering
        Of the directory as it is.
    work
        The nodes as they are.
    sightings
        What is known of the nodes.
    on_registry_change
        Whom a change of nodes or addresses sends into maintenance.
    """
    now = {node.key: node for node in work.nodes()}
    refused = _refused_in_group(trial, sightings)
    nodes: dict[str, PlannedNode] = {}
    for key in sorted({*changed_by(trial, work), *trial.targets}):
        if key not in now:
            nodes[key] = _joining(trial.after[key])
        else:
            nodes[key] = plan_node(
                rendering.render(now[key]),
                trial.after[key],
                status=sightings.statuses.get(key),
                observed=sightings.observed.get(key),
                forced=trial.edit.endpoint if trial.edit.force and key in trial.targets else None,
                refused=refused.get(key),
            )
    nodes |= {key: PlannedNode(change=Change.LEAVE) for key in now.keys() - trial.nodes.keys()}
    planned = Planned(
        name="",
        action=trial.edit.action,
        files=sorted(trial.files),
        nodes=nodes,
        untouched=len(now.keys() - nodes.keys()),
        new_epoch=_new_epoch(now, trial.nodes, on_registry_change),
    )
    return replace(planned, name=_name(planned, trial.files))


def _joining(rendered: Rendered) -> PlannedNode:
    return PlannedNode(
        change=Change.JOIN,
        revision=_revision(rendered),
        error=rendered.error,
        waits="in maintenance at first, as every new node",
    )


def plan_node(
    before: Rendered,
    after: Rendered,
    *,
    status: NodeStatus | None,
    observed: Observed | None,
    forced: str | None = None,
    refused: str | None = None,
) -> PlannedNode:
    """Return what giving a node another config would do to it.

    Parameters
    ----------
    before, after
        What it should run now, and would have to.
    status, observed
        What is known of it; None where nothing is.
    forced
        A block whose values are to be tried although they were refused.
    refused
        Who in its group has refused the values, in words.
    """
    wanted = after.fingerprint
    if wanted is None or after.config is None:
        return PlannedNode(change=Change.REFUSED, error=after.error)
    planned = PlannedNode(
        change=Change.RESTART, revision=wanted.revision, paths=_paths(before, after), waits=_waits(status)
    )
    if (refusal := _refusal(after, status, forced) or refused) is not None:
        return replace(planned, change=Change.REJECTED, error=refusal)
    if status is not None and status.started is False:
        return replace(planned, change=Change.NONE)
    live = _live(before, observed)
    if live is None:
        return planned
    base, updatable = live
    if base != wanted.base:
        return planned
    endpoints = sorted(e for e in wanted.updatable if wanted.updatable[e] != updatable.get(e))
    return replace(planned, change=Change.UPDATE if endpoints else Change.NONE, endpoints=endpoints)


def _live(before: Rendered, observed: Observed | None) -> tuple[str, Mapping[str, str]] | None:
    """Return base and blocks that a node runs, or what it should run where it is not known; None while it is idle."""
    if observed is not None and observed.running is False:
        return None
    if observed is not None and observed.base is not None:
        return observed.base, observed.updatable
    found = before.fingerprint
    return None if found is None else (found.base, found.updatable)


def _refusal(after: Rendered, status: NodeStatus | None, forced: str | None) -> str | None:
    """Return in which words its kotekan has refused this before, or None."""
    wanted = after.fingerprint
    if status is None or wanted is None:
        return None
    for rejection in status.rejected:
        if rejection.endpoint is None and rejection.revision == wanted.revision:
            return f"its kotekan rejected this config: {rejection.error}"
        if (
            rejection.endpoint not in (None, forced)
            and wanted.updatable.get(rejection.endpoint or "") == rejection.values
            and status.live != wanted.revision
        ):
            return f"its kotekan refused these values of {rejection.endpoint}: {rejection.error}"
    return None


def _refused_in_group(trial: Trial, sightings: Sightings) -> dict[str, str]:
    """Return for each target in which words somebody of its group has refused the values that it would be given."""
    if trial.edit.endpoint is None or trial.edit.force:
        return {}
    by_group: dict[str, str] = {}
    for key, words in sorted(refusals(trial, sightings).items()):
        by_group.setdefault(
            key.partition("/")[0], f"{key} refused these values of {trial.edit.endpoint}: {words}"
        )
    return {node.key: by_group[node.group] for node in trial.edit.targets if node.group in by_group}


def refusals(trial: Trial, sightings: Sightings) -> dict[str, str]:
    """Return who has refused the values that an edit would give to somebody of the same group, and in which words."""
    endpoint = trial.edit.endpoint or ""
    given = {
        (node.group, rendered.fingerprint.updatable.get(endpoint))
        for node in trial.edit.targets
        if (rendered := trial.after[node.key]).fingerprint is not None
    }
    return {
        key: rejection.error
        for key, status in list(sightings.statuses.items())  # the loop goes on adding
        for rejection in status.rejected
        if rejection.endpoint == endpoint and (key.partition("/")[0], rejection.values) in given
    }


def _waits(status: NodeStatus | None) -> str | None:
    if status is None:
        return "nobody knows how it is: its group has no worker"
    held = status.maintenance
    if held.on:
        why = f": {held.reason}" if held.reason else ""
        return f"in maintenance by {held.by or 'nobody known'}{why}"
    if status.started is False:
        return "it is stopped, and gets this when it is started"
    if status.live is None:
        return f"{status.state}{f': {status.error}' if status.error else ''}"
    return None


def _paths(before: Rendered, after: Rendered) -> list[str]:
    if before.config is None or after.config is None:
        return []
    found = [
        f"{one.path}: {one.words}" for one in differences(as_object(after.config), as_object(before.config))
    ]
    more = [f"and {len(found) - SHOWN_PATHS} more"] if len(found) > SHOWN_PATHS else []
    return [*found[:SHOWN_PATHS], *more]


def _new_epoch(now: Mapping[str, Node], then: Mapping[str, Node], policy: RegistryChange) -> list[str]:
    """Return the nodes that would enter a new epoch."""
    addresses = [{key: (n.host, n.port) for key, n in nodes.items()} for nodes in (now, then)]
    if addresses[0] == addresses[1]:
        return []
    if policy is RegistryChange.ALL:
        return sorted(then)
    return sorted(key for key, address in addresses[1].items() if addresses[0].get(key) != address)


def _name(planned: Planned, files: Mapping[str, bytes | None]) -> str:
    """Return what is the same for plans that do the same to the same, and different for others."""
    digest = hashlib.blake2b(encode(planned, order="deterministic"), digest_size=6)
    for name, data in sorted(files.items()):
        digest.update(encode([name, data.hex() if data is not None else None]))
    return digest.hexdigest()


def _revision(rendered: Rendered) -> str | None:
    return rendered.fingerprint.revision if rendered.fingerprint else None
