"""Whatever stands in the files, the renderer lives: it says what is wrong, or renders."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conche.renderer.nodes import Node, parse_nodes
from conche.renderer.render import Rendering

from .directory import ConfigDirectory

WORDS = (
    "groups: {cx: {cx1: {host: h}}} | [ ] { } , - ? & * &a *a << <<:*a ! !!int !!float !!bool !!binary !!set !!omap "
    "!!timestamp !!null !!str !!python/name:os | > ' \" # % @ ` = ~ .inf -.nan 1e999 0x_ 0b 0o8 1_0 12:30:99 "
    "2024-13-45 2024-01-01T99:00:00 --- ... {{ }} {% %} {# #} for i in range(3) endfor if endif set macro include "
    "node node.name 'cx/cx1.yaml' ''.join null true 99999999999999999999 kotekan_update_endpoint: json \\ud800 "
    "\ud800 \x00 \x85 \u2028 \ufeff"
)
PIECES = st.sampled_from(WORDS.split(" "))
TEXTS = st.lists(PIECES | st.sampled_from([" ", "\n", "\n  ", ": "]), max_size=12).map("".join)
CONTENTS = st.binary(max_size=40) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=CONTENTS, variables=CONTENTS, stored=CONTENTS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # of templates such as {{ 1() }}
def test_no_content_of_files_ends_the_renderer(
    tmp_path_factory: pytest.TempPathFactory, base: bytes, variables: bytes, stored: bytes
) -> None:
    root: Path = tmp_path_factory.mktemp("configs")
    configs = ConfigDirectory(root)
    configs.write("cx/cx1.yaml", base)
    configs.write("cx/cx2.yaml", b"b: {kotekan_update_endpoint: json, x: 1}")
    configs.write(".updatable/cx/cx2.json", stored)
    rendering = Rendering(root)
    for name in ("cx1", "cx2"):
        rendered = rendering.render(Node("cx", name, name))
        assert (rendered.config is None) == (rendered.error is not None)
    configs.write("vars.yaml", variables)
    rendering.files.refresh()
    rendering.render(Node("cx", "cx1", "cx1"))


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_no_text_of_nodes_yaml_ends_the_renderer(text: str) -> None:
    nodes = parse_nodes(text)
    assert all(node.rendered_from for node in nodes)
