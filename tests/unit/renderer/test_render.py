import os
from pathlib import Path
from typing import Any

import pytest

from conche.renderer import parsing, render, sandbox, templates, yamltext
from conche.renderer.nodes import read_nodes
from conche.renderer.render import Rendering
from conche.renderer.yamltext import Document

from .directory import ONE_NODE, ConfigDirectory

CHORD = Path(__file__).parents[4] / "shared" / "chord-configs"
BLOCK = "flags:\n  kotekan_update_endpoint: json\n  start: 1.5\n  ids: [1]\n"


def test_template_sees_shared_variables_its_own_and_the_node(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: {cx: {cx1: {host: h1, port: 7, vars: {b: own}}}}")
    configs.write("vars.yaml", "a: shared\nb: shared\n")
    configs.write(
        "cx/cx1.j2",
        "v: [{{ a }}, {{ b }}, {{ node.name }}, {{ node.group }}, {{ node.host }}, {{ node.port }}]",
    )
    assert configs.config() == {"v": ["shared", "own", "cx1", "cx", "h1", 7]}


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".j2"])
def test_every_suffix_is_rendered(configs: ConfigDirectory, suffix: str) -> None:
    configs.write(f"cx/cx1{suffix}", "---\nx: {{ 1 + 1 }}\n")
    assert configs.config() == {"x": 2}
    assert configs.render().source == f"cx/cx1{suffix}"


def test_first_suffix_wins_and_the_second_file_is_a_warning(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.j2", "x: j2")
    configs.write("cx/cx1.yml", "x: yml")
    rendered = configs.render()
    assert rendered.source == "cx/cx1.yml"
    assert rendered.warnings == ["cx/cx1.j2: is not used: cx/cx1.yml comes first; remove one of them"]


def test_node_without_a_file_says_which_would_do(configs: ConfigDirectory) -> None:
    rendered = configs.render()
    assert rendered.error == "cx/cx1: no config file (cx/cx1.yaml, .yml or .j2)"
    assert (rendered.config, rendered.fingerprint, rendered.source) == (None, None, None)


def test_entry_may_name_a_shared_file(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: {cx: {cx1: {config: cx/p.j2}, cx2: {config: cx/p.j2}}}")
    configs.write("cx/p.j2", "me: {{ node.name }}")
    assert configs.config("cx/cx1") == {"me": "cx1"}
    assert configs.config("cx/cx2") == {"me": "cx2"}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("p.j2", "cx/cx1: no config file p.j2, which nodes.yaml names for it"),
        ("../p.j2", "nodes.yaml: groups/cx/cx1/config: '../p.j2' leads out of the config directory"),
        ("/etc/passwd", "nodes.yaml: groups/cx/cx1/config: '/etc/passwd' leads out of the config directory"),
        (".git/config", "nodes.yaml: groups/cx/cx1/config: '.git/config' is a hidden file"),
    ],
)
def test_shared_file_that_can_not_be_used_is_an_error(
    configs: ConfigDirectory, name: str, error: str
) -> None:
    configs.write("nodes.yaml", f"groups: {{cx: {{cx1: {{config: {name}}}}}}}")
    assert str(configs.render().error).startswith(error)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nx: {{ foo }}", "cx/cx1.yaml:2: template: 'foo' is undefined; define it in vars.yaml"),
        ("a: 1\nx: {{ node.nam }}", "cx/cx1.yaml:2: template: 'dict object' has no attribute 'nam'"),
        ("a: 1\n{% if %}", "cx/cx1.yaml:2: template: Expected an expression"),
        ("a: {{ 1 / 0 }}", "cx/cx1.yaml:1: template: division by zero"),
        ("a: {{ 'x' | nope }}", "cx/cx1.yaml:1: template: No filter named 'nope'"),
        ("a: {{ [1] | random }}", "cx/cx1.yaml:1: template: No filter named 'random'"),
        ("a: 1\n\n{% include 'l/x.j2' %}", "cx/cx1.yaml:3: includes 'l/x.j2', which is not in the config"),
        ("{% extends 'l/x.j2' %}", "cx/cx1.yaml:1: includes 'l/x.j2', which is not in the config"),
        ("{% import 'l/x.j2' as l %}", "cx/cx1.yaml:1: includes 'l/x.j2', which is not in the config"),
        ("\n{% include '../x.j2' %}", "cx/cx1.yaml:2: template: includes '../x.j2', which leads out"),
        ("{% include '/etc/hosts' %}", "cx/cx1.yaml:1: template: includes '/etc/hosts', which leads out"),
        ("{% include '.git/config' %}", "cx/cx1.yaml:1: template: includes '.git/config', which is a hidden"),
        ("{% include 'cx/cx1.yaml' %}", "cx/cx1.yaml:1: template includes or calls itself"),
        ("{{ ''.__class__ }}", "cx/cx1.yaml:1: template: access to attribute '__class__'"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "cx/cx1.yaml: template includes or calls itself, or"),
        ("{% for i in [1] %}" * 30 + "{% endfor %}" * 30, "cx/cx1.yaml: template: too many statically"),
        ("a: {{ 'abc'.index('z') }}", "cx/cx1.yaml:1: template: substring not found"),
        ("a: {{ 'x' * 10 ** 9 }}", "cx/cx1.yaml:1: template: repeats something to more than"),
        ("a: {{ 9 ** 99999 }}", "cx/cx1.yaml:1: template: computes an integer of more than"),
        ("{% for i in range(10 ** 9) %}{% endfor %}", "cx/cx1.yaml:1: template: Range too big"),
    ],
)
def test_fault_of_a_template_names_file_and_line(configs: ConfigDirectory, text: str, error: str) -> None:
    configs.write("cx/cx1.yaml", text)
    rendered = configs.render()
    assert str(rendered.error).startswith(error)
    assert rendered.config is None


