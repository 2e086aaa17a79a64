from pathlib import Path

import pytest

from conche.local.home import Home
from conche.local.screen import Picture, screen
from conche.renderer.files import Files
from conche.renderer.nodes import Nodes, read_nodes
from tests.integration.harness import PROJECT


@pytest.fixture
def text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("CONCHE_PROJECT", str(PROJECT))

    def told(**changes) -> str:
        given = {
            "home": Home(PROJECT / ".conche"),
            "source": PROJECT / "examples/configs",
            "port": 1883,
            "nodes": read_nodes(Files(PROJECT / "examples/configs")),
            "sim_control_port": 20999,
            "sim_ports": range(21000, 21012),
            "detached": True,
        }
        return screen(Picture(**{**given, **changes}))

    return told


def test_it_fits_into_eighty_columns(text):
    for line in text().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines():
        assert len(line) <= 80, line


def test_it_tells_what_runs_where(text):
    shown = text()
    for part in (
        "12 simulated nodes",
        "127.0.0.1:1883",
        ".conche/configs/",
        "21000 to 21011",
        ".conche/log/",
    ):
        assert part in shown


def test_it_tells_that_the_copy_is_fresh(text):
    assert "a copy of examples/configs, made fresh at each up" in text()


def test_it_tells_that_real_nodes_are_real(text):
    shown = text(sim_control_port=None, sim_ports=range(0))
    assert "examples/configs - your nodes are real" in shown
    assert "sim order" not in shown


def test_in_the_foreground_it_is_ctrl_c_that_stops(text):
    assert "Ctrl-C" in text(detached=False)
    assert "Ctrl-C" not in text(detached=True)


def test_a_directory_without_nodes_is_told(text):
    assert "write .conche/configs/nodes.yaml" in text(nodes=Nodes({}), sim_ports=range(0))


def test_elsewhere_paths_are_whole(text, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert f"{PROJECT}/conche.sh status" in text()


def test_it_tells_where_the_fpga_master_is_and_whether_it_is_real(text):
    assert "http://127.0.0.1:21012, simulated" in text(fpga_url="http://127.0.0.1:21012")
    assert "https://fpga:54321, real" in text(fpga_url="https://fpga:54321", sim_control_port=None)
    assert "  fpga " not in text()


def test_it_tells_where_the_database_is_and_that_there_is_none(text):
    assert "influxdb  http://127.0.0.1:20980" in text(influx_url="http://127.0.0.1:20980")
    assert "influxdb  none here" in text()


def test_it_tells_where_prometheus_may_ask(text):
    assert "http://127.0.0.1:20990/metrics" in text(metrics_port=20990)
