import configparser
import shlex
import sysconfig
from pathlib import Path

import pytest

from conche.contract import Service
from conche.local import supervisor
from conche.local.processes import MARK


@pytest.fixture(params=[None, 20999], ids=["real nodes", "rehearsal"])
def parsed(request: pytest.FixtureRequest) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(supervisor.config(sim_control_port=request.param, database=True))
    return parser


def programs(parsed: configparser.ConfigParser) -> dict[str, configparser.SectionProxy]:
    return {name.removeprefix("program:"): parsed[name] for name in parsed if name.startswith("program:")}


def test_every_service_is_started(parsed):
    assert {str(service) for service in Service} | {"mosquitto"} <= set(programs(parsed))


def test_every_service_says_on_the_broker_when_it_is_online():
    assert {program.name for program in supervisor.PROGRAMS if program.births} == set(Service)


def test_the_simulator_is_started_in_a_rehearsal_only():
    assert "[program:sim]" not in supervisor.config(sim_control_port=None, database=True)
    assert "--control-port 20999" in supervisor.config(sim_control_port=20999, database=True)


def test_a_database_is_started_where_there_is_one():
    assert "[program:influxd]" in supervisor.config(sim_control_port=None, database=True)
    assert "[program:influxd]" not in supervisor.config(sim_control_port=None, database=False)


def test_no_program_is_ever_given_up(parsed):
    for section in programs(parsed).values():
        assert section["autorestart"] == "true"
        assert section["startsecs"] == "0"


def test_every_program_dies_with_its_supervisor(parsed):
    for section in programs(parsed).values():
        assert shlex.split(section["command"])[:4] == ["setpriv", "--pdeathsig", "KILL", "--"]


def test_every_log_is_bounded(parsed):
    for name, section in programs(parsed).items():
        assert section["stdout_logfile"] == f"log/{name}.log"
        assert section["stdout_logfile_maxbytes"] == "10MB"


def test_every_program_is_in_one_group_and_the_broker_starts_first(parsed):
    groups = [parsed[name] for name in parsed if name.startswith("group:")]
    listed = [name for group in groups for name in group["programs"].split(",")]
    assert sorted(listed) == sorted(programs(parsed))
    assert min(groups, key=lambda group: int(group["priority"]))["programs"] == "mosquitto"


def test_settings_in_the_environment_hold_except_those_that_up_makes():
    outer = {
        "CONCHE_POLLER__PERIOD_S": "5",
        "CONCHE_BROKER__PORT": "1",
        "CONCHE_CONFIG": "mine.yaml",
        "CONCHE_RENDERER__CONFIGS": "mine",
        "CONCHE_FPGA__URL": "http://fpga:54321",
        "HOME": "/home/me",
    }
    inner = supervisor.environment(Path("/there"), outer, rehearses=False, database=False)
    assert inner.pop("PATH").startswith(sysconfig.get_path("scripts"))
    assert inner == {
        "CONCHE_POLLER__PERIOD_S": "5",
        "CONCHE_FPGA__URL": "http://fpga:54321",
        "HOME": "/home/me",
        "CONCHE_HOME": "/there",
        MARK: "/there",
        "PYTHONUNBUFFERED": "1",
    }


def test_a_rehearsal_asks_no_real_fpga_master():
    outer = {
        "CONCHE_FPGA__URL": "https://fpga:54321",
        "CONCHE_FPGA__CA_FILE": "ca",
        "CONCHE_FPGA__PERIOD_S": "5",
    }
    inner = supervisor.environment(Path("/there"), outer, rehearses=True, database=False)
    assert {name for name in inner if name.startswith("CONCHE_FPGA")} == {"CONCHE_FPGA__PERIOD_S"}


@pytest.mark.parametrize(
    ("rehearses", "database", "holds"), [(True, False, False), (False, True, False), (False, False, True)]
)
def test_a_database_in_the_environment_holds_where_real_nodes_have_no_other(rehearses, database, holds):
    outer = {"CONCHE_INFLUX__URL": "https://influx.site:8086", "CONCHE_INFLUX__TOKEN": "x"}
    inner = supervisor.environment(Path("/there"), outer, rehearses=rehearses, database=database)
    assert ("CONCHE_INFLUX__URL" in inner) is holds
    assert ("CONCHE_INFLUX__TOKEN" in inner) is holds
