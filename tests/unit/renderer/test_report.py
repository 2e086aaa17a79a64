from pathlib import Path

import pytest

from conche.renderer.report import RegistryInvalid, check_directory, render_directory

from .directory import ConfigDirectory

CHORD = Path(__file__).parents[4] / "shared" / "chord-configs"


def words(configs: ConfigDirectory) -> list[str]:
    return [f"{problem.severity}: {problem}" for problem in check_directory(configs.root)]


def test_good_directory_has_no_problems(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.j2", "{% include 'lib/a.j2' %}")
    configs.write("lib/a.j2", "x: {{ v }}")
    configs.write("vars.yaml", "v: 1")
    configs.write(".updatable/cx/cx1.json", "{}")
    configs.write("README.md", "hello")
    configs.write(".git/a.yaml", "hello")
    assert words(configs) == []


def test_errors_come_before_warnings(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: {cx: {cx1: {what: 1}}}")
    configs.write("cx/cx1.yaml", "x: {{ y }}")
    assert [line.split(":")[0] for line in words(configs)] == ["error", "warning"]


def test_problem_of_many_nodes_is_told_once_with_their_names(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: {cx: {a: {config: p.j2}, b: {config: p.j2}}}")
    configs.write("p.j2", "x: {{ y }}")
    (problem,) = check_directory(configs.root)
    assert problem.nodes == ("cx/a", "cx/b")
    assert str(problem).startswith("p.j2:1: template: 'y' is undefined")


def test_files_of_no_node_are_warnings(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", "x: 1")
    for name in ("cx/cx9.yml", "recv/r.j2", "lib/deep/x.j2", "cx/cx1.txt"):
        configs.write(name, "x: 1")
    configs.write(".updatable/cx/cx9.json", "{}")
    assert words(configs) == [
        "warning: .updatable/cx/cx9.json: holds stored values of no node, as group 'cx' has no node 'cx9' in "
        "nodes.yaml",
        "warning: cx/cx9.yml: is used by no node: it is included nowhere and belongs to no node, as group 'cx' "
        "has no node 'cx9' in nodes.yaml",
        "warning: lib/deep/x.j2: is used by no node: it is included nowhere and belongs to no node",
        "warning: recv/r.j2: is used by no node: it is included nowhere and belongs to no node, as there is no "
        "group 'recv' in nodes.yaml",
    ]


def test_node_whose_entry_names_another_file_leaves_its_own_unused(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: {cx: {cx1: {config: p.j2}}}")
    configs.write("p.j2", "x: 1")
    configs.write("cx/cx1.yaml", "x: 1")
    assert words(configs) == [
        "warning: cx/cx1.yaml: is used by no node: it is included nowhere and belongs to cx/cx1, which does "
        "not read it"
    ]


def test_broken_nodes_file_is_told_without_calling_every_file_unused(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: [")
    configs.write("cx/cx1.yaml", "x: 1")
    (line,) = words(configs)
    assert line.startswith("error: nodes.yaml:1: not YAML")


def test_nodes_that_can_be_understood_are_checked_beside_those_that_can_not(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: {cx: {cx1: {port: 0}, cx2: }}")
    configs.write("cx/cx1.yaml", "x: 1")
    assert [line.split(": ")[1] for line in words(configs)] == ["nodes.yaml:1", "cx/cx2"]


def test_rendering_without_a_registry_is_refused(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: [")
    with pytest.raises(RegistryInvalid, match=r"nodes\.yaml:1: not YAML"):
        render_directory(configs.root)


@pytest.mark.skipif(not CHORD.exists(), reason="the observatory's directory is not beside the checkout")
def test_directory_of_the_observatory_lacks_one_config_file() -> None:
    assert [str(problem) for problem in check_directory(CHORD)] == [
        "cx/cx42: no config file (cx/cx42.yaml, .yml or .j2)"
    ]
