"""Payloads on their way out."""

from typing import Final

from msgspec.json import encode

from conche.contract import Payload

from .errors import PayloadTooLarge

MAX_PAYLOAD: Final = 16_000_000
"""Bytes of one message; the shipped broker takes 20 MB and drops the connection at more."""


def encoded(topic: str, payload: Payload) -> bytes:
    """Return the bytes of a payload.

    Raises
    ------
    PayloadTooLarge
        No broker would take it.
    """
    data = encode(payload)
    if len(data) > MAX_PAYLOAD:
        raise PayloadTooLarge(f"{topic}: {len(data)} bytes are more than {MAX_PAYLOAD}")
    return data
