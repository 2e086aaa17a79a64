"""The life of alerts, second by second on a clock of the test's own."""

from conche.contract.alerts import AlertKind
from conche.contract.payloads import Health
from conche.notifier.conditions import Findings, Standing
from conche.notifier.raising import PACE_WINDOW_S, Ledger
from conche.notifier.records import CALM_S

from .samples import Course, at, course, down, plan, quiet, rule, shapes, subjects

FPGA = Standing(AlertKind.FPGA_TIMING, "", "down")


def test_alert_is_told_once_it_has_lasted_and_gathered():
    ops = course()
    ops.set(down())
    assert ops.run(70) == []
    (notice,) = ops.run(1)
    assert subjects(notice) == ["cx/cx1"]
    assert notice.raised[0].since == at(1).at
    assert ops.run(3600) == []


def test_what_mends_itself_is_never_told():
    ops = course()
    for _ in range(20):
        ops.set(down())
        assert ops.run(59) == []
        ops.set()
        assert ops.run(5) == []


def test_settings_may_say_how_long_it_must_last():
    after = {kind: 0.0 for kind in AlertKind}
    ops = course(after_s=after, gather_s=0.0)
    ops.set(down())
    assert shapes(ops.run(1)) == [(1, 0, 0)]


def test_what_is_raised_within_the_gathering_time_is_one_message():
    ops = course()
    ops.set(down("cx/cx1"))
    ops.run(5)
    ops.set(down("cx/cx1"), down("cx/cx2"))
    assert shapes(ops.run(600)) == [(2, 0, 0)]


def test_storm_of_five_hundred_is_one_message_and_so_is_its_end():
    ops = course()
    nodes = [down(f"cx/cx{i}") for i in range(1, 501)]
    for i in range(0, 500, 60):  # they go down within nine seconds
        ops.set(*nodes[: i + 60])
        ops.run(1)
    assert shapes(ops.run(600)) == [(500, 0, 0)]
    for i in range(0, 500, 10):  # and come back within fifty
        ops.set(*nodes[i + 10 :])
        ops.run(1)
    assert shapes(ops.run(600)) == [(0, 0, 500)]


def test_a_slow_storm_is_a_bounded_number_of_messages_that_leave_nothing_out():
    ops = course()
    nodes = [down(f"cx/cx{i}") for i in range(1, 121)]
    told = []
    for i in range(120):  # one every 15 s, for half an hour
        ops.set(*nodes[: i + 1])
        told += ops.run(15)
    told += ops.run(600)
    assert sum(len(notice.raised) for notice in told) == 120
    assert len(told) <= 15


def test_that_it_ended_is_told_with_how_long_it_lasted():
    ops = course()
    ops.set(down())
    ops.run(720)
    ops.set()
    (notice,) = ops.run(100)
    (line,) = notice.cleared
    assert (line.lasted_s, line.ended, notice.raised) == (720, "it is started", ())
    assert ops.run(7200) == []


def test_what_has_ended_goes_along_with_what_is_new():
    ops = course()
    ops.set(down("cx/cx1"))
    ops.run(600)
    ops.set(down("cx/cx2"))
    assert shapes(ops.run(3600)) == [(1, 0, 1)]


def test_a_short_return_before_the_end_was_told_is_no_news():
    ops = course()
    ops.set(down())
    ops.run(600)
    ops.set()
    ops.run(20)
    ops.set(down())
    assert ops.run(600) == []
    ops.set()
    (notice,) = ops.run(100)
    assert notice.cleared[0].lasted_s == 1220


def test_an_alert_that_comes_and_goes_all_night_is_told_of_a_few_times():
    ops = course(repeat_s=None)
    told = []
    for _ in range(100):  # eight hours
        ops.set(down())
        told += ops.run(150)
        ops.set()
        told += ops.run(150)
    assert len(told) <= 7
    assert told[-1].raised[0].flaps
    (notice,) = ops.run(int(CALM_S) + 400)
    assert shapes([notice]) == [(0, 0, 1)]