def test_fault_in_an_included_file_names_that_file(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", "{% include 'lib/a.j2' %}")
    configs.write("lib/a.j2", "\n\nx: {{ foo }}")
    assert str(configs.render().error).startswith("lib/a.j2:3: template: 'foo' is undefined")


@pytest.mark.parametrize(
    "text",
    [
        "{% set r = range(1000) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    ],
)
def test_endless_template_is_an_error_of_its_node_alone(
    configs: ConfigDirectory, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MAX_STEPS", 5_000)
    configs.write("nodes.yaml", "groups: {cx: {cx1: , cx2: }}")
    configs.write("cx/cx1.yaml", text)
    configs.write("cx/cx2.yaml", "x: {{ 1 }}")
    both = configs.render_all()
    assert str(both["cx/cx1"].error).startswith("cx/cx1.yaml:1: template: makes more than 5000 loop passes")
    assert both["cx/cx2"].config == b'{"x":1}'


def test_endless_text_is_an_error(configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MAX_TEXT", 1_000)
    configs.write("cx/cx1.yaml", "{% for i in range(500) %}x{{ i }}: 1\n{% endfor %}")
    assert "makes more than 1000 characters" in str(configs.render().error)


def test_config_beyond_what_the_broker_takes_is_an_error(
    configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "MAX_CONFIG_BYTES", 50)
    configs.write("cx/cx1.yaml", "x: " + "y" * 100)
    assert configs.render().error == "cx/cx1.yaml: gives a config of more than 50 bytes"


def test_list_may_be_appended_to_and_the_next_node_sees_it_as_it_was(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: {cx: {cx1: {config: p.j2}, cx2: {config: p.j2}}}")
    configs.write("vars.yaml", "l: [0]")
    configs.write("p.j2", "{% set _ = l.append(node.name) %}l: {{ l }}")
    assert configs.config("cx/cx2") == {"l": [0, "cx2"]}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: [1\nc: 2\n", "cx/cx1.yaml:3: not YAML: while parsing a flow sequence"),
        ("a: 1\n---\nb: 2\n", "cx/cx1.yaml:2: not YAML: holds more than one YAML document; keep one"),
        ("- 1\n", "cx/cx1.yaml: is an array, not a mapping"),
        ("", "cx/cx1.yaml: is empty, not a mapping"),
        ("a: 1\nb: {c: 2024-01-01}\n", "cx/cx1.yaml:2: b/c: datetime.date(2024, 1, 1) is a date, which JSON"),
        ("a: 1\nb: 2024-13-45\n", "cx/cx1.yaml:2: not YAML: '2024-13-45' is not a valid timestamp"),
        ("a: [1, .nan]\n", "cx/cx1.yaml:1: a[1]: nan is not a number that JSON can carry"),
        ("a: 18446744073709551616\n", "cx/cx1.yaml:1: a: the integer 18446744073709551616 needs more"),
        ("a: !!python/object:os.system x\n", "cx/cx1.yaml:1: not YAML: could not determine a constructor"),
        ("a: \x07\n", "cx/cx1.yaml: not YAML: unacceptable character"),
        ("a b:\n  kotekan_update_endpoint: json\n", "cx/cx1.yaml:1: a b: kotekan can't address"),
        ("a:\n  kotekan_update_endpoint: yes\n", "cx/cx1.yaml:2: a/kotekan_update_endpoint: must be"),
        ("[" * 100_000, "cx/cx1.yaml:1: not YAML: nested deeper than"),
    ],
)
def test_text_that_is_no_config_names_file_line_and_key(
    configs: ConfigDirectory, text: str, error: str
) -> None:
    configs.write("cx/cx1.yaml", text)
    assert str(configs.render().error).startswith(error)


def test_line_of_a_rendered_text_is_shown_as_such(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.j2", "{% for i in range(3) %}\nx{{ i }}: @\n{% endfor %}\n")
    error = str(configs.render().error)
    assert error.startswith("cx/cx1.j2: not YAML: while scanning")
    assert error.endswith("(line 2 as rendered: x0: @)")


def test_deeply_nested_config_is_rendered(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", "a: " + "[" * 190 + "]" * 190)
    assert configs.render().error is None


def test_key_that_stands_twice_is_a_warning(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", "a: 1\nb: 2\na: 3\n")
    rendered = configs.render()
    assert rendered.config == b'{"a":3,"b":2}'
    assert rendered.warnings == ["cx/cx1.yaml:3: a: stands twice; the last counts"]


def test_key_that_is_not_text_is_a_warning(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", "a: 1\n7: 2\n")
    assert configs.render().warnings == ["cx/cx1.yaml:2: 7: the key 7 is not text and becomes '7'"]


def test_stored_values_are_merged(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", BLOCK)
    plain = configs.render().fingerprint
    configs.write(".updatable/cx/cx1.json", '{"flags": {"start": 2, "ids": []}}')
    assert configs.config()["flags"] == {"kotekan_update_endpoint": "json", "start": 2.0, "ids": []}
    merged = configs.render().fingerprint
    assert plain is not None
    assert merged is not None
    assert merged.base == plain.base
    assert merged.revision != plain.revision
    assert merged.updatable.keys() == {"flags"}


def test_stored_endpoint_that_the_base_lacks_is_a_warning(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", "x: 1")
    configs.write(".updatable/cx/cx1.json", '{"gone": {"start": 2}}')
    rendered = configs.render()
    assert rendered.config == b'{"x":1}'
    assert rendered.warnings == [
        ".updatable/cx/cx1.json: gone: the base config has no such updatable block; kept, but not pushed"
    ]


def test_stored_value_that_does_not_fit_is_an_error_of_the_stored_file(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", BLOCK)
    configs.write(".updatable/cx/cx1.json", '{"flags": {"start": "2"}}')
    rendered = configs.render()
    assert rendered.config is None
    assert rendered.error == (
        ".updatable/cx/cx1.json: flags/start: is a string, the base config has a float there; store the same kind"
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: [", "vars.yaml:1: not YAML"),
        ("- a", "vars.yaml: must be a mapping of names to values"),
        ("a: 1\n7: 2", "vars.yaml:2: the name 7 is not text"),
    ],
)
def test_broken_variables_are_an_error_of_every_node(configs: ConfigDirectory, text: str, error: str) -> None:
    configs.write("cx/cx1.yaml", "x: 1")
    configs.write("vars.yaml", text)
    assert str(configs.render().error).startswith(error)


def test_variable_called_node_is_a_warning(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", "x: {{ node.name }}")
    configs.write("vars.yaml", "node: mine")
    rendered = configs.render()
    assert rendered.config == b'{"x":"cx1"}'
    assert rendered.warnings[0].startswith("vars.yaml: node: is the node itself in every template")


def unreadable(configs: ConfigDirectory, how: str) -> None:
    path = configs.root / "cx/cx1.yaml"
    path.parent.mkdir()
    match how:
        case "directory":
            path.mkdir()
        case "dangling link":
            path.symlink_to("nowhere")
        case "link outside":
            (configs.root.parent / "secret").write_text("x: 1")
            path.symlink_to(configs.root.parent / "secret")
        case "loop of links":
            path.symlink_to(path)
        case "pipe":
            os.mkfifo(path)
        case "not utf-8":
            path.write_bytes(b"a: 1\nb: \xff\n")


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("directory", "cx/cx1.yaml: is a directory, not a file"),
        ("dangling link", "cx/cx1.yaml: is a link to nowhere, which does not exist"),
        ("link outside", "cx/cx1.yaml: is a link to /"),
        ("loop of links", "cx/cx1.yaml: can't be read: "),
        ("pipe", "cx/cx1.yaml: is not a regular file"),
        ("not utf-8", "cx/cx1.yaml:2: is not UTF-8 (byte 0xff)"),
    ],
)
def test_file_that_can_not_be_read_is_an_error_of_its_node_alone(
    configs: ConfigDirectory, how: str, error: str
) -> None:
    configs.write("nodes.yaml", "groups: {cx: {cx1: , cx2: }}")
    unreadable(configs, how)
    configs.write("cx/cx2.yaml", "x: 1")
    both = configs.render_all()
    assert str(both["cx/cx1"].error).startswith(error)
    assert both["cx/cx2"].error is None


def test_link_inside_the_directory_is_followed(configs: ConfigDirectory) -> None:
    configs.write("shared.yaml", "x: 1")
    (configs.root / "cx").mkdir()
    (configs.root / "cx/cx1.yaml").symlink_to("../shared.yaml")
    assert configs.config() == {"x": 1}


def test_reads_hold_what_was_read_and_what_was_missed(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.j2", "{% include 'lib/a.j2' %}{% include ['no.j2', 'lib/b.j2'] ignore missing %}")
    configs.write("lib/a.j2", "x: 1\n")
    assert configs.render().reads == {
        "cx/cx1.yaml", "cx/cx1.yml", "cx/cx1.j2", "lib/a.j2", "no.j2", "lib/b.j2", "vars.yaml",
        ".updatable/cx/cx1.json",
    }  # fmt: skip


def test_compiled_template_that_is_used_again_is_still_recorded(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: {cx: {cx1: {config: p.j2}, cx2: {config: p.j2}}}")
    configs.write("p.j2", "{% include 'a.j2' %}")
    configs.write("a.j2", "x: {{ 1 }}")
    assert {"p.j2", "a.j2"} <= configs.render_all()["cx/cx2"].reads


def test_changed_include_is_seen_by_a_compiled_template(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.j2", "{% include 'a.j2' %}")
    configs.write("a.j2", "x: {{ 1 }}")
    rendering = Rendering(configs.root)
    (node,) = read_nodes(rendering.files)
    assert rendering.render(node).config == b'{"x":1}'
    configs.write("a.j2", "x: {{ 2 }}")
    assert rendering.files.refresh().names == {"a.j2"}
    assert rendering.render(node).config == b'{"x":2}'


def test_same_text_is_parsed_once(configs: ConfigDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def load(text: str) -> Document:
        parsed.append(text)
        return yamltext.load(text)

    monkeypatch.setattr(parsing, "load", load)
    configs.write("nodes.yaml", "groups: {cx: {cx1: {config: p.j2}, cx2: {config: p.j2}}}")
    configs.write("p.j2", "x: {{ node.port }}")
    configs.render_all()
    assert parsed == ["x: 12048"]


def test_cache_of_parsed_texts_is_bounded() -> None:
    texts = parsing.ParsedTexts(size=5_000)
    for i in range(100):
        texts.of(parsing.Text(f"x: {i}", "f", as_written=False))
    assert len(texts._known) < 5


@pytest.mark.skipif(not CHORD.exists(), reason="the observatory's directory is not beside the checkout")
def test_directory_of_the_observatory_works_unchanged() -> None:
    rendered: dict[str, Any] = ConfigDirectory.render_all(_Existing(CHORD))
    assert rendered["cx/cx27"].error is None
    assert rendered["cx/cx27"].fingerprint.updatable.keys() == {
        "updatable_config/flagging", "updatable_config/gains", "updatable_config/26m_gated",
    }  # fmt: skip
    assert b'"26m_gated":{"kotekan_update_endpoint":"json","enabled":true}' in rendered["cx/cx27"].config
    assert rendered["recv/recv1"].error is None
    assert b'"time_inst_ns":1773446400000000000' in rendered["recv/recv1"].config
    assert rendered["cx/cx42"].error == "cx/cx42: no config file (cx/cx42.yaml, .yml or .j2)"


class _Existing(ConfigDirectory):
    def __init__(self, root: Path) -> None:
        self.root = root


def test_entry_of_one_node_is_enough(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", ONE_NODE)
    configs.write("cx/cx1.yaml", "x: 1")
    assert list(configs.render_all()) == ["cx/cx1"]
