"""Names in a directory: what may be asked for, and when two of them are one."""

import re
import unicodedata
from typing import Final

from ldap3.core.exceptions import LDAPInvalidDnError
from ldap3.utils.dn import parse_dn

LONGEST_NAME: Final = 64
"""Characters of the name of a person, as in `conche.contract.names.PERSON_NAME`; longer ones are asked of nobody."""
LONGEST_PASSWORD: Final = 1024
"""Bytes; longer ones would only have the directory work. A guess."""

DnKey = tuple[tuple[str, str, str], ...]
"""A distinguished name, such that two spellings of one are equal."""

_ESCAPED: Final = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|(.))", re.DOTALL)


def folded(name: str) -> str:
    """Return a name such that two are equal if the directory is asked for the same person with both."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def unacceptable(name: str, password: str) -> str | None:
    """Return why nobody has such a name or password; None where the directory is to be asked.

    An empty password above all: LDAP takes it for somebody who does not want to say who he is, and lets him in
    (RFC 4513, 5.1.2).
    """
    if not name or not password:
        return "no name" if not name else "no password"
    if len(name) > LONGEST_NAME:
        return f"a name of {len(name)} characters"
    if not name.isprintable() or name != name.strip():
        return "a name with signs that no name has, or with spaces around it"
    try:
        secret = password.encode()
    except UnicodeEncodeError:
        return "a password that is no text"
    if len(secret) > LONGEST_PASSWORD:
        return f"a password of {len(secret)} bytes"
    if b"\0" in secret:
        return "a password with a NUL in it, at which some directories stop to read"
    return None


def dn_key(dn: str) -> DnKey | None:
    """Return a distinguished name such that two spellings of one are equal; None where it is none."""
    try:
        parts = parse_dn(dn, strip=True)
    except (LDAPInvalidDnError, LookupError, ValueError):
        return None
    return tuple((kind.casefold(), folded(_plain(value)), separator) for kind, value, separator in parts)


def below(name: str, base: str) -> str:
    """Return the distinguished name of what is below another; an empty one is that other itself."""
    return f"{name},{base}" if name else base


def _plain(value: str) -> str:
    """Return a value of a distinguished name without the escapes of RFC 4514."""
    plain = _ESCAPED.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], value.encode()
    )
    return plain.decode(errors="replace")
