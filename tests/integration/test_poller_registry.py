"""Which nodes the poller asks and whose observations it clears, as the registry says."""

from conche.bus import Bus
from conche.contract import NODE_OBSERVED, REGISTRY, Reach, Service
from conche.kotekan.connection import Address
from conche.sim.launch import simulated_nodes

from .bus_support import listening, observed, running, until
from .harness import Mosquitto
from .poller_support import held, periods, polling, reached, registry, renderer, sweeps


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
