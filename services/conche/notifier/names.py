"""Names in a sentence: in the order in which people count, and not too many."""

import re
from collections.abc import Sequence
from typing import Final

MAX_NAMES: Final = 10
"""Names that are told; of the others there is a number."""


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts cx2 before cx10."""
    return [(int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]


def some_names(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(names[:MAX_NAMES])
    more = len(names) - MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
