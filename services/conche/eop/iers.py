"""UT1 and polar motion as the IERS publishes them, read from files; the network is never asked.

Rapid data and predictions are finals2000A (IERS-A, Bulletin A; where there are, the final values of Bulletin B);
eopc04 (IERS-B) has final values only, and ends a month ago. Both, and the leap seconds, come with the package
astropy-iers-data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.utils import data as astropy_data
from astropy.utils import iers as astropy_iers

from conche.contract import EopData

from .smooth import JUMP_S, POLE_AS, UT1_S
from .times import LeapSeconds, date_of, midnight, mjd_of, unix_ns

PACKAGE: Final = "astropy-iers-data"
UPGRADE: Final = f"pip install --upgrade {PACKAGE}"
NEWER: Final = f"newer data come with {UPGRADE}"
"""The remedy where the installed data are used."""

SMOOTH_FROM: Final = 50_000
"""From this day on the pole is known so well that it never jumps [MJD]: 1995; before it does, in both series."""

_COMPRESSED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7z", b"PK", b"\x1f\x9d")
"""How gzip, bzip2, xz, zip and compress begin: astropy would unpack them, and break down over a damaged one."""

_PREDICTED: Final = "P"
"""Flag of finals2000A."""

_UNREADABLE: Final = (OSError, ValueError, KeyError, IndexError, TypeError)
"""What astropy raises over a file that is none, by kind of damage."""


class IersUnreadable(ValueError):
    """A file holds no IERS data; says which would."""


@dataclass(frozen=True, slots=True)
class Day:
    """The Earth's orientation at one UTC midnight.

    Parameters
    ----------
    ut1_utc_s
        UT1 - UTC [s].
    xp_as, yp_as
        The pole [arcsec].
    predicted
        Whether it is a prediction.
    """

    ut1_utc_s: float
    xp_as: float
    yp_as: float
    predicted: bool = False


@dataclass(frozen=True)
class Iers:
    """IERS data.

    Parameters
    ----------
    source
        Which they are, in words.
    days
        By day [MJD], every one from the first to the last.
    remedy
        How newer ones come, in words.
    """

    source: str
    days: Mapping[int, Day]
    remedy: str = NEWER

    @cached_property
    def first(self) -> int:
        """The first day [MJD]."""
        return min(self.days)

    @cached_property
    def last(self) -> int:
        """The last day [MJD]."""
        return max(self.days)

    @cached_property
    def measured_to(self) -> int:
        """The last day that was measured [MJD]."""
        return max((mjd for mjd, day in self.days.items() if not day.predicted), default=self.first)

    def describe(self, now: datetime) -> EopData:
        """Return how old the data are, and how far they reach."""
        predicted = self.measured_to < self.last
        return EopData(
            source=self.source,
            measured_to=midnight(self.measured_to),
            age_days=mjd_of(unix_ns(now)) - self.measured_to,
            predicted_from=midnight(self.measured_to + 1) if predicted else None,
            runs_out_at=midnight(self.last),
        )


def warning_of(
    iers: EopData, leaps: LeapSeconds, *, now: datetime, warn_days: int, remedy: str = NEWER
) -> str | None:
    """Return what somebody should see to before it is too late, in words, or None.

    Parameters
    ----------
    iers
        The data.
    leaps
        Leap seconds.
    now
        Wall clock.
    warn_days
        So long before the data run out, or leap seconds are not known any more [d].
    remedy
        How newer data come, in words; leap seconds always come with the package.
    """
    soon = now + timedelta(days=warn_days)
    if iers.runs_out_at <= soon:
        return f"the IERS data end on {iers.runs_out_at:%Y-%m-%d} ({iers.source}): {remedy}"
    if midnight(leaps.expires) <= soon:
        return f"leap seconds are known until {midnight(leaps.expires):%Y-%m-%d} only: {UPGRADE}"
    return None


def read_bundled() -> Iers:
    """Return the finals2000A of the installed astropy-iers-data."""
    return _read_a(Path(astropy_iers.IERS_A_FILE), f"finals2000A of {_package()}")


def read_bundled_b() -> Iers:
    """Return the eopc04 of the installed astropy-iers-data: final values only."""
    return _read_b(Path(astropy_iers.IERS_B_FILE), f"eopc04 of {_package()}")


def read_file(path: Path) -> Iers:
    """Return what a file holds, in the format of finals2000A or eopc04.

    Raises
    ------
    IersUnreadable
        It holds neither, or not the whole of it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise IersUnreadable(f"{path}: can't be read: {error.strerror or error}") from None
    if data.startswith(_COMPRESSED):
        raise IersUnreadable(f"{path}: holds no IERS data as they are, it is compressed: unpack it")
    if data and not data.endswith(b"\n"):
        raise IersUnreadable(f"{path}: its last line is not whole: the file was cut short")
    iers = _read_b(path, str(path)) if data.startswith(b"#") else _read_a(path, str(path))
    return replace(iers, remedy=f"put newer data into {path}")


