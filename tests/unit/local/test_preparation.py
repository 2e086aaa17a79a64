import json
import socket
from pathlib import Path

import click
import pytest
import yaml

from conche.local import preparation
from conche.local.home import Home, Stack
from conche.local.ports import is_free
from conche.local.preparation import Order, prepare, settings_for
from conche.local.processes import Process
from conche.settings import Broker, Kotekan, Renderer, Settings, load
from tests.integration.harness import PROJECT, free_port


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def order(source: Path = PROJECT / "examples/configs", **changes) -> Order:
    port = next(p for p in iter(free_port, None) if all(map(is_free, range(p + 95, p + 113))))
    given = {
        "project": PROJECT,
        "source": source,
        "rehearse": True,
        "port": port,
        "sim_port": port + 100,
        "sim_control_port": port + 99,
        "influx_port": port + 97,
        "metrics_port": port + 96,
        "https_port": port + 95,
        "settings_file": None,
    }
    return Order(**{**given, **changes})


def test_the_services_read_the_settings_that_were_written(home):
    prepared = prepare(order(), home)
    assert load(home.settings, environment={}) == prepared.settings


def test_a_rehearsal_renders_the_copy_and_uses_the_map(home):
    settings = prepare(order(), home).settings
    assert settings.renderer.configs == home.configs
    assert settings.kotekan.addresses == home.sim / "addresses.json"


@pytest.mark.parametrize(
    ("mine", "rehearse", "theirs"),
    [
        ("eop: {state_file: kept/eop.json}", False, True),
        ("eop: {state_file: kept/eop.json}", True, False),
        ("eop: {warn_days: 3}", False, False),
        ("eop:", False, False),
        ("", False, False),
    ],
)
def test_the_table_that_real_nodes_were_given_is_where_the_users_settings_say(
    home, tmp_path: Path, mine: str, rehearse: bool, theirs: bool
):
    file = tmp_path / "mine.yaml"
    file.write_text(mine)
    asked = order(rehearse=rehearse, settings_file=file)
    settings = settings_for(load(file, environment={}), asked, home, fpga_port=1, has_database=False)
    own = home.eop(rehearsal=rehearse)
    assert settings.eop.state_file == (tmp_path / "kept/eop.json" if theirs else own)


def test_without_a_rehearsal_the_directory_itself_is_used(home):
    asked = order(rehearse=False)
    settings = settings_for(Settings(), asked, home, fpga_port=1, has_database=False)
    assert settings.renderer.configs == asked.source
    assert settings.kotekan.addresses is None


def test_the_users_settings_hold_except_broker_and_folders(home):
    theirs = Settings(
        broker=Broker(host="elsewhere", root="chord", ca_file=Path("/ca"), keepalive_s=9),
        kotekan=Kotekan(answer_timeout_s=7.0),
        renderer=Renderer(configs=Path("/theirs"), on_registry_change="changed"),
    )
    settings = settings_for(theirs, order(), home, fpga_port=1, has_database=False)
    assert settings.broker == Broker(
        host="127.0.0.1", port=settings.broker.port, secrets=home.secrets, root="chord", keepalive_s=9
    )
    assert settings.kotekan.answer_timeout_s == 7.0
    assert settings.renderer.on_registry_change == "changed"
    assert settings.renderer.configs == home.configs


