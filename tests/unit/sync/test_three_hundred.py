"""Three hundred nodes are being pushed when a new epoch begins."""

from collections.abc import Callable

from msgspec.structs import replace

from .world import World
from .world.configs import Config
from .world.moments import follow

NAMES = tuple(f"cx{number:03}" for number in range(300))
OTHER = Config(depth=5)


def test_every_push_ends_before_maintenance_and_nobody_is_written_to_afterwards(
    make_world: Callable[..., World],
) -> None:
    world = make_world(*NAMES)
    world.begin()
    heard = {name: follow(world, name) for name in NAMES}
    world.do(world.want, OTHER)
    world.until(lambda: len(killed(world)) > len(NAMES) // 2, step=0.01)
    assert len([name for name in NAMES if world.node(name).push is not None]) > len(NAMES) // 2
    began_at = world.now
    entries = {name: replace(entry, epoch="e2") for name, entry in world.renderer.nodes.items()}
    world.do(world.renderer.set_nodes, entries)
    world.until(lambda: all(said and said[-1].epoch == "e2" for said in heard.values()), step=0.2)
    held_at = world.now
    world.run(120.0)
    late = [r for r in world.network.requests if r.writes and r.at > began_at + 0.01]
    assert not [r for r in late if r.path == "/kill"]
    assert not [r for r in late if r.at > held_at]
    assert all(said[-1].maintenance.on and said[-1].started for said in heard.values())
    pushed = killed(world)
    assert all((world.machine(name).running == OTHER.revision) is (name in pushed) for name in NAMES)


def killed(world: World) -> set[str]:
    """Return the nodes whose process was killed for the config."""
    return {r.address.partition(":")[0] for r in world.network.requests if r.path == "/kill"}
