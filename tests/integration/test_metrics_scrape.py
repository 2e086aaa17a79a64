"""kotekan's own metrics: asked of simulated nodes and of servers that are none, as real requests."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conche.contract import measurements as m
from conche.kotekan.connection import ANSWER_TIMEOUT_S, Address
from conche.metrics.cluster import Key
from conche.metrics.readings import Reading, line_of
from conche.metrics.scraping import MAX_BODY, Scraper
from conche.settings import Kotekan, Metrics
from conche.sim.host import NodeHost
from conche.sim.launch import simulated_nodes

from .bus_support import until
from .harness import free_port
from .influx_support import database_of, running_influxd
from .sim_support import MINIMAL, Client

PERIOD_S = 0.2
"""Of requests to each node [s]."""


class Desk:
    """A scraper, and what it has told."""

    def __init__(self, *, addresses: Path | None = None, **settings: Any) -> None:
        self.readings: list[Reading] = []
        self.not_asked: set[Key] = set()
        metrics = Metrics(**{"scrape_s": PERIOD_S, "scrape_timeout_s": 1.0, **settings})
        kotekan = Kotekan(addresses=addresses)
        self.scraper = Scraper(metrics, kotekan, may_ask=self._may_ask, take=self.readings.extend)

    def _may_ask(self, key: Key) -> bool:
        return key not in self.not_asked

    def follow(self, **addresses: Address) -> None:
        self.scraper.follow({("cx", name): address for name, address in addresses.items()})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.scraper.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def of(self, node: str) -> list[Reading]:
        return [r for r in self.readings if r.measurement is m.KOTEKAN and r.tags["node"] == node]

    def families(self, node: str) -> set[str]:
        return {reading.tags["family"] for reading in self.of(node)}

    async def until_series(self, node: str, family: str) -> None:
        await until(lambda: family in self.families(node))

    async def report(self) -> dict[str, Any]:
        """The next report."""
        seen = len(self.reports)
        await until(lambda: len(self.reports) > seen)
        return dict(self.reports[seen].fields)

    async def until_report(self, condition: Callable[[dict[str, Any]], object]) -> None:
        async with asyncio.timeout(10):
            while not condition(await self.report()):
                pass

    @property
    def reports(self) -> list[Reading]:
        return [r for r in self.readings if r.measurement is m.SCRAPE]


@asynccontextmanager
async def cluster(*names: str) -> AsyncIterator[tuple[NodeHost, dict[str, Address]]]:
    """Nodes of group cx that run a config."""
    async with simulated_nodes(*(f"cx/{name}" for name in names), speed=50.0) as (sim, addresses):
        for address in addresses.values():
            async with Client.to(address) as client:
                assert (await client.post("/start", MINIMAL)).status == 200
        yield (
            sim,
            {key.partition("/")[2]: Address(where.host, where.port) for key, where in addresses.items()},
        )


def fault(sim: NodeHost, node: str, kind: str, **parameters: Any) -> None:
    sim.call("fault", {"nodes": [f"cx/{node}"], "fault": {"kind": kind, **parameters}})


def asked(sim: NodeHost, node: str) -> int:
    """How often a node was asked for its metrics."""
    described: Any = sim.call("node", {"node": f"cx/{node}"})
    return int(described["reads"].get("/metrics", {"count": 0})["count"])


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Address]:
    """A server that answers everything with the same bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    port = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        yield Address("127.0.0.1", port)


@dataclass
class Silent:
    """A server that takes requests, and answers none before it is told to."""

    address: Address
    requests: int = 0
    open: int = 0
    answers: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        self.open += 1
        if self.answers:
            writer.write(http(b"kotekan_running 1\n"))
        await reader.read()  # until the other side has enough
        self.open -= 1
        writer.close()


@asynccontextmanager
async def silent() -> AsyncIterator[Silent]:
    one = Silent(Address("127.0.0.1", free_port()))
    server = await asyncio.start_server(one.serve, one.address.host, one.address.port, backlog=256)
    async with server:
        yield one
        await until(lambda: not one.open)


