"""The faults a node can be given, each with its parameters.

The names of the classes' fields are the parameters of the control port and of `conche sim fault`.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from .values import Json, type_name


class FaultInvalidError(Exception):
    """An order for a fault that makes no sense; the words say what would have been right."""


class Unset(Enum):
    """Stands for a parameter that was not given where null means something."""

    UNSET = "unset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Change a value at `path` of the running config, once; or, with `marker`, the block's marker."""

    path: str
    value: Json | Unset = Unset.UNSET
    marker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Die:
    """Die with `rc` now, or `after_start_s` after this and every further /start."""

    rc: int = 139
    after_start_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """Block the REST thread for `seconds`, or until cleared; TCP connects still work."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HangIn:
    """Hang in every request to `path`, for `seconds` each or until cleared; it runs afterwards."""

    path: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowStart:
    """Take `seconds` in /start, as when large buffers are allocated."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowStop:
    """Take `seconds` to join the stages; beyond the config's `join_timeout` (60 s) the process aborts."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectStart:
    """Answer /start with 400 and exit; only for a `revision` or for configs with a `stage`, where given."""

    words: str = "Tried to instantiate a stage we don't know about!"
    revision: str | None = None
    stage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectValue:
    """Refuse values of a block (500 and exit; 400 and exit at /start).

    Refused is the value at `key` that `equals` something, or is `greater` or `less` than a number; or the exact
    `values` of the block; or, with none of them, everything.
    """

    endpoint: str
    key: str | None = None
    equals: Json | Unset = Unset.UNSET
    greater: float | None = None
    less: float | None = None
    values: Json | Unset = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Flap:
    """Die with `rc` a `period_s` after each process start, and come back."""

    period_s: float
    rc: int = 139


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Be down until cleared: connections are refused."""


class HttpMode(StrEnum):
    """The ways of answering wrongly."""

    STATUS = "status"
    HTML = "html"
    GARBAGE = "garbage"
    HALF = "half"
    HUGE = "huge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """Answer every request (or those to `path`) wrongly, and do nothing else.

    `mode` is status (JSON error with `status` and `words`), html (the page of a proxy), garbage (bytes that are no
    HTTP), half (the connection ends in the middle of a body) or huge (200 with `megabytes` of JSON).
    """

    path: str | None = None
    mode: HttpMode = HttpMode.STATUS
    status: int = 500
    words: str = "Simulated fault"
    megabytes: float = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfRewrite:
    """Change the value at `path` by itself `after_s` after each /start, as some stages do."""

    path: str
    value: Json
    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Exit with rc 0 by itself `after_s` after each /start, as a pipeline that is done."""

    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackBlocks:
    """Block for ever in an update (of `endpoint`, where given): /kill queues behind it, only a restart helps."""

    endpoint: str | None = None


Fault: TypeAlias = (
    Drift | Die | Hang | HangIn | SlowStart | SlowStop | RejectStart | RejectValue | Flap | Refuse | Http
    | SelfRewrite | Finish | CallbackBlocks
)  # fmt: skip

KINDS: Final[dict[str, type[Fault]]] = {
    "drift": Drift,
    "die": Die,
    "hang": Hang,
    "hang_in": HangIn,
    "slow_start": SlowStart,
    "slow_stop": SlowStop,
    "reject_start": RejectStart,
    "reject_value": RejectValue,
    "flap": Flap,
    "refuse": Refuse,
    "http": Http,
    "self_rewrite": SelfRewrite,
    "finish": Finish,
    "callback_blocks": CallbackBlocks,
}

_NAMES: Final = {kind: name for name, kind in KINDS.items()}
_CHECKS: Final[dict[str, tuple[set[str], str]]] = {
    "str": ({"string"}, "a string"),
    "int": ({"integer"}, "a whole number"),
    "float": ({"integer", "float"}, "a number"),
    "str | None": ({"string", "null"}, "a string"),
    "float | None": ({"integer", "float", "null"}, "a number"),
    "HttpMode": ({"string"}, f"one of {', '.join(HttpMode)}"),
}


def parse_fault(order: dict[str, Json]) -> Fault:
    """Make a fault of `{"kind": ..., parameter: value, ...}`.

    Raises
    ------
    FaultInvalidError
        For an unknown kind or parameter, a missing one, or one of the wrong type.
    """
    given = dict(order)
    kind = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise FaultInvalidError(f"there is no fault {kind!r}: it is one of {', '.join(KINDS)}")
    known = {field.name: field for field in fields(KINDS[kind])}
    for name, value in given.items():
        if name not in known:
            takes = ", ".join(known) or "no parameters"
            raise FaultInvalidError(f"{kind} has no parameter {name!r}: it takes {takes}")
        _check(f"{kind}: {name}", str(known[name].type), value)
    for name, field in known.items():
        if field.default is MISSING and name not in given:
            raise FaultInvalidError(f"{kind} needs {name!r}")
    if KINDS[kind] is Drift and not {"value", "marker"} & given.keys():
        raise FaultInvalidError("drift needs 'value' or 'marker'")
    if "mode" in given:
        given["mode"] = HttpMode(str(given["mode"]))
    return KINDS[kind](**given)  # type: ignore[arg-type]


def _check(told: str, wanted: str, value: Json) -> None:
    if wanted not in _CHECKS:
        return
    types, words = _CHECKS[wanted]
    if type_name(value) not in types or (wanted == "HttpMode" and value not in set(HttpMode)):
        raise FaultInvalidError(f"{told} must be {words}, not {value!r}")
    if (
        "float" in wanted
        and told.endswith(("_s", "seconds"))
        and isinstance(value, int | float)
        and value < 0
    ):
        raise FaultInvalidError(f"{told} must not be negative, it is {value!r}")


def describe_fault(fault: Fault) -> dict[str, Json]:
    """Return a fault as it was ordered, with the parameters that differ from the defaults."""
    told: dict[str, Json] = {"kind": _NAMES[type(fault)]}
    for field in fields(fault):
        value = getattr(fault, field.name)
        if value != field.default:
            told[field.name] = value
    return told
