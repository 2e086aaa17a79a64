"""The status strip: colour, text and tooltip of each pill."""

from datetime import timedelta

import pytest

from conche.contract import EopState, EopStatus, EopTarget, FpgaState, FpgaStatus, Outcome
from conche.gateway.picture import Picture
from conche.gateway.strip import Strip, strip_of

from .picture_samples import NOW, birth, picture, status


def seen(one: Picture) -> Strip:
    return strip_of(one, NOW)


@pytest.mark.parametrize(
    ("state", "colour", "text"),
    [
        ("good", "green", "FPGA: timing ok"),
        ("degraded", "yellow", "FPGA: no frame0"),
        ("down", "red", "FPGA: down"),
        ("unconfigured", "grey", "FPGA: not configured"),
    ],
)
def test_the_fpga_pill_has_chocos_colours(state: str, colour: str, text: str):
    one = picture(cx1=status())
    one.on_birth({"service": "fpga"}, birth())
    one.on_fpga({}, FpgaStatus(state=FpgaState(state), url="http://chive:54321", frame0_ns=5))
    pill = seen(one).fpga
    assert (pill.colour, pill.text) == (colour, text)
    assert "host: http://chive:54321" in pill.tooltip
    assert "frame0_ns: 5" in pill.tooltip


def test_what_the_fpga_service_said_is_not_believed_when_it_is_gone():
    one = picture(cx1=status())
    one.on_birth({"service": "fpga"}, birth("lost"))
    one.on_fpga({}, FpgaStatus(state=FpgaState.GOOD))
    pill = seen(one).fpga
    assert (pill.colour, pill.text) == ("grey", "FPGA: unknown")
    assert "fpga is lost" in pill.tooltip


@pytest.mark.parametrize(
    ("state", "hours", "colour"),
    [("fresh", 1, "green"), ("fresh", 26, "yellow"), ("stale", 30, "yellow"), ("failed", 1, "red"),
     ("never", None, "grey")],
)  # fmt: skip
def test_the_eop_pill_has_chocos_colours(state: str, hours: int | None, colour: str):
    one = picture(cx1=status())
    at = None if hours is None else NOW - timedelta(hours=hours)
    targets = {
        "cx/cx1": EopTarget(outcome=Outcome.OK),
        "cx/cx2": EopTarget(outcome=Outcome.HELD),
        "recv/all": EopTarget(outcome=Outcome.SKIPPED, concerned=False),
    }
    one.on_eop({}, EopStatus(state=EopState(state), last_success_at=at, targets=targets))
    pill = seen(one).eop
    assert pill.colour == colour
    assert "nodes: 1 of 2 have it" in pill.tooltip


def test_what_nobody_has_said_anything_of_is_grey():
    strip = seen(picture(cx1=status()))
    assert strip.fpga.colour == strip.eop.colour == "grey"
    assert strip.fpga.tooltip == "fpga has never been online"


def test_services_are_green_while_all_that_is_needed_is_there():
    pill = seen(picture(cx1=status())).services
    assert (pill.colour, pill.text) == ("green", "services: 3 online")


@pytest.mark.parametrize(
    ("service", "instance", "state", "colour"),
    [
        ("renderer", None, "lost", "red"),
        ("renderer", None, "offline", "red"),
        ("sync", "cx", "lost", "red"),
        ("poller", "main", "lost", "red"),
        ("eop", None, "lost", "yellow"),
        ("journal", None, "lost", "yellow"),
        ("journal", None, "offline", "green"),
    ],
)
def test_services_that_are_missed_show(service: str, instance: str | None, state: str, colour: str):
    one = picture(cx1=status())
    params = {"service": service} | ({"instance": instance} if instance else {})
    one.on_birth(params, birth(state))
    pill = seen(one).services
    assert pill.colour == colour
    assert "/".join(params.values()) in pill.tooltip


def test_a_conche_of_which_nothing_is_known_is_red():
    pill = seen(Picture()).services
    assert (pill.colour, pill.text) == ("red", "services: poller and 1 more away")
