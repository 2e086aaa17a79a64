"""Grafana's alert rules, asked of a real InfluxDB: what raises each of them, and what does not."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from conche.contract.alerts import AlertKind
from conche.dashboards.files import DASHBOARDS, RULES
from conche.dashboards.shared import WRONG

from .grafana_queries import Question, Span, answer, questions_of_panel, questions_of_rules, raised
from .harness import PROJECT
from .influx_support import Influxd, running_influxd

NODE = "node,group=cx,node=cx1"
WELL = [
    f"{NODE} state_code=0i,maintenance=0i,differing=0i,unhealed=0i",
    "node,group=cx,node=cx2 state_code=2i,maintenance=0i,differing=0i,unhealed=0i",
    "group,group=cx worker=1i",
    "sweep,instance=main overrun=0i,took_s=1.0,period_s=2.0",
    'fpga state_code=0i,error=""',
    "eop state_code=0i,age_s=3600.0,days_left=2.5,entries=4i",
    'service,service=sync,instance=cx online=1i,state="online"',
    'service,service=poller,instance=main online=1i,state="online"',
    'service,service=journal,instance=- online=1i,state="online"',
    "broker dropped=7i",
]
"""Every measurement, with nothing wrong."""

CX1 = {"group": "cx", "node": "cx1"}
JOURNAL = {"service": "journal", "instance": "-"}
EOP_WITH = "entries=4i,days_left=2.5"
OLD_S = 25 * 3600 + 1
RAISES: list[tuple[AlertKind, list[str], dict[str, str]]] = [
    (AlertKind.NODE_DOWN, [f"{NODE} state_code=4i,maintenance=0i"], CX1),
    (AlertKind.NODE_FAILED, [f"{NODE} state_code=5i,maintenance=0i"], CX1),
    (AlertKind.DRIFT_STAYS, [f"{NODE} state_code=0i,maintenance=0i,differing=1i,unhealed=1i"], CX1),
    (AlertKind.DRIFT_STAYS, [f"{NODE} state_code=1i,maintenance=0i,differing=0i,unhealed=1i"], CX1),
    (AlertKind.NO_WORKER, ["group,group=cx worker=0i"], {"group": "cx"}),
    (AlertKind.FPGA_TIMING, ["fpga state_code=2i"], {}),
    (AlertKind.FPGA_TIMING, ["fpga state_code=3i"], {}),
    (AlertKind.EOP_STALE, [f"eop state_code=2i,age_s=90.0,{EOP_WITH}"], {}),
    (AlertKind.EOP_STALE, [f"eop state_code=3i,age_s=90.0,{EOP_WITH}"], {}),
    (AlertKind.EOP_STALE, [f"eop state_code=3i,{EOP_WITH}"], {}),
    (AlertKind.EOP_STALE, [f"eop age_s={OLD_S},{EOP_WITH}"], {}),
    (AlertKind.EOP_STALE, [f"eop state_code=1i,{EOP_WITH}"], {}),
    (AlertKind.EOP_RUNS_OUT, ["eop state_code=0i,days_left=0.9,entries=4i"], {}),
    (AlertKind.SERVICE_LOST, ['service,service=journal,instance=- online=0i,state="lost"'], JOURNAL),
    (AlertKind.BROKER_DROPS, ["broker dropped=8i"], {}),
]
RAISES_NOTHING = {
    "a node that is down in maintenance": [f"{NODE} state_code=4i,maintenance=1i,differing=0i"],
    "a node that failed in maintenance": [f"{NODE} state_code=5i,maintenance=1i,differing=0i"],
    "a node that differs in maintenance": [f"{NODE} state_code=0i,maintenance=1i,differing=1i,unhealed=1i"],
    "a node with drift that is ignored": [f"{NODE} state_code=0i,maintenance=0i,differing=1i,unhealed=0i"],
    "a node of which something is being done": [f"{NODE} state_code=0i,maintenance=0i,differing=1i"],
    "a stopped node": [f"{NODE} state_code=1i,maintenance=0i,differing=0i,unhealed=0i"],
    "a node of which nothing is known": [f"{NODE} state_code=3i,maintenance=0i,differing=0i"],
    "no FPGA master": ['fpga state_code=1i,error=""'],
    "no table yet, and no FPGA master": [f"eop state_code=1i,{EOP_WITH}", 'fpga state_code=1i,error=""'],
    "a table whose service is away": [f"eop age_s=7200.0,{EOP_WITH}"],
    "a worker that was lost": ['service,service=sync,instance=gone online=0i,state="lost"'],
    "a service that went in good order": ['service,service=journal,instance=- online=0i,state="offline"'],
    "a broker that began anew": ["broker dropped=0i"],
}


class World:
    """A database with everything well, and what is written after that."""

    def __init__(self, influxd: Influxd) -> None:
        self.influxd = influxd
        self.now_ms = int(time.time() * 1000)

    async def write(self, lines: list[str], *, ago_s: float) -> None:
        at_ms = self.now_ms - int(ago_s * 1000)
        body = "\n".join(f"{line} {at_ms}" for line in lines)
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.influxd.url}/write?db=conche&precision=ms", data=body) as answered,
        ):
            assert answered.status == 204, await answered.text()

    async def raised(self) -> list[tuple[str, dict[str, str]]]:
        [group] = yaml.safe_load((PROJECT / RULES).read_text())["groups"]
        found: list[Any] = []
        for rule in group["rules"]:
            found += await raised(self.influxd, rule, to_ms=self.now_ms)
        return [(one.kind, dict(one.labels)) for one in found]

    async def answered(self, uid: str) -> bool:
        """Whether every question of a rule has an answer."""
        [group] = yaml.safe_load((PROJECT / RULES).read_text())["groups"]
        [rule] = [one for one in group["rules"] if one["uid"] == uid]
        questions = questions_of_rules({"groups": [{"rules": [rule]}]}, to_ms=self.now_ms)
        return all([await answer(self.influxd, one) for one in questions])


@pytest.fixture
async def influx(tmp_path: Path) -> AsyncIterator[World]:
    """Nothing is written yet."""
    async with running_influxd(tmp_path / "influxd") as influxd:
        await influxd.ask("CREATE DATABASE conche")
        yield World(influxd)


@pytest.fixture
async def world(influx: World) -> World:
    await influx.write(WELL, ago_s=60)
    return influx


async def test_nothing_is_raised_where_all_is_well(world: World):
    assert await world.raised() == []


@pytest.mark.parametrize(("kind", "lines", "labels"), RAISES)
async def test_a_rule_raises_what_is_wrong_and_no_other_does(
    world: World, kind: AlertKind, lines: list[str], labels: dict[str, str]
):
    await world.write(lines, ago_s=10)
    assert await world.raised() == [(kind, labels)]


@pytest.mark.parametrize("what", RAISES_NOTHING)
async def test_nothing_is_raised_by(world: World, what: str):
    await world.write(RAISES_NOTHING[what], ago_s=10)
    assert await world.raised() == []


@pytest.mark.parametrize(
    ("kind", "lines", "labels"), [one for one in RAISES if one[0] != AlertKind.BROKER_DROPS]
)
async def test_what_is_well_again_is_raised_no_more(
    world: World, kind: AlertKind, lines: list[str], labels: dict[str, str]
):
    await world.write(lines, ago_s=30)
    await world.write(WELL, ago_s=5)
    assert await world.raised() == []


SWEPT = "sweep,instance=main took_s=1.0,period_s=2.0,overrun={}i"
ONLINE = 'service,service=poller,instance=main online={}i,state="online"'


@pytest.mark.parametrize(("overruns", "counts"), [("x..", 1), ("x...", 0), (".", 0)])
async def test_a_poller_is_judged_by_the_share_of_its_sweeps_that_are_overrun(
    world: World, overruns: str, counts: int
):
    for number, letter in enumerate(overruns[1:]):
        await world.write([SWEPT.format(int(letter == "x"))], ago_s=50 - number)
    await world.write(
        [SWEPT.format(int(overruns[0] == "x"))], ago_s=60
    )  # in the place of the one that was well
    assert await world.raised() == [(AlertKind.POLLER_OVERRUN, {"instance": "main"})] * counts


@pytest.mark.parametrize(
    ("swept_s", "period_s", "online", "counts"),
    [(541, 2.0, 1, 1), (170, 2.0, 1, 0), (541, 2.0, 0, 0), (541, 120.0, 1, 0)],
    ids=["silent", "sweeps", "stopped", "slow"],
)
async def test_a_poller_that_says_that_it_is_there_and_does_not_sweep_is_lost(
    influx: World, swept_s: float, period_s: float, online: int, counts: int
):
    swept = SWEPT.format(0).replace("period_s=2.0", f"period_s={period_s}")
    await influx.write([swept], ago_s=swept_s)
    state = "online" if online else "offline"
    await influx.write([ONLINE.format(online).replace('"online"', f'"{state}"')], ago_s=5)
    assert await influx.raised() == [(AlertKind.SERVICE_LOST, {"instance": "main"})] * counts


async def test_an_fpga_master_whose_service_is_away_is_raised_no_more(influx: World):
    await influx.write(['fpga state_code=3i,error="refused"'], ago_s=181)
    await influx.write(['fpga error="the fpga service is away"'], ago_s=5)
    assert await influx.raised() == []
    assert await influx.answered("conche-fpga-timing")


async def test_a_table_is_judged_also_while_its_service_is_away(influx: World):
    await influx.write([f'eop state_code=3i,age_s=90.0,{EOP_WITH},error="no frame0"'], ago_s=3600)
    await influx.write([f"eop age_s=3690.0,{EOP_WITH}"], ago_s=5)
    assert await influx.raised() == [(AlertKind.EOP_STALE, {})]


async def test_the_table_of_what_is_wrong_has_what_does_not_heal_and_no_drift_that_is_ignored(influx: World):
    fields = 'maintenance={}i,differing={}i,unhealed={}i,held=0i,error="",state="{}",state_code={}i'
    for name, values in {
        "ignored": (0, 1, 0, "started", 0),
        "drifts": (0, 1, 1, "started", 0),
        "idle": (0, 0, 1, "stopped", 1),
        "kept": (1, 1, 1, "started", 0),
        "down": (0, 0, 0, "down", 4),
    }.items():
        await influx.write([f"node,group=cx,node={name} {fields.format(*values)}"], ago_s=5)
    board = json.loads((PROJECT / DASHBOARDS / "conche-overview.json").read_text())
    [panel] = [one for one in board["panels"] if one["title"] == WRONG]
    span = Span(influx.now_ms - 300_000, influx.now_ms)
    [question] = questions_of_panel(board, panel, {"group": None}, span)
    assert {one.tags["node"] for one in await answer(influx.influxd, question)} == {"drifts", "idle", "down"}


async def test_a_node_that_left_the_registry_is_raised_no_more(world: World):
    await world.write(["node,group=cx,node=gone state_code=4i,maintenance=0i"], ago_s=181)
    assert await world.raised() == []


async def test_a_misspelt_field_has_no_answer_and_a_misspelt_function_is_an_error(world: World):
    span = Span(world.now_ms - 300_000, world.now_ms)
    query = 'SELECT last("state_code") AS "c" FROM "node" WHERE $timeFilter GROUP BY "node"'
    assert len(await answer(world.influxd, Question("here", query, span))) == 2
    assert await answer(world.influxd, Question("here", query.replace("state_code", "sate"), span)) == []
    with pytest.raises(AssertionError, match="undefined function"):
        await answer(world.influxd, Question("here", query.replace("last(", "lst("), span))
