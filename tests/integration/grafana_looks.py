"""How Grafana shows a value: its unit, its words, its colour; roughly."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .grafana_queries import Value

Panel = Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """How a series or a column is shown: the panel's settings with those of its overrides."""

    unit: str
    mappings: Sequence[Mapping[str, Any]]
    colour: str | None
    thresholds: Sequence[Mapping[str, Any]]

    def shown(self, value: Value) -> tuple[str, str | None]:
        """A value in words, and the colour of it if it has one."""
        if value is None:
            return "", None
        for mapping in self.mappings:
            key = f"{value:.0f}" if isinstance(value, float | int) else str(value)
            if key in mapping["options"]:
                result = mapping["options"][key]
                return result["text"], None if result["color"] == "transparent" else result["color"]
        return in_unit(value, self.unit), self.colour or self._judged(value)

    def _judged(self, value: Value) -> str | None:
        colour = None
        for step in self.thresholds:
            if isinstance(value, float | int) and (step["value"] is None or value >= step["value"]):
                colour = step["color"]
        return colour


def look_of(panel: Panel, name: str) -> Look:
    """How something of this name is shown on a panel."""
    config = panel["fieldConfig"]
    found = dict(config["defaults"])
    for override in config["overrides"]:
        if _matches(override["matcher"], name):
            found |= {item["id"]: item["value"] for item in override["properties"]}
    colour = found.get("color", {})
    return Look(
        found.get("unit", ""),
        found.get("mappings", ()),
        colour.get("fixedColor") if colour.get("mode") == "fixed" else None,
        found.get("thresholds", {}).get("steps", ()) if colour.get("mode") == "thresholds" else (),
    )


def _matches(matcher: Mapping[str, str], name: str) -> bool:
    if matcher["id"] == "byName":
        return matcher["options"] == name
    return re.search(matcher["options"].strip("/"), name) is not None


def in_unit(value: Value, unit: str) -> str:
    """A value as Grafana would say it, roughly."""
    if not isinstance(value, float | int):
        return "" if value is None else value
    match unit:
        case "dateTimeAsIso":
            return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        case "s":
            return _seconds(float(value))
        case "d":
            return f"{value:.1f} days"
        case "arcsec":
            return f'{value:.4f}"'
        case "bytes" | "binBps":
            return f"{value / 1024:.0f} KiB{'/s' if unit == 'binBps' else ''}"
        case "cps":
            return f"{value:.0f} c/s"
    return f"{value:.4g}"


def _seconds(value: float) -> str:
    for limit, size, name in (
        (1.0, 1e-3, "ms"),
        (120.0, 1.0, "s"),
        (7200.0, 60.0, "min"),
        (172800.0, 3600.0, "h"),
    ):
        if abs(value) < limit:
            return f"{value / size:.3g} {name}"
    return f"{value / 86400:.3g} days"
