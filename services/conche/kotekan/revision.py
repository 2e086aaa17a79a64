"""Hashes that say what a config is: revision, base, and one for each updatable block."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import msgpack
from msgspec import DecodeError
from msgspec.json import decode

from .blocks import blank, updatable_blocks, values
from .errors import KotekanGarbled

CACHED_FINGERPRINTS: Final = 20_000
"""Bound of the cache; a guess: two configs each for the largest cluster aimed at, 200 bytes an entry."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a config is, in hashes.

    Parameters
    ----------
    revision
        Hash of the whole config.
    base
        Hash of the config with the updatable values blanked out: where it differs, a restart is needed.
    updatable
        Endpoint to hash of the block's values.
    """

    revision: str
    base: str
    updatable: dict[str, str]


def revision(value: Any) -> str:
    """Return the hash that kotekan itself reports for a config.

    MD5 over msgpack with keys sorted at every level; floats as 64 bits, integers in the shortest form.
    Source: kotekan ``Config::get_md5sum`` (lib/core/Config.cpp) and coco's ``hash_dict``.

    Parameters
    ----------
    value
        A JSON value.

    Returns
    -------
    str
        32 hex digits.
    """
    packed: bytes = msgpack.packb(_sorted(value), use_bin_type=True)
    return hashlib.md5(packed, usedforsecurity=False).hexdigest()


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def fingerprint(config: dict[str, Any]) -> Fingerprint:
    """Return all hashes of a config."""
    return Fingerprint(
        revision=revision(config),
        base=revision(blank(config)),
        updatable={endpoint: revision(values(block)) for endpoint, block in updatable_blocks(config).items()},
    )


class FingerprintCache:
    """Fingerprints of the bodies that kotekans answer, parsed once for each distinct body.

    kotekan's replies are deterministic bytes, so the same body is the same config.
    """

    def __init__(self, *, size: int = CACHED_FINGERPRINTS) -> None:
        self._size = size
        self._known: OrderedDict[bytes, Fingerprint] = OrderedDict()

    def of(self, body: bytes) -> Fingerprint:
        """Return the fingerprint of the body of a ``GET /config``.

        Raises
        ------
        KotekanGarbled
            The body is not a JSON object.
        """
        key = hashlib.blake2b(body, digest_size=16).digest()
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _fingerprint_of(body)
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return found


def _fingerprint_of(body: bytes) -> Fingerprint:
    try:
        return fingerprint(parse_config(body))
    except (OverflowError, RecursionError, ValueError) as error:
        raise KotekanGarbled(f"GET /config: no kotekan would answer this ({error})") from None


def parse_config(body: bytes) -> dict[str, Any]:
    """Parse the body of a ``GET /config``.

    Raises
    ------
    KotekanGarbled
        The body is not a JSON object.
    """
    try:
        config = decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KotekanGarbled(f"GET /config: the answer is not JSON ({error})") from None
    if not isinstance(config, dict):
        raise KotekanGarbled("GET /config: the answer is not a JSON object")
    return config