def http(body: bytes, *, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def test_the_chosen_families_of_every_node_are_taken_and_told_how_it_went():
    async with cluster("cx1", "cx2") as (_, addresses):
        desk = Desk(families=["kotekan_dpdk_*", "kotekan_running"])
        desk.follow(**addresses)
        async with desk.running():
            await desk.until_series("cx1", "kotekan_dpdk_rx_packets_total")
            await desk.until_series("cx2", "kotekan_dpdk_rx_packets_total")
            await desk.until_report(
                lambda report: report == {"nodes": 2, "failed": 0, "series": 14, "left": 0}
            )
        assert desk.families("cx1") == {
            "kotekan_dpdk_nic_link_up",
            "kotekan_dpdk_rx_lost_packets_total",
            "kotekan_dpdk_rx_packets_total",
            "kotekan_running",
        }
        values = [
            r.fields["value"]
            for r in desk.of("cx1")
            if r.tags["family"] == "kotekan_dpdk_rx_packets_total" and r.tags["port"] == "0"
        ]
        assert values == sorted(set(values))


async def test_an_idle_node_tells_that_it_is():
    async with simulated_nodes("cx/cx1", speed=50.0) as (_, addresses):
        desk = Desk()
        desk.follow(cx1=Address(addresses["cx/cx1"].host, addresses["cx/cx1"].port))
        async with desk.running():
            await desk.until_series("cx1", "kotekan_running")
        assert desk.families("cx1") == {"kotekan_running"}
        assert desk.of("cx1")[0].fields == {"value": 0.0}


async def test_a_node_is_asked_once_a_period_and_a_hung_one_delays_no_other():
    async with cluster("cx1", "cx2") as (sim, addresses):
        fault(sim, "cx1", "hang_in", path="/metrics")
        desk = Desk(scrape_timeout_s=1.0)
        desk.follow(**addresses)
        async with desk.running():
            await until(lambda: asked(sim, "cx1") >= 1)
            hung, well = asked(sim, "cx1"), asked(sim, "cx2")
            await until(lambda: asked(sim, "cx2") >= well + 4)
            assert asked(sim, "cx1") <= hung + 1  # its first request takes as long as five periods
            await desk.until_report(lambda report: report["failed"] == 1)
            sim.call("clear", {"nodes": ["cx/cx1"]})
            await desk.until_series("cx1", "kotekan_running")


async def test_two_hundred_nodes_that_hang_delay_no_other():
    async with silent() as hung, cluster("cx1") as (sim, addresses):
        desk = Desk(scrape_timeout_s=60.0)
        desk.follow(**addresses, **{f"hung{number}": hung.address for number in range(200)})
        async with desk.running():
            await until(lambda: hung.open == 200)
            before = asked(sim, "cx1")
            await until(lambda: asked(sim, "cx1") >= before + 5)
            assert hung.open == 200


async def test_while_the_metrics_of_one_node_hang_every_other_answers_its_poll_in_time():
    async with cluster("cx1", "cx2", "cx3") as (sim, addresses):
        fault(sim, "cx1", "hang_in", path="/metrics")
        desk = Desk(scrape_s=0.05, scrape_timeout_s=60.0)
        desk.follow(**addresses)
        async with desk.running():
            await until(lambda: asked(sim, "cx1"))
            for _ in range(20):
                for name in ("cx2", "cx3"):
                    async with Client.to(addresses[name]) as client, asyncio.timeout(ANSWER_TIMEOUT_S):
                        assert (await client.get("/config")).status == 200
            assert asked(sim, "cx1") == 1


async def test_a_node_whose_time_is_over_is_asked_less_and_less_often_until_it_answers():
    async with silent() as hung, cluster("cx1") as (sim, addresses):
        desk = Desk(scrape_s=0.1, scrape_timeout_s=0.05)
        desk.follow(cx1=addresses["cx1"], hung=hung.address)
        async with desk.running():
            await until(lambda: asked(sim, "cx1") >= 30, timeout=30)
            assert 3 <= hung.requests <= 8  # in the 1st period, the 3rd, 7th, 15th, 31st
            hung.answers = True
            await desk.until_series("hung", "kotekan_running")
            before, well = hung.requests, asked(sim, "cx1")
            await until(lambda: hung.requests >= before + 10, timeout=30)
            assert asked(sim, "cx1") <= well + 40


async def test_a_node_does_not_answer_with_metrics_and_in_time_is_asked_as_often_as_others():
    async with answering(http(b"", status="404 Not Found")) as other:
        desk = Desk()
        desk.follow(cx1=other)
        async with desk.running():
            for _ in range(3):
                await desk.until_report(lambda report: report["nodes"] == report["failed"] == 1)


async def test_a_node_that_does_not_answer_its_poller_is_left_alone():
    async with cluster("cx1", "cx2") as (sim, addresses):
        desk = Desk()
        desk.not_asked.add(("cx", "cx1"))
        desk.follow(**addresses)
        async with desk.running():
            await desk.until_report(lambda report: report["nodes"] == 1)
            await desk.report()
            assert asked(sim, "cx1") == 0
            desk.not_asked.clear()
            await desk.until_series("cx1", "kotekan_running")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"mode": "status", "status": 503}, "GET /metrics: HTTP 503: Simulated fault"),
        ({"mode": "html", "status": 200}, "not Prometheus' text format"),
        ({"mode": "garbage"}, "the answer is not HTTP"),
        ({"mode": "half"}, "the connection ended before the answer was complete"),
        ({"mode": "huge", "megabytes": 3}, f"the answer is longer than {MAX_BODY} bytes"),
    ],
)
async def test_an_answer_that_is_none_is_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture, parameters: dict[str, Any], words: str
):
    caplog.set_level(logging.INFO, "conche.metrics")
    async with cluster("cx1") as (sim, addresses):
        fault(sim, "cx1", "http", path="/metrics", **parameters)
        desk = Desk()
        desk.follow(**addresses)
        async with desk.running():
            await desk.until_report(lambda report: report["nodes"] == report["failed"] == 1)
            await until(lambda: asked(sim, "cx1") >= 4)
            sim.call("clear", {"nodes": ["cx/cx1"]})
            await desk.until_series("cx1", "kotekan_running")
    troubled, mended = [r.getMessage() for r in caplog.records if r.name == "conche.metrics.scraping"]
    assert troubled.startswith("cx/cx1: metrics: ")
    assert words in troubled
    assert mended == "cx/cx1: metrics: answers again as it should"


