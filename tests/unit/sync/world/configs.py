"""Configs, and what becomes of a kotekan that is given one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from msgspec import Raw
from msgspec.json import encode

from conche.contract import DesiredConfig
from conche.kotekan.revision import fingerprint


class Fate(StrEnum):
    """What a config does to every kotekan that is started with it."""

    GOOD = "good"
    REJECTED = "rejected"
    """400, and it exits."""
    DIES_AT_ONCE = "dies at once"
    """200, and it is dead before it has settled."""
    DIES_LATER = "dies later"
    """200, and it dies after some minutes; and again."""
    REWRITTEN = "rewritten"
    """A stage changes a value outside of every updatable block when it has run for some time."""


DIES_AT_ONCE_S = 1.2
DIES_LATER_S = 150.0
REWRITTEN_AFTER_S = 5.0

BAD = (Fate.REJECTED, Fate.DIES_AT_ONCE)
REFUSED_COEFF = 666.0
"""A value that the stage refuses: 500 and exit in an update, 400 and exit at a start."""


@dataclass(frozen=True)
class Config:
    """A config of one node.

    Parameters
    ----------
    depth
        Outside of every updatable block.
    coeff, phase
        Values of two updatable blocks.
    fate
        What it does.
    node
        Makes it this node's own.
    """

    depth: int = 4
    coeff: float = 1.0
    phase: float = 0.0
    fate: Fate = Fate.GOOD
    node: str = ""

    @property
    def value(self) -> dict[str, Any]:
        return {
            "log_level": "info",
            "cpu_affinity": [0],
            "depth": self.depth,
            "node": self.node,
            "stage": {"kotekan_stage": self.fate.value},
            "gains": {"kotekan_update_endpoint": "json", "coeff": self.coeff},
            "beams": {"kotekan_update_endpoint": "json", "phase": self.phase},
        }

    @property
    def text(self) -> bytes:
        return encode(self.value)

    @property
    def revision(self) -> str:
        return fingerprint(self.value).revision

    @property
    def bad(self) -> bool:
        """Whether no kotekan can be started with it."""
        return self.fate in BAD or self.coeff == REFUSED_COEFF

    def desired(self, boot: str) -> DesiredConfig:
        """Return it as the renderer publishes it."""
        found = fingerprint(self.value)
        return DesiredConfig(
            boot=boot,
            revision=found.revision,
            base=found.base,
            updatable=found.updatable,
            config=Raw(self.text),
            source="cx/base.j2",
        )


BROKEN = "cx/base.j2: line 3: unexpected end of template"
"""The error of a config that can't be rendered."""
