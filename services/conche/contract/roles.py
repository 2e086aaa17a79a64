"""What people and scripts may do, by their role; the broker's access list holds it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from .catalogue import NODE_ACTIONS, SERVICE_ACTIONS, Service
from .names import ACCOUNT_NAME, ALL, NameInvalid

_READING: Final = frozenset({"ping", "inspect", "log", "show", "read_files", "events", "refresh"})
_OPERATING: Final = frozenset({"set_started", "set_maintenance", "resync", "updatable_config", "plan", "run"})
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

SENT_BY: Final[Mapping[Service, frozenset[str]]] = {
    Service.EOP: frozenset({"updatable_config"}),
    Service.GATEWAY: ACTIONS_OF[Role.ADMIN],
}
"""Services that send commands, and which; the others send none."""

ACT_FOR_PEOPLE: Final = (Service.GATEWAY, "panel")
"""Accounts that are believed when they name a person as a command's ``user``."""


TO_COME: Final = ("scheduler", "coordinator", "devices")
"""Services that are to come: no person may have the account of one before."""

RESTORER: Final = "conche"
"""Author of what is put back: no person may have an account of that name."""

LONGEST_ACCOUNT: Final = 64
"""Characters of an account's name: it stands in topics, logs, commits and each event."""


def least_role_for(action: str) -> Role | None:
    """Return the least role that may do something; None where there is no such action."""
    return next((role for role in Role if action in ACTIONS_OF[role]), None)


def check_account(name: str) -> str:
    """Return the name of a person's or a script's account if it may be one.

    Raises
    ------
    NameInvalid
        With the rule that the name breaks.
    """
    if not ACCOUNT_NAME.fullmatch(name) or name.startswith("-"):
        raise NameInvalid(f"account {name!r}: letters, digits, '_' and '-' only, and the first is no '-'")
    if name.lower() == ALL:
        raise NameInvalid(f"account {name!r} is reserved: in a command it stands for every group or node")
    if name.lower() in tuple(Service):
        raise NameInvalid(f"account {name!r} is reserved: it is that of a service")
    return name


def check_new_account(name: str) -> str:
    """Return the name of an account that is to be made if it may be one.

    Raises
    ------
    NameInvalid
        With the rule that the name breaks.
    """
    if len(name) > LONGEST_ACCOUNT:
        raise NameInvalid(
            f"account {name[:LONGEST_ACCOUNT]!r}… has {len(name)} characters: {LONGEST_ACCOUNT} are the most"
        )
    check_account(name)
    if name.lower() in ACT_FOR_PEOPLE:
        raise NameInvalid(f"account {name!r} is reserved: it is that of a service that acts for people")
    if name.lower() == RESTORER:
        raise NameInvalid(f"account {name!r} is reserved: it is the author of what conche itself puts back")
    if name.lower() in TO_COME:
        raise NameInvalid(f"account {name!r} is reserved: it is that of a service that is to come")
    return name