async def test_nobody_listens_there_is_a_failure_like_another():
    desk = Desk()
    desk.follow(cx1=Address("127.0.0.1", free_port()), cx2=Address("no such host.", 1))
    async with desk.running():
        await desk.until_report(lambda report: report["nodes"] == report["failed"] == 2)


async def test_an_answer_as_long_as_may_be_is_taken_and_one_byte_more_is_not():
    line = b"kotekan_running 1\n"
    head = len(http(line + b"#" * MAX_BODY)) - len(line) - MAX_BODY
    whole = line + b"#" * (MAX_BODY - head - len(line))
    async with answering(http(whole)) as one, answering(http(whole + b"#")) as other:
        desk = Desk(scrape_timeout_s=10)
        desk.follow(cx1=one, cx2=other)
        async with desk.running():
            await desk.until_series("cx1", "kotekan_running")
            await desk.until_report(lambda report: report["failed"] == 1)
        assert not desk.of("cx2")


async def test_series_beyond_the_most_are_left_out_and_it_is_said(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "conche.metrics")
    async with cluster("cx1") as (_, addresses):
        desk = Desk(families=["kotekan_dpdk_*"], max_series=4)
        desk.follow(**addresses)
        async with desk.running():
            await desk.until_report(lambda report: report["series"] == 4)
    assert "cx/cx1: metrics: 2 series are left out: more than metrics.max_series" in caplog.text


async def test_in_a_rehearsal_no_real_node_is_asked(tmp_path: Path):
    async with cluster("cx1") as (_, addresses):
        file = tmp_path / "addresses.json"
        file.write_text(json.dumps({"cx1.example.org:12048": str(addresses["cx1"])}))
        async with answering(http(b"kotekan_running 1\n")) as real:
            desk = Desk(addresses=file)
            desk.follow(cx1=Address("cx1.example.org", 12048), real=real)
            async with desk.running():
                await desk.until_series("cx1", "kotekan_running")
                await desk.until_report(lambda report: (report["nodes"], report["failed"]) == (2, 1))
            assert not desk.of("real")


async def test_a_node_that_left_or_moved_is_not_asked_where_it_was():
    async with cluster("cx1", "cx2") as (sim, addresses):
        desk = Desk()
        desk.follow(**addresses)
        async with desk.running():
            await desk.until_series("cx1", "kotekan_running")
            await desk.until_series("cx2", "kotekan_running")
            desk.follow(cx1=addresses["cx2"])
            await desk.report()
            before, moved = asked(sim, "cx1"), asked(sim, "cx2")
            await until(lambda: asked(sim, "cx2") >= moved + 3)
            assert asked(sim, "cx1") == before


async def test_without_a_period_nobody_is_asked():
    desk = Desk(scrape_s=None)
    desk.follow(cx1=Address("127.0.0.1", 9))
    await asyncio.wait_for(desk.scraper.run(), 1)
    assert desk.readings == []


LABELS = {
    "a": "blank, comma=equals",
    "b": 'say "no"',
    "c": "two\nlines",
    "d": "C:\\",
    "e": "ü ° 界",
    "group": "theirs",
}


async def test_labels_with_anything_in_them_come_back_from_the_database_as_they_were(tmp_path: Path):
    def escaped(text: str) -> str:
        return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    labels = ",".join(f'{name}="{escaped(value)}"' for name, value in LABELS.items())
    async with (
        answering(http(f"m{{{labels}}} 1.5\n".encode())) as address,
        running_influxd(tmp_path / "influxd") as influxd,
        database_of(influxd.settings()) as database,
    ):
        desk = Desk(families=["m"])
        desk.follow(cx1=address)
        async with desk.running():
            await desk.until_series("cx1", "m")
        await database.create_database()
        await database.write([line_of(desk.of("cx1")[0]).encode()])
        (series,) = await influxd.ask("SELECT value FROM kotekan GROUP BY *")
    assert series["values"][0][1] == 1.5
    assert series["tags"] == {
        "group": "cx",
        "node": "cx1",
        "family": "m",
        "a": LABELS["a"],
        "b": LABELS["b"],
        "c": "two lines",
        "d": "C:/",
        "e": LABELS["e"],
        "label_group": "theirs",
    }
