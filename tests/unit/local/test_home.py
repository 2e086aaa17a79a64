import os
from pathlib import Path

import click
import pytest

from conche.local.home import BrokerNotFound, Home, Stack, find_broker, find_home
from conche.local.processes import Process
from conche.local.project import find_project


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    home.settings.write_text("broker: {port: 4711, secrets: broker/secrets}\n")
    return home


def runs(home: Home, *, control: int | None = None) -> None:
    me = Process.of(os.getpid())
    assert me is not None
    home.write_record(Stack(supervisor=me, source="/x", port=4711, sim_control_port=control))


def test_the_home_is_where_the_variable_says(tmp_path):
    assert find_home({"CONCHE_HOME": str(tmp_path / "h"), "CONCHE_PROJECT": "/p"}).path == tmp_path / "h"


def test_the_home_is_beside_conche_sh(tmp_path):
    assert find_home({"CONCHE_PROJECT": str(tmp_path)}).path == tmp_path / ".conche"


def test_the_home_is_in_the_working_directory(elsewhere):
    assert find_home({}).path == elsewhere / ".conche"


def test_the_broker_of_the_running_stack_is_found(home):
    runs(home)
    broker = find_broker({"CONCHE_HOME": str(home.path)})
    assert broker.port == 4711
    assert broker.secrets == home.secrets


def test_without_a_stack_the_remedy_is_told(home):
    with pytest.raises(BrokerNotFound, match=r"^no stack runs here: \./conche\.sh up$"):
        find_broker({"CONCHE_HOME": str(home.path)})


def test_a_stack_whose_supervisor_is_gone_does_not_run(home):
    me = Process.of(os.getpid())
    assert me is not None
    home.write_record(Stack(supervisor=Process(me.pid, me.started - 1), source="/x", port=4711))
    assert home.running_stack() is None


def test_a_spoilt_record_is_none(home):
    home.record.write_text("{")
    assert home.running_stack() is None


def test_settings_come_before_the_stack(home, tmp_path):
    runs(home)
    file = tmp_path / "mine.yaml"
    file.write_text("broker: {host: far.away}\n")
    environment = {"CONCHE_HOME": str(home.path), "CONCHE_CONFIG": str(file)}
    assert find_broker(environment).host == "far.away"


def test_a_settings_file_in_the_working_directory_comes_before_the_stack(home, elsewhere):
    runs(home)
    (elsewhere / "conche.yaml").write_text("broker: {host: far.away}\n")
    assert find_broker({"CONCHE_HOME": str(home.path)}).host == "far.away"


def test_a_broker_in_the_environment_comes_before_the_stack(home):
    runs(home)
    environment = {"CONCHE_HOME": str(home.path), "CONCHE_BROKER__HOST": "far.away"}
    assert find_broker(environment).host == "far.away"


@pytest.mark.parametrize("variable", ["CONCHE_BROKER__PASSWORD", "CONCHE_BROKER__PASSWORD_FILE"])
def test_a_password_in_the_environment_is_for_the_broker_of_the_stack(home, variable):
    runs(home)
    broker = find_broker({"CONCHE_HOME": str(home.path), variable: "/mine"})
    assert broker.port == 4711
    assert "/mine" in (broker.password, str(broker.password_file))


def test_a_wrong_setting_is_one_line(tmp_path):
    with pytest.raises(BrokerNotFound, match="CONCHE_BROKER__PRT"):
        find_broker({"CONCHE_HOME": str(tmp_path), "CONCHE_BROKER__PRT": "1"})


def test_a_folder_that_is_no_checkout_is_told(tmp_path):
    with pytest.raises(click.ClickException, match="is no checkout of conche"):
        find_project({"CONCHE_PROJECT": str(tmp_path)})


def test_the_package_knows_the_checkout_that_it_runs_from():
    assert (find_project({}) / "conche.sh").exists()
