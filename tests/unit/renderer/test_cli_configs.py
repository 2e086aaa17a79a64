from collections.abc import Callable

import pytest
import yaml
from click.testing import CliRunner, Result
from msgspec.json import decode

from conche.cli.configs import check, render

from .directory import ConfigDirectory

Run = Callable[..., Result]


@pytest.fixture
def configs(configs: ConfigDirectory) -> ConfigDirectory:
    configs.write("nodes.yaml", "groups: {cx: {cx1: , cx2: }, recv: {r1: }}")
    configs.write("cx/cx1.yaml", "x: 1.0\nb: {kotekan_update_endpoint: json, t_ns: 1773446400000000001}")
    configs.write("cx/cx2.yaml", "x: 2")
    configs.write("recv/r1.yaml", "x: 3")
    return configs


def run_check(configs: ConfigDirectory) -> Result:
    return CliRunner().invoke(check, [str(configs.root)])


def run_render(configs: ConfigDirectory, *arguments: str) -> Result:
    return CliRunner().invoke(render, [str(configs.root), *arguments])


def test_check_of_a_good_directory_says_so_and_exits_with_zero(configs: ConfigDirectory) -> None:
    result = run_check(configs)
    assert (result.exit_code, result.output) == (0, f"{configs.root}: 0 errors, 0 warnings\n")


def test_check_prints_errors_then_warnings_then_a_summary(configs: ConfigDirectory) -> None:
    configs.write("cx/cx1.yaml", "a: 1\nx: {{ y }}")
    configs.write("cx/aa.yaml", "x: 1")
    result = run_check(configs)
    first, second, summary = result.output.splitlines()
    assert result.exit_code == 1
    assert first == (
        "cx/cx1.yaml:2: template: 'y' is undefined; define it in vars.yaml or in the node's vars [cx/cx1]"
    )
    assert second.startswith("cx/aa.yaml: warning: is used by no node")
    assert summary == f"{configs.root}: 1 error, 1 warning"


def test_warnings_alone_exit_with_zero(configs: ConfigDirectory) -> None:
    configs.write("cx/aa.yaml", "x: 1")
    assert run_check(configs).exit_code == 0


def test_render_prints_yaml_that_reads_back(configs: ConfigDirectory) -> None:
    result = run_render(configs, "cx/*")
    assert result.exit_code == 0
    first, second = yaml.safe_load_all(result.stdout)
    assert first["b"]["t_ns"] == 1773446400000000001
    assert isinstance(first["x"], float)
    assert second == {"x": 2}
    assert "# cx/cx1: revision " in result.stdout


def test_render_as_json_has_exactly_these_keys_also_for_a_node_that_fails(configs: ConfigDirectory) -> None:
    configs.write("cx/cx2.yaml", "x: {{ y }}")
    result = run_render(configs, "--json")
    assert result.exit_code == 1
    nodes = decode(result.stdout)
    assert nodes.keys() == {"cx/cx1", "cx/cx2", "recv/r1"}
    assert all(n.keys() == {"config", "revision", "base", "updatable", "error"} for n in nodes.values())
    assert nodes["cx/cx1"]["error"] is None
    assert nodes["cx/cx1"]["updatable"].keys() == {"b"}
    failed = nodes["cx/cx2"]
    assert (failed["config"], failed["revision"], failed["base"], failed["updatable"]) == (
        None,
        None,
        None,
        {},
    )
    assert failed["error"].startswith("cx/cx2.yaml:1: ")


def test_failed_node_that_was_not_asked_for_does_not_matter(configs: ConfigDirectory) -> None:
    configs.write("cx/cx2.yaml", "x: {{ y }}")
    assert run_render(configs, "cx/cx1").exit_code == 0


def test_error_of_a_node_goes_to_standard_error(configs: ConfigDirectory) -> None:
    configs.write("cx/cx2.yaml", "x: {{ y }}")
    result = run_render(configs, "cx/cx2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("cx/cx2.yaml:1: ")


def test_unknown_node_is_an_error_that_names_near_ones(configs: ConfigDirectory) -> None:
    result = run_render(configs, "cx/cx3")
    assert result.exit_code == 2
    assert "no node is called 'cx/cx3'; did you mean cx/cx2, cx/cx1?" in result.stderr


def test_broken_nodes_file_prints_an_empty_object(configs: ConfigDirectory) -> None:
    configs.write("nodes.yaml", "groups: [")
    result = run_render(configs, "--json")
    assert (result.exit_code, result.stdout) == (1, "{}\n")
    assert result.stderr.startswith("nodes.yaml:1: not YAML")
