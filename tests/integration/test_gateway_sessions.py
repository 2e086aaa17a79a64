"""Sessions of people who have logged in, and what a page needs to change something in one."""

from pathlib import Path

from conche.contract.roles import Role

from .bus_support import until
from .gateway_support import Browser, running_gateway
from .harness import Mosquitto


async def test_a_session_goes_on_when_the_gateway_is_started_anew(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        browser = await gateway.log_in(Role.OPERATOR)
        tokens = gateway.tokens
    async with running_gateway(mosquitto, tmp_path, prepared=tokens) as gateway:
        later = Browser(gateway, browser.cookie, browser.csrf)
        assert (await later.ask("GET", "/auth/me")).json["name"] == "operator"
        assert (await later.ask("POST", "/auth/logout", json={})).status == 204


async def test_a_session_that_is_not_used_ends(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path, session_idle_s=0.5) as gateway:
        browser = await gateway.log_in(Role.OPERATOR)
        assert (await browser.ask("GET", "/auth/me")).status == 200
        sessions = gateway.built.desk.sessions
        await until(sessions.tidy)
        answer = await browser.ask("GET", "/auth/me")
        assert (answer.status, "has ended" in answer.json["detail"]) == (401, True)


async def test_a_cookie_that_was_copied_is_no_good_after_the_logout(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        browser = await gateway.log_in(Role.OPERATOR)
        copy = Browser(gateway, browser.cookie, browser.csrf)
        await browser.ask("POST", "/auth/logout", json={})
        assert (await copy.ask("GET", "/auth/me")).status == 401


async def test_logging_out_everywhere_ends_all_of_ones_own(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        one, two = [await gateway.log_in(Role.OPERATOR) for _ in range(2)]
        other = await gateway.log_in(Role.VIEWER)
        assert (await one.ask("POST", "/auth/logout", json={"everywhere": True})).status == 204
        assert (await two.ask("GET", "/auth/me")).status == 401
        assert (await other.ask("GET", "/auth/me")).status == 200


async def test_an_admin_ends_the_sessions_of_somebody_and_nobody_else_does(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        his = await gateway.log_in(Role.OPERATOR)
        for role in (Role.VIEWER, Role.OPERATOR, Role.ENGINEER):
            assert (await gateway.ask("DELETE", "/auth/sessions/operator", role=role)).status == 403
        ended = await gateway.ask("DELETE", "/auth/sessions/operator", role=Role.ADMIN)
        assert (ended.status, ended.json) == (200, {"ended": 1})
        assert (await his.ask("GET", "/auth/me")).status == 401
        assert (await gateway.ask("DELETE", "/auth/sessions/nobody", role=Role.ADMIN)).json == {"ended": 0}


async def test_a_change_in_a_session_takes_the_token_of_that_session(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        browser, other = [await gateway.log_in(Role.OPERATOR) for _ in range(2)]
        for headers in ({}, *({"X-CSRF-Token": token} for token in ("", "x", other.csrf, "ä"))):
            answer = await browser.ask("POST", "/auth/logout", json={}, csrf=False, headers=headers)
            assert (answer.status, "csrf" in answer.json["detail"].lower()) == (403, True)
        assert (await browser.ask("GET", "/auth/me")).json["csrf_token"] == browser.csrf
        assert (await browser.ask("POST", "/auth/logout", json={})).status == 204


async def test_a_page_of_another_host_changes_nothing_even_with_the_token(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        browser = await gateway.log_in(Role.OPERATOR)
        for headers in ({"Origin": "https://evil"}, {"Sec-Fetch-Site": "same-site"}):
            answer = await browser.ask("POST", "/auth/logout", json={}, headers=headers)
            assert answer.status == 403
        here = {"Origin": gateway.url, "Sec-Fetch-Site": "same-origin"}
        assert (await browser.ask("POST", "/auth/logout", json={}, headers=here)).status == 204


async def test_a_forged_cookie_is_nobodys(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for forged in ("x", "a.b", "", "'; DROP TABLE sessions; --", "=" * 300):
            answer = await gateway.ask("GET", "/auth/me", headers={"Cookie": f"__Host-conche={forged}"})
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_and_a_cookie_together_are_the_token(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        browser = await gateway.log_in(Role.ADMIN)
        headers = {"Cookie": browser.cookie}
        answer = await gateway.ask("GET", "/auth/me", role=Role.VIEWER, headers=headers)
        assert answer.json["name"] == "script-viewer"
        refused = await gateway.ask("GET", "/auth/me", token="conche_" + "A" * 43, headers=headers)
        assert refused.status == 401
