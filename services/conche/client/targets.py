"""Which nodes are meant by what an operator types: a node, a group, a pattern, or all."""

import difflib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from conche.contract import ALL

from .errors import TargetUnknown
from .words import natural

NEAR_NAMES: Final = 3
"""Names that are suggested for one that there is not."""

LISTED_GROUPS: Final = 10
"""Groups that are listed where nothing is near."""

_ALL_OF_THEM: Final = "*"
_FILE_ENDINGS: Final = (".yaml", ".yml", ".j2")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen in one group.

    Parameters
    ----------
    nodes
        Names, in natural order.
    whole
        Whether the group itself was named, so that one command goes to all of it.
    """

    nodes: tuple[str, ...]
    whole: bool


Groups = Mapping[str, Collection[str]]
"""Names of nodes, by group."""

Targets = dict[str, Chosen]
"""What was chosen, by group."""


def resolve(words: Sequence[str], groups: Groups, *, error: str | None = None) -> Targets:
    """Return the nodes that words name.

    Parameters
    ----------
    words
        Each ``group/node``, ``group``, ``all``, or a pattern such as ``cx/*`` or ``cx/cx1?``.
    groups
        The nodes that there are.
    error
        What is wrong with the registry, if anything: why a name may be missing.

    Raises
    ------
    TargetUnknown
        A word names nothing.
    """
    nodes: dict[str, set[str]] = {}
    whole: set[str] = set()
    for word in words:
        group_pattern, node_pattern = _patterns(word)
        found = _matching(groups, group_pattern, node_pattern)
        if not found:
            why = f" (the registry has an error: {error})" if error else ""
            raise TargetUnknown(_unknown(word, groups) + why)
        for group, names in found.items():
            nodes.setdefault(group, set()).update(names)
        if node_pattern == _ALL_OF_THEM:
            whole |= found.keys()
    return {
        group: Chosen(tuple(sorted(names, key=natural)), group in whole)
        for group, names in sorted(nodes.items(), key=lambda item: natural(item[0]))
    }


def still_there(words: Sequence[str], groups: Groups) -> Targets:
    """Return the nodes that words name by now; a word that names nothing any more, or not yet, is passed over.

    Parameters
    ----------
    words
        As in `resolve`; none for all.
    groups
        The nodes that there are.
    """
    live = [word for word in words or (ALL,) if _matching(groups, *_patterns(word))]
    return resolve(live, groups) if live else {}


def as_chosen(targets: Targets, groups: Groups) -> Targets:
    """Return nodes that were chosen a while ago, so that no other is concerned: none that has come into a group since.

    Parameters
    ----------
    targets
        As `resolve` returned them.
    groups
        The nodes that there are by now.
    """
    return {
        group: Chosen(chosen.nodes, chosen.whole and set(chosen.nodes) == set(groups.get(group, ())))
        for group, chosen in targets.items()
    }


def fits(key: str, words: Sequence[str]) -> bool:
    """Return whether words name a node, be it there or not; none name all.

    Parameters
    ----------
    key
        ``group/node``.
    words
        As in `resolve`.
    """
    group, _, node = key.partition("/")
    patterns = [_patterns(word) for word in words or (ALL,)]
    return any(fnmatchcase(group, first) and fnmatchcase(node, second) for first, second in patterns)


def _patterns(word: str) -> tuple[str, str]:
    group, _, node = word.strip("/").partition("/")
    return (_ALL_OF_THEM if group == ALL else group), (_ALL_OF_THEM if node in (ALL, "") else node)


def _matching(groups: Groups, group_pattern: str, node_pattern: str) -> dict[str, list[str]]:
    found = {
        group: [name for name in members if fnmatchcase(name, node_pattern)]
        for group, members in groups.items()
        if fnmatchcase(group, group_pattern)
    }
    return {group: names for group, names in found.items() if names}


def _unknown(word: str, groups: Groups) -> str:
    keys = [f"{group}/{name}" for group, members in groups.items() for name in members]
    if not keys:
        return f"nothing is called {word!r}: there are no nodes yet"
    if word in groups:
        return f"the group {word!r} has no nodes"
    problem = f"there is no {'node' if '/' in word else 'group'} {word!r}"
    if set(word) & set("*?["):
        problem = f"no node fits {word!r}"
    near = _near(word, keys, groups)
    hint = f"did you mean {', '.join(near)}?" if near else _listed(groups)
    return f"{problem}; {hint}{_quoting(word)}"


def _near(word: str, keys: Collection[str], groups: Iterable[str]) -> list[str]:
    if "/" not in word:
        bare = [key for key in keys if key.partition("/")[2] == word]
        if bare:
            return bare[:NEAR_NAMES]
    candidates = [*keys, *(() if "/" in word else groups)]
    return difflib.get_close_matches(word, candidates, n=NEAR_NAMES, cutoff=0.6)


def _listed(groups: Groups) -> str:
    names = sorted(groups, key=natural)
    more = f" and {len(names) - LISTED_GROUPS} more" if len(names) > LISTED_GROUPS else ""
    return f"the group{'s are' if len(names) > 1 else ' is'} {', '.join(names[:LISTED_GROUPS])}{more}"


def _quoting(word: str) -> str:
    """Tell of the quotes where a shell seems to have put the names of files for a pattern."""
    expanded = word.endswith(_FILE_ENDINGS) or os.path.lexists(word)
    return "; put patterns in quotes: 'cx/*'" if expanded else ""


__all__ = ["Chosen", "Groups", "TargetUnknown", "Targets", "as_chosen", "fits", "resolve", "still_there"]
