"""The FPGA master over HTTP: one question a connection, and a word for every way in which it can fail."""

import ssl
from pathlib import Path
from typing import Final

import aiohttp

from conche.errors import FatalError

MAX_BODY: Final = 64 * 1024
"""Longer answers are refused [bytes]: those of an FPGA master have a hundred. A guess."""


class FpgaError(Exception):
    """The FPGA master did not answer a question as it should; says which, and how."""


class FpgaUnreachable(FpgaError):
    """There is no connection, or it was closed before there was an answer."""


class FpgaTimeout(FpgaError):
    """The answer did not come in time, or not the whole of it."""


class FpgaHttpError(FpgaError):
    """It answered with another status than 200."""


class FpgaGarbled(FpgaError):
    """What it answered is not HTTP, ends in the middle, or is too long."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what verifies the certificate of an ``https://`` FPGA master.

    Raises
    ------
    FatalError
        The authority can't be read.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        words = error.strerror or error
        raise FatalError(
            f"fpga.ca_file: {ca_file}: can't be read as a certificate authority: {words}"
        ) from None


class FpgaMaster:
    """Asks one FPGA master.

    Parameters
    ----------
    session
        Of the HTTP library; one that `open_session` made.
    url
        Where it is.
    timeout_s
        For a whole answer [s].
    """

    def __init__(self, session: aiohttp.ClientSession, *, url: str, timeout_s: float) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def get(self, path: str) -> bytes:
        """Return the body of an answer.

        Raises
        ------
        FpgaError
            One of its kinds.
        """
        what = f"GET {path}"
        try:
            return await self._get(path)
        except TimeoutError:
            raise FpgaTimeout(f"{what}: no whole answer within {self._timeout.total:g} s") from None
        except aiohttp.ClientConnectorCertificateError as error:
            reason = getattr(error.certificate_error, "verify_message", None) or error.certificate_error
            words = f"its certificate is not trusted: {reason}; fpga.ca_file may name its authority"
            raise FpgaUnreachable(f"{what}: {words}") from None
        except aiohttp.ClientSSLError:
            raise FpgaUnreachable(f"{what}: no TLS connection: is it http:// there?") from None
        except aiohttp.ClientConnectorDNSError:
            raise FpgaUnreachable(f"{what}: nobody knows the name of its host") from None
        except aiohttp.ClientConnectorError as error:
            raise FpgaUnreachable(f"{what}: {_connection_words(error.os_error)}") from None
        except (aiohttp.InvalidURL, UnicodeError):  # the latter for a host that is no name
            raise FpgaUnreachable(f"{what}: fpga.url is no address") from None
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            raise FpgaGarbled(f"{what}: {_garbled_words(error)}") from None
        except (aiohttp.ClientConnectionError, OSError):
            raise FpgaUnreachable(f"{what}: the connection was closed before there was an answer") from None

    async def _get(self, path: str) -> bytes:
        """Ask.

        Raises
        ------
        FpgaHttpError, FpgaGarbled
            The answer is not what was asked for.
        """
        url = f"{self._url}{path}"
        async with self._session.get(url, allow_redirects=False, timeout=self._timeout) as answer:
            if answer.status != 200:
                raise FpgaHttpError(f"GET {path}: {_status_words(answer)}")
            body = await answer.content.read(MAX_BODY + 1)
            while len(body) <= MAX_BODY and (more := await answer.content.read(MAX_BODY + 1 - len(body))):
                body += more
        if len(body) > MAX_BODY:
            raise FpgaGarbled(
                f"GET {path}: an answer of more than {MAX_BODY // 1024} KiB, of which none is used"
            )
        return body


def open_session(ca_file: Path | None) -> aiohttp.ClientSession:
    """Return a session that does nothing by itself.

    It keeps no connection, so that no request is sent twice, and has no cookies, proxies or compression.

    Raises
    ------
    FatalError
        The authority can't be read.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls_context(ca_file), force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "conche"},
        auto_decompress=False,
    )


def _connection_words(error: OSError) -> str:
    """Return why there is no connection; the system's words have the address in them, and differ by it."""
    if isinstance(error, ConnectionRefusedError):
        return "refused: nobody listens there"
    return (error.strerror or str(error) or type(error).__name__).partition(" [")[0].lower()


def _garbled_words(error: aiohttp.ClientPayloadError | aiohttp.ClientResponseError) -> str:
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer ends in the middle"
    return "what answers there does not speak HTTP"


def _status_words(answer: aiohttp.ClientResponse) -> str:
    where = answer.headers.get("Location")
    leads = (
        f", leads to {where[:200]!r}: give the address itself" if where and answer.status // 100 == 3 else ""
    )
    return f"HTTP {answer.status}{leads}"
