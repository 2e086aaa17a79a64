"""Where nodes really are: for a rehearsal, a file maps the registry's addresses to simulated ones."""

import json
from pathlib import Path

from .connection import Address


class AddressMap:
    """Turns an address of the registry into the one to connect to.

    The file is read again when it changes, so that a rehearsal can grow.

    Parameters
    ----------
    file
        JSON object ``{"host:port": "host:port"}``, or None: every address is what it says.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._map: dict[str, str] = {}

    def resolve(self, host: str, port: int) -> Address:
        """Return where to connect to."""
        if self._file is None:
            return Address(host, port)
        self._reload(self._file)
        real_host, _, real_port = self._map.get(f"{host}:{port}", f"{host}:{port}").rpartition(":")
        return Address(real_host, int(real_port))

    def _reload(self, file: Path) -> None:
        try:
            found = file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._map = json.loads(file.read_text())
                self._stamp = stamp
        except FileNotFoundError:
            self._map, self._stamp = {}, None
