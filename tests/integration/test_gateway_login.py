"""Logging in with a name and a password, as scripts, pages and proxies see it."""

import asyncio
import logging
from pathlib import Path

import pytest

from conche.contract.roles import Role
from conche.gateway.directory import DirectoryMisconfigured
from conche.settings import Ldap

from .gateway_support import PASSWORDS, cookie_of, local_settings, running_gateway
from .harness import Mosquitto, free_port

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def credentials(role: Role = Role.OPERATOR) -> dict[str, str]:
    return {"username": role.value, "password": PASSWORDS[role]}


@pytest.mark.parametrize("role", Role)
async def test_whoever_logs_in_has_his_role_until_he_logs_out(
    mosquitto: Mosquitto, tmp_path: Path, role: Role
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        browser = await gateway.log_in(role)
        me = (await browser.ask("GET", "/auth/me")).json
        assert (me["name"], me["role"], me["via"]) == (role.value, role.value, "session")
        verified = await browser.ask("GET", "/auth/verify")
        assert (verified.status, verified.body) == (200, b"")
        assert verified.headers["X-Conche-User"] == verified.headers["X-Conche-Role"] == role.value
        gone = await browser.ask("POST", "/auth/logout", json={})
        assert gone.status == 204
        assert "Max-Age=0" in gone.headers["Set-Cookie"]
        assert (await browser.ask("GET", "/auth/me")).status == 401
        assert (await browser.ask("GET", "/auth/verify")).status == 401


async def test_the_cookie_is_for_this_host_and_this_protocol_alone(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        answer = await gateway.ask("POST", "/auth/login", json=credentials())
        cookie = answer.headers["Set-Cookie"]
        name, *attributes = cookie.split("; ")
        assert name.startswith("__Host-conche=")
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=Lax", "Max-Age=43200"} == set(attributes)
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        answers = [
            await gateway.ask("POST", "/auth/login", json={"username": name, "password": "wrong"})
            for name in ("operator", "mallory", "*", ")(uid=*", "ä" * 64, "operator\0")
        ]
        assert {answer.status for answer in answers} == {401}
        assert len({answer.body for answer in answers}) == 1
        assert answers[0].headers["Content-Type"] == "application/problem+json"
        assert "Set-Cookie" not in answers[0].headers


WRONG = [
    ("", 400), ("{", 400), ("[]", 422), ('"x"', 422), ("null", 422), ("{}", 422), ('{"username": "a"}', 422),
    ('{"username": 1, "password": "x"}', 422), ('{"username": "a", "password": null}', 422),
    ('{"username": "a", "password": "b", "role": "admin"}', 422),
    ('{"username": "operator", "password": ""}', 401),
    ('{"username": "", "password": "x"}', 401),
    ('{"username": "' + "a" * 300 + '", "password": "x"}', 422),
    ('{"username": "a", "password": "' + "x" * 1025 + '"}', 422),
]  # fmt: skip


async def test_a_login_that_is_none_is_told_what_is_wrong(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for body, status in WRONG:
            headers = {"Content-Type": "application/json"}
            answer = await gateway.ask("POST", "/auth/login", data=body.encode(), headers=headers)
            assert (answer.status, answer.json["status"]) == (status, status), body
            assert answer.json["detail"]
        plain = await gateway.ask("POST", "/auth/login", data=b"x", headers={"Content-Type": "text/plain"})
        assert plain.status == 415


async def test_the_page_logs_in_without_any_script(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        page = await gateway.ask("GET", "/auth/login?then=/panel%3Fx=%22%3E%3Cscript%3E")
        assert page.status == 200
        assert "<script" not in page.text
        assert 'value="/panel?x=&quot;&gt;&lt;script&gt;"' in page.text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        done = await gateway.ask(
            "POST", "/auth/login", data={**credentials(), "then": "/panel"}, headers={"Origin": gateway.url}
        )
        assert (done.status, done.headers["Location"]) == (303, "/panel")
        known = await gateway.ask("GET", "/auth/login", headers={"Cookie": cookie_of(done)})
        assert "You are logged in as <b>operator</b>" in known.text
        token = known.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        out = await gateway.ask(
            "POST", "/auth/logout", data={"csrf_token": token}, headers={"Cookie": cookie_of(done)}
        )
        assert (out.status, out.headers["Location"]) == (303, "/auth/login")
        assert (await gateway.ask("GET", "/auth/me", headers={"Cookie": cookie_of(done)})).status == 401


async def test_the_page_says_what_was_wrong_and_shows_no_password(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        page = await gateway.ask("POST", "/auth/login", data={"username": "operator", "password": "guess"})
        assert page.status == 401
        assert "name or password is wrong" in page.text
        assert "guess" not in page.text


async def test_a_login_leads_to_no_other_host(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for then in ("//evil", "https://evil/", "/\\evil", "javascript:alert(1)"):
            done = await gateway.ask("POST", "/auth/login", data={**credentials(), "then": then})
            assert (done.status, done.headers["Location"]) == (303, "/auth/login")


async def test_a_page_of_another_host_logs_nobody_in(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for headers in ({"Origin": "https://evil"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = await gateway.ask("POST", "/auth/login", data=credentials(), headers=headers)
            assert answer.status == 403
            assert "Set-Cookie" not in answer.headers


async def test_a_second_login_in_a_browser_ends_the_first_session(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        first = await gateway.log_in(Role.OPERATOR)
        second = await gateway.log_in(Role.ENGINEER, headers={"Cookie": first.cookie})
        assert (await first.ask("GET", "/auth/me")).status == 401
        assert (await second.ask("GET", "/auth/me")).json["name"] == "engineer"


async def test_a_storm_of_logins_is_held_off_and_told_how_long(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path, login_attempts=4) as gateway:
        wrong = {"username": "operator", "password": "wrong"}
        answers = await asyncio.gather(*(gateway.ask("POST", "/auth/login", json=wrong) for _ in range(30)))
        assert sorted(answer.status for answer in answers) == [401] * 4 + [429] * 26
        refused = await gateway.ask("POST", "/auth/login", json=credentials())
        assert refused.status == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 301
        page = await gateway.ask("POST", "/auth/login", data=wrong)
        assert (page.status, "Retry-After" in page.headers, "too many logins" in page.text) == (
            429,
            True,
            True,
        )
        assert (await gateway.ask("GET", "/auth/me", role=Role.VIEWER)).status == 200


async def test_the_log_has_names_and_no_passwords(mosquitto: Mosquitto, tmp_path: Path, caplog):
    caplog.set_level(logging.DEBUG, logger="conche")
    async with running_gateway(mosquitto, tmp_path) as gateway:
        browser = await gateway.log_in(Role.OPERATOR)
        await gateway.ask("POST", "/auth/login", json={"username": "operator", "password": "a wrong guess"})
        told = caplog.text + str(gateway.log)
        assert "operator: logged in as operator from 127.0.0.1" in told
        assert "login of 'operator' from 127.0.0.1: failed" in told
        for secret in ("a wrong guess", PASSWORDS[Role.OPERATOR], browser.csrf, browser.cookie):
            assert secret not in told


async def test_where_a_directory_is_configured_local_users_do_not_exist(mosquitto: Mosquitto, tmp_path: Path):
    ldap = Ldap(
        host="127.0.0.1", port=free_port(), base_dn="dc=x", bind_dn="cn=x", bind_password="x", timeout_s=1,
        roles={Role.VIEWER: ["all"]},
    )  # fmt: skip
    async with running_gateway(mosquitto, tmp_path, ldap=ldap) as gateway:
        answer = await gateway.ask("POST", "/auth/login", json=credentials())
        assert answer.status == 503
        assert "does not answer" in answer.json["detail"]
        assert "Retry-After" in answer.headers
        assert (await gateway.ask("GET", "/auth/me", role=Role.ADMIN)).status == 200


async def test_settings_of_a_directory_that_contradict_each_other_end_the_start(
    mosquitto: Mosquitto, tmp_path: Path
):
    settings = local_settings(mosquitto, tmp_path, ldap=Ldap(host="127.0.0.1"))
    with pytest.raises(DirectoryMisconfigured):
        async with running_gateway(mosquitto, tmp_path, settings=settings):
            pass
