"""What kotekans call the fields of an entry: newer and older ones differ.

kotekan checks that the block's keys and kinds are as before, but nothing inside a list: wrong names would be taken
and not be read. So the names are those that the target's own table has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conche.contract import EopEntry


class FieldsUnknown(ValueError):
    """A target's table has other fields than any that is known; says which."""


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Names of the fields of an entry."""

    time: str
    ut1: str
    x: str
    y: str

    @property
    def all(self) -> frozenset[str]:
        """All four."""
        return frozenset((self.time, self.ut1, self.x, self.y))


NEW: Final = FieldNames("t_inst_ns", "delta_UT1_inst", "xp_as", "yp_as")
OLD: Final = FieldNames("time_inst_ns", "delta_UT1_inst", "x_pm", "y_pm")
"""As in configs of 2026 and before."""

KNOWN: Final = (NEW, OLD)


def names_in(block: Mapping[str, Any], *, key: str) -> FieldNames:
    """Return the names that a target's block uses, by its first entry; those of today where it has none.

    Parameters
    ----------
    block
        The desired values of the updatable block.
    key
        Of the table in it.

    Raises
    ------
    FieldsUnknown
        The block has no such table, or one of something else.
    """
    table = block.get(key)
    if not isinstance(table, list):
        there = ", ".join(sorted(block)) or "nothing"
        raise FieldsUnknown(f"has no list {key} in its block; there is {there}")
    if not table:
        return NEW
    first = table[0]
    found = frozenset(first) if isinstance(first, dict) else frozenset()
    for names in KNOWN:
        if names.all == found:
            return names
    known = " or ".join(", ".join((n.time, n.ut1, n.x, n.y)) for n in KNOWN)
    has = ", ".join(sorted(found)) or "no fields"
    raise FieldsUnknown(f"its first entry of {key} has {has}; an entry has {known}")


def payload_of(entries: Sequence[EopEntry], names: FieldNames) -> list[dict[str, int | float]]:
    """Return a table as a kotekan reads it (n)."""
    return [
        {
            names.time: entry.t_inst_ns,
            names.ut1: entry.delta_UT1_inst,
            names.x: entry.xp_as,
            names.y: entry.yp_as,
        }
        for entry in entries
    ]
