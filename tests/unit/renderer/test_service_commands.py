"""Commands, and what befalls the config directory meanwhile: in real time, on a real directory."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import encode

from conche.bus import Incoming
from conche.contract import Arguments, BaseConfig
from conche.renderer import changeset, keeping
from conche.renderer import service as module
from conche.renderer.changeset import ChangeSet, Note
from conche.renderer.editor import Editor
from conche.renderer.history import History
from conche.renderer.steps import put_in_place

from .plane import Killed
from .world import World

TWO_NODES = "groups: {cx: {cx1: {host: h1}, cx2: {host: h2}}}\n"


def order(world: World, action: str, wish: Arguments, target: str = "cx/cx1") -> None:
    world.bus.on_command(Incoming(f"conche/command/ann/{target}/{action}", encode(wish), retained=False))


async def test_a_half_written_hand_edit_is_not_published_by_a_command_that_is_carried_out_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RIPE_S", 1.5)
    world.configs.write("nodes.yaml", TWO_NODES)
    world.start()
    await world.until(lambda: world.bus.config("cx2"))
    world.bus.log.clear()
    real = Editor.write

    def write(*arguments: Any) -> Any:
        world.configs.write("cx/cx2.yaml", "half: 1")
        return real(*arguments)

    monkeypatch.setattr(Editor, "write", write)
    order(world, "base_config", BaseConfig(config_content="x: 5"))
    await world.until(lambda: world.bus.config() == {"x": 5})
    world.configs.write("cx/cx2.yaml", "whole: 1")
    await world.until(lambda: world.bus.config("cx2") == {"whole": 1})
    assert world.bus.log.count("desired/cx/cx2") == 1


def read_only(*_: Any) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), "cx1.yaml")


async def test_half_a_change_is_neither_published_nor_committed_and_is_taken_back_in_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "QUIET_S", 0.05)
    world.configs.write("nodes.yaml", TWO_NODES)
    world.start()
    await world.until(lambda: world.bus.config("cx2"))
    await world.until(lambda: list(History(world.configs.root).log()))
    world.bus.log.clear()
    tried: list[object] = []

    def one(steps: Any) -> None:
        put_in_place(list(steps)[:1])
        read_only()

    def fail(step: object) -> None:
        tried.append(step)
        read_only()

    with monkeypatch.context() as patch:
        patch.setattr(changeset, "put_in_place", one)
        patch.setattr(changeset, "take_back", fail)
        order(world, "base_config", BaseConfig(config_content="x: 5"), "cx/all")
        await world.until(lambda: world.bus.sent)
        assert "it is half done" in (world.bus.sent[0][1].error or "")
        looked = len(tried)
        world.configs.write("cx/cx2.yaml", "y: 3")
        await world.until(lambda: len(tried) > looked)
    assert world.configs.root.joinpath("cx/cx1.yaml").read_text() == "x: 5"
    world.configs.write("vars.yaml", "a: 1\n")
    await world.until(lambda: world.configs.root.joinpath("cx/cx1.yaml").read_text() == "x: 1")
    await world.until(lambda: world.bus.config("cx2") == {"y": 3})
    await world.until(lambda: len(list(History(world.configs.root).log())) > 1)
    assert "desired/cx/cx1" not in world.bus.log
    assert all("cx/cx1.yaml" not in c.paths for c in list(History(world.configs.root).log())[:-1])


def left_half_done(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a process die when one of two files has its new content."""
    files = {"cx/cx1.yaml": b"x: 5", "cx/cx2.yaml": b"x: 5"}
    before = {name: root.joinpath(name).read_bytes() for name in files}
    with monkeypatch.context() as patch:
        patch.setattr(changeset, "put_in_place", lambda steps: put_one(list(steps)))
        with pytest.raises(Killed):
            ChangeSet(root).apply(files, Note(author="ann", subject="more"), before=before)


async def test_what_was_left_half_done_is_taken_back_before_anything_is_published(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_half_done(world.configs.root, monkeypatch)
    world.start()
    await world.until(lambda: world.bus.config() == {"x": 1})
    assert world.bus.log.count("desired/cx/cx1") == 1


async def test_what_was_left_half_done_in_a_directory_that_appears_late_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = world.configs.root
    left_half_done(root, monkeypatch)
    away = root.rename(root.with_name("away"))
    world.start()
    await world.until(lambda: world.bus.registry.error)
    away.rename(root)
    await world.until(lambda: world.bus.config() == {"x": 1})
    assert not (root / changeset.FILE).exists()


def put_one(steps: list[Any]) -> None:
    put_in_place(steps[:1])
    raise Killed
