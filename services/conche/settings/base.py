"""What every section is."""

from typing import Any

from msgspec import Meta, Struct


def doc(text: str, **bounds: Any) -> Meta:
    """Document a setting where it is declared: meaning, unit, consequence."""
    return Meta(description=text, **bounds)


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One section of the settings."""
