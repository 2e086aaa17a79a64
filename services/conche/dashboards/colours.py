"""Words and their colours: those of the states, everywhere."""

from collections.abc import Mapping
from typing import Any, Final

from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import (
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from conche.contract import EopState, FpgaState, Health, NodeState, Reach, ServiceState
from conche.contract.measurements import STATE_COLOURS

GOOD: Final = STATE_COLOURS[NodeState.STARTED]
CAREFUL: Final = STATE_COLOURS[NodeState.STOPPED]
BUSY: Final = STATE_COLOURS[NodeState.SYNCING]
BAD: Final = STATE_COLOURS[NodeState.DOWN]
GREY: Final = STATE_COLOURS[NodeState.UNKNOWN]
FAILED: Final = STATE_COLOURS[NodeState.FAILED]
CLEAR: Final = "transparent"

HEALTH: Final = {Health.NORMAL: GOOD, Health.WARNING: CAREFUL, Health.ERROR: BAD}
FPGA: Final = {
    FpgaState.GOOD: GOOD,
    FpgaState.UNCONFIGURED: GREY,
    FpgaState.DEGRADED: CAREFUL,
    FpgaState.DOWN: BAD,
}
EOP: Final = {
    EopState.FRESH: GOOD,
    EopState.NEVER: GREY,
    EopState.STALE: CAREFUL,
    EopState.FAILED: FAILED,
}
SERVICES: Final = {ServiceState.ONLINE: GOOD, ServiceState.OFFLINE: GREY, ServiceState.LOST: BAD}
REACH: Final = {
    Reach.OK: GOOD,
    Reach.REFUSED: BAD,
    Reach.UNREACHABLE: BAD,
    Reach.BUSY: BUSY,
    Reach.HTTP_ERROR: FAILED,
}


def words(*colours: Mapping[Any, str]) -> list[ValueMapping]:
    """Return what shows a word in its colour; words are those of any enumerations."""
    every = {str(word): colour for one in colours for word, colour in one.items()}
    return [_map({word: (word, colour) for word, colour in every.items()})]


def flags(*, yes: str, no: str, yes_colour: str, no_colour: str) -> list[ValueMapping]:
    """Return what shows 1 and 0 as words in their colours."""
    return [_map({"1": (yes, yes_colour), "0": (no, no_colour)})]


def nothing_if_empty() -> list[ValueMapping]:
    """Return what shows an empty text as nothing at all."""
    return [_map({"": ("", CLEAR)})]


def fixed(colour: str) -> FieldColor:
    """Return one colour for everything."""
    return FieldColor().mode(FieldColorModeId.FIXED).fixed_color(colour)


def steps(*limits: tuple[float | None, str]) -> ThresholdsConfig:
    """Return colours from a figure on: the first holds from below."""
    thresholds = [Threshold(value=value, color=colour) for value, colour in limits]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(thresholds)


def _map(options: Mapping[str, tuple[str, str]]) -> ValueMap:
    return ValueMap(
        options={
            value: ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, (text, colour)) in enumerate(options.items())
        }
    )
