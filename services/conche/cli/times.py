"""Times as operators type them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

_UNITS: Final = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})Z")
_REMEDY: Final = (
    "say 90m, 2h, 3d, 17:30Z (the {which} one, in UTC), or a date and time with its zone: 2026-11-21T17:30Z"
)


class TimeInvalid(ValueError):
    """A time that can't be understood, or that is over; says what would have been right."""


def parse_until(words: str, now: datetime) -> datetime:
    """Return the time that words mean.

    Parameters
    ----------
    words
        A span from now on (``90m``), a time of day in UTC (``17:30Z``), or a date and time with its zone.
    now
        Wall clock.

    Raises
    ------
    TimeInvalid
        It is none of these, or over already.
    """
    at = _parsed(words.strip(), now, sign=1)
    if at <= now:
        raise TimeInvalid(f"{words!r} is over already: it is {now:%Y-%m-%d %H:%M} UTC")
    return at


def parse_since(words: str, now: datetime) -> datetime:
    """Return the time in the past that words mean.

    Parameters
    ----------
    words
        A span up to now (``2h``), a time of day in UTC (``17:30Z``), or a date and time with its zone.
    now
        Wall clock.

    Raises
    ------
    TimeInvalid
        It is none of these, or still to come.
    """
    at = _parsed(words.strip(), now, sign=-1)
    if at > now:
        raise TimeInvalid(f"{words!r} is still to come: it is {now:%Y-%m-%d %H:%M} UTC")
    return at


def _parsed(words: str, now: datetime, *, sign: int) -> datetime:
    """Return a time; spans and times of day lie in the future, or with -1 in the past."""
    try:
        if found := _SPAN.fullmatch(words):
            return now + sign * timedelta(**{_UNITS[found[2]]: float(found[1])})
        if found := _CLOCK.fullmatch(words):
            today = now.astimezone(UTC).replace(
                hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0
            )
            is_there = today > now if sign > 0 else today <= now
            return today if is_there else today + sign * timedelta(days=1)
        at = datetime.fromisoformat(words)
        in_utc = at.astimezone(UTC)
    except (ValueError, OverflowError):
        remedy = _REMEDY.format(which="next" if sign > 0 else "last")
        raise TimeInvalid(f"{words!r} is no time: {remedy}") from None
    if at.tzinfo is None:
        raise TimeInvalid(f"{words!r} has no zone: add Z for UTC")
    return in_utc


class Until(click.ParamType[datetime]):
    """A time to come."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time, or fail with the remedy."""
        try:
            return parse_until(str(value), datetime.now(UTC))
        except TimeInvalid as error:
            self.fail(str(error), param, ctx)


class Since(click.ParamType[datetime]):
    """A time that is over."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time, or fail with the remedy."""
        try:
            return parse_since(str(value), datetime.now(UTC))
        except TimeInvalid as error:
            self.fail(str(error), param, ctx)