def test_messages_to_a_channel_become_rarer_the_more_there_were():
    ops = course(after_s={kind: 0.0 for kind in AlertKind})
    standing: list[Standing] = []
    for i in range(int(PACE_WINDOW_S)):
        standing.append(down(f"cx/cx{i}"))
        ops.set(*standing)
        ops.run(1)
    assert [s for s, _ in ops.told] == [11, 32, 73, 154, 315]


def test_what_lasts_is_told_again_in_one_message():
    ops = course(repeat_s=3600.0)
    ops.set(down("cx/cx1"))
    ops.run(300)
    ops.set(down("cx/cx1"), down("cx/cx2"))
    assert shapes(ops.run(300)) == [(1, 0, 0)]
    assert shapes(ops.run(3600)) == [(0, 2, 0)]
    assert shapes(ops.run(3600)) == [(0, 2, 0)]


def test_nothing_is_told_again_where_the_settings_say_never():
    ops = course(repeat_s=None)
    ops.set(down())
    ops.run(100)
    assert ops.run(20_000) == []


# --- rules


def test_level_alerts_and_groups_decide_what_goes_where():
    drift = down("cx/cx2", kind=AlertKind.DRIFT_STAYS)
    ops = course(
        rule("ops", level=Health.ERROR), rule("night", groups=("c?",), kinds={AlertKind.DRIFT_STAYS})
    )
    ops.set(down("cx/cx1"), drift, FPGA, down("dy9/n", kind=AlertKind.DRIFT_STAYS))
    told = ops.run(600)
    assert {key for notice in told if notice.channel == "ops" for key in subjects(notice)} == {"cx/cx1", ""}
    assert [subjects(notice) for notice in told if notice.channel == "night"] == [["cx/cx2"]]


def test_an_alert_of_no_group_does_not_match_a_rule_with_groups():
    ops = course(rule(groups=("*",)))
    ops.set(FPGA)
    assert ops.run(600) == []


def test_two_rules_that_fit_tell_a_channel_once():
    ops = course(rule(), rule())
    ops.set(down())
    assert len(ops.run(600)) == 1


# --- quiet hours


def test_in_quiet_hours_nothing_is_told_and_after_them_what_still_lasts():
    ops = course(rule(quiet=quiet("02:00", "04:00")))  # it is three
    ops.set(down("cx/cx1"))
    assert ops.run(1800) == []
    ops.set(down("cx/cx1"), down("cx/cx2"))
    assert ops.run(1799) == []
    (notice,) = ops.run(12)
    assert notice.at == at(3610).at
    assert subjects(notice) == ["cx/cx1", "cx/cx2"]


def test_what_came_and_went_in_quiet_hours_is_never_told():
    ops = course(rule(quiet=quiet("02:00", "04:00")))
    ops.set(down())
    ops.run(1800)
    ops.set()
    assert ops.run(7200) == []


def test_end_of_what_was_told_before_the_quiet_hours_is_told_after_them():
    ops = course(rule(quiet=quiet("03:10", "04:00")))
    ops.set(down())
    assert shapes(ops.run(300)) == [(1, 0, 0)]
    ops.run(600)
    ops.set()
    assert ops.run(2700) == []
    (notice,) = ops.run(100)
    assert notice.cleared[0].lasted_s == 900


def test_in_quiet_hours_nothing_is_told_again():
    ops = course(rule(quiet=quiet("03:10", "05:00")), repeat_s=1800.0)
    ops.set(down())
    ops.run(300)
    assert ops.run(6899) == []
    assert shapes(ops.run(2)) == [(0, 1, 0)]


def test_quiet_hours_of_one_rule_do_not_silence_another():
    errors = rule("ops", level=Health.ERROR)
    ops = course(rule("ops", quiet=quiet("02:00", "04:00")), errors)
    ops.set(down("cx/cx1"), down("cx/cx2", kind=AlertKind.DRIFT_STAYS))
    assert [subjects(notice) for notice in ops.run(1000)] == [["cx/cx1"]]


# --- what nobody knows


def test_what_is_not_known_is_neither_told_nor_ended():
    ops = course()
    alert = down()
    ops.set(alert)
    ops.run(100)
    ops.set()
    ops.unsure = {alert.key}
    assert ops.run(20_000) == []
    ops.unsure = set()
    assert shapes(ops.run(100)) == [(0, 0, 1)]


