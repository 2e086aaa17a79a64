"""From a question to the journal to SQL."""

from dataclasses import dataclass
from typing import Any, Final

from conche.commands import CommandRefused
from conche.contract import ALL, NO_NAME, OF_EVERYBODY, EventKind, Events

_WILD: Final = frozenset("*?[")

_SINCE: Final = "at >= ? AND number >= (SELECT min(+number) FROM entries WHERE at >= ?)"
"""By number, so that not all that was before is read where there are few; by time too, because clocks differ. The plus
has SQLite look in the index of times, and not at the entries one by one."""

_Clause = tuple[str, list[Any]]
"""SQL with question marks, and what stands for them."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question.

    Parameters
    ----------
    where
        Condition, with question marks.
    values
        What stands for them.
    ascending
        Whether the oldest come first.
    limit
        At most so many.
    """

    where: str
    values: tuple[Any, ...]
    ascending: bool
    limit: int


def query_of(wish: Events) -> Query:
    """Return the query that answers a wish.

    Raises
    ------
    CommandRefused
        It names a kind that there is not.
    """
    clauses: list[_Clause] = []
    if wish.group is not None:
        clauses.append(_or_everybody(("grp = ?", [wish.group])))
    if wish.node is not None:
        clauses.append(_node(wish.node))
    if wish.targets:
        found = [_target(word) for word in wish.targets]
        clauses.append((" OR ".join(sql for sql, _ in found), [value for _, v in found for value in v]))
    if wish.kinds:
        clauses.append((f"kind IN ({', '.join('?' * len(wish.kinds))})", _kinds(wish.kinds)))
    if wish.since is not None:
        clauses.append((_SINCE, [wish.since.timestamp()] * 2))
    if wish.before is not None:
        clauses.append(("number < ?", [wish.before]))
    if wish.after is not None:
        clauses.append(("number > ?", [wish.after]))
    where = " AND ".join(f"({sql})" for sql, _ in clauses) or "1"
    values = tuple(value for _, found in clauses for value in found)
    return Query(where, values, ascending=wish.after is not None, limit=wish.limit)


def _kinds(kinds: list[str]) -> list[str]:
    known = [kind.value for kind in EventKind]
    for kind in kinds:
        if kind not in known:
            raise CommandRefused(f"events: there is no kind {kind!r}; there are {', '.join(known)}")
    return list(kinds)


def _target(word: str) -> _Clause:
    group, _, node = word.strip("/").partition("/")
    clauses = [_or_everybody(_matching("grp", "*" if group == ALL else group))]
    if node not in ("", ALL):
        clauses.append(_node(node))
    return "(" + " AND ".join(sql for sql, _ in clauses) + ")", [v for _, found in clauses for v in found]


def _or_everybody(clause: _Clause) -> _Clause:
    """Return the condition for a group; what concerned all groups concerned it too."""
    sql, values = clause
    kinds = ", ".join(f"'{kind}'" for kind in OF_EVERYBODY)
    return f"({sql} OR (grp = '{NO_NAME}' AND kind IN ({kinds})))", values


def _node(node: str) -> _Clause:
    """Return the condition for a node; what concerned its whole group concerned it too."""
    if not _WILD & set(node):
        return "node IN (?, ?)", [node, NO_NAME]
    sql, values = _matching("node", node)
    return f"({sql} OR node = ?)", [*values, NO_NAME]


def _matching(column: str, pattern: str) -> _Clause:
    if _WILD & set(pattern):
        return f"{column} GLOB ?", [pattern.replace("[!", "[^")]
    return f"{column} = ?", [pattern]
