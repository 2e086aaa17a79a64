"""The FPGA master in one line, beside other things."""

from typing import Any

import pytest

from conche.bus.feed import News
from conche.cli.frame0 import FpgaView, ago, fpga_view, instant
from conche.cli.overview import overview
from conche.cli.watch.header import header
from conche.cli.watch.live import Live
from conche.client.targets import resolve
from conche.contract import FPGA, FpgaState, FpgaStatus, Health

from .samples import NOW, birth, picture, status

FRAME0 = 1_795_228_867_810_864_774
HOUR_NS = 3600 * 10**9


def fpga(state: str = "good", **fields: Any) -> FpgaStatus:
    frame0_ns = FRAME0 if state == "good" else None
    return FpgaStatus(**{"state": FpgaState(state), "frame0_ns": frame0_ns, **fields})


def words(one: FpgaStatus, away: str | None = None) -> str:
    return FpgaView(one, away).words(NOW).plain


def test_a_good_one_has_its_frame0_and_its_age():
    assert words(fpga()) == "good  frame0 2026-11-21 02:41:07Z, 18 min ago"


def test_a_bad_one_has_its_error_in_one_line_that_does_no_harm():
    assert words(fpga("down", error="GET /status:\nrefused\x1b[2J")) == "down  GET /status: refused·[2J"


def test_one_that_nobody_looks_after_is_said_to_be_old():
    assert words(fpga(), "fpga is lost").startswith("fpga is lost; the last that it said: good")


@pytest.mark.parametrize(
    ("state", "away", "health"),
    [
        ("good", None, Health.NORMAL),
        ("degraded", None, Health.WARNING),
        ("down", None, Health.ERROR),
        ("good", "lost", Health.WARNING),
        ("down", "lost", Health.ERROR),
    ],
)
def test_it_is_as_bad_as_this(state: str, away: str | None, health: Health):
    assert FpgaView(fpga(state), away).health is health
    one = picture({"cx/cx1": status()}, fpga="online" if away is None else "lost")
    found = overview(one, resolve(["all"], one.groups()), NOW, fpga=fpga(state))
    assert found.health is (Health.ERROR if away else health)  # a service that is lost is a problem by itself


def test_where_nothing_was_ever_said_there_is_nothing_to_show():
    assert fpga_view(None, birth()) is None
    assert fpga_view(fpga(), birth()) is not None


@pytest.mark.parametrize("state", ["online", "lost"])
def test_where_none_is_configured_that_is_said_dimly_and_is_nobody_s_trouble(state: str):
    view = fpga_view(fpga("unconfigured"), birth(state))
    assert view is not None
    line = view.words(NOW)
    assert "unconfigured  no FPGA master: the setting fpga.url names it" in line.plain
    assert any("dim" in str(part.style) for part in [line, *line.spans])
    assert view.health is Health.NORMAL


def test_times_of_the_instrument_are_shown_to_the_nanosecond():
    assert instant(FRAME0) == "2026-11-21 02:41:07.810864774Z"
    assert instant(1) == "1970-01-01 00:00:00.000000001Z"
    assert ago(FRAME0 - 2 * HOUR_NS, NOW) == "2 h ago"


# --- watched


def heard(live: Live, one: FpgaStatus | None) -> bool:
    live.take(News(FPGA, "fpga", {}, one), 0.0)
    return live.settle(0.0).others


def test_the_live_picture_takes_each_change_once_and_has_a_line_for_it():
    live = Live()
    live.settle(0.0)
    assert heard(live, fpga())
    assert not heard(live, fpga())
    live.picture.births["fpga"] = birth()
    shown = [line.plain for line in header(live, room=10, now=NOW)]
    assert "fpga    good  frame0 2026-11-21 02:41:07Z, 18 min ago" in shown
    assert heard(live, None)
    assert live.fpga is None


def test_the_live_picture_is_as_bad_as_its_fpga_master():
    live = Live()
    live.picture = picture({})
    live.picture.births["fpga"] = birth()
    assert live.health is Health.NORMAL
    heard(live, fpga("down"))
    assert live.health is Health.ERROR