def test_what_an_owner_said_who_is_away_has_to_last_anew_when_he_is_back():
    ops = course()
    alert = down()
    ops.set(alert)
    ops.unsure = {alert.key}
    assert ops.run(3600) == []
    ops.unsure = set()
    assert ops.run(60) == []
    assert shapes(ops.run(20)) == [(1, 0, 0)]


# --- channels that are away, or refuse


def test_channel_that_is_away_is_told_in_one_message_what_stands_when_it_is_back():
    ops = course(rule("ops"), rule("night"))
    ops.away = {"ops"}
    for i in range(1, 6):
        ops.set(*(down(f"cx/cx{k}") for k in range(1, i + 1)))
        ops.run(300)
    assert {notice.channel for _, notice in ops.told} == {"night"}
    ops.set(*(down(f"cx/cx{k}") for k in range(2, 6)))
    ops.run(200)
    ops.away = set()
    (notice,) = [one for one in ops.run(20) if one.channel == "ops"]
    assert subjects(notice) == ["cx/cx2", "cx/cx3", "cx/cx4", "cx/cx5"]
    assert (notice.missed, notice.cleared) == (1, ())
    ops.set()
    last = [one for one in ops.run(400) if one.channel == "ops"]
    assert [(len(one.cleared), one.missed) for one in last] == [(4, 0)]


def test_what_a_channel_refused_is_not_sent_again_and_its_end_not_told():
    ledger = Ledger(plan(repeat_s=3600.0))
    ops = Course(ledger)
    ops.set(down())
    ops.away = {"ops", "night"}
    ops.run(70)
    ops.away = set()
    now = at(ops.second)
    ledger.step(_findings(ops), at(ops.second + 1))
    notice = ledger.begin("ops", at(ops.second + 1))
    assert notice is not None
    ledger.refused(notice, now)
    assert ops.run(3000) == []
    ops.set()
    assert ops.run(1000) == []


def test_what_a_channel_refused_is_tried_again_when_it_is_time_to_repeat_it():
    ledger = Ledger(plan(repeat_s=3600.0, gather_s=0.0))
    ops = Course(ledger)
    ops.set(down())
    ops.away = {"ops"}
    ops.run(60)
    ops.second += 1
    ledger.step(_findings(ops), at(ops.second))
    notice = ledger.begin("ops", at(ops.second))
    assert notice is not None
    ledger.refused(notice, at(ops.second))
    ops.away = set()
    assert shapes(ops.run(3601)) == [(0, 1, 0)]
    ops.set()
    assert shapes(ops.run(100)) == [(0, 0, 1)]


def test_what_ended_while_it_was_being_told_is_told_as_ended():
    ledger = Ledger(plan())
    ops = Course(ledger)
    ops.set(down())
    ops.away = {"ops"}
    ops.run(71)
    notice = ledger.begin("ops", at(71))
    assert notice is not None
    ops.set()
    ledger.step(_findings(ops), at(72))
    ledger.arrived(notice, at(73))
    ops.away, ops.second = set(), 73
    assert shapes(ops.run(100)) == [(0, 0, 1)]


def test_what_came_back_while_its_end_was_being_told_is_told_anew():
    ledger = Ledger(plan())
    ops = Course(ledger)
    ops.set(down())
    ops.run(100)
    ops.set()
    ops.away = {"ops"}
    ops.run(61)
    notice = ledger.begin("ops", at(ops.second))
    assert notice is not None
    assert len(notice.cleared) == 1
    ops.set(down())
    ledger.step(_findings(ops), at(ops.second + 1))
    ledger.arrived(notice, at(ops.second + 1))
    ops.away = set()
    assert shapes(ops.run(300)) == [(1, 0, 0)]


def test_nothing_is_remembered_of_what_was_never_told():
    ops = course()
    ops.set(*(down(f"cx/cx{i}") for i in range(500)))
    ops.run(30)
    ops.set()
    ops.run(2)
    assert list(ops.ledger.records) == []


def _findings(ops: Course) -> Findings:
    return Findings(ops.standing)
