"""Where the directory is: a plain name, or choco's ldaps://name."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

from conche.settings import Ldap, LdapTls

from .errors import DirectoryMisconfigured

_PORTS: Final = {LdapTls.LDAPS: 636, LdapTls.STARTTLS: 389}
_FORM: Final = "a name such as ipa1.example.org, or ldaps://ipa1.example.org"


def address_of(ldap: Ldap) -> tuple[str, int]:
    """Return host and port.

    Raises
    ------
    DirectoryMisconfigured
        There is none, it is none, or a password would cross the network in the open.
    """
    if not ldap.host:
        raise DirectoryMisconfigured(f"ldap.host is not set: there is no directory; it is {_FORM}")
    if not ldap.use_ssl:
        raise DirectoryMisconfigured(
            "ldap.use_ssl: false would send passwords in the open; remove it, and for a server without LDAPS say "
            "ldap.tls: starttls"
        )
    parts = _split(ldap.host)
    if parts.scheme == "ldap":
        raise DirectoryMisconfigured(
            f"ldap.host: {ldap.host}: ldap:// would send passwords in the open; make it ldaps://, or the name alone "
            "with ldap.tls: starttls"
        )
    if "://" in ldap.host and ldap.tls is LdapTls.STARTTLS:
        raise DirectoryMisconfigured(
            f"ldap.host: {ldap.host} and ldap.tls: starttls contradict each other: ldaps:// is encrypted from the "
            "start; give the name alone, or remove ldap.tls"
        )
    return _host(parts, ldap.host), _port(parts, ldap)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text if "://" in text else f"ldaps://{text}")
    except ValueError:
        raise _no_name(text) from None
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("ldap", "ldaps") or more:
        raise _no_name(text)
    return parts


def _host(parts: SplitResult, text: str) -> str:
    host = parts.hostname
    try:
        if not host or not host.isprintable() or any(sign.isspace() for sign in host):
            raise _no_name(text)
        host.encode("idna")
    except UnicodeError:
        raise _no_name(text) from None
    return host


def _port(parts: SplitResult, ldap: Ldap) -> int:
    try:
        given = parts.port
    except ValueError:
        raise _no_name(ldap.host) from None
    if given is not None and ldap.port is not None and given != ldap.port:
        raise DirectoryMisconfigured(
            f"ldap.host: {ldap.host} and ldap.port: {ldap.port} contradict each other; remove one of the ports"
        )
    return given or ldap.port or _PORTS[ldap.tls]


def _no_name(text: str | None) -> DirectoryMisconfigured:
    shown = (text or "").rpartition("@")[2]  # what stands before it may be a password
    return DirectoryMisconfigured(f"ldap.host: {shown}: that is no server; it is {_FORM}")
