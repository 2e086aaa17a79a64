"""Who asks, and whether he may: nobody is believed for the address that he calls from."""

import hmac
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp import hdrs, web

from conche.contract.roles import Role
from conche.errors import FatalError
from conche.settings import Gateway, Trust

from .connections import address_of, peer_of
from .people import Person
from .problems import Forbidden, RoleTooLow, Unauthenticated
from .sessions import COOKIE, Session, Sessions
from .tokens import Tokens

logger = logging.getLogger(__name__)

CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf_token"

SAFE: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})

PROXIED: Final = ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP")
"""Headers of proxies: behind one, all addresses are that of the proxy."""

_OF_BROWSERS: Final = (hdrs.ORIGIN, "Sec-Fetch-Site", hdrs.COOKIE)


@dataclass(frozen=True, slots=True)
class Found:
    """Who asks.

    Parameters
    ----------
    person
        None for nobody that is known.
    session
        Where that is known by a session.
    why
        Why it is not known.
    """

    person: Person | None = None
    session: Session | None = None
    why: str = "log in at /auth/login, or send a token: Authorization: Bearer …"


class Guard:
    """Finds who asks.

    Parameters
    ----------
    sessions, tokens
        Who has shown who he is.
    settings
        Whom else to let in.

    Raises
    ------
    FatalError
        ``trusted_hosts`` has something in it that is no address.
    """

    def __init__(self, *, sessions: Sessions, tokens: Tokens, settings: Gateway) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._settings = settings
        self._trusted = networks(settings.trusted_hosts)
        if self._trusted:
            logger.warning(
                "gateway.trusted_hosts: WHOEVER CALLS FROM %s IS %s WITHOUT A LOGIN. In a pod, behind a proxy, or "
                "with a tunnel, that is everybody. Use a token, or trust: [unix-socket], instead",
                ", ".join(map(str, self._trusted)),
                settings.trusted_role,
            )

    def find(self, request: web.Request) -> Found:
        """Return who asks: by the Unix socket, a token, a session or, where settings say so, the address.

        Raises
        ------
        Forbidden
            It came through a proxy from an address that is trusted.
        """
        if (peer := peer_of(request)) is not None and Trust.UNIX_SOCKET in self._settings.trust:
            return Found(Person(name=peer.name, role=self._settings.socket_role, via=str(peer)))
        trusted = self._is_trusted(request)
        if hdrs.AUTHORIZATION in request.headers:
            return self._by_token(request.headers[hdrs.AUTHORIZATION])
        if (cookie := request.cookies.get(COOKIE)) is not None:
            session = self._sessions.find(cookie)
            if session is not None:
                return Found(session.person, session)
            return Found(why="this session has ended, or is none: log in again at /auth/login")
        if trusted:
            via = f"trusted host {address_of(request)}"
            return Found(Person(name="trusted-host", role=self._settings.trusted_role, via=via))
        return Found()

    def _by_token(self, header: str) -> Found:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return Found(why="Authorization takes a token: Authorization: Bearer conche_…")
        person = self._tokens.find(token.strip())
        return Found(person, why="this token is none, has ended, or was revoked: conche tokens create NAME")

    def _is_trusted(self, request: web.Request) -> bool:
        """Tell whether the address is enough; for scripts, not for what a page has a browser on that machine do."""
        if not self._trusted or not any(_is_in(address_of(request), one) for one in self._trusted):
            return False
        if any(name in request.headers for name in PROXIED):
            raise Forbidden(
                "this came through a proxy, so its address says nothing, and gateway.trusted_hosts refuses to "
                "work: take it out of the settings"
            )
        return not any(name in request.headers for name in _OF_BROWSERS)


def check_role(found: Found, least: Role) -> Person:
    """Return who asks if he may.

    Raises
    ------
    Unauthenticated
        Nobody knows who it is.
    RoleTooLow
        His role is too low.
    """
    if found.person is None:
        raise Unauthenticated(found.why)
    if not found.person.may(least):
        raise RoleTooLow(found.person.name, found.person.role, least=least)
    return found.person


def check_origin(request: web.Request) -> None:
    """Refuse a change that a page of another host has a browser make.

    Raises
    ------
    Forbidden
        The browser says that it is.
    """
    if request.method in SAFE:
        return
    origin = request.headers.get(hdrs.ORIGIN)
    here = request.headers.get(hdrs.HOST, "")
    if origin is not None and origin.lower() != f"https://{here}".lower():
        raise Forbidden(f"a page of {origin[:100]} may change nothing here")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("a page of another host may change nothing here")


def check_csrf(session: Session, *, given: str | None) -> None:
    """Refuse a change in a session that a page of this host did not make.

    Raises
    ------
    Forbidden
        The token that goes with the session is not there, or is another.
    """
    if given is None:
        raise Forbidden(
            f"a change in a session takes its token: the header {CSRF_HEADER}, with csrf_token of /auth/me"
        )
    if not hmac.compare_digest(given.encode(errors="replace"), session.csrf.encode()):
        raise Forbidden(f"{CSRF_HEADER} is not that of this session: ask /auth/me for it")


def networks(words: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return addresses and networks.

    Raises
    ------
    FatalError
        One is none.
    """
    try:
        return tuple(ip_network(word) for word in words)
    except ValueError as error:
        raise FatalError(f"gateway.trusted_hosts: {error}; names of hosts are not taken") from None


def _is_in(address: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(address) in network
    except ValueError:  # "-" of the Unix socket, or an address with a zone
        return False
