"""Who asks for something over HTTP."""

from dataclasses import dataclass
from typing import Final

from conche.contract import Service
from conche.contract.names import PERSON_NAME
from conche.contract.roles import ACT_FOR_PEOPLE, RESTORER, Role

RESERVED: Final = frozenset({*Service, *ACT_FOR_PEOPLE, RESTORER})
"""Names that commands and commits bear that no person has sent."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was let in.

    Parameters
    ----------
    name
        In commands, logs and commits.
    role
        What he may do.
    via
        How it is known who he is: ``session``, ``token NAME``, ``socket uid 1000``, ``trusted host 10.0.0.1``.
    """

    name: str
    role: Role
    via: str

    def may(self, least: Role) -> bool:
        """Tell whether this is his to do."""
        order = list(Role)
        return order.index(self.role) >= order.index(least)


def may_be_called(name: str) -> bool:
    """Tell whether somebody's name can stand in commands, logs and commits, and is nobody else's there."""
    return PERSON_NAME.fullmatch(name) is not None and name.casefold() not in RESERVED
