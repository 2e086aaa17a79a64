"""The metrics service with a real broker and a real InfluxDB, in the midst of everything that it can be told of."""

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import encode

from conche.bus import Incoming
from conche.bus.link import Link, Subscription
from conche.bus.login import login_of
from conche.client import Conche
from conche.contract import Event, EventKind
from conche.contract import measurements as m
from conche.contract.measurements import MEASUREMENTS, FieldKind

from .bus_support import publish, until
from .harness import Mosquitto
from .influx_support import Influxd, database_of, influxdb2, running_influxd
from .metrics_support import FIGURES_S, LATENCIES_S, Observatory, observatory
from .stack import PATIENCE_S, conche

KINDS = {
    FieldKind.FLOAT: "float",
    FieldKind.INTEGER: "integer",
    FieldKind.FLAG: "integer",
    FieldKind.TEXT: "string",
}
"""What the catalogue's kinds are called by InfluxDB."""


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conche.poller.service.LATENCIES_S", LATENCIES_S)
    monkeypatch.setattr("conche.metrics.service.FIGURES_S", FIGURES_S)


@pytest.fixture
async def influxd(tmp_path: Path) -> AsyncIterator[Influxd]:
    async with running_influxd(tmp_path / "influxd") as running:
        await running.ask("CREATE DATABASE conche")  # the service would, and a test may ask before
        yield running


async def stored(observed: Observatory) -> dict[str, dict[str, str]]:
    """Fields of each measurement in the database, with their kinds."""
    return {
        series["name"]: dict(series["values"])
        for series in await observed.ask("SHOW FIELD KEYS")
        if series["name"] in {measurement.name for measurement in MEASUREMENTS}
    }


def catalogued() -> dict[str, dict[str, str]]:
    return {
        measurement.name: {field.name: KINDS[field.kind] for field in measurement.fields}
        for measurement in MEASUREMENTS
    }


async def until_stored(observed: Observatory) -> None:
    """Wait until every field of the catalogue is in the database, in its kind, and nothing else."""
    wanted = catalogued()
    found: dict[str, dict[str, str]] = {}
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (found := await stored(observed)) != wanted:
                await asyncio.sleep(0.1)
    except TimeoutError:
        missing = {name: fields.items() ^ found.get(name, {}).items() for name, fields in wanted.items()}
        raise AssertionError({name: fields for name, fields in missing.items() if fields}) from None


def tell(broker: Mosquitto, topic: str, event: Event, *, account: str) -> None:
    publish(broker, f"conche/event/{account}/{topic}", encode(event).decode(), account=account)


