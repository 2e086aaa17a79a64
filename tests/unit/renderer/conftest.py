from pathlib import Path

import pytest

from .directory import ConfigDirectory


@pytest.fixture
def configs(tmp_path: Path) -> ConfigDirectory:
    root = tmp_path / "configs"
    root.mkdir()
    return ConfigDirectory(root)
