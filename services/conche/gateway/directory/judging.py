"""What follows from what a directory knows of somebody; no input, no output."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from conche.contract.names import PERSON_NAME
from conche.contract.roles import Role

from .names import dn_key, folded
from .plan import Groups, Plan

LOCKED: Final = "nsAccountLock"
"""Attribute of FreeIPA and 389 Directory Server: TRUE for a disabled account."""
MEMBER_OF: Final = "memberOf"
"""Attribute with the groups of a person, those that he is in by way of another group too."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a directory answers of one thing.

    Parameters
    ----------
    dn
        Its distinguished name.
    values
        Of each attribute, whose names are folded.
    """

    dn: str
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def get(self, attribute: str) -> Sequence[str]:
        """Return the values of an attribute."""
        return self.values.get(attribute.casefold(), ())


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody is let in; the words are for the operator alone."""

    words: str


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody who has to prove that it is he.

    Parameters
    ----------
    dn
        His distinguished name.
    name
        As the directory spells it.
    groups
        Those of his that his own entry tells.
    """

    dn: str
    name: str
    groups: Sequence[str]


def known(name: str, found: Sequence[Entry], *, plan: Plan) -> Known | Refusal:
    """Tell who is meant by a name.

    A directory finds more than the very name: it ignores case, doubled spaces, widths of letters. Only case is taken
    here, as otherwise one person could be tried under many names.
    """
    if len(found) != 1:
        return Refusal("no such name" if not found else "more than one person has that name")
    (entry,) = found
    spelt = [value for value in entry.get(plan.login) if folded(value) == folded(name)]
    if not spelt:
        return Refusal(f"no such name: {entry.dn} is spelt differently")
    if not PERSON_NAME.fullmatch(spelt[0]):
        return Refusal(f"{entry.dn}: that name can't stand in logs and commits")
    if any(value.strip().upper() == "TRUE" for value in entry.get(LOCKED)):
        return Refusal(f"{entry.dn} is disabled ({LOCKED})")
    return Known(dn=entry.dn, name=spelt[0], groups=entry.get(MEMBER_OF))


def role_of(person: Known, groups: Iterable[Entry], *, plan: Plan) -> Role | Refusal:
    """Return the highest role of somebody.

    Parameters
    ----------
    person
        Who.
    groups
        In which the directory found him.
    """
    roles = {*_told(person.groups, plan.groups), *_found(groups, plan.groups)}
    if roles:
        return max(roles, key=list(Role).index)
    if plan.everybody is not None:
        return plan.everybody
    return Refusal(f"{person.dn} is in no group that ldap.roles names")


def _told(groups: Iterable[str], known_groups: Groups) -> Iterable[Role]:
    """Yield the roles of groups by their distinguished names: elsewhere there may be others of the same name."""
    roles = {dn_key(known_groups.dn(name)): role for name, role in known_groups.role_of.items()}
    for dn in groups:
        if (key := dn_key(dn)) is not None and key in roles:
            yield roles[key]


def _found(groups: Iterable[Entry], known_groups: Groups) -> Iterable[Role]:
    for group in groups:
        for name in group.get("cn"):
            if (role := known_groups.role_of.get(folded(name))) is not None:
                yield role