@pytest.mark.usefixtures("_quick")
async def test_a_cluster_that_is_lived_in_fills_every_field_of_the_catalogue_in_its_kind(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    async with observatory(mosquitto, tmp_path, influxd) as observed:
        stack = observed.stack
        for service in ("journal", "fpga", "eop"):
            await stack.begin(service)
        await observed.start_all()
        async with Conche(broker=mosquitto.settings) as telescope:
            ran = await stack.conche("set", "cx/cx1", "gains", "start_time=2.5", "count=4", "--yes")
            assert ran.code == 0, ran
            report = await telescope.stop("cx/cx2", reason="lightning, thunder")
            assert report.ok, report
        stack.sim.call("order", {"node": "recv/recv1", "order": "stop"})
        await observed.until_last(m.NODE, lambda point: point["state"] == "down", node="recv1")
        # What nobody can do yet: to act for somebody.
        told = Event(
            at=datetime.now(UTC), kind=EventKind.REPLY, text="start, by eve via panel: ok", user="eve",
            via="panel", action="set_started", command="1", ok=True, took_s=1.0,
        )  # fmt: skip
        tell(mosquitto, "cx/-", told, account="sync")
        await until_stored(observed)

        down = await observed.last(m.NODE, node="recv1")
        assert (down["group"], down["state_code"], down["started"], down["reached"]) == ("recv", 4, 1, 0)
        stopped = await observed.until_last(m.NODE, lambda p: p["state"] == "stopped", node="cx2")
        assert (stopped["started"], stopped["reach"], stopped["error"], stopped["live"]) == (0, "ok", "", "")
        group = await observed.until_last(m.GROUP, lambda p: p["stopped"] == 1, group="cx")
        assert (group["nodes"], group["started"], group["down"], group["worker"]) == (2, 1, 0, 1)
        (push,) = await observed.points("SELECT * FROM \"push\" WHERE node = 'cx1' AND kind = 'update'")
        assert (push["group"], push["ok"], push["took_s"] > 0) == ("cx", 1, True)
        acted = await observed.until_last(m.COMMAND, lambda p: p["ok"], person="eve")
        assert (acted["user"], acted["action"]) == ("panel", "set_started")
        (command,) = await observed.points("SELECT * FROM \"command\" WHERE reason = 'lightning, thunder'")
        assert (command["group"], command["action"], command["ok"]) == ("cx", "set_started", 1)
        eop = await observed.last(m.EOP)
        assert (eop["entries"], eop["state"]) == (6, "fresh")
        assert 2 < eop["days_left"] < 4
        assert abs(eop["delta_ut1_inst_s"]) < 40


@pytest.mark.usefixtures("_quick")
async def test_an_influxdb_2_is_written_to_with_a_token_and_tells_the_same(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    async with (
        influxdb2(influxd) as front,
        observatory(mosquitto, tmp_path, influxd, influx=front.settings()) as observed,
    ):
        await observed.until_last(m.NODE, lambda p: p["state"] == "stopped", node="recv1")
        await observed.until_last(m.KOTEKAN, lambda p: p["value"] == 0, node="cx2", family="kotekan_running")
        figures = await observed.until_last(m.METRICS, lambda p: p["written"] > 0)
        assert (figures["rejected"], figures["dropped"], figures["away_s"]) == (0, 0, 0)


@pytest.mark.usefixtures("_quick")
async def test_a_field_that_the_database_has_in_another_kind_is_told_once_and_the_rest_goes_on(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    async with database_of(influxd.settings()) as database:
        await database.write([f'sweep took_s="long" {time.time_ns()}'.encode()])
    async with observatory(mosquitto, tmp_path, influxd) as observed:
        told = await observed.until_last(m.HAPPENING, lambda p: p["ok"] == 0, service="metrics")
        assert told["text"].startswith("the database refuses points (")
        assert "took_s" in told["text"]
        seen = (await observed.last(m.NODE, node="cx1"))["time"]
        await observed.until_last(m.NODE, lambda p: p["time"] > seen, node="cx1")
        await observed.until_last(m.METRICS, lambda p: p["rejected"] > 3)
        told_of = await observed.points("SELECT text FROM event WHERE service = 'metrics'")
        assert len(told_of) == 1


async def test_a_port_that_is_taken_ends_the_service_with_words(mosquitto: Mosquitto):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = await conche("metrics", broker=mosquitto, CONCHE_METRICS__LISTEN_PORT=str(port))
    assert ran.code == 1
    assert f"can't listen on 127.0.0.1:{port}" in ran.err


@pytest.mark.usefixtures("_quick")
async def test_a_group_whose_worker_is_gone_has_unknown_nodes_and_no_worker(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    async with observatory(mosquitto, tmp_path, influxd) as observed:
        await observed.until_last(m.NODE, lambda p: (p["state"], p["reached"]) == ("stopped", 1), node="cx1")
        await observed.stack.end("sync")
        gone = await observed.until_last(m.NODE, lambda p: p["state"] == "unknown", node="cx1")
        assert (gone["error"], gone["reached"]) == ("its group has no worker", 1)
        group = await observed.until_last(m.GROUP, lambda p: p["worker"] == 0, group="cx")
        assert (group["nodes"], group["unknown"], group["summary"]) == (2, 2, "error")
        service = await observed.until_last(m.SERVICE, lambda p: p["online"] == 0, instance="cx")
        assert (service["service"], service["state"]) == ("sync", "offline")
        await observed.stack.begin("sync")
        await observed.until_last(m.NODE, lambda p: p["state"] == "stopped", node="cx1")
        again = await observed.until_last(m.SERVICE, lambda p: p["online"] == 1, instance="cx")
        assert again["restarts"] == 1


@pytest.mark.usefixtures("_quick")
async def test_without_a_poller_no_node_is_reached_and_nothing_is_said_of_its_reach(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    async with observatory(mosquitto, tmp_path, influxd) as observed:
        await observed.until_last(m.NODE, lambda p: p["reached"] == 1, node="cx1")
        await observed.stack.end("poller")
        gone = await observed.until_last(m.NODE, lambda p: p["reached"] == 0, node="cx1")
        assert gone["reach"] is None


@pytest.mark.usefixtures("_quick")
async def test_a_node_that_left_the_registry_is_written_no_more(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    async with observatory(mosquitto, tmp_path, influxd) as observed:
        await observed.until_last(m.NODE, lambda p: p["state"] == "stopped", node="recv1")
        nodes = observed.stack.settings.renderer.configs / "nodes.yaml"
        nodes.write_text('{"groups": {"cx": {"cx1": {"host": "127.0.0.1", "port": 9}}}}')
        await observed.stack.until(lambda picture: "recv" not in picture.statuses)
        last = await observed.last(m.NODE, node="recv1")
        # Twice a refresh period of the others.
        at = (await observed.last(m.NODE, node="cx1"))["time"]
        await observed.until_last(m.NODE, lambda p: p["time"] > at + 2_500_000_000, node="cx1")
        assert (await observed.last(m.NODE, node="recv1"))["time"] == last["time"]


@pytest.mark.usefixtures("_quick")
async def test_a_database_that_goes_and_comes_back_is_told_on_the_bus_and_misses_nothing(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    async with observatory(mosquitto, tmp_path, influxd) as observed:
        await observed.until_last(m.NODE, lambda p: p["state"] == "stopped", node="cx1")
        influxd.kill()
        await observed.until_prometheus('conche_event_total{kind="service",service="metrics"} 1.0')
        tell(mosquitto, "cx/cx1", happening("while it was away"), account="journal")
        await influxd.start()
        told = await observed.until_last(m.HAPPENING, lambda p: "is back" in p["text"], service="metrics")
        assert "none was lost" in told["text"]
        await observed.until_last(
            m.HAPPENING, lambda p: p["text"] == "while it was away", service="journal", node="cx1"
        )


@pytest.mark.usefixtures("_quick")
async def test_a_service_that_ends_while_the_database_is_away_tells_what_is_lost(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    heard: list[Incoming] = []
    ear = Link(login_of(mosquitto.settings, account="journal", client_id="ear"), on_message=heard.append)
    await ear.connect()
    await ear.subscribe([Subscription("conche/event/metrics/#")])
    async with observatory(mosquitto, tmp_path, influxd) as observed:
        await observed.until_last(m.NODE, lambda p: p["state"] == "stopped", node="cx1")
        influxd.kill()
        await until(lambda: any(b"is away" in told.payload for told in heard))
        await observed.stack.end("metrics")
        await until(lambda: any(b"points were not written" in told.payload for told in heard))
    await ear.disconnect()


def happening(text: str, **more: Any) -> Event:
    return Event(at=datetime.now(UTC), kind=EventKind.SERVICE, text=text, **more)


STORM = 10_000


@pytest.mark.usefixtures("_quick")
async def test_ten_thousand_events_at_once_become_as_many_points_and_the_states_go_on(
    mosquitto: Mosquitto, tmp_path: Path, influxd: Influxd
):
    async with observatory(mosquitto, tmp_path, influxd, scrape_s=None) as observed:
        await observed.until_last(m.NODE, lambda p: p["state"] == "stopped", node="cx1")
        at = datetime.now(UTC)
        lines = b"".join(
            encode(Event(at=at, kind=EventKind.CONFIG, text=f"number {i}")) + b"\n" for i in range(STORM)
        )
        arguments = [
            *mosquitto.client_arguments("journal"),
            "-t",
            "conche/event/journal/cx/cx1",
            "-q",
            "1",
            "-l",
        ]
        await asyncio.to_thread(subprocess.run, ["mosquitto_pub", *arguments], input=lines, check=True)
        question = "SELECT count(text) FROM event WHERE kind = 'config' AND service = 'journal'"
        async with asyncio.timeout(60):
            while not (found := await observed.points(question)) or found[0]["count"] < STORM:
                await asyncio.sleep(0.1)
        own = await observed.until_last(m.SERVICE, lambda p: p["online"] == 1, service="metrics")
        assert own["dropped"] == 0
        now = (await observed.last(m.NODE, node="cx1"))["time"]
        await observed.until_last(m.NODE, lambda p: p["time"] > now, node="cx1")


@pytest.mark.usefixtures("_quick")
async def test_without_a_database_prometheus_is_told_the_same(mosquitto: Mosquitto, tmp_path: Path):
    async with observatory(mosquitto, tmp_path, None) as observed:
        await observed.start_all()
        text = await observed.until_prometheus('conche_node_state{group="cx",node="cx1",state="started"} 1.0')
        assert 'conche_node_state{group="cx",node="cx1",state="down"} 0.0' in text
        assert "conche_metrics_written" not in text
        for words in (
            "conche_broker_received_bytes_total",
            'conche_group_started{group="cx"} 2.0',
            'conche_push_total{group="cx",kind="start",ok="1"} 2.0',
            'conche_command_total{action="set_started",ok="1",service="sync"} 2.0',
            'conche_sweep_took_seconds{instance="main"}',
            'conche_latency_median_seconds{group="cx",node="cx2"}',
            'conche_service_online{instance="-",service="metrics"} 1.0',
            "conche_scrape_nodes ",
        ):
            await observed.until_prometheus(words)


@pytest.mark.usefixtures("_quick")
async def test_while_the_broker_is_away_prometheus_is_told_no_old_states(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with observatory(mosquitto, tmp_path, None) as observed:
        await observed.until_prometheus('conche_node_state{group="cx",node="cx1",state="stopped"} 1.0')
        mosquitto.stop()
        async with asyncio.timeout(PATIENCE_S):
            while "conche_node_state" in await observed.prometheus():
                await asyncio.sleep(0.2)
        await mosquitto.start()
        await observed.until_prometheus('conche_node_state{group="cx",node="cx1",state="stopped"} 1.0')
