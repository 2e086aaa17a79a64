"""Every question of every dashboard and alert rule has an answer, from data of a running cluster in a real InfluxDB."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from matplotlib.colors import to_rgba
from matplotlib.image import imread
from msgspec.json import encode

from conche.client import Conche
from conche.contract import Event, EventKind, NodeState
from conche.contract import measurements as m
from conche.dashboards.files import DASHBOARDS, RULES

from .bus_support import publish
from .draw_dashboards import draw_all
from .grafana_queries import (
    Asked,
    Choices,
    Question,
    Span,
    answer,
    columns_without_value,
    questions_of,
    questions_of_rules,
    timed,
)
from .harness import PROJECT, Mosquitto
from .influx_support import TOKEN, Front, Influxd, influxdb2, running_influxd
from .metrics_support import FIGURES_S, LATENCIES_S, Observatory, observatory

MINUTES_5_MS = 300_000
PATIENCE_S = 30.0
PICTURE_BYTES = 150_000
FAMILIES = ["kotekan_running", "kotekan_bufferstatus_frames_total"]
ALL: Choices = {"group": None, "node": None, "family": FAMILIES}
SOME: Choices = {"group": ["cx", "recv"], "node": ["cx1"], "family": FAMILIES}
ONE: Choices = {"group": ["cx"], "node": ["cx1"], "family": FAMILIES}
FIELDS = {field.name for measurement in m.MEASUREMENTS for field in measurement.fields}

SEEN_ELSEWHERE = {
    "conche-group: What is wrong now/A: unhealed",
    "conche-overview: What is wrong now/A: unhealed",
    "conche-service-lost/A: state",
    "conche-fpga-timing/A: state_code",
    "conche-fpga-timing/A: error",
    "conche-eop-stale/A: age_s",
    "conche-eop-stale/A: entries",
    "conche-eop-stale/B: state_code",
    "conche-eop-stale/B: entries",
}
"""What leaves something out, or has an answer where there is no figure, still answers if it is misspelt.

