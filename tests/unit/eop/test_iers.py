"""IERS data are read from files, never from the network, and say how old they are."""

import bz2
import gzip
import lzma
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from astropy.utils import data as astropy_data
from astropy.utils import iers as astropy_iers

from conche.contract import EopData
from conche.eop.iers import (
    Day,
    Iers,
    IersUnreadable,
    read_bundled,
    read_bundled_b,
    read_file,
    read_leap_seconds,
    warning_of,
)
from conche.eop.table import TableImpossible, build, days_around
from conche.eop.times import LeapSeconds, TimeBase

NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
LEAPS = LeapSeconds((41_317,), (10,), expires=99_999)


def data(**days: int) -> EopData:
    """Data that run out in some days."""
    return EopData(source="test", measured_to=NOW, age_days=0, runs_out_at=NOW + timedelta(**days))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **_: Any) -> NoReturn:
        raise AssertionError(f"somebody asks the network: {arguments}")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
def test_reading_asks_no_network_however_old_the_data_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(astropy_iers.conf, "auto_max_age", 10.0)
    monkeypatch.setattr(astropy_iers.conf, "auto_download", True)
    iers, leaps = read_bundled(), read_leap_seconds()
    read_bundled_b()
    assert build(days_around(NOW, before=2, after=2), base=TimeBase(10**18, leaps), iers=iers)
    assert not astropy_iers.conf.auto_download


@pytest.mark.usefixtures("no_network")
def test_a_path_that_looks_like_an_address_is_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(IersUnreadable, match=r"can't be read: No such file"):
        read_file(Path("https://datacenter.iers.org/data/9/finals2000A.all"))


def test_astropy_s_own_settings_are_left_as_they_were_but_for_downloads():
    before = astropy_data.conf.allow_internet
    read_leap_seconds()
    assert astropy_data.conf.allow_internet == before


def test_what_is_bundled_reaches_beyond_what_was_measured():
    iers = read_bundled()
    told = iers.describe(NOW)
    assert told.source.startswith("finals2000A of astropy-iers-data ")
    assert told.predicted_from is not None
    assert told.measured_to < told.predicted_from <= told.measured_to + timedelta(days=1) < told.runs_out_at
    assert iers.days[iers.measured_to + 1].predicted
    assert not iers.days[iers.measured_to].predicted


def test_final_values_hold_no_prediction():
    assert read_bundled_b().describe(NOW).predicted_from is None


def test_both_formats_are_told_apart_by_their_content(tmp_path: Path):
    rapid, final = tmp_path / "one", tmp_path / "other"
    lines = Path(astropy_iers.IERS_A_FILE).read_text().splitlines(keepends=True)
    rapid.write_text("".join(lines[-800:]))
    final.write_bytes(Path(astropy_iers.IERS_B_FILE).read_bytes())
    assert read_file(rapid).days[61_100] == read_bundled().days[61_100]
    assert read_file(final).days[61_100] == read_bundled_b().days[61_100]
    assert read_file(final).source == str(final)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404</html>\n", b"# eopc04\n# nothing\n", b"\0\xff" * 500 + b"\n", b"1 2 3\n4 5 6\n"],
    ids=["empty", "page", "comments", "bytes", "numbers"],
)
def test_a_file_of_something_else_is_refused_with_what_it_takes(content: bytes, tmp_path: Path):
    path = tmp_path / "finals"
    path.write_bytes(content)
    with pytest.raises(IersUnreadable, match=r"holds no IERS data.*finals2000A\.all|has no days"):
        read_file(path)


PACK = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.01])
def test_a_compressed_file_whole_or_damaged_is_refused_in_words(kind: str, share: float, tmp_path: Path):
    data = PACK[kind](Path(astropy_iers.IERS_A_FILE).read_bytes()[-100_000:])
    path = tmp_path / "finals"
    path.write_bytes(data[: round(len(data) * share)])
    with pytest.raises(IersUnreadable, match="it is compressed: unpack it"):
        read_file(path)


def recent() -> bytes:
    """Bundled data of some years, to the last day that has values."""
    lines = Path(astropy_iers.IERS_A_FILE).read_bytes().splitlines(keepends=True)
    return b"".join([line for line in lines if line[58:68].strip()][-1500:])


@pytest.mark.parametrize("cut", range(1, 188, 7))
def test_a_file_that_was_cut_short_is_refused_wherever(cut: int, tmp_path: Path):
    path = tmp_path / "finals"
    path.write_bytes(recent()[: -200 * 188 - cut])
    with pytest.raises(IersUnreadable, match="its last line is not whole"):
        read_file(path)


@pytest.mark.parametrize(("begin", "end", "what"), [(61, 68, "UT1 jumps"), (21, 27, "the pole jumps")])
def test_a_number_that_lost_its_last_digits_is_noticed(begin: int, end: int, what: str, tmp_path: Path):
    lines = recent().splitlines(keepends=True)
    number = max(n for n, line in enumerate(lines) if abs(float(line[58:68])) > 0.03)
    line = lines[number]
    lines[number] = line[:begin] + b" " * (end - begin) + line[end:]
    path = tmp_path / "finals"
    path.write_bytes(b"".join(lines))
    with pytest.raises(IersUnreadable, match=rf"{what} by .*: it is damaged"):
        read_file(path)


def test_a_leap_second_in_the_data_is_no_damage_of_them(tmp_path: Path):
    lines = recent().splitlines(keepends=True)
    for n, line in enumerate(lines[-300:], start=len(lines) - 300):
        lines[n] = line[:58] + b"%10.7f" % (float(line[58:68]) + 1) + line[68:154] + b" " * 11 + line[165:]
    path = tmp_path / "finals"
    path.write_bytes(b"".join(lines))
    assert len(read_file(path).days) == 1500


def test_the_remedy_names_the_file_where_a_file_is_read(tmp_path: Path):
    path = tmp_path / "finals"
    path.write_bytes(recent())
    assert read_file(path).remedy == f"put newer data into {path}"
    with pytest.raises(TableImpossible, match=f"put newer data into {path}"):
        build(range(70_000, 70_002), base=TimeBase(10**18, LEAPS), iers=read_file(path))


def test_a_file_with_a_hole_in_it_is_refused(tmp_path: Path):
    lines = Path(astropy_iers.IERS_A_FILE).read_text().splitlines(keepends=True)[-800:]
    path = tmp_path / "finals"
    path.write_text("".join(lines[:100] + lines[103:]))
    with pytest.raises(IersUnreadable, match="lacks some"):
        read_file(path)


def test_a_warning_comes_long_before_the_data_run_out():
    assert warning_of(data(days=31), LEAPS, now=NOW, warn_days=30) is None
    words = warning_of(data(days=29), LEAPS, now=NOW, warn_days=30)
    assert words is not None
    assert "end on 2026-12-20" in words
    assert "astropy-iers-data" in words


def test_a_warning_comes_long_before_leap_seconds_are_not_known_any_more():
    leaps = LeapSeconds((41_317,), (10,), expires=61_390)
    words = warning_of(data(days=300), leaps, now=NOW, warn_days=30)
    assert words is not None
    assert words.startswith("leap seconds are known until 2026-12-16")


def test_age_is_counted_from_the_last_day_that_was_measured():
    iers = Iers("test", {61_330: Day(0, 0, 0), 61_331: Day(0, 0, 0, predicted=True)})
    assert iers.describe(NOW).age_days == 61_365 - 61_330
