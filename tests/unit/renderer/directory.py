"""A config directory for tests, written line by line."""

import os
from pathlib import Path
from typing import Any

from msgspec.json import decode

from conche.renderer.nodes import read_nodes
from conche.renderer.render import Rendered, Rendering

ONE_NODE = "groups: {cx: {cx1: {host: h1}}}\n"


class ConfigDirectory:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("nodes.yaml", ONE_NODE)

    def write(self, name: str, text: str | bytes, *, age_s: float = 0) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        if age_s:
            past = path.stat().st_mtime_ns - int(age_s * 1e9)
            os.utime(path, ns=(past, past))
        return path

    def render(self, key: str = "cx/cx1") -> Rendered:
        return self.render_all()[key]

    def render_all(self) -> dict[str, Rendered]:
        rendering = Rendering(self.root)
        nodes = read_nodes(rendering.files)
        assert nodes.error is None
        return {node.key: rendering.render(node) for node in nodes}

    def config(self, key: str = "cx/cx1") -> Any:
        rendered = self.render(key)
        assert rendered.error is None
        assert rendered.config is not None
        return decode(rendered.config)
