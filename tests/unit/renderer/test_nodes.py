from pathlib import Path

import pytest

from conche.renderer.files import Files
from conche.renderer.nodes import parse_nodes, read_nodes

from .directory import ConfigDirectory


def test_entry_without_anything_gets_its_name_as_host_and_kotekans_port() -> None:
    nodes = parse_nodes("groups:\n  cx:\n    cx27:\n")
    (node,) = nodes
    assert (node.key, node.host, node.port, node.started) == ("cx/cx27", "cx27", 12048, False)
    assert nodes.problems == ()


def test_entry_is_taken_as_written() -> None:
    (node,) = parse_nodes(
        "groups: {cx: {a: {host: h, port: 1, started: true, config: cx/p.j2, vars: {x: 1}}}}"
    )
    assert (node.host, node.port, node.started, node.config) == ("h", 1, True, "cx/p.j2")
    assert node.variables == {"x": 1}


@pytest.mark.parametrize("members", ["", "{}", "null"])
def test_group_without_members_is_accepted(members: str) -> None:
    nodes = parse_nodes(f"groups:\n  cx: {members}\n")
    assert nodes.groups == {"cx": {}}
    assert nodes.error is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("groups:\n cx:\n  a: {port: no}\n", "nodes.yaml:3: groups/cx/a/port: False is not a port"),
        ("groups:\n cx:\n  a: {port: 0}\n", "nodes.yaml:3: groups/cx/a/port: 0 is not a port"),
        ("groups:\n cx:\n  a:\n   port: '7'\n", "nodes.yaml:4: groups/cx/a/port: '7' is not a port"),
        ("groups:\n cx:\n  a:\n   host: h:7\n", "nodes.yaml:4: groups/cx/a/host: 'h:7' holds a port"),
        ("groups:\n cx:\n  a: {host: 10.1}\n", "nodes.yaml:3: groups/cx/a/host: 10.1 is not a host"),
        ("groups:\n cx:\n  a: {host: 'h/x'}\n", "nodes.yaml:3: groups/cx/a/host: 'h/x' is not a host"),
        ("groups:\n cx:\n  a: {started: 1}\n", "nodes.yaml:3: groups/cx/a/started: 1 is neither true"),
        ("groups:\n cx:\n  a: {config: [x]}\n", "nodes.yaml:3: groups/cx/a/config: ['x'] is not the name"),
        ("groups:\n cx:\n  a: {vars: 3}\n", "nodes.yaml:3: groups/cx/a/vars: must be a mapping"),
        ("groups:\n cx:\n  a: {vars: {1: x}}\n", "nodes.yaml:3: groups/cx/a/vars/1: the name 1 is not"),
        ("groups:\n cx:\n  a: host\n", "nodes.yaml:3: groups/cx/a: must be a mapping of host, port"),
        ("groups:\n cx: [a, b]\n", "nodes.yaml:2: groups/cx: must be a mapping of node names"),
        ("groups: 3\n", "nodes.yaml:1: groups: must be a mapping of group names"),
        ("groups:\n all: {}\n", "nodes.yaml:2: groups/all: group 'all' is reserved"),
        ("groups:\n cx:\n  all:\n", "nodes.yaml:3: groups/cx/all: node 'all' is reserved"),
        ("groups:\n cx:\n  27:\n", "nodes.yaml:3: groups/cx/27: node 27 is not text: put it in quotes"),
        ("groups:\n .cx: {}\n", "nodes.yaml:2: groups/.cx: group '.cx': letters, digits"),
        ("groups:\n cx:\n  a:\n  b:\n  a:\n", "nodes.yaml:5: groups/cx/a: stands twice, first in line 3"),
        ("groups:\n cx: {}\n cx: {}\n", "nodes.yaml:3: groups/cx: stands twice, first in line 2"),
        ("groups:\n cx:\n  a:\n   port: 1\n   port: 2\n", "nodes.yaml:5: groups/cx/a/port: stands twice"),
        ("", "nodes.yaml: has no 'groups'; write 'groups: {}'"),
        ("- a\n", "nodes.yaml: has no 'groups'"),
        ("groups:\n cx: [\n", "nodes.yaml:2: not YAML: while parsing"),
        ("groups:\n cx:\n  a: {port: !!bool x}\n", "nodes.yaml:3: not YAML: 'x' is not a valid bool"),
        ("groups: {}\n---\ngroups: {}\n", "nodes.yaml:2: not YAML: holds more than one YAML document"),
    ],
)
def test_error_names_line_and_key(text: str, problem: str) -> None:
    error = parse_nodes(text).error
    assert error is not None
    assert error.startswith(problem)


def test_two_nodes_with_one_address_are_an_error() -> None:
    error = parse_nodes("groups:\n cx:\n  a: {host: h}\n recv:\n  b: {host: H}\n").error
    assert error == ("nodes.yaml:5: groups/recv/b: has the address of cx/a, H:12048; each node needs its own")


def test_two_nodes_on_one_host_are_fine_with_different_ports() -> None:
    assert parse_nodes("groups: {cx: {a: {host: h, port: 1}, b: {host: h, port: 2}}}").error is None


def test_several_errors_are_one_line_that_counts_the_rest() -> None:
    error = parse_nodes("groups:\n cx:\n  a: {port: 0}\n  b: {port: 0}\n  c: {port: 0}\n").error
    assert error is not None
    assert error.startswith("nodes.yaml:3: ")
    assert error.endswith("(and 2 more: conche check)")


def test_unknown_key_is_a_warning_with_its_line() -> None:
    nodes = parse_nodes("groups:\n  cx:\n    a:\n      prot: 3\n")
    assert nodes.error is None
    (warning,) = nodes.problems
    assert str(warning).startswith("nodes.yaml:4: groups/cx/a/prot: is not known here and ignored")


def test_merge_key_that_is_overridden_is_no_duplicate() -> None:
    nodes = parse_nodes("groups:\n cx:\n  a: &a {host: x, port: 1}\n  b:\n   <<: *a\n   host: y\n")
    assert nodes.error is None
    assert [(node.host, node.port) for node in nodes] == [("x", 1), ("y", 1)]


def test_integer_and_float_variables_are_different_entries() -> None:
    (one,) = parse_nodes("groups: {cx: {a: {vars: {x: 1}}}}")
    (other,) = parse_nodes("groups: {cx: {a: {vars: {x: 1.0}}}}")
    assert one.rendered_from != other.rendered_from


def test_missing_file_and_missing_directory_are_told_apart(configs: ConfigDirectory) -> None:
    (configs.root / "nodes.yaml").unlink()
    assert read_nodes(Files(configs.root)).error == "nodes.yaml: is not there"
    gone = configs.root / "gone"
    assert read_nodes(Files(gone)).error == f"nodes.yaml: the config directory {gone} is not there"


def test_file_that_is_not_utf8_names_the_line(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", b"groups:\n  caf\xe9: {}\n")
    error = read_nodes(Files(configs.root)).error
    assert error == "nodes.yaml:2: is not UTF-8 (byte 0xe9); save it as UTF-8"


def test_ten_thousand_brackets_are_an_error_and_no_crash(tmp_path: Path) -> None:
    assert "nested deeper than" in str(parse_nodes("[" * 100_000).error)
