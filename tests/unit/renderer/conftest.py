from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche.renderer import service, watch

from .directory import ConfigDirectory
from .world import World


@pytest.fixture
def configs(tmp_path: Path) -> ConfigDirectory:
    root = tmp_path / "configs"
    root.mkdir()
    return ConfigDirectory(root)


@pytest.fixture
async def world(configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(service, "RIPE_S", 0.05)
    monkeypatch.setattr(watch, "LOOK_S", 0.1)
    configs.write("cx/cx1.yaml", "x: 1")
    configs.write("cx/cx2.yaml", "y: {{ node.name }}")
    made = World(configs)
    yield made
    await made.stop()
