"""Tables against an independent computation: ERFA and astropy called directly, from calendar dates."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import erfa
import pytest
from astropy.time import Time
from astropy.utils import iers as astropy_iers

from conche.contract import EopEntry
from conche.eop.fields import NEW, payload_of
from conche.eop.iers import Day, Iers, read_bundled, read_bundled_b, read_leap_seconds
from conche.eop.making import make
from conche.eop.table import TableImpossible, build, check_leap_seconds, days_around
from conche.eop.times import (
    Frame0Invalid,
    LeapSeconds,
    TimeBase,
    check_frame0,
    date_of,
    midnight,
    mjd_of,
    unix_ns,
    utc,
)

LEAPS = read_leap_seconds()
RAPID = astropy_iers.IERS_A.read(astropy_iers.IERS_A_FILE)
FINAL = astropy_iers.IERS_B.read(astropy_iers.IERS_B_FILE)
BEFORE_BOTH = 1_400_000_000_123_456_789
BETWEEN = 1_451_606_399_999_999_999
AFTER_BOTH = 1_483_228_800_000_000_001
FRAME0S = [BEFORE_BOTH, BETWEEN, AFTER_BOTH, 1_435_708_799_999_999_999, 1_435_708_800_000_000_000]
DAYS = [datetime(2015, 6, 29, 12, tzinfo=UTC), datetime(2015, 6, 30, 23, 59, 59, tzinfo=UTC),
        datetime(2015, 7, 1, tzinfo=UTC), datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2017, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(2017, 1, 2, 18, tzinfo=UTC)]  # fmt: skip


@pytest.fixture(scope="module")
def rapid() -> Iers:
    return read_bundled()


@pytest.fixture(scope="module")
def final() -> Iers:
    return read_bundled_b()


def tai_of(ns: int) -> tuple[float, float]:
    """TAI of a UNIX time as a two-part Julian date, from its calendar date."""
    at = datetime(1970, 1, 1) + timedelta(seconds=ns // 1_000_000_000)
    seconds = at.second + ns % 1_000_000_000 * 1e-9
    quasi = erfa.dtf2d("UTC", at.year, at.month, at.day, at.hour, at.minute, seconds)
    tai = erfa.utctai(*quasi)
    return float(tai[0]), float(tai[1])


def independent(mjd: int, frame0_ns: int, table: astropy_iers.IERS) -> tuple[int, float, float, float]:
    """Instrument time [ns], UT1 minus it [s] and the pole [arcsec]."""
    time = Time(mjd, format="mjd", scale="utc")
    tai, tai0 = erfa.utctai(2_400_000.5 + mjd, 0.0), tai_of(frame0_ns)
    elapsed = Fraction(float(tai[0])) + Fraction(float(tai[1])) - Fraction(tai0[0]) - Fraction(tai0[1])
    dut1 = table.ut1_utc(time).to_value("s")
    ut1 = erfa.utcut1(2_400_000.5 + mjd, 0.0, dut1)
    at = datetime(1970, 1, 1) + timedelta(seconds=frame0_ns // 1_000_000_000)
    ut1_tai_s = ((ut1[0] - tai[0]) + (ut1[1] - tai[1])) * 86_400
    x, y = table.pm_xy(time)
    leaps0 = float(erfa.dat(at.year, at.month, at.day, 0.0))
    return (
        frame0_ns + round(elapsed * 86_400 * 10**9),
        ut1_tai_s + leaps0,
        x.to_value("arcsec"),
        y.to_value("arcsec"),
    )


@pytest.mark.parametrize("frame0_ns", FRAME0S)
@pytest.mark.parametrize("now", DAYS, ids=str)
@pytest.mark.parametrize("kind", ["rapid", "final"])
def test_a_table_agrees_with_erfa_to_the_nanosecond_and_1e_9(
    frame0_ns: int, now: datetime, kind: str, rapid: Iers, final: Iers
):
    iers, table = (rapid, RAPID) if kind == "rapid" else (final, FINAL)
    days = days_around(now, before=2, after=2)
    for mjd, entry in zip(days, build(days, base=TimeBase(frame0_ns, LEAPS), iers=iers), strict=True):
        t_inst_ns, delta, x, y = independent(mjd, frame0_ns, table)
        assert entry.t_inst_ns == t_inst_ns
        assert entry.delta_UT1_inst == pytest.approx(delta, abs=1e-9)
        assert entry.xp_as == pytest.approx(x, abs=1e-9)
        assert entry.yp_as == pytest.approx(y, abs=1e-9)


@pytest.mark.parametrize("frame0_ns", FRAME0S)
def test_instrument_time_goes_on_and_ut1_drifts_slowly_over_a_leap_second(frame0_ns: int, rapid: Iers):
    days = days_around(datetime(2016, 12, 31, 12, tzinfo=UTC), before=2, after=2)
    entries = build(days, base=TimeBase(frame0_ns, LEAPS), iers=rapid)
    steps_s = [(b.t_inst_ns - a.t_inst_ns) / 1e9 for a, b in pairwise(entries)]
    assert steps_s == [86_400, 86_400, 86_401, 86_400, 86_400]
    assert all(abs(b.delta_UT1_inst - a.delta_UT1_inst) < 0.004 for a, b in pairwise(entries))


def test_values_are_those_that_a_kotekan_of_the_pathfinder_was_given(rapid: Iers):
    """The day before its frame0 of 2026-03-06, from IERS data that were refined since."""
    base = TimeBase(1_772_838_439_000_002_880, LEAPS)
    entry = build(range(61_103, 61_104), base=base, iers=rapid)[0]
    assert entry.t_inst_ns == 1_772_582_400_000_000_000
    assert entry.delta_UT1_inst == pytest.approx(0.0656707, abs=1e-3)
    assert entry.xp_as == pytest.approx(0.105507, abs=1e-3)
    assert entry.yp_as == pytest.approx(0.391049, abs=1e-3)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 2), (1, 5)])
@pytest.mark.parametrize("now", DAYS, ids=str)
def test_the_interval_that_contains_now_is_between_those_before_and_after(
    now: datetime, before: int, after: int
):
    days = days_around(now, before=before, after=after)
    assert len(days) == before + after + 2
    assert midnight(days[before]) <= now < midnight(days[before + 1])


@pytest.mark.parametrize("frame0_ns", FRAME0S)
@pytest.mark.parametrize("now", DAYS, ids=str)
def test_the_utc_of_an_instrument_time_is_where_it_came_from(frame0_ns: int, now: datetime):
    base = TimeBase(frame0_ns, LEAPS)
    assert base.utc_of(base.t_inst_ns(unix_ns(now))) == now


@pytest.mark.parametrize(
    ("frame0_ns", "words"),
    [
        (-1, "before 1972"),
        (0, "before 1972"),
        (1_772_838_439, "not in nanoseconds"),
        (63_071_999_999_999_999, "before 1972"),
        (1_800_000_000_000_000_000, "look at the clocks"),
        (10**23, "beyond the year 9999"),
    ],
)
def test_a_frame0_that_can_not_be_is_refused_in_words(frame0_ns: int, words: str):
    with pytest.raises(Frame0Invalid, match=words):
        check_frame0(frame0_ns, leaps=LEAPS, now=datetime(2026, 11, 21, tzinfo=UTC))


@pytest.mark.parametrize("frame0_ns", [63_072_000_000_000_000, 1_795_219_200_000_000_000])
def test_a_frame0_of_1972_or_of_this_moment_is_taken(frame0_ns: int):
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert check_frame0(frame0_ns, leaps=LEAPS, now=now).frame0_ns == frame0_ns


@pytest.mark.parametrize("now", [datetime(1972, 6, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)])
def test_a_time_that_the_data_do_not_reach_is_refused_with_a_remedy(now: datetime, rapid: Iers):
    with pytest.raises(TableImpossible, match=r"it reaches from 1973-01-02 to .*pip install --upgrade"):
        build(days_around(now, before=2, after=2), base=TimeBase(BETWEEN, LEAPS), iers=rapid)


def test_a_leap_second_that_the_list_lacks_is_noticed(rapid: Iers):
    without = LeapSeconds(LEAPS.days[:-1], LEAPS.tai_utc[:-1], LEAPS.expires)
    days = days_around(datetime(2017, 1, 1, tzinfo=UTC), before=2, after=2)
    with pytest.raises(TableImpossible, match=r"UT1 would jump by \+\d.* on 2017-01-01: a leap second"):
        build(days, base=TimeBase(BETWEEN, without), iers=rapid)


def drifting(first: int, last: int, *, leap: int | None = None) -> Iers:
    """Data whose UT1 - UTC goes down by a millisecond a day, and up by a second on one."""
    return Iers("test", {
        mjd: Day((first - mjd) * 1e-3 + (leap is not None and mjd >= leap), 0.1, 0.3)
        for mjd in range(first, last + 1)
    })  # fmt: skip


def test_a_leap_second_of_months_ago_that_the_list_lacks_fails_a_table_of_today():
    leap = 61_200
    now = midnight(61_400)
    iers = drifting(61_000, 61_500, leap=leap)
    with pytest.raises(
        TableImpossible, match=rf"UT1 would jump by \+0\.999 s on {date_of(leap)}: .* pip install"
    ):
        make(AFTER_BOTH, iers=iers, now=now, before=2, after=2)
    later = LeapSeconds((*LEAPS.days, leap), (*LEAPS.tai_utc, 38), 99_999)
    check_leap_seconds(iers, later, until=61_404)
    with pytest.raises(TableImpossible, match=r"jump by -1\.001 s"):
        check_leap_seconds(drifting(61_000, 61_500), later, until=61_404)


def test_a_leap_second_that_is_to_come_after_the_table_fails_nothing_yet():
    iers = drifting(61_000, 61_500, leap=61_450)
    made = make(AFTER_BOTH, iers=iers, now=midnight(61_400), before=2, after=2)
    assert [round(e.delta_UT1_inst + 0.398, 9) for e in made.table.entries] == [
        0,
        -1e-3,
        -2e-3,
        -3e-3,
        -4e-3,
        -5e-3,
    ]


def test_the_bundled_data_and_leap_seconds_agree(rapid: Iers, final: Iers):
    for iers in (rapid, final):
        check_leap_seconds(iers, LEAPS, until=iers.last)


def test_a_value_that_was_cut_short_is_no_value():
    iers = drifting(61_000, 61_500)
    assert isinstance(iers.days, dict)
    iers.days[61_402] = Day(-0.3, 0.1, 0.3)
    with pytest.raises(TableImpossible, match="it drifts by milliseconds: the IERS data are damaged"):
        make(AFTER_BOTH, iers=iers, now=midnight(61_400), before=2, after=2)


# Published values, as they stand in the columns of the files: read here without astropy.


def columns_of_finals(day: str) -> tuple[float, float, float]:
    """UT1 - UTC [s] and the pole [arcsec] of a line such as ``15 7 1``; Bulletin B's, where it has them.

    Columns as in https://maia.usno.navy.mil/ser7/readme.finals2000A: x 19-27 or 135-144, y 38-46 or 145-154, UT1 - UTC
    59-68 or 155-165.
    """
    lines = Path(astropy_iers.IERS_A_FILE).read_text().splitlines()
    line = next(line for line in lines if line[:6] == day)
    rapid = (line[58:68], line[18:27], line[37:46])
    final = (line[154:165], line[134:144], line[144:154])
    ut1, x, y = map(float, final if all(one.strip() for one in final) else rapid)
    return ut1, x, y


@pytest.mark.parametrize(
    ("day", "published", "leaps"),
    [
        (datetime(2015, 6, 30), (-0.6760362, 0.140827, 0.448895), -1),
        (datetime(2015, 7, 1), (0.3233627, 0.142150, 0.448167), 0),
        (datetime(2016, 12, 31), (-0.4077600, 0.081318, 0.262990), 0),
        (datetime(2017, 1, 1), (0.5912975, 0.080450, 0.263074), 1),
    ],
    ids=["2015-06-30", "2015-07-01", "2016-12-31", "2017-01-01"],
)
def test_values_are_those_that_the_iers_has_published(
    day: datetime, published: tuple[float, float, float], leaps: int, rapid: Iers
):
    """frame0 lies between the leap seconds of 2015 and 2016; the literal values are those of Bulletin B."""
    line = f"{day:%y}{day.month:2}{day.day:2}"
    assert columns_of_finals(line) == pytest.approx(published, abs=1e-9)
    mjd = mjd_of(unix_ns(day.replace(tzinfo=UTC)))
    (entry,) = build(range(mjd, mjd + 1), base=TimeBase(BETWEEN, LEAPS), iers=rapid)
    assert entry.delta_UT1_inst == pytest.approx(published[0] - leaps, abs=1e-9)
    assert (entry.xp_as, entry.yp_as) == pytest.approx(published[1:], abs=1e-9)


def test_every_value_of_ten_years_is_that_of_its_line(rapid: Iers, final: Iers):
    wanted = {}
    for line in Path(astropy_iers.IERS_B_FILE).read_text().splitlines():
        if not line.startswith("#") and (at := line.split())[0] >= "2014":
            wanted[round(float(at[4]))] = (float(at[7]), float(at[5]), float(at[6]))
    assert len(wanted) > 3650
    for mjd, values in wanted.items():
        day = final.days[mjd]
        assert (day.ut1_utc_s, day.xp_as, day.yp_as) == pytest.approx(values, abs=1e-9)
        assert rapid.days[mjd].ut1_utc_s == pytest.approx(values[0], abs=1e-3)


def test_days_and_dates_agree():
    assert mjd_of(unix_ns(datetime(2017, 1, 1, tzinfo=UTC))) == 57_754
    assert str(date_of(57_754)) == "2017-01-01"
    assert utc(1_483_228_800_000_000_000) == midnight(57_754) == datetime(2017, 1, 1, tzinfo=UTC)


def test_an_entry_s_fields_are_named_as_kotekan_has_them():
    entry = EopEntry(t_inst_ns=1, delta_UT1_inst=0.1, xp_as=0.2, yp_as=0.3, predicted=True)
    (told,) = payload_of([entry], NEW)
    assert told == {"t_inst_ns": 1, "delta_UT1_inst": 0.1, "xp_as": 0.2, "yp_as": 0.3}
