"""Questions to a directory, one connection each; all of it blocks, and belongs in a thread."""

import contextlib
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

from ldap3 import DEREF_NEVER, LEVEL, NONE, SIMPLE, SUBTREE, Connection, Server
from ldap3.core.exceptions import LDAPCommunicationError, LDAPException, LDAPSocketOpenError
from ldap3.core.results import (
    RESULT_CONSTRAINT_VIOLATION,
    RESULT_INAPPROPRIATE_AUTHENTICATION,
    RESULT_INSUFFICIENT_ACCESS_RIGHTS,
    RESULT_INVALID_CREDENTIALS,
    RESULT_NO_SUCH_OBJECT,
    RESULT_SIZE_LIMIT_EXCEEDED,
    RESULT_SUCCESS,
    RESULT_UNWILLING_TO_PERFORM,
)
from ldap3.utils.conv import escape_bytes
from pyasn1.error import PyAsn1Error

from .errors import DirectoryAway
from .judging import LOCKED, MEMBER_OF, Entry, Refusal
from .plan import Plan
from .wire import Wire, addresses_of, seconds_left

_STARTTLS: Final = "1.3.6.1.4.1.1466.20037"
_MOST_GROUPS: Final = 100
"""Asked for at once; only those are that mean a role."""
_GARBAGE: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    PyAsn1Error,
    RecursionError,
    TypeError,
    ValueError,
)
"""What the library makes of bytes that are no LDAP: it checks none of them."""
_REFUSED: Final = {
    RESULT_INVALID_CREDENTIALS: "wrong password",
    RESULT_NO_SUCH_OBJECT: "wrong password, or the entry is gone",
    RESULT_INAPPROPRIATE_AUTHENTICATION: "has no password",
    RESULT_INSUFFICIENT_ACCESS_RIGHTS: "may not log in",
    RESULT_CONSTRAINT_VIOLATION: "locked by the directory",
    RESULT_UNWILLING_TO_PERFORM: "disabled, or expired",
}
"""Answers to a login that are about a person; all others are about the directory."""


