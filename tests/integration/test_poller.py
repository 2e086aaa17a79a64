"""The poller against a real broker and simulated nodes, and one node that answers as no kotekan does."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import decode

from conche.bus import Bus, Incoming
from conche.bus.client import Client
from conche.contract import NODE_OBSERVED, REGISTRY, Observed, Reach, RegisteredNode, Registry, Service, Sweep
from conche.kotekan.addresses import AddressMap
from conche.kotekan.connection import Address
from conche.kotekan.revision import FingerprintCache, fingerprint
from conche.poller.main import build
from conche.poller.node import WatchedNode
from conche.settings import Kotekan, Poller, Settings
from conche.sim.launch import simulated_cluster, simulated_nodes

from .bus_support import SEEN, listening, observed, running, until
from .harness import Mosquitto, free_range
from .raw import Peer, RawServer, raw_server, reply
from .sim_support import GAINS, Node, running_node

PERIOD_S = 0.1
CONCHE = Path(sys.executable).with_name("conche")


def registry(addresses: dict[str, Any], *, error: str | None = None) -> Registry:
    groups: dict[str, dict[str, RegisteredNode]] = {}
    for name, address in addresses.items():
        group, _, node = name.partition("/")
        groups.setdefault(group, {})[node] = RegisteredNode(host=address.host, port=address.port, epoch="e")
    return Registry(boot="r", groups=groups, error=error)


@asynccontextmanager
async def renderer(mosquitto: Mosquitto, first: Registry) -> AsyncIterator[Bus]:
    """What publishes the registry."""
    async with running(Bus(mosquitto.settings, service=Service.RENDERER)) as bus:
        bus.own(REGISTRY, first)
        await bus.settled()
        yield bus


@asynccontextmanager
async def polling(
    mosquitto: Mosquitto, *, kotekan: Kotekan | None = None, **settings: Any
) -> AsyncIterator[None]:
    poller = Poller(**{"period_s": PERIOD_S, **settings})
    service = await build(
        Settings(broker=mosquitto.settings, poller=poller, kotekan=kotekan or Kotekan()), None
    )
    task = asyncio.create_task(service.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


def observations(got: list[Incoming], node: str) -> list[Observed]:
    return [decode(m.payload, type=Observed) for m in got if m.topic.endswith(f"/{node}") and m.payload]


def sweeps(got: list[Incoming]) -> list[Sweep]:
    return [decode(m.payload, type=Sweep) for m in got if "/sweep/" in m.topic]


async def held(mosquitto: Mosquitto) -> dict[str, Observed]:
    async with Client(mosquitto.settings, account="operator") as client:
        found = await client.read(NODE_OBSERVED)
    return {f"{params['group']}/{params['node']}": payload for params, payload in found}


async def periods(count: float) -> None:
    await asyncio.sleep(count * PERIOD_S)


# --- what is published


async def test_life_of_a_node_is_told_by_one_message_for_each_change(mosquitto: Mosquitto) -> None:
    async with simulated_nodes("cx/a", speed=4) as (sim, addresses):
        node = Node(sim, addresses["cx/a"])
        async with (
            listening(mosquitto.settings, SEEN) as got,
            renderer(mosquitto, registry(addresses)),
            polling(mosquitto),
        ):
            await until(lambda: len(got) == 1)
            await periods(5)
            assert len(got) == 1
            async with node.connect() as client:
                await client.post("/start", GAINS)
            await until(lambda: len(got) == 2)
            sim.call(
                "fault", {"nodes": ["cx/a"], "fault": {"kind": "drift", "path": "gains/count", "value": 5}}
            )
            await until(lambda: len(got) == 3)
            await periods(5)
            assert len(got) == 3
            sim.call("fault", {"nodes": ["cx/a"], "fault": {"kind": "refuse"}})
            await until(lambda: len(got) == 4)
            sim.call("clear", {"nodes": ["cx/a"]})
            await until(lambda: len(got) == 5)
    idle, runs, drifted, down, again = observations(got, "a")
    started = fingerprint(GAINS)
    assert (idle.reach, idle.running, idle.version) == (Reach.OK, False, "2024.09-sim")
    assert (runs.running, runs.revision, runs.base, runs.updatable) == (
        True,
        started.revision,
        started.base,
        started.updatable,
    )
    assert drifted.revision != runs.revision
    assert drifted.base == runs.base
    assert (down.reach, down.running, down.revision) == (Reach.REFUSED, None, None)
    assert (again.reach, again.running) == (Reach.OK, False)


async def test_unchanged_observation_is_published_again_after_the_refresh_time(mosquitto: Mosquitto) -> None:
    async with (
        simulated_nodes("cx/a") as (_, addresses),
        listening(mosquitto.settings, SEEN) as got,
        renderer(mosquitto, registry(addresses)),
        polling(mosquitto, refresh_s=3 * PERIOD_S),
    ):
        await until(lambda: len(got) == 4)
    first, *rest = observations(got, "a")
    assert {o.sweep for o in rest} != {first.sweep}


async def test_sweep_comes_behind_the_observations_that_it_carries(mosquitto: Mosquitto) -> None:
    names = [f"cx/n{i}" for i in range(10)]
    async with (
        simulated_nodes(*names) as (_, addresses),
        listening(mosquitto.settings, SEEN, "conche/sweep/main") as got,
        renderer(mosquitto, registry(addresses)),
        polling(mosquitto),
    ):
        await until(lambda: len(sweeps(got)) > 5)
    number = 0
    for message in got:
        if "/sweep/" in message.topic:
            number = decode(message.payload, type=Sweep).number
        else:
            assert decode(message.payload, type=Observed).sweep == number + 1
    last = sweeps(got)[-1]
    assert (last.groups, last.unreachable, last.overrun) == (["cx"], 0, False)
    assert 8 <= last.polled <= 12


# --- nodes that are dead or hung


async def test_twenty_hung_nodes_of_a_hundred_cost_the_others_not_one_look(mosquitto: Mosquitto) -> None:
    first = free_range(100)
    period_s, measured_s = 0.25, 2.5
    cluster = simulated_cluster("--nodes", "100", "--processes", "1", "--first-port", str(first))
    async with cluster as control:
        addresses = {name: Address(n.host, n.port) for name, n in (await control.nodes()).items()}
        hung = sorted(addresses)[::5]
        await control.fault(hung, "hang")
        async with renderer(mosquitto, registry(addresses)), polling(mosquitto, period_s=period_s):
            await asyncio.sleep(1.0)
            before = await looks(control, addresses)
            await asyncio.sleep(measured_s)
            after = await looks(control, addresses)
            seen = await held(mosquitto)
    for name in addresses.keys() - set(hung):
        assert abs(after[name] - before[name] - measured_s / period_s) <= 3, name
    assert {seen[name].reach for name in addresses.keys() - set(hung)} == {Reach.OK}
    assert {seen[name].reach for name in hung} == {Reach.BUSY}


async def looks(control: Any, names: Any) -> dict[str, float]:
    return {name: (await control.node(name)).reads.get("/config", {}).get("count", 0) for name in names}


async def test_hung_node_is_busy_until_it_answers_again(mosquitto: Mosquitto) -> None:
    async with simulated_nodes("cx/a", speed=20) as (sim, addresses):
        kotekan = Kotekan(answer_timeout_s=0.1)
        async with (
            listening(mosquitto.settings, SEEN) as got,
            renderer(mosquitto, registry(addresses)),
            polling(mosquitto, kotekan=kotekan),
        ):
            await until(lambda: got)
            sim.call("fault", {"nodes": ["cx/a"], "fault": {"kind": "hang"}})
            await until(lambda: len(got) == 2)
            await periods(5)
            sim.call("clear", {"nodes": ["cx/a"]})
            await until(lambda: observations(got, "a")[-1].reach is Reach.OK)
    told = observations(got, "a")
    assert [o.reach for o in told[:2]] == [Reach.OK, Reach.BUSY]
    assert "no answer within 0.1 s" in str(told[1].error)


# --- one node, look by look


@asynccontextmanager
async def watched(
    at: Any, *, addresses: AddressMap | None = None, answer_timeout_s: float = 0.5
) -> AsyncIterator[WatchedNode]:
    node = WatchedNode(
        "cx/a",
        address=Address(at.host, at.port),
        addresses=addresses or AddressMap(None),
        settings=Kotekan(answer_timeout_s=answer_timeout_s),
        cache=FingerprintCache(),
    )
    try:
        yield node
    finally:
        node.close()


async def test_version_is_asked_once_for_each_process_and_status_once_for_each_time_it_is_idle() -> None:
    async with running_node() as node, watched(node.address) as watch:
        for _ in range(5):
            assert (await watch.look()).idle
        async with node.connect() as client:
            await client.post("/start", GAINS)
        for _ in range(5):
            assert (await watch.look()).running
        async with node.connect() as client:
            await client.get("/stop")
        for _ in range(5):
            assert (await watch.look()).idle
        reads = {path: told["count"] for path, told in node.view["reads"].items()}
        assert reads == {"/config": 15, "/version": 1, "/status": 2}
        node.order("sigkill")
        await node.until("listening", 2)
        for _ in range(5):
            assert (await watch.look()).idle
        assert node.view["reads"]["/version"]["count"] == 2


async def test_death_between_two_looks_shows_the_successor_and_no_error() -> None:
    async with running_node(speed=1000) as node, watched(node.address) as watch:
        await watch.look()
        node.order("sigkill")
        await node.until("listening", 2)
        snapshot = await watch.look()
        assert (snapshot.idle, snapshot.error) == (True, None)


async def test_kept_connection_that_dies_under_the_question_is_asked_again_once() -> None:
    async def answer(peer: Peer) -> None:
        for body in (b'{"kotekan_version": "1"}', b"{}"):
            await peer.request()
            peer.send(reply(body))
        await peer.request()

    async with raw_server(answer) as server, watched(server.address) as watch:
        for _ in range(3):
            assert (await watch.look()).running
        assert server.connections == 3
        assert server.paths == ["/version", "/config", *("/config", "/version", "/config") * 2]


async def test_connection_that_is_closed_at_once_is_an_error_and_is_not_tried_in_a_frenzy() -> None:
    async def close(peer: Peer) -> None:
        await peer.request()

    async with raw_server(close) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert snapshot.reach is Reach.HTTP_ERROR
        assert "ended before the answer was complete" in str(snapshot.error)
        assert server.connections == 1


def not_found() -> bytes:
    return reply(b'{"code":404,"message":"Not Found"}', status="404 NOT_FOUND")


async def scripted(peer: Peer, answers: dict[str, list[bytes]]) -> None:
    """Answer each path by what is left of its list; the last stays."""
    while request := await peer.request():
        left = answers[request.split(b" ")[1].decode()]
        peer.send(left.pop(0) if len(left) > 1 else left[0])


@asynccontextmanager
async def answering_node(**answers: list[bytes]) -> AsyncIterator[RawServer]:
    known = {f"/{name}": replies for name, replies in answers.items()}
    async with raw_server(lambda peer: scripted(peer, known)) as server:
        yield server


VERSION = reply(b'{"kotekan_version": "1"}')
RUNNING, STOPPED = reply(b'{"running": true}'), reply(b'{"running": false}')


async def test_process_that_has_just_begun_to_listen_and_knows_nothing_is_asked_again() -> None:
    for late in ("version", "config", "status"):
        answers = {"version": [VERSION], "config": [not_found()], "status": [STOPPED]}
        answers[late] = [not_found(), *answers[late]]
        async with answering_node(**answers) as server, watched(server.address) as watch:
            assert (await watch.look()).idle, late


async def test_server_that_always_answers_404_is_no_kotekan() -> None:
    answers = {"version": [not_found()], "config": [not_found()], "status": [not_found()]}
    async with answering_node(**answers) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert (snapshot.reach, snapshot.error) == (Reach.HTTP_ERROR, "GET /version: HTTP 404: Not Found")
        assert server.connections == 2


async def test_start_between_the_two_questions_about_an_idle_node_is_no_contradiction() -> None:
    answers = {"version": [VERSION], "config": [not_found(), reply(b'{"a": 1}')], "status": [RUNNING]}
    async with answering_node(**answers) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert snapshot.running == fingerprint({"a": 1})


async def test_node_that_is_idle_and_says_that_it_runs_makes_no_sense() -> None:
    answers = {"version": [VERSION], "config": [not_found()], "status": [RUNNING]}
    async with answering_node(**answers) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert snapshot.reach is Reach.HTTP_ERROR
        assert snapshot.error == "GET /config says idle and GET /status says running"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (reply(b"<HTML>", status="502 Bad Gateway"), "GET /config: HTTP 502"),
        (reply(b"<HTML>", status="404 Not Found"), "GET /config: HTTP 404"),
        (reply(b"{"), "GET /config: the answer is not JSON"),
        (reply(b"[]"), "GET /config: the answer is not a JSON object"),
        (reply(b'{"a": 1e999}'), "GET /config: the answer is not JSON"),
    ],
)
async def test_answer_that_makes_no_sense_is_told_in_words(config: bytes, words: str) -> None:
    async with answering_node(version=[VERSION], config=[config]) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert snapshot.reach is Reach.HTTP_ERROR
        assert str(snapshot.error).startswith(words)


async def test_rehearsal_never_asks_a_real_node(tmp_path: Path) -> None:
    addresses = tmp_path / "addresses.json"
    async with (
        answering_node(version=[VERSION], config=[reply(b"{}")]) as real,
        answering_node(version=[VERSION], config=[reply(b"{}")]) as simulated,
        watched(real.address, addresses=AddressMap(addresses)) as watch,
    ):
        for text in (None, "{}"):
            if text is not None:
                addresses.write_text(text)
            assert (await watch.look()).reach is Reach.UNREACHABLE
        addresses.write_text(json.dumps({str(real.address): str(simulated.address)}))
        assert (await watch.look()).reach is Reach.OK
        assert (real.connections, simulated.connections) == (0, 1)


# --- the registry


async def test_registry_adds_removes_and_moves_nodes(mosquitto: Mosquitto) -> None:
    async with simulated_nodes("cx/a", "cx/b", "cx/c") as (sim, addresses):
        first = {name: addresses[name] for name in ("cx/a", "cx/b")}
        async with renderer(mosquitto, registry(first)) as bus, polling(mosquitto):
            await reached(mosquitto, {"cx/a": Reach.OK, "cx/b": Reach.OK})
            bus.own(REGISTRY, registry({"cx/a": Address("127.0.0.1", 1), "cx/c": addresses["cx/c"]}))
            await reached(mosquitto, {"cx/a": Reach.REFUSED, "cx/c": Reach.OK})
            before = sim.call("node", {"node": "cx/b"})
            await periods(5)
            assert sim.call("node", {"node": "cx/b"}) == before


async def reached(mosquitto: Mosquitto, wanted: dict[str, Reach]) -> None:
    """Wait for these observations to stand there, and no others."""
    async with asyncio.timeout(10):
        while {name: o.reach for name, o in (await held(mosquitto)).items()} != wanted:
            await asyncio.sleep(0.05)


async def test_observations_are_cleared_on_a_good_registry_only(mosquitto: Mosquitto) -> None:
    """What stands there is of an earlier poller, which is gone."""
    async with running(Bus(mosquitto.settings, service=Service.POLLER, instance="main")) as earlier:
        for group in ("cx", "cy"):
            earlier.own(NODE_OBSERVED, observed(), group=group, node="gone")
        await earlier.settled()
    async with simulated_nodes("cx/a") as (_, addresses):
        broken = registry(addresses, error="nodes.yaml: line 3: not YAML")
        async with renderer(mosquitto, broken) as bus, polling(mosquitto):
            await reached(mosquitto, {"cx/a": Reach.OK, "cx/gone": Reach.OK, "cy/gone": Reach.OK})
            await periods(3)
            assert len(await held(mosquitto)) == 3
            bus.own(REGISTRY, registry(addresses))
            await reached(mosquitto, {"cx/a": Reach.OK})


async def test_poller_of_one_group_leaves_the_others_alone(mosquitto: Mosquitto) -> None:
    async with running(Bus(mosquitto.settings, service=Service.POLLER, instance="other")) as other:
        for name in ("cx/gone", "cy/a", "cz/a"):
            group, _, node = name.partition("/")
            other.own(NODE_OBSERVED, observed(), group=group, node=node)
        await other.settled()
    async with simulated_nodes("cx/a", "cy/a") as (sim, addresses):
        async with (
            listening(mosquitto.settings, "conche/sweep/+") as got,
            renderer(mosquitto, registry(addresses)),
            polling(mosquitto, groups=["cx"], instance="cx"),
        ):
            await reached(mosquitto, {"cx/a": Reach.OK, "cy/a": Reach.OK, "cz/a": Reach.OK})
            await until(lambda: sweeps(got) and sweeps(got)[-1].groups == ["cx"])
        view = sim.call("node", {"node": "cy/a"})
        assert isinstance(view, dict)
        assert view["reads"] == {}


# --- the process


@asynccontextmanager
async def process(mosquitto: Mosquitto) -> AsyncIterator[asyncio.subprocess.Process]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONCHE_")}
    child = await asyncio.create_subprocess_exec(
        CONCHE,
        "poller",
        cwd=mosquitto.folder,
        env={
            **inherited,
            "CONCHE_BROKER__PORT": str(mosquitto.port),
            "CONCHE_BROKER__SECRETS": str(mosquitto.folder / "secrets"),
            "CONCHE_POLLER__PERIOD_S": str(PERIOD_S),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_killed_poller_leaves_nothing_behind_that_its_successor_does_not_put_right(
    mosquitto: Mosquitto,
) -> None:
    async with (
        simulated_nodes("cx/a", "cx/b") as (_, addresses),
        listening(mosquitto.settings, SEEN, "conche/sweep/main") as got,
        renderer(mosquitto, registry(addresses)),
    ):
        async with process(mosquitto) as first:
            await until(lambda: sweeps(got) and len(got) > 2)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        boot, seen = sweeps(got)[-1].boot, len(got)
        async with process(mosquitto) as second:
            await until(lambda: any(s.boot != boot for s in sweeps(got)))
            successor = sweeps(got)[-1].boot
            assert {o.boot for o in (await held(mosquitto)).values()} == {successor}
            assert all(message.payload for message in got[seen:])  # nothing was cleared on the way
            second.send_signal(signal.SIGTERM)
            await second.communicate()
            assert second.returncode == 0
