"""Names that stand in topics: groups, nodes, accounts, ids."""

import re
from typing import Final

ALL: Final = "all"
"""Reserved: stands for every group or every node in a command."""

NO_NAME: Final = "-"
"""Stands where a topic has a level that does not apply, such as the id of a command that brought none."""

NODE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
ACCOUNT_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
PERSON_NAME: Final = re.compile(r"\w[\w.@ '-]{0,63}")
"""Of somebody for whom an account acts, as his organisation has it; it stands in logs and commits, not in topics."""
COMMAND_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class NameInvalid(ValueError):
    """A name that can't stand in a topic."""


def check_name(name: object, *, what: str) -> str:
    """Return the name of a group or node if it may stand in a topic.

    Parameters
    ----------
    name
        What was read, of any type: YAML makes numbers and booleans of some names.
    what
        What it names, for the error: ``"group"`` or ``"node"``.

    Raises
    ------
    NameInvalid
        With the rule that the name breaks.
    """
    if not isinstance(name, str):
        raise NameInvalid(f"{what} {name!r} is not text: put it in quotes")
    if name == ALL:
        raise NameInvalid(f"{what} {name!r} is reserved: it stands for every {what} in a command")
    if not NODE_NAME.fullmatch(name):
        raise NameInvalid(
            f"{what} {name!r}: letters, digits, '_', '.' and '-' only, and the first is a letter or digit"
        )
    return name
