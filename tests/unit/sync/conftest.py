"""Telescopes in memory, all well, of which every write is judged."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .world import World
from .world.rules import Rules
from .world.words import Words


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Return what makes a telescope; in the end no rule of the design may have been broken in it."""
    with ExitStack() as stack:
        worlds: list[tuple[World, Words]] = []

        def make(*names: str) -> World:
            world = stack.enter_context(World(names or ("cx1", "cx2", "cx3")))
            Rules(world)
            worlds.append((world, Words(world)))
            return world

        yield make
        for world, words in worlds:
            world.do(words.look)
            assert not world.breaches, "\n".join([*world.breaches, world.describe()])


@pytest.fixture
def pair(make_world: Callable[..., World]) -> World:
    """Return a telescope of two nodes, which run what they should."""
    world = make_world("cx1", "cx2")
    world.begin()
    return world


@pytest.fixture
def trio(make_world: Callable[..., World]) -> World:
    """Return a telescope of three nodes, which run what they should."""
    world = make_world()
    world.begin()
    return world
