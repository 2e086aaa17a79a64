"""Who may do what: each row of the table as each role and as nobody, and whoever calls from a trusted address."""

import logging
import re
from pathlib import Path

import pytest

from conche.contract.roles import Role
from conche.errors import FatalError
from conche.gateway.endpoints import ENDPOINTS

from .gateway_support import running_gateway
from .harness import Mosquitto

ORDER = list(Role)
ENDLESS_OR_WAITING = {"/api/v1/events"}


def filled(path: str) -> str:
    return re.sub(r"{\w+}", "x", path)


def test_every_row_is_there_once():
    rows = [(endpoint.method, endpoint.path) for endpoint in ENDPOINTS]
    assert len(set(rows)) == len(rows)


def test_only_these_take_no_login():
    """Another one that takes none is a decision: it is written down here."""
    free = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS if endpoint.least is None}
    assert free == {
        ("GET", "/healthz"),
        ("GET", "/auth/login"),
        ("POST", "/auth/login"),
        ("GET", "/api/v1/openapi.json"),
    }


def test_what_changes_something_is_no_get():
    assert {endpoint.method for endpoint in ENDPOINTS} <= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert all(endpoint.takes is None for endpoint in ENDPOINTS if endpoint.method == "GET")


async def test_each_row_is_refused_to_nobody_and_to_each_role_below_its_own(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for endpoint in ENDPOINTS:
            if endpoint.least is None:
                continue
            path = filled(endpoint.path)
            assert (await gateway.ask(endpoint.method, path)).status == 401, endpoint
            for role in ORDER[: ORDER.index(endpoint.least)]:
                answer = await gateway.ask(endpoint.method, path, role=role)
                assert answer.status == 403, endpoint
                assert endpoint.least in answer.text


async def test_each_row_lets_its_own_role_and_those_above_in(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for endpoint in ENDPOINTS:
            if endpoint.endless:
                continue
            least = ORDER.index(endpoint.least) if endpoint.least else 0
            for role in ORDER[least:]:
                answer = await gateway.ask(
                    endpoint.method,
                    filled(endpoint.path),
                    role=role,
                    data=None if endpoint.takes is None else b"-",
                )
                assert answer.status not in (401, 403, 500), (endpoint, answer)


async def test_whatever_is_in_no_row_is_not_there(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for path in ("/", "/metrics", "/api", "/api/v1", "/debug", "/auth", "/.env", "/static/x.js"):
            answer = await gateway.ask("GET", path, role=Role.ADMIN)
            assert (answer.status, answer.json["status"]) == (404, 404)


# --- trusted_hosts


async def test_an_address_is_nobody_unless_settings_say_so(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        assert (await gateway.ask("GET", "/auth/me")).status == 401


async def test_a_trusted_address_needs_no_login_and_that_is_warned_of(
    mosquitto: Mosquitto, tmp_path: Path, caplog
):
    more = {"trusted_hosts": ["127.0.0.1", "::1"], "trusted_role": Role.OPERATOR}
    async with running_gateway(mosquitto, tmp_path, **more) as gateway:
        warned = [one for one in caplog.records if "trusted_hosts" in one.getMessage()]
        assert [one.levelno for one in warned] == [logging.WARNING]
        assert "WITHOUT A LOGIN" in warned[0].getMessage()
        me = (await gateway.ask("GET", "/auth/me")).json
        assert (me["name"], me["role"], me["via"]) == ("trusted-host", "operator", "trusted host 127.0.0.1")
        assert gateway.log[0]["via"] == "trusted host 127.0.0.1"
        assert (await gateway.ask("DELETE", "/auth/sessions/x")).status == 403
        assert (await gateway.ask("GET", "/auth/me", role=Role.VIEWER)).json["name"] == "script-viewer"
        assert (await gateway.ask("GET", "/auth/me", token="conche_x")).status == 401


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_trusted_hosts_refuse_to_work_behind_a_proxy(mosquitto: Mosquitto, tmp_path: Path, header: str):
    async with running_gateway(mosquitto, tmp_path, trusted_hosts=["127.0.0.0/8"]) as gateway:
        for token in (None, gateway.tokens[Role.ADMIN]):
            answer = await gateway.ask("GET", "/auth/me", token=token, headers={header: "10.0.0.1"})
            assert (answer.status, "proxy" in answer.json["detail"]) == (403, True)


async def test_what_a_header_says_of_an_address_is_believed_by_nobody(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path, trusted_hosts=["10.0.0.1"]) as gateway:
        answer = await gateway.ask("GET", "/auth/me", headers={"X-Forwarded-For": "10.0.0.1"})
        assert answer.status == 401
        assert gateway.log[-1]["address"] == "127.0.0.1"


async def test_a_page_in_a_browser_on_a_trusted_host_is_not_trusted(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path, trusted_hosts=["127.0.0.1"]) as gateway:
        for headers in ({"Origin": gateway.url}, {"Sec-Fetch-Site": "same-origin"}, {"Cookie": "a=b"}):
            answer = await gateway.ask("GET", "/auth/me", headers=headers)
            assert answer.status == 401


async def test_a_trusted_host_that_is_a_name_ends_the_start(mosquitto: Mosquitto, tmp_path: Path):
    with pytest.raises(FatalError, match="localhost"):
        async with running_gateway(mosquitto, tmp_path, trusted_hosts=["localhost"]):
            pass
