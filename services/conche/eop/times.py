"""Instrument time: what a clock shows that was set to UNIX time at frame0 and has counted SI seconds since.

Everything is in whole nanoseconds or whole days, so nothing is rounded. The time of a UTC midnight ``M`` is

    t_inst(M) = frame0 + (TAI(M) - TAI(frame0)) = unix(M) + leaps(M) - leaps(frame0)

with ``leaps = TAI - UTC``.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

NS_PER_S: Final = 1_000_000_000
NS_PER_DAY: Final = 86_400 * NS_PER_S
"""Of UNIX time, which has no leap seconds [ns]."""

UNIX_EPOCH_MJD: Final = 40_587
"""1970-01-01 [d]."""

AHEAD_NS: Final = 60 * NS_PER_S
"""So far ahead of our clock frame0 may be: clocks differ [ns]. A guess, as in the fpga service."""

_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Frame0Invalid(ValueError):
    """No table can be made for this frame0; says why, and what to look at."""


@dataclass(frozen=True, slots=True)
class LeapSeconds:
    """TAI - UTC since 1972, as the IERS announces it (Bulletin C).

    Parameters
    ----------
    days
        First day of each value, sorted (n) [MJD].
    tai_utc
        The values (n) [s].
    expires
        Nothing is known of leap seconds from this day on [MJD].
    """

    days: tuple[int, ...]
    tai_utc: tuple[int, ...]
    expires: int

    def at(self, mjd: int) -> int:
        """Return TAI - UTC on a day [s].

        Raises
        ------
        Frame0Invalid
            It is before 1972, when UTC did not keep step by whole seconds.
        """
        index = bisect_right(self.days, mjd)
        if index == 0:
            first = date_of(self.days[0])
            raise Frame0Invalid(f"{date_of(mjd)} is before {first}: UTC had no whole leap seconds then")
        return self.tai_utc[index - 1]


@dataclass(frozen=True, slots=True)
class TimeBase:
    """Instrument time for one frame0.

    Parameters
    ----------
    frame0_ns
        UNIX time of the first frame [ns].
    leaps
        Leap seconds.
    """

    frame0_ns: int
    leaps: LeapSeconds

    def leaps_since(self, mjd: int) -> int:
        """Return the leap seconds between frame0 and a midnight [s]; negative for one that is earlier."""
        return self.leaps.at(mjd) - self.leaps.at(mjd_of(self.frame0_ns))

    def t_inst_ns(self, unix_ns: int) -> int:
        """Return the instrument time of a UNIX time [ns]."""
        return unix_ns + self.leaps_since(mjd_of(unix_ns)) * NS_PER_S

    def midnight_ns(self, mjd: int) -> int:
        """Return the instrument time of a UTC midnight [ns]."""
        return self.t_inst_ns((mjd - UNIX_EPOCH_MJD) * NS_PER_DAY)

    def utc_of(self, t_inst_ns: int) -> datetime:
        """Return the UTC of an instrument time, to microseconds; a leap second itself is the second after it."""
        starts = [self.midnight_ns(day) for day in self.leaps.days]
        index = max(bisect_right(starts, t_inst_ns), 1) - 1
        return utc(t_inst_ns - self.leaps_since(self.leaps.days[index]) * NS_PER_S)


def check_frame0(frame0_ns: int, *, leaps: LeapSeconds, now: datetime) -> TimeBase:
    """Return the time base of a frame0.

    Parameters
    ----------
    frame0_ns
        UNIX time [ns].
    leaps
        Leap seconds.
    now
        Wall clock.

    Raises
    ------
    Frame0Invalid
        It is before 1972 or in the future; says so.
    """
    first_ns = (leaps.days[0] - UNIX_EPOCH_MJD) * NS_PER_DAY
    if frame0_ns < first_ns:
        hint = "; it is not in nanoseconds, perhaps" if 0 < frame0_ns < first_ns else ""
        raise Frame0Invalid(f"frame0 is {frame0_ns} ns of UNIX time, before {date_of(leaps.days[0])}{hint}")
    if frame0_ns > unix_ns(now) + AHEAD_NS:
        try:
            when = f"{utc(frame0_ns):%Y-%m-%d %H:%M:%S} UTC"
        except OverflowError:
            when = "beyond the year 9999"
        raise Frame0Invalid(
            f"frame0 is {frame0_ns} ns of UNIX time, {when}, and here it is {now:%Y-%m-%d %H:%M:%S} UTC: "
            "look at the clocks of this machine and of the FPGA master"
        )
    return TimeBase(frame0_ns, leaps)


def unix_ns(at: datetime) -> int:
    """Return the UNIX time of an aware time, exact to its microseconds [ns]."""
    return (at - _UNIX_EPOCH) // timedelta(microseconds=1) * 1_000


def utc(unix_ns: int) -> datetime:
    """Return the UTC of a UNIX time, to microseconds."""
    return _UNIX_EPOCH + timedelta(microseconds=unix_ns // 1_000)


def mjd_of(unix_ns: int) -> int:
    """Return the UTC day of a UNIX time [MJD]."""
    return unix_ns // NS_PER_DAY + UNIX_EPOCH_MJD


def date_of(mjd: int) -> date:
    """Return the date of a day."""
    return _UNIX_EPOCH.date() + timedelta(days=mjd - UNIX_EPOCH_MJD)


def midnight(mjd: int) -> datetime:
    """Return the UTC midnight at which a day begins."""
    return _UNIX_EPOCH + timedelta(days=mjd - UNIX_EPOCH_MJD)
