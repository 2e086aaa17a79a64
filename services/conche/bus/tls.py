"""Encrypted connections to the broker."""

import ssl
from pathlib import Path

from .errors import BusFatal


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho forgets it."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(ca_file: Path) -> ssl.SSLContext:
    """Return what a connection to a broker with this certificate authority needs."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        words = error.strerror or error
        raise BusFatal(f"{ca_file}: the broker's certificate authority can't be read: {words}") from None
    context.sslsocket_class = _TlsSocket
    return context
