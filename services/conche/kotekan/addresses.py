"""Where nodes really are: for a rehearsal, a file maps the registry's addresses to simulated ones."""

from pathlib import Path

from msgspec import DecodeError, ValidationError
from msgspec.json import decode

from .connection import Address
from .errors import KotekanUnreachable


class AddressMap:
    """Turns an address of the registry into the one to connect to.

    The file is read again when it changes, so that a rehearsal can grow. An address that it does not have, and
    any address while it can't be read, leads nowhere: a rehearsal must never reach a real node.

    Parameters
    ----------
    file
        JSON object ``{"host:port": "host:port"}``, or None: every address is what it says.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._map: dict[str, Address] = {}

    def resolve(self, host: str, port: int) -> Address:
        """Return where to connect to.

        Raises
        ------
        KotekanUnreachable
            There is a file and the address is not in it.
        """
        if self._file is None:
            return Address(host, port)
        self._reload(self._file)
        found = self._map.get(f"{host}:{port}")
        if found is None:
            raise KotekanUnreachable(f"{host}:{port}: {self._file} names no simulated node for it")
        return found

    def _reload(self, file: Path) -> None:
        try:
            found = file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                told = decode(file.read_bytes(), type=dict[str, str])
                self._map = {address: _parse(real) for address, real in told.items()}
                self._stamp = stamp
        except (OSError, DecodeError, ValidationError, ValueError) as error:
            self._map, self._stamp = {}, None
            raise KotekanUnreachable(
                f"the addresses of simulated nodes can't be read from {file}: {error}"
            ) from None


def _parse(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host, int(port))
