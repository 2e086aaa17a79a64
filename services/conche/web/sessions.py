"""Sessions of the HTTP library, and what verifies certificates."""

import ssl
from pathlib import Path

import aiohttp

from conche.errors import FatalError


def open_session(
    tls: ssl.SSLContext | None = None, *, accept: str = "application/json"
) -> aiohttp.ClientSession:
    """Return a session that does nothing by itself: it has no cookies, proxies or compression.

    It keeps no connection either, so that no request is sent twice, and one that the other side has closed meanwhile
    does not look like a server that is away.

    Parameters
    ----------
    tls
        What verifies certificates; None where each request says it.
    accept
        Which content is wanted.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=True if tls is None else tls, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "conche"},
        auto_decompress=False,
    )


def tls_context(ca_file: Path | None, *, setting: str) -> ssl.SSLContext:
    """Return what verifies the certificate of a server.

    Parameters
    ----------
    ca_file
        Certificate authority; None for the system's.
    setting
        That names it.

    Raises
    ------
    FatalError
        The authority can't be read.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        words = error.strerror or error
        raise FatalError(f"{setting}: {ca_file}: can't be read as a certificate authority: {words}") from None