class Conversation:
    """One connection to the directory, on which the searching account is logged in.

    Parameters
    ----------
    plan
        What is asked of which directory.
    ends_at
        When the last answer must be there, of `time.monotonic` [s].
    """

    def __init__(self, plan: Plan, *, ends_at: float) -> None:
        self._plan = plan
        self._ends_at = ends_at
        self._connection: Any = None

    def __enter__(self) -> Self:
        try:
            self._connect()
            self._log_in()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            with contextlib.suppress(LDAPException, DirectoryAway):
                self._connection.unbind()
        self._close()

    def people(self, name: str) -> list[Entry]:
        """Return who has a name: at most two, which is one too many.

        Raises
        ------
        DirectoryAway
            It does not say.
        """
        plan = self._plan
        return self._search(
            plan.people,
            f"(&({plan.login}={_escaped(name)}){plan.filter})",
            scope=SUBTREE,
            attributes=[plan.login, MEMBER_OF, LOCKED],
            most=2,
            setting="ldap.user_dn and ldap.bind_dn",
        )

    def groups(self, *, dn: str, name: str) -> list[Entry]:
        """Return in which groups that mean a role somebody is, as the groups tell.

        Raises
        ------
        DirectoryAway
            It does not say.
        """
        groups = self._plan.groups
        if not groups.role_of:
            return []
        member = f"(|(member={_escaped(dn)})(uniqueMember={_escaped(dn)})(memberUid={_escaped(name)}))"
        named = "".join(f"(cn={_escaped(group)})" for group in groups.role_of)
        return self._search(
            groups.base,
            f"(&{member}(|{named}))",
            scope=LEVEL,
            attributes=["cn"],
            most=_MOST_GROUPS,
            setting="ldap.group_dn",
        )

    def refusal(self, *, dn: str, password: str) -> Refusal | None:
        """Log in as somebody; return why he is refused, None where it is he.

        Raises
        ------
        DirectoryAway
            It does not say.
        """
        code, words = self._bind(dn, password.encode())  # bytes: of text it would take signs away
        if code == RESULT_SUCCESS:
            return None
        if code in _REFUSED:
            return Refusal(f"{dn}: {_REFUSED[code]} ({words})")
        raise DirectoryAway(f"it neither takes nor refuses a password: {words}")

    def _connect(self) -> None:
        """Connect to the first address that answers, none of which may take all the time."""
        addresses = addresses_of(self._plan.host)
        for left in range(len(addresses), 0, -1):
            try:
                self._open(addresses[-left], timeout_s=seconds_left(self._ends_at) / left)
                break
            except LDAPSocketOpenError as error:
                self._close()
                if left == 1:
                    raise DirectoryAway(f"no connection: {_system_words(error)}") from None
        wire = Wire(self._connection.socket, ends_at=self._ends_at)
        self._connection.socket = wire
        if self._plan.starttls:
            self._start_tls()
        wire.secure(self._plan.context, host=self._plan.host)

    def _open(self, address: str, *, timeout_s: float) -> None:
        """Open a connection, in the open; the library's own TLS does not compare names as the standard asks for.

        Its fast decoder believes every type and length that it is told, and would make gigabytes of a number.
        """
        server = Server(address, port=self._plan.port, get_info=NONE, connect_timeout=timeout_s)
        self._connection = Connection(
            server,
            auto_referrals=False,
            auto_range=False,
            auto_escape=False,
            check_names=False,
            fast_decoder=False,
        )
        self._connection.open(read_server_info=False)

    def _start_tls(self) -> None:
        try:
            with _heard():
                self._connection.extended(_STARTTLS)
        except DirectoryAway as error:
            raise DirectoryAway(f"{error}; is ldap.port that of ldap.tls, ldaps or starttls?") from None
        if self._connection.result["result"] != RESULT_SUCCESS:
            raise DirectoryAway(f"it refuses StartTLS: {_words(self._connection.result)}")

    def _log_in(self) -> None:
        account = self._plan.account
        if account is None:
            return
        code, words = self._bind(account.dn, account.password)
        if code != RESULT_SUCCESS:
            raise DirectoryAway(
                f"it refuses {account.dn}: {words}; see ldap.bind_dn and ldap.bind_password_file"
            )

    def _bind(self, dn: str, password: bytes) -> tuple[int, str]:
        with _heard():
            self._connection.rebind(dn, password, authentication=SIMPLE, read_server_info=False)
        return int(self._connection.result["result"]), _words(self._connection.result)

    def _search(
        self, base: str, words: str, *, scope: Any, attributes: list[str], most: int, setting: str
    ) -> list[Entry]:
        with _heard():
            self._connection.search(
                base,
                words,
                search_scope=scope,
                dereference_aliases=DEREF_NEVER,
                attributes=attributes,
                size_limit=most,
                time_limit=max(1, round(self._ends_at - time.monotonic())),
            )
            result, found = self._connection.result, self._connection.response
            entries = [_entry(one) for one in found or () if one["type"] == "searchResEntry"]
        if result["result"] not in (RESULT_SUCCESS, RESULT_SIZE_LIMIT_EXCEEDED):
            raise DirectoryAway(f"it refuses to search below {base}: {_words(result)}; see {setting}")
        return entries

    def _close(self) -> None:
        """Close the socket, which the library leaves open where something failed."""
        if self._connection is not None and self._connection.socket is not None:
            self._connection.socket.close()


@contextlib.contextmanager
def _heard() -> Iterator[None]:
    """Put into words of ours what the library says, and what it trips over.

    Raises
    ------
    DirectoryAway
        The connection is lost, or what is at its other end speaks no LDAP.
    """
    try:
        yield
    except LDAPCommunicationError as error:
        raise DirectoryAway(f"the connection was lost: {_system_words(error)}") from None
    except LDAPException as error:
        raise DirectoryAway(f"it can't be spoken with: {_system_words(error)}") from None
    except _GARBAGE as error:
        raise DirectoryAway(f"what it answers is no LDAP ({type(error).__name__})") from None


def _escaped(text: str) -> str:
    """Return a value for a filter, in which nothing of it can mean anything: each byte by its number (RFC 4515)."""
    return str(escape_bytes(text.encode()))


def _entry(answer: Any) -> Entry:
    values = answer["raw_attributes"]
    return Entry(
        dn=answer["dn"],
        values={
            name.casefold(): [value.decode(errors="replace") for value in values[name] or ()]
            for name in values
        },
    )


def _words(result: Any) -> str:
    """Return the directory's own words of why."""
    more = str(result["message"]).strip().partition("\n")[0][:200]
    return f"{result['description']}, {more!r}" if more else str(result["description"])


def _system_words(error: LDAPException) -> str:
    """Return the words of the system, of which the library makes the last of its own."""
    return str(error).rpartition("] ")[2].rpartition(": ")[2][:200] or type(error).__name__
