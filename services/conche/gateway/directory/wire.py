"""One connection to the directory: verified, and bounded in time and size, whatever is at its other end."""

import socket
import ssl
import time
from typing import Final

from .errors import DirectoryAway

MOST_BYTES: Final = 1024 * 1024
"""Read of one connection [bytes]; somebody in a thousand groups has a tenth. A guess."""
MOST_OPEN_BYTES: Final = 4096
"""Read before a connection is encrypted [bytes]; the answer to StartTLS has a hundred."""


class Wire:
    """A socket as the LDAP library uses it, which ends in time.

    The library knows a time for each read only, so that a server which says a byte now and then would keep it for
    ever; and it reads as much as a server likes to send.

    Parameters
    ----------
    connected
        A socket, which is taken over.
    ends_at
        When the last answer must be there, of `time.monotonic` [s].
    """

    def __init__(self, connected: socket.socket, *, ends_at: float) -> None:
        self._socket = connected
        self._ends_at = ends_at
        self._bytes_left = MOST_OPEN_BYTES

    def secure(self, context: ssl.SSLContext, *, host: str) -> None:
        """Encrypt it from here on.

        Raises
        ------
        DirectoryAway
            The server does not prove who it is.
        """
        self._socket.settimeout(seconds_left(self._ends_at))
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            words = (
                f"its certificate is not trusted: {error.verify_message}; ldap.ca_file may name its authority"
            )
            raise DirectoryAway(words) from None
        except TimeoutError:
            raise _late() from None
        except (OSError, ValueError) as error:  # ValueError: what has to be wrapped is closed already
            why: object = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise DirectoryAway(
                f"no TLS connection ({why}): is ldap.port that of ldap.tls, ldaps or starttls?"
            ) from None
        self._bytes_left = MOST_BYTES

    def recv(self, size: int) -> bytes:
        """Return what comes next; nothing at the end.

        Raises
        ------
        DirectoryAway
            It comes too late, or is too much: not an error that the library would put into words of its own.
        """
        self._socket.settimeout(seconds_left(self._ends_at))
        try:
            data = self._socket.recv(size)
        except TimeoutError:
            raise _late() from None
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise DirectoryAway("it answers more than anybody asked for")
        return data

    def sendall(self, data: bytes) -> None:
        """Send something."""
        self._socket.settimeout(seconds_left(self._ends_at))
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise _late() from None

    def shutdown(self, how: int) -> None:
        """End one or both of its directions."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """Close it; a second time does nothing."""
        self._socket.close()


def seconds_left(ends_at: float) -> float:
    """Return the time that is left [s].

    Raises
    ------
    DirectoryAway
        There is none.
    """
    left = ends_at - time.monotonic()
    if left <= 0:
        raise _late()
    return left


def addresses_of(host: str) -> list[str]:
    """Return the addresses of a host, the best first.

    Raises
    ------
    DirectoryAway
        Nobody knows it.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise DirectoryAway(f"nobody knows the name of its host ({error.strerror})") from None
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def _late() -> DirectoryAway:
    return DirectoryAway("no answer in time (ldap.timeout_s)")
