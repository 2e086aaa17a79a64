"""From the settings to what is asked of which directory; whatever can't be followed is found at the start."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import parse_filter
from ldap3.utils.dn import escape_rdn

from conche.contract.roles import Role
from conche.settings import Ldap, LdapTls

from .address import address_of
from .errors import DirectoryMisconfigured
from .names import below, dn_key, folded

_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
"""RFC 4512, 1.4, without options and numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who searches."""

    dn: str
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Which groups mean a role.

    Parameters
    ----------
    base
        Entry that they are directly below.
    role_of
        Highest role of each, by its folded name.
    """

    base: str
    role_of: Mapping[str, Role]

    def dn(self, name: str) -> str:
        """Return the distinguished name of a group."""
        return below(f"cn={escape_rdn(name)}", self.base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked of which directory.

    Parameters
    ----------
    host, port
        Where it is.
    starttls
        Whether a connection begins in the open, and is encrypted before anything is said.
    context
        What verifies its certificate.
    account
        None where anybody may search.
    people
        Entry that people are below.
    login
        Attribute that they log in with.
    filter
        What else holds for a person.
    groups
        And their roles.
    everybody
        Role of people who are in none of them; None: refused.
    timeout_s
        For a whole answer [s].
    """

    host: str
    port: int
    starttls: bool
    context: ssl.SSLContext = field(repr=False)
    account: Account | None
    people: str
    login: str
    filter: str
    groups: Groups
    everybody: Role | None
    timeout_s: float


def plan_of(ldap: Ldap) -> Plan:
    """Return what is asked of which directory.

    Raises
    ------
    DirectoryMisconfigured
        The settings name none, contradict each other, or a secret can't be read.
    """
    host, port = address_of(ldap)
    return Plan(
        host=host,
        port=port,
        starttls=ldap.tls is LdapTls.STARTTLS,
        context=_context(ldap.ca_file),
        account=_account(ldap),
        people=_base(ldap, "user_dn"),
        login=_login(ldap.user_login_attr),
        filter=_filter(ldap.user_object_filter),
        groups=_groups(ldap),
        everybody=ldap.everybody,
        timeout_s=ldap.timeout_s,
    )


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        words = error.strerror or error
        raise DirectoryMisconfigured(
            f"ldap.ca_file: {ca_file}: can't be read as a certificate authority: {words}"
        ) from None


def _base(ldap: Ldap, key: str) -> str:
    if not ldap.base_dn:
        raise DirectoryMisconfigured("ldap.base_dn is not set: it is such as dc=auth,dc=example,dc=org")
    base = _dn("base_dn", ldap.base_dn)
    name = getattr(ldap, key)
    if name and _dn(key, name)[-len(base) :] == base:
        raise DirectoryMisconfigured(
            f"ldap.{key}: {name}: it is below ldap.base_dn already; leave {ldap.base_dn} away there"
        )
    return below(name, ldap.base_dn)


def _dn(key: str, text: str) -> tuple[tuple[str, str, str], ...]:
    found = dn_key(text)
    if found is None:
        raise DirectoryMisconfigured(
            f"ldap.{key}: {text}: that is no distinguished name, such as cn=users,cn=accounts"
        )
    return found


def _login(text: str) -> str:
    if not _ATTRIBUTE.fullmatch(text):
        raise DirectoryMisconfigured(
            f"ldap.user_login_attr: {text!r}: that is no attribute, such as uid or mail"
        )
    return text


def _filter(text: str) -> str:
    try:
        parse_filter(text, None, False, True, None, False)  # type: ignore[no-untyped-call]  # of ldap3
    except LDAPException as error:
        raise DirectoryMisconfigured(
            f"ldap.user_object_filter: {text!r}: {error}; it is such as (objectclass=posixaccount)"
        ) from None
    return text.strip()


def _groups(ldap: Ldap) -> Groups:
    """Return the groups; where one is in two roles, it has the higher."""
    for role, names in ldap.roles.items():
        if not names or not all(name.strip() for name in names):
            raise DirectoryMisconfigured(
                f"ldap.roles: {role} names no group; give it one, such as [telescope-{role}s], or remove it"
            )
    if not ldap.roles and ldap.everybody is None:
        raise DirectoryMisconfigured(
            "ldap.roles and ldap.everybody are not set: nobody could log in; say which groups may do what, such as "
            "ldap.roles: {operator: [telescope-operators]}"
        )
    role_of = {folded(name): role for role in Role for name in ldap.roles.get(role, [])}
    return Groups(base=_base(ldap, "group_dn"), role_of=role_of)


def _account(ldap: Ldap) -> Account | None:
    password = _password(ldap)
    if ldap.bind_dn is None:
        if password is not None:
            raise DirectoryMisconfigured(
                "there is a password for the directory and nobody whose it is: ldap.bind_dn is not set"
            )
        return None
    _dn("bind_dn", ldap.bind_dn)
    if password is None:
        raise DirectoryMisconfigured(
            "ldap.bind_dn is set and there is no password: ldap.bind_password_file names the file that holds it"
        )
    return Account(dn=ldap.bind_dn, password=password.encode())


def _password(ldap: Ldap) -> str | None:
    given, path = ldap.bind_password, ldap.bind_password_file
    source = "CONCHE_LDAP__BIND_PASSWORD" if given is not None else f"ldap.bind_password_file: {path}"
    password = given if given is not None else _read(path)
    if password is None:
        return None
    if not password.strip():
        raise DirectoryMisconfigured(f"{source}: the password of ldap.bind_dn is empty")
    if not password.strip().isprintable():
        raise DirectoryMisconfigured(
            f"{source}: that is no password: it has more than one line, or signs that none has"
        )
    return password.strip()


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text()
    except OSError as error:
        problem = error.strerror
    except UnicodeDecodeError:
        problem = "it is not text"
    raise DirectoryMisconfigured(
        f"ldap.bind_password_file: {path}: the password of ldap.bind_dn can't be read: {problem}; "
        "CONCHE_LDAP__BIND_PASSWORD_FILE names the file that holds it"
    )
