"""What the poller publishes of simulated nodes: changes, sweeps, hung nodes, and after it was killed."""

import asyncio
import signal
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec.json import decode

from conche.contract import Observed, Reach, Sweep
from conche.kotekan.connection import Address
from conche.kotekan.revision import fingerprint
from conche.settings import Kotekan
from conche.sim.launch import simulated_cluster, simulated_nodes

from .bus_support import SEEN, listening, until
from .harness import Mosquitto, child, free_range
from .poller_support import PERIOD_S, held, observations, periods, polling, registry, renderer, sweeps
from .sim_support import GAINS, Node
from .stack import CONCHE, environment_of

# --- changes and sweeps


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


# --- the process


def process(mosquitto: Mosquitto) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    environment = environment_of(mosquitto) | {"CONCHE_POLLER__PERIOD_S": str(PERIOD_S)}
    return child(CONCHE, "poller", cwd=mosquitto.folder, env=environment)


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