test_dashboard_rules.py has what it is for.
"""


def dashboards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((PROJECT / DASHBOARDS).glob("*.json"))]


def rules() -> dict[str, Any]:
    return yaml.safe_load((PROJECT / RULES).read_text())


def single(dashboard: Mapping[str, Any]) -> bool:
    return any(not variable["multi"] for variable in dashboard["templating"]["list"])


def all_questions() -> Iterator[Question]:
    """Every question that there is, with all chosen and with some, for the last five minutes."""
    now_ms = int(time.time() * 1000) + 1000
    span = Span(now_ms - MINUTES_5_MS, now_ms)
    for dashboard in dashboards():
        for choices in [ONE] if single(dashboard) else [ALL, SOME, ONE]:
            yield from questions_of(dashboard, choices, span)
    yield from questions_of_rules(rules(), to_ms=now_ms)


async def unanswered(database: Asked, questions: Sequence[Question]) -> list[str]:
    """Those of which nothing comes back, or of which a column has no value."""
    return [
        f"{one.where}: no {', '.join(sorted(missing))}: {timed(one.query, one.span)}"
        for one in questions
        if (missing := columns_without_value(await answer(database, one)))
    ]


async def until_answered(database: Asked) -> None:
    """Wait until every question has an answer."""
    missing: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            while missing := await unanswered(database, list(all_questions())):
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError("no answer to\n" + "\n".join(missing)) from None


async def live(observed: Observatory, broker: Mosquitto) -> None:
    """Have a cluster do everything that the dashboards show, and end with a node that is down."""
    stack = observed.stack
    for service in ("journal", "fpga", "eop"):
        await stack.begin(service)
    await observed.start_all()
    async with Conche(broker=broker.settings) as telescope:
        report = await telescope.stop("cx/cx2", reason="lightning, thunder")
        assert report.ok, report
    ran = await stack.conche("set", "cx/cx1", "gains", "start_time=2.5", "count=4", "--yes")
    assert ran.code == 0, ran
    await observed.until_last(m.EOP, lambda point: point["state"] == "fresh")
    await observed.until_last(m.KOTEKAN, lambda point: point["value"] is not None, node="cx1")
    # What nobody can do yet: to act for somebody.
    told = Event(
        at=datetime.now(UTC), kind=EventKind.REPLY, text="start, by eve via panel: ok", user="eve", via="panel",
        action="set_started", command="1", ok=True, took_s=1.0,
    )  # fmt: skip
    for group in ("cx", "recv"):
        publish(broker, f"conche/event/sync/{group}/-", encode(told).decode(), account="sync")
    stack.sim.call("order", {"node": "cx/cx2", "order": "stop"})
    await observed.until_last(m.NODE, lambda point: point["state"] == "down", node="cx2")


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conche.poller.service.LATENCIES_S", LATENCIES_S)
    monkeypatch.setattr("conche.metrics.service.FIGURES_S", FIGURES_S)


@pytest.fixture
async def influxd(tmp_path: Path) -> AsyncIterator[Influxd]:
    async with running_influxd(tmp_path / "influxd") as running:
        await running.ask("CREATE DATABASE conche")
        yield running


@pytest.mark.usefixtures("_quick")
async def test_every_question_of_every_dashboard_and_rule_has_an_answer_and_a_misspelt_one_has_none(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    assert len(list(all_questions())) > 200
    async with observatory(mosquitto, tmp_path, influxd) as observed:
        await live(observed, mosquitto)
        await until_answered(observed)
        assert await unnoticed(observed) == SEEN_ELSEWHERE


async def unnoticed(database: Asked) -> set[str]:
    """Fields that could be misspelt in a question without a test that says so."""
    found = set()
    for one in all_questions():
        for field in sorted(FIELDS & set(re.findall(r'"(\w+)"', one.query))):
            mutated = replace(one, query=one.query.replace(f'"{field}"', f'"{field}x"'))
            if not columns_without_value(await answer(database, mutated)):
                found.add(f"{one.where}: {field}")
    return found


@pytest.mark.usefixtures("_quick")
async def test_the_same_through_influxdb_2_with_a_token_and_the_pictures_are_drawn(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    async with (
        influxdb2(influxd) as front,
        observatory(mosquitto, tmp_path, Through(front)) as observed,
    ):
        await live(observed, mosquitto)
        await until_answered(observed)
        now_ms = int(time.time() * 1000)
        paths = await draw_all(observed, Span(now_ms - 20_000, now_ms), folder=tmp_path, choices=ONE)
    assert {path.stem for path in paths} == {dashboard["uid"] for dashboard in dashboards()}
    for path in paths:
        assert path.stat().st_size < PICTURE_BYTES
    [overview] = [path for path in paths if path.stem == "conche-overview"]
    for state in (NodeState.STARTED, NodeState.STOPPED, NodeState.DOWN):
        assert dots(overview, m.STATE_COLOURS[state]) > 100, state


def test_the_pictures_in_the_documents_are_small_and_of_every_dashboard():
    images = {path.stem: path.stat().st_size for path in (PROJECT / "docs/images").glob("conche-*.png")}
    assert set(images) == {dashboard["uid"] for dashboard in dashboards()}
    assert max(images.values()) < PICTURE_BYTES


def dots(path: Path, colour: str) -> int:
    """How many dots of a picture have a colour."""
    red, green, blue, _ = to_rgba(colour)
    picture = imread(path)
    return int((abs(picture[:, :, :3] - (red, green, blue)).max(axis=2) < 0.01).sum())


class Through:
    """An InfluxDB 2, asked as Grafana asks it: in InfluxQL, with a token."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.settings = front.settings

    async def ask(self, question: str) -> list[dict[str, Any]]:
        params = {"db": "conche", "epoch": "ns"}
        headers = {"Authorization": f"Token {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.front.url}/query", params=params, data={"q": question}) as answered,
        ):
            body = await answered.json()
        assert answered.status == 200, body
        assert all("error" not in result for result in body["results"]), body
        return [series for result in body["results"] for series in result.get("series", [])]
