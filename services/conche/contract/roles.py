"""What people and scripts may do, by their role; the broker's access list holds it."""

from enum import StrEnum
from typing import Final

from .catalogue import NODE_ACTIONS, SERVICE_ACTIONS

_READING: Final = frozenset({"ping", "inspect", "plan", "log", "show", "read_files", "events"})
_OPERATING: Final = frozenset({"set_started", "set_maintenance", "resync", "updatable_config"})
_CONFIGURING: Final = frozenset({"base_config", "set_files", "rollback"})


class Role(StrEnum):
    """What an account is for; each one may do all that those before it may."""

    VIEWER = "viewer"
    """Reads, and asks questions; changes nothing."""
    OPERATOR = "operator"
    """Has nodes run, stop, restart, or left alone; sets values of updatable blocks, such as gains."""
    ENGINEER = "engineer"
    """Changes configs."""
    ADMIN = "admin"
    """Changes which nodes there are."""


ACTIONS_OF: Final[dict[Role, frozenset[str]]] = {
    Role.VIEWER: _READING,
    Role.OPERATOR: _READING | _OPERATING,
    Role.ENGINEER: _READING | _OPERATING | _CONFIGURING,
    Role.ADMIN: frozenset(NODE_ACTIONS) | {name for found in SERVICE_ACTIONS.values() for name in found},
}


def least_role_for(action: str) -> Role | None:
    """Return the least role that may do something; None where there is no such action."""
    return next((role for role in Role if action in ACTIONS_OF[role]), None)
