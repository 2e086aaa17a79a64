"""Epochs: since when the nodes are what they are. A node with a new one goes into maintenance and is adopted."""

import logging
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct
from msgspec.json import decode, encode

from conche.errors import FatalError
from conche.settings import RegistryChange
from conche.storage import write_atomic

logger = logging.getLogger(__name__)

FILE: Final = "epoch"

Address = tuple[str, int]
"""Host and port."""


class Place(Struct, frozen=True):
    """Where a node is, and since which epoch."""

    host: str
    port: int
    epoch: str


class EpochRecord(Struct, frozen=True):
    """What the run directory holds.

    Parameters
    ----------
    epoch
        The newest.
    nodes
        ``group/node`` to its place.
    """

    epoch: str
    nodes: dict[str, Place]


def advance(
    record: EpochRecord | None, addresses: Mapping[str, Address], *, policy: RegistryChange, token: str
) -> EpochRecord:
    """Return the record for the nodes that there are now.

    Parameters
    ----------
    record
        As it was; None where the stack has just started.
    addresses
        ``group/node`` to address.
    policy
        Whom a change of nodes or addresses concerns.
    token
        A new epoch, for the case that one begins.

    Returns
    -------
    EpochRecord
        The same one where no epoch begins.
    """
    before = record.nodes if record else {}
    known = {key: (place.host, place.port) for key, place in before.items()}
    if record is not None and known == dict(addresses):
        return record
    keep = policy is RegistryChange.CHANGED
    return EpochRecord(
        token,
        {
            key: before[key] if keep and known.get(key) == (host, port) else Place(host, port, token)
            for key, (host, port) in addresses.items()
        },
    )


class EpochFile:
    """Keeps the record in the run directory, which lives as long as the stack.

    Parameters
    ----------
    run_dir
        That directory.
    policy
        Whom a change of nodes or addresses concerns.
    """

    def __init__(self, run_dir: Path, *, policy: RegistryChange) -> None:
        self._path = run_dir / FILE
        self._policy = policy

    def holds_one(self) -> bool:
        """Tell whether an epoch has begun since the stack started."""
        return self._read() is not None

    def take(self, addresses: Mapping[str, Address]) -> dict[str, str]:
        """Return the epoch of each node; a new one is on disk by then, so that it can't begin twice.

        Raises
        ------
        FatalError
            The run directory can't be read or written.
        """
        record = self._read()
        after = advance(record, addresses, policy=self._policy, token=secrets.token_hex(8))
        if after is not record:
            self._write(after)
            logger.info("epoch %s begins, for %d nodes", after.epoch, _begun(after))
        return {key: place.epoch for key, place in after.nodes.items()}

    def _read(self) -> EpochRecord | None:
        try:
            return decode(self._path.read_bytes(), type=EpochRecord)
        except FileNotFoundError:
            return None
        except DecodeError as error:
            logger.warning("%s: can't be understood, so a new epoch begins: %s", self._path, error)
            return None
        except OSError as error:
            raise FatalError(f"{self._path}: can't be read: {error.strerror}") from None

    def _write(self, record: EpochRecord) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, encode(record))
        except OSError as error:
            raise FatalError(f"{self._path}: can't be written: {error.strerror}") from None


def _begun(record: EpochRecord) -> int:
    return sum(place.epoch == record.epoch for place in record.nodes.values())
