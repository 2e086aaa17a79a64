"""What the FPGA master says about its time: read, corrected and judged. All in whole nanoseconds since 1970."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import DecodeError, ValidationError
from msgspec.json import decode

SECOND_NS: Final = 1_000_000_000
DAY_S: Final = 86_400

GPS_EPOCH_NS: Final = 315_964_800 * SECOND_NS
"""1980-01-06 00:00 UTC, when GPS began to count weeks [ns]."""

ROLLOVER_NS: Final = 1024 * 7 * DAY_S * SECOND_NS
"""GPS broadcasts the week in ten bits (IS-GPS-200, 20.3.3.3.1.1): a receiver that is not told better is wrong by
whole periods of this [ns]."""

AHEAD_NS: Final = 60 * SECOND_NS
"""So far ahead of our clock a time may be: clocks differ, and frame 0 may be that of the next second [ns]. A guess."""

LARGEST: Final = 2**63 - 1
"""Of the integers with which kotekan counts nanoseconds."""

SHOWN_CHARACTERS: Final = 60
"""Of an answer that makes no sense, in words."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TimingInvalid(ValueError):
    """An answer from which no time can be told; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What the FPGA master answers to ``GET /get-frame0-time``.

    Parameters
    ----------
    frame0_ns
        When frame 0 was, by the receiver [ns].
    start_ns
        When the F-engine was started, by its computer's clock [ns].
    """

    frame0_ns: int
    start_ns: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """A timing as it is understood.

    Parameters
    ----------
    timing
        As it was answered.
    rollovers
        Periods of 1024 weeks that the receiver is behind.
    frame0_ns
        Corrected; None where it can't be believed [ns].
    error
        Why not.
    """

    timing: Timing
    rollovers: int | None = None
    frame0_ns: int | None = None
    error: str | None = None


def read_timing(body: bytes) -> Timing:
    """Read an answer: ``{"frame0_nano": 1763745600000000000, "start_ctime": 1763745601.5}``.

    Raises
    ------
    TimingInvalid
        It is something else.
    """
    try:
        told = decode(body)
    except ValidationError as error:
        raise TimingInvalid(str(error).lower()) from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise TimingInvalid(_not_json(body)) from None
    if not isinstance(told, dict):
        kind = _kind(told).partition(",")[0]
        raise TimingInvalid(f"{kind} where there should be an object with frame0_nano and start_ctime")
    return Timing(frame0_ns=_frame0(told), start_ns=_start(told))


def _not_json(body: bytes) -> str:
    """Return what a body is that is no JSON, without its words: they may change each time, as a clock does."""
    if not body.strip():
        return "not JSON: nothing at all"
    return "not JSON: a page, HTML or XML" if is_page(body) else "not JSON"


def is_page(body: bytes) -> bool:
    """Return whether an answer is a page for people."""
    return body.lstrip().startswith(b"<")


def _frame0(told: dict[str, Any]) -> int:
    value = _given(told, "frame0_nano")
    if isinstance(value, float):
        raise TimingInvalid(
            f"frame0_nano is {_shown(repr(value))}, with a fraction or an exponent: "
            "that has lost nanoseconds, only a whole number is taken"
        )
    if not isinstance(value, int) or isinstance(value, bool):
        raise TimingInvalid(f"frame0_nano is {_kind(value)}, and should be a whole number of nanoseconds")
    return _bounded("frame0_nano", value)


def _start(told: dict[str, Any]) -> int:
    value = _given(told, "start_ctime")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TimingInvalid(f"start_ctime is {_kind(value)}, and should be a number of seconds")
    if abs(value) > LARGEST // SECOND_NS:
        raise TimingInvalid(f"start_ctime is {_shown(repr(value))}, which is no time in seconds since 1970")
    return _bounded("start_ctime", value * SECOND_NS if isinstance(value, int) else round(value * SECOND_NS))


def _given(told: dict[str, Any], key: str) -> Any:
    if key not in told:
        raise TimingInvalid(f"there is no {key} in the answer")
    return told[key]


def _bounded(name: str, time_ns: int) -> int:
    if time_ns > LARGEST:
        raise TimingInvalid(f"{name} is beyond 64 bits, which is no time in nanoseconds")
    if time_ns < GPS_EPOCH_NS:
        words = "negative" if time_ns < 0 else utc_words(time_ns)
        raise TimingInvalid(f"{name} is {words}, before GPS began in 1980")
    return time_ns


def rollovers_between(start_ns: int, frame0_ns: int) -> int:
    """Return by how many periods of 1024 weeks a receiver's time is behind a computer's; negative: ahead.

    To the nearest, and not the difference of the periods counted from 1980-01-06, which has the same value but where
    a rollover lies between the two times: an F-engine that is started a second before one is right, not 20 years off.

    Parameters
    ----------
    start_ns
        When the F-engine was started, by its computer's clock [ns].
    frame0_ns
        When frame 0 was, by the receiver [ns].
    """
    return (2 * (start_ns - frame0_ns) + ROLLOVER_NS) // (2 * ROLLOVER_NS)


def judge(timing: Timing, *, now_ns: int, tolerance_ns: int) -> Judgement:
    """Correct a timing, and say whether it can be believed.

    Parameters
    ----------
    timing
        As it was answered.
    now_ns
        Our clock [ns].
    tolerance_ns
        How far frame 0, corrected, may be from the start of the F-engine [ns].
    """
    for name, time_ns in (("frame0", timing.frame0_ns), ("start_ctime", timing.start_ns)):
        if time_ns > now_ns + AHEAD_NS:
            words = f"{name} is {utc_words(time_ns)}, in the future"
            return Judgement(timing, error=f"{words}: a clock is wrong, there or here")
    rollovers = rollovers_between(timing.start_ns, timing.frame0_ns)
    frame0_ns = timing.frame0_ns + rollovers * ROLLOVER_NS
    off_ns = frame0_ns - timing.start_ns
    if abs(off_ns) > tolerance_ns:
        return Judgement(timing, rollovers, error=_off_words(timing, rollovers, off_ns))
    return Judgement(timing, rollovers, frame0_ns)


def _off_words(timing: Timing, rollovers: int, off_ns: int) -> str:
    behind = f", corrected by {rollovers} times 1024 weeks" if rollovers else ""
    side = "before" if off_ns < 0 else "after"
    return (
        f"frame0 is {utc_words(timing.frame0_ns)}, and the F-engine was started {utc_words(timing.start_ns)}: "
        f"{length_words(off_ns)} {side} it{behind}; its clock or its GPS receiver is wrong; "
        "if neither is, the setting fpga.max_off_s allows more"
    )


def utc(time_ns: int) -> datetime:
    """Return a time as a datetime, which has microseconds; the rest is cut."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def utc_words(time_ns: int) -> str:
    """Return a time in words, to the second."""
    return f"{utc(time_ns):%Y-%m-%d %H:%M:%SZ}"


def length_words(length_ns: int) -> str:
    """Return how long something is, in words that are short and exact enough to look for the reason."""
    seconds = abs(length_ns) // SECOND_NS
    days, rest = divmod(seconds, DAY_S)
    hours, minutes = rest // 3600, rest % 3600 // 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"


def _kind(value: Any) -> str:
    """Return what something is, with its beginning where that is short enough to help."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"a string, {_shown(repr(value))}"
        case list():
            return "an array"
        case dict():
            return "an object"
    return f"the number {_shown(repr(value))}"


def _shown(words: str) -> str:
    plain = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    short = plain if len(plain) <= SHOWN_CHARACTERS else f"{plain[: SHOWN_CHARACTERS - 1]}…"
    return short or "nothing at all"
