"""Tokens of scripts, made and revoked on the command line beside a running gateway."""

import json
from pathlib import Path

from conche.contract.roles import Role

from .gateway_support import Running, running_gateway
from .harness import Mosquitto
from .stack import Ran, conche


async def tokens(gateway: Running, mosquitto: Mosquitto, *words: str) -> Ran:
    folder = str(gateway.settings.gateway.state_dir)
    return await conche("tokens", *words, "--state-dir", folder, broker=mosquitto)


async def test_a_token_made_beside_a_running_gateway_works_at_once_until_it_is_revoked(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        ran = await tokens(gateway, mosquitto, "create", "nightly", "--role", "engineer", "--expires", "90d")
        assert ran.code == 0, ran
        token = ran.out.strip()
        me = await gateway.ask("GET", "/auth/me", token=token)
        assert (me.status, me.json) == (
            200,
            {
                "name": "nightly",
                "role": "engineer",
                "via": "token nightly",
                "csrf_token": None,
                "ends_at": None,
            },
        )
        listed = json.loads((await tokens(gateway, mosquitto, "list", "--json")).out)["tokens"]
        assert listed["nightly"]["used_at"] is not None
        assert (await tokens(gateway, mosquitto, "revoke", "nightly")).code == 0
        refused = await gateway.ask("GET", "/auth/me", token=token)
        assert (refused.status, "revoked" in refused.json["detail"]) == (401, True)


async def test_a_script_needs_no_token_for_changes_beside_its_own(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        answer = await gateway.ask("POST", "/auth/logout", role=Role.VIEWER, json={})
        assert (answer.status, "there is no session" in answer.json["detail"]) == (422, True)


async def test_what_is_no_token_is_nobodys(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for header in (
            "Bearer", "Bearer ", "Bearer x", "bearer conche_", "Basic YWRtaW46YWRtaW4=", "conche_x", "",
            "Bearer conche_" + "A" * 43, "Bearer " + "A" * 5000, "Bearer ä",
        ):  # fmt: skip
            headers = {"Authorization": header}
            assert (await gateway.ask("GET", "/auth/me", headers=headers)).status == 401, header
            assert (await gateway.ask("GET", "/healthz", headers=headers)).status == 200, header


async def test_the_word_bearer_may_be_written_as_one_likes(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        headers = {"Authorization": f"BEARER {gateway.tokens[Role.VIEWER]}"}
        assert (await gateway.ask("GET", "/auth/me", headers=headers)).status == 200


async def test_the_access_log_has_the_name_of_a_token_and_not_the_token(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        await gateway.ask("GET", f"/auth/me?token={gateway.tokens[Role.VIEWER]}", role=Role.VIEWER)
        (line,) = gateway.log
        assert (line["who"], line["via"]) == ("script-viewer", "token script-viewer")
        assert (line["method"], line["path"], line["status"]) == ("GET", "/auth/me", 200)
        assert line["address"] == "127.0.0.1"
        assert line["bytes"] > 0
        assert gateway.tokens[Role.VIEWER] not in str(line)
