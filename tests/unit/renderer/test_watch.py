"""In real time, on a real directory: what is tested is what the file system tells."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from conche.renderer import watch as module
from conche.renderer.watch import watch

from .directory import ConfigDirectory


class Hints:
    def __init__(self) -> None:
        self._arrived = asyncio.Event()
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        self._arrived.set()

    async def calm(self) -> None:
        """Wait until the hints of the beginning are over."""
        await asyncio.sleep(0.3)
        self._arrived.clear()
        self.count = 0

    async def expect(self, *, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            await self._arrived.wait()
        self._arrived.clear()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.1)
    monkeypatch.setattr(module, "RESCAN_S", 30.0)


@pytest.fixture
async def watching(configs: ConfigDirectory) -> AsyncIterator[Callable[[Path], Hints]]:
    tasks: list[asyncio.Task[None]] = []

    def start(root: Path) -> Hints:
        hints = Hints()
        tasks.append(asyncio.create_task(watch(root, hints)))
        return hints

    yield start
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)


Start = Callable[[Path], Hints]


async def test_write_is_a_hint(configs: ConfigDirectory, watching: Start) -> None:
    hints = watching(configs.root)
    await hints.calm()
    configs.write("nodes.yaml", "x")
    await hints.expect(within_s=1)


async def test_file_in_a_new_folder_is_a_hint(configs: ConfigDirectory, watching: Start) -> None:
    hints = watching(configs.root)
    await hints.calm()
    (configs.root / "new").mkdir()
    await hints.expect(within_s=1)
    configs.write("new/a.yaml", "x")
    await hints.expect(within_s=1)


async def test_rename_and_removal_are_hints(configs: ConfigDirectory, watching: Start) -> None:
    temporary = configs.write(".nodes.yaml.swp", "x")
    hints = watching(configs.root)
    await hints.calm()
    temporary.replace(configs.root / "nodes.yaml")
    await hints.expect(within_s=1)
    (configs.root / "nodes.yaml").unlink()
    await hints.expect(within_s=1)


async def test_burst_is_few_hints(configs: ConfigDirectory, watching: Start) -> None:
    hints = watching(configs.root)
    await hints.calm()
    for i in range(200):
        configs.write(f"cx/{i}.yaml", "x")
    await hints.expect(within_s=1)
    await asyncio.sleep(0.2)
    assert hints.count <= 5


async def test_what_git_does_is_no_hint(configs: ConfigDirectory, watching: Start) -> None:
    configs.write(".git/index", "x")
    hints = watching(configs.root)
    await hints.calm()
    for i in range(5):
        configs.write(".git/index", f"{i}")
        await asyncio.sleep(0.05)
    assert hints.count == 0


async def test_replaced_directory_is_a_hint_and_is_watched(configs: ConfigDirectory, watching: Start) -> None:
    hints = watching(configs.root)
    await hints.calm()
    configs.root.rename(configs.root.parent / "old")
    configs.root.mkdir()
    await hints.expect(within_s=1)
    await hints.calm()
    configs.write("nodes.yaml", "x")
    await hints.expect(within_s=1)


async def test_link_to_the_directory_that_is_swapped_is_a_hint_and_is_watched(
    configs: ConfigDirectory, watching: Start
) -> None:
    link = configs.root.parent / "current"
    link.symlink_to(configs.root)
    hints = watching(link)
    await hints.calm()
    configs.write("nodes.yaml", "seen through the link")
    await hints.expect(within_s=1)
    await hints.calm()
    (configs.root.parent / "next").mkdir()
    fresh = configs.root.parent / "fresh"
    fresh.symlink_to("next")
    fresh.replace(link)
    await hints.expect(within_s=1)
    await hints.calm()
    (configs.root.parent / "next" / "a").write_text("x")
    await hints.expect(within_s=1)


async def test_absent_directory_is_watched_once_it_appears(tmp_path: Path, watching: Start) -> None:
    root = tmp_path / "later"
    hints = watching(root)
    await asyncio.sleep(0.15)
    root.mkdir()
    await asyncio.sleep(0.2)
    await hints.calm()
    (root / "nodes.yaml").write_text("x")
    await hints.expect(within_s=1)


async def test_without_any_event_there_is_a_hint_now_and_then(
    configs: ConfigDirectory, watching: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESCAN_S", 0.3)
    hints = watching(configs.root)
    await hints.calm()
    await hints.expect(within_s=1)
    await hints.expect(within_s=1)


async def test_directory_that_can_not_be_watched_is_hinted_at_all_the_same(
    configs: ConfigDirectory,
    watching: Start,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_paths: object, **_settings: object) -> None:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(module, "awatch", refuse)
    monkeypatch.setattr(module, "RESCAN_S", 0.1)
    hints = watching(configs.root)
    await hints.calm()
    await hints.expect(within_s=1)
    assert "can't be watched" in caplog.text


async def test_it_stops_at_once(configs: ConfigDirectory) -> None:
    task = asyncio.create_task(watch(configs.root, Hints()))
    await asyncio.sleep(0.2)
    before = time.monotonic()
    task.cancel()
    await asyncio.wait([task])
    assert time.monotonic() - before < 0.5
