"""What the gateway knows of the broker."""

from datetime import timedelta

from conche.gateway.picture import Picture

from .picture_samples import NOW, birth, observed, picture, status, sweep

CX1 = {"group": "cx", "node": "cx1"}
KEY = ("cx", "cx1")


def test_an_absent_registry_changes_nothing():
    one = picture(cx1=status())
    one.on_registry({}, None)
    assert list(one.groups["cx"]) == ["cx1"]


def test_what_is_cleared_is_gone():
    one = picture(cx1=status())
    one.on_status(CX1, None)
    one.on_observed(CX1, observed())
    one.on_observed(CX1, None)
    assert one.statuses == {}
    assert one.observed == {}


def test_every_message_is_a_change():
    one = picture(cx1=status())
    for change in (
        lambda: one.on_status(CX1, status("stopped")),
        lambda: one.on_observed(CX1, observed()),
        lambda: one.on_sweep({}, sweep()),
        lambda: one.on_desired(CX1, None),
        lambda: one.on_fpga({}, None),
        lambda: one.on_eop({}, None),
        lambda: one.on_summary({"group": "cx"}, None),
        lambda: one.on_birth({"service": "eop"}, birth()),
    ):
        before = one.changes
        change()
        assert one.changes > before


def test_a_node_that_answers_was_seen_at_the_last_sweep():
    one = picture(cx1=status())
    assert one.last_seen(KEY) is None
    one.on_observed(CX1, observed())
    one.on_sweep({}, sweep())
    one.on_sweep({}, sweep(NOW + timedelta(seconds=2)))
    assert one.last_seen(KEY) == NOW + timedelta(seconds=2)


def test_a_node_that_is_gone_was_seen_when_it_answered_last():
    one = picture(cx1=status())
    one.on_observed(CX1, observed())
    one.on_sweep({}, sweep())
    one.on_observed(CX1, observed("refused"))
    one.on_sweep({}, sweep(NOW + timedelta(seconds=60)))
    one.on_observed(CX1, observed("unreachable"))
    assert one.last_seen(KEY) == NOW


def test_why_nobody_looks_after_a_group_is_told():
    one = picture(cx1=status())
    assert one.unserved("cx") is None
    one.on_birth({"service": "sync", "instance": "cx"}, birth("lost"))
    assert one.unserved("cx") == "no worker serves it: sync/cx is lost, it ran on vm"
    assert one.away("journal") == "journal has never been online"


def test_nothing_is_known_at_first():
    assert Picture().groups == {}