@cache
def read_leap_seconds() -> LeapSeconds:
    """Return the leap seconds of the installed astropy-iers-data, up to its date of expiry."""
    with _offline():
        table = astropy_iers.LeapSeconds.from_iers_leap_seconds(astropy_iers.IERS_LEAP_SECOND_FILE)
    return LeapSeconds(
        days=tuple(round(float(mjd)) for mjd in table["mjd"]),
        tai_utc=tuple(int(seconds) for seconds in table["tai_utc"]),
        expires=round(float(table.expires.mjd)),
    )


def _package() -> str:
    return f"{PACKAGE} {version(PACKAGE)}"


def _offline() -> Any:
    """Keep astropy from the network, whatever its own configuration says."""
    astropy_iers.conf.auto_download = False
    return astropy_data.conf.set_temp("allow_internet", False)


def _read_a(path: Path, source: str) -> Iers:
    table = _read(astropy_iers.IERS_A, path)
    flags = zip(table["UT1Flag"], table["PolPMFlag"], strict=True)
    return _iers(table, source, [_PREDICTED in pair for pair in flags])


def _read_b(path: Path, source: str) -> Iers:
    table = _read(astropy_iers.IERS_B, path)
    return _iers(table, source, [False] * len(table))


def _read(kind: Any, path: Path) -> Any:
    if not path.is_file():
        raise IersUnreadable(f"{path}: there is no such file")
    try:
        with _offline():
            return kind.read(str(path))
    except _UNREADABLE as error:
        raise IersUnreadable(
            f"{path}: holds no IERS data ({type(error).__name__}): it takes finals2000A.all or eopc04, as from "
            f"{astropy_iers.IERS_A_URL}"
        ) from None


def _iers(table: Any, source: str, predicted: list[bool]) -> Iers:
    columns = [np.asarray(table[name], dtype=float) for name in ("MJD", "UT1_UTC", "PM_x", "PM_y")]
    rows = np.stack(columns, axis=1)
    days = {
        round(mjd): Day(ut1, x, y, guess)
        for (mjd, ut1, x, y), guess in zip(rows.tolist(), predicted, strict=True)
        if np.isfinite([ut1, x, y]).all()
    }
    if not days or max(days) - min(days) + 1 != len(days):
        raise IersUnreadable(f"{source}: has no days, or lacks some between the first and the last")
    iers = Iers(source, days)
    _check_smooth(iers)
    return iers


def _check_smooth(iers: Iers) -> None:
    """Refuse damaged values: a number that was cut short is a number too. A leap second is no damage.

    Raises
    ------
    IersUnreadable
        Says on which day.
    """
    for mjd in range(max(iers.first, SMOOTH_FROM) + 1, iers.last + 1):
        one, other = iers.days[mjd - 1], iers.days[mjd]
        ut1_s = other.ut1_utc_s - one.ut1_utc_s
        ut1_s -= round(ut1_s) if abs(ut1_s) > JUMP_S else 0
        if abs(ut1_s) > UT1_S:
            raise IersUnreadable(
                f"{iers.source}: UT1 jumps by {ut1_s:+.4f} s on {date_of(mjd)}: it is damaged"
            )
        pole_as = max(abs(other.xp_as - one.xp_as), abs(other.yp_as - one.yp_as))
        if pole_as > POLE_AS:
            raise IersUnreadable(
                f"{iers.source}: the pole jumps by {pole_as:.3f} arcsec on {date_of(mjd)}: it is damaged"
            )
