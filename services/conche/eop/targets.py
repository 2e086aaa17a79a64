"""Whom a table concerns, and in which words: the nodes whose desired config has the block."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from conche.contract import ALL, DesiredConfig, EopEntry, EopTarget, Outcome, Registry, as_object
from conche.kotekan.blocks import MARKER, updatable_blocks

from .fields import FieldsUnknown, names_in, payload_of

Desired = Mapping[tuple[str, str], DesiredConfig]
"""By group and node."""


LISTED: Final = 200
"""Nodes without the block that are listed by name; of more, a group in which no node has it is told as one. A guess."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One command: to a whole group, or to one node.

    Parameters
    ----------
    group
        Of the nodes.
    node
        The node, or ``all``.
    nodes
        Those that it is meant for, as ``group/node``.
    values
        Of the whole block.
    """

    group: str
    node: str
    nodes: tuple[str, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Addressed:
    """What is to be sent.

    Parameters
    ----------
    parcels
        The commands.
    wrong
        ``group/node`` of nodes whose table can't be written, and why.
    without_config
        ``group/node`` of nodes of which nobody can tell whether it concerns them: their config has an error.
    without_block
        Nodes whose config has no such block, by group.
    """

    parcels: tuple[Parcel, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)
    without_config: Mapping[str, str] = field(default_factory=dict)
    without_block: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def nodes(self) -> list[str]:
        """All nodes that get a table, as ``group/node``."""
        return [key for parcel in self.parcels for key in parcel.nodes]


def address(
    registry: Registry, desired: Desired, *, endpoint: str, key: str, entries: Sequence[EopEntry]
) -> Addressed:
    """Return the commands that bring a table to every node that it concerns.

    A group gets one command if all of its nodes can be told what they are to be told, and are told the same: one
    without a config would have the whole command refused. Else each node gets its own.

    Parameters
    ----------
    registry
        The nodes that there are.
    desired
        What they should run.
    endpoint
        The updatable block.
    key
        Of the table in it.
    entries
        The table (n).
    """
    parcels: list[Parcel] = []
    wrong: dict[str, str] = {}
    without: dict[str, str] = {}
    others: defaultdict[str, list[str]] = defaultdict(list)
    for group, members in sorted(registry.groups.items()):
        found: dict[str, Mapping[str, Any]] = {}
        for node in sorted(members):
            name, one = f"{group}/{node}", desired.get((group, node))
            if one is None or one.error is not None:
                without[name] = (one.error if one else None) or "nothing is desired of it yet"
            elif endpoint in one.updatable:
                try:
                    found[node] = _values(one, endpoint=endpoint, key=key, entries=entries)
                except FieldsUnknown as error:
                    wrong[name] = str(error)
            else:
                others[group].append(node)
        whole = all(f"{group}/{node}" not in without | wrong for node in members)
        parcels += _parcels(group, found, whole=whole)
    return Addressed(tuple(parcels), wrong, without, others)


def skipped(addressed: Addressed, *, endpoint: str) -> dict[str, EopTarget]:
    """Return what is said of the nodes that the table does not concern, by ``group/node``; bounded.

    Parameters
    ----------
    addressed
        What is sent.
    endpoint
        The updatable block.
    """
    others = addressed.without_block
    many = sum(map(len, others.values())) > LISTED
    concerned = {
        key.partition("/")[0] for key in (*addressed.nodes, *addressed.wrong, *addressed.without_config)
    }
    found: dict[str, EopTarget] = {}
    for group, nodes in others.items():
        if many and group not in concerned:
            words = f"none of its {len(nodes)} nodes has an updatable block {endpoint}"
            found[f"{group}/{ALL}"] = _skipped(words)
        else:
            found |= {f"{group}/{node}": _skipped(f"has no updatable block {endpoint}") for node in nodes}
    return found


def _skipped(why: str) -> EopTarget:
    return EopTarget(outcome=Outcome.SKIPPED, error=why, concerned=False)


def concerned(registry: Registry, desired: Desired, *, endpoint: str) -> set[str]:
    """Return ``group/node`` of all nodes that have the block."""
    return {
        f"{group}/{node}"
        for group, members in registry.groups.items()
        for node in members
        if (one := desired.get((group, node))) is not None and endpoint in one.updatable
    }


def _values(one: DesiredConfig, *, endpoint: str, key: str, entries: Sequence[EopEntry]) -> dict[str, Any]:
    block = updatable_blocks(as_object(one.config) or {}).get(endpoint, {})
    values = {name: value for name, value in block.items() if name != MARKER}
    return {**values, key: payload_of(entries, names_in(values, key=key))}


def _parcels(group: str, found: Mapping[str, Mapping[str, Any]], *, whole: bool) -> list[Parcel]:
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for node, values in found.items():
        alike[json.dumps(values, sort_keys=True)].append(node)
    if whole and len(alike) == 1:
        keys = tuple(f"{group}/{node}" for node in found)
        return [Parcel(group, ALL, keys, next(iter(found.values())))]
    return [Parcel(group, node, (f"{group}/{node}",), values) for node, values in found.items()]