def test_a_wrong_setting_of_the_users_is_named(home, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("poller: {perod_s: 3}\n")
    with pytest.raises(click.ClickException, match=r"poller\.perod_s.*did you mean period_s"):
        prepare(order(settings_file=file), home)


def test_a_setting_in_the_environment_holds_and_a_wrong_one_is_named_before_anything_is_started(
    home, monkeypatch
):
    monkeypatch.setenv("CONCHE_POLLER__INSTANCE", "north")
    assert prepare(order(), home).settings.poller.instance == "north"
    monkeypatch.setenv("CONCHE_POLLER__PERIOD_S", "-1")
    with pytest.raises(click.ClickException, match=r"CONCHE_POLLER__PERIOD_S: poller\.period_s"):
        prepare(order(), home)


def test_passwords_are_made_once_and_for_the_owner_only(home):
    prepare(order(), home)
    secret = home.secrets / "operator"
    before = secret.read_text()
    prepare(order(), home)
    assert secret.read_text() == before
    assert secret.stat().st_mode & 0o077 == 0
    assert home.path.stat().st_mode & 0o077 == 0


def test_a_new_stack_begins_with_an_empty_run_directory(home):
    home.run.mkdir(parents=True)
    (home.run / "epoch").write_text("old")
    prepare(order(), home)
    assert list(home.run.iterdir()) == []


def test_the_table_of_the_earth_s_orientation_outlives_the_stack_and_a_rehearsal_has_one_of_its_own(home):
    rehearsed = prepare(order(), home).settings.eop.state_file
    rehearsed.parent.mkdir()
    rehearsed.write_text("kept")
    assert prepare(order(), home).settings.eop.state_file == rehearsed
    assert rehearsed.read_text() == "kept"
    assert prepare(order(rehearse=False), home).settings.eop.state_file != rehearsed


def test_the_journal_outlives_the_stack_and_a_rehearsal_has_one_of_its_own(home):
    rehearsed = prepare(order(), home).settings.journal.database
    rehearsed.parent.mkdir()
    rehearsed.write_text("what happened")
    assert prepare(order(), home).settings.journal.database == rehearsed
    assert rehearsed.read_text() == "what happened"
    assert prepare(order(rehearse=False), home).settings.journal.database != rehearsed


@pytest.mark.parametrize(
    ("rehearse", "control", "same", "kept"),
    [
        (False, None, True, True),
        (False, None, False, False),
        (False, 20999, True, False),
        (True, None, True, False),
    ],
    ids=["same real nodes", "another directory", "after a rehearsal", "a rehearsal"],
)
def test_what_the_broker_retained_is_kept_for_the_same_real_nodes_only(home, rehearse, control, same, kept):
    home.make()
    (home.broker / "data").mkdir(parents=True)
    (home.broker / "data" / "mosquitto.db").write_text("retained")
    asked = order(rehearse=rehearse)
    source = str(asked.source) if same else "/other"
    home.write_record(Stack(supervisor=Process(1, 1), source=source, port=1, sim_control_port=control))
    prepare(asked, home)
    assert (home.broker / "data" / "mosquitto.db").exists() is kept


def test_the_copy_of_a_rehearsal_is_not_rehearsed_on_itself(home):
    prepare(order(), home)
    with pytest.raises(click.ClickException, match="is the copy of a rehearsal itself"):
        prepare(order(source=home.configs), home)
    assert (home.configs / "nodes.yaml").exists()


def test_a_missing_program_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr(preparation, "PATH", str(tmp_path))
    with pytest.raises(click.ClickException, match=r"needs the extra 'local'"):
        preparation.check_tools()
    (tmp_path / "supervisord").touch(mode=0o755)
    with pytest.raises(
        click.ClickException, match=r"mosquitto_passwd.*apt-get install git mosquitto util-linux"
    ):
        preparation.check_tools()


def test_the_settings_file_holds_no_password(home):
    prepare(order(), home)
    assert "password" not in yaml.safe_load(home.settings.read_text())["broker"]


def test_the_fpga_master_of_a_rehearsal_is_simulated_behind_the_nodes(home):
    asked = order()
    prepared = prepare(asked, home)
    assert prepared.sim_ports.stop not in prepared.sim_ports
    assert prepared.settings.fpga.url == f"http://127.0.0.1:{prepared.sim_ports.stop}"
    assert json.loads((home.sim / "map.json").read_text())["fpga"]["port"] == prepared.sim_ports.stop


def test_a_real_fpga_master_is_that_of_the_users_settings(home, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("fpga: {url: 'https://fpga:54321', ca_file: ca.pem}\n")
    fpga = prepare(order(rehearse=False, settings_file=file), home).settings.fpga
    assert (fpga.url, fpga.ca_file) == ("https://fpga:54321", tmp_path / "ca.pem")
    rehearsed = prepare(order(settings_file=file), home).settings.fpga
    assert rehearsed.url is not None
    assert rehearsed.url.startswith("http://127.0.0.1:")
    assert rehearsed.ca_file is None


def test_a_taken_port_of_the_fpga_master_is_named(home):
    asked = order()
    port = asked.sim_port + 12
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(click.ClickException, match=rf"port {port} is taken.*--sim-port N"),
    ):
        prepare(asked, home)


def test_the_stack_has_a_database_of_its_own_where_there_is_one_to_be_had(home, monkeypatch):
    monkeypatch.setattr(preparation.database, "is_there", lambda: True)
    asked = order()
    prepared = prepare(asked, home)
    assert prepared.influx_port == asked.influx_port
    assert prepared.settings.influx.url == f"http://127.0.0.1:{asked.influx_port}"
    config = (home.influx / "influxd.conf").read_text()
    assert f'bind-address = "127.0.0.1:{asked.influx_port}"' in config
    assert 'dir = "rehearsal/data"' in config


def test_without_influxd_there_is_no_database(home, monkeypatch):
    monkeypatch.setattr(preparation.database, "is_there", lambda: False)
    prepared = prepare(order(), home)
    assert prepared.influx_port is None
    assert prepared.settings.influx.url is None


def test_a_database_of_the_users_is_used(home, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation.database, "is_there", lambda: True)
    file = tmp_path / "mine.yaml"
    file.write_text("influx: {url: 'http://influx.example:8086', database: telescope}\n")
    prepared = prepare(order(settings_file=file, rehearse=False), home)
    assert prepared.influx_port is None
    assert prepared.settings.influx.url == "http://influx.example:8086"
    assert prepared.settings.influx.database == "telescope"


SITE = """
influx: {url: 'https://influx.site:8086', org: site, bucket: telescope, token_file: token}
notifier:
  channels: {pager: {webhook: {url: 'https://pager.site/conche'}}}
  rules: [{channels: [pager]}]
"""


@pytest.mark.parametrize("installed", [True, False])
def test_a_rehearsal_fills_no_database_of_the_site_and_wakes_nobody(home, tmp_path, monkeypatch, installed):
    monkeypatch.setattr(preparation.database, "is_there", lambda: installed)
    monkeypatch.setenv("CONCHE_INFLUX__URL", "https://influx.site:8086")
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    asked = order(settings_file=file)
    settings = prepare(asked, home).settings
    assert settings.influx.url == (f"http://127.0.0.1:{asked.influx_port}" if installed else None)
    assert settings.influx.bucket is None
    assert (settings.notifier.channels, settings.notifier.rules) == ({}, [])


def test_without_a_rehearsal_the_site_is_told(home, tmp_path):
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    settings = prepare(order(settings_file=file, rehearse=False), home).settings
    assert settings.influx.bucket == "telescope"
    assert list(settings.notifier.channels) == ["pager"]


@pytest.mark.parametrize(
    ("says", "is_it"),
    [("InfluxDB v1.6.7~rc0 (git: unknown)", True), ("InfluxDB v2.7.6 (git: 407fa622e9)", False), ("", False)],
)
def test_an_influxd_of_the_second_generation_is_none_of_ours(tmp_path, monkeypatch, says, is_it):
    program = tmp_path / "influxd"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(preparation.database, "PATH", str(tmp_path))
    assert preparation.database.is_there() is is_it


@pytest.mark.parametrize(
    ("taken", "option"),
    [("influx_port", "--influx-port"), ("metrics_port", "--metrics-port"), ("https_port", "--https-port")],
)
def test_a_taken_port_of_database_or_figures_is_named(home, monkeypatch, taken, option):
    monkeypatch.setattr(preparation.database, "is_there", lambda: True)
    asked = order()
    with (
        socket.create_server(("127.0.0.1", getattr(asked, taken))),
        pytest.raises(click.ClickException, match=f"taken.*{option}"),
    ):
        prepare(asked, home)
