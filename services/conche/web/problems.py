"""A word for every way in which a request over HTTP can fail; none of them has the address in it."""

from enum import StrEnum
from typing import Final, NamedTuple

import aiohttp

ANY_PROBLEM: Final = (aiohttp.ClientError, OSError, UnicodeError)
"""What the HTTP library raises; a `TimeoutError` is one of these, and whoever set the time has words of his own."""


class Lack(StrEnum):
    """What there is not."""

    ADDRESS = "address"
    CONNECTION = "connection"
    """Or it was closed before there was an answer."""
    ANSWER = "answer"
    """That is HTTP, or the whole of it."""


class Problem(NamedTuple):
    """What there is not, and why, in words."""

    lack: Lack
    words: str


def problem_of(error: Exception, *, ca_file: str, url: str) -> Problem:
    """Return what an error of the HTTP library means.

    Parameters
    ----------
    error
        One of `ANY_PROBLEM`.
    ca_file, url
        Names of the settings, for the words.
    """
    match error:
        case aiohttp.InvalidURL() | UnicodeError():  # the latter for a host that is no name
            return Problem(Lack.ADDRESS, f"{url} is no address")
        case aiohttp.ClientConnectorError():
            return Problem(Lack.CONNECTION, _no_connection(error, ca_file))
        case aiohttp.ClientPayloadError():
            return Problem(Lack.ANSWER, "the answer ends in the middle")
        case aiohttp.ClientResponseError():
            return Problem(Lack.ANSWER, "what answers there does not speak HTTP")
    return Problem(Lack.CONNECTION, "the connection was closed before there was an answer")


def _no_connection(error: aiohttp.ClientConnectorError, ca_file: str) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", None) or error.certificate_error
            return f"its certificate is not trusted: {reason}; {ca_file} may name its authority"
        case aiohttp.ClientSSLError():
            return "no TLS connection: is it http:// there?"
        case aiohttp.ClientConnectorDNSError():
            return "nobody knows the name of its host"
    return _system_words(error.os_error)


def _system_words(error: OSError) -> str:
    """Return why there is no connection; the system's words have the address in them, and differ by it."""
    if isinstance(error, ConnectionRefusedError):
        return "refused: nobody listens there"
    return (error.strerror or str(error) or type(error).__name__).partition(" [")[0].lower()
