"""`conche gateway` as the program that it is, and a login with an account of a real directory."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from conche.contract.roles import Role
from conche.gateway.users import make_admin

from .gateway_support import running_gateway
from .harness import Mosquitto, child, free_port
from .slapd_support import password_of, running_slapd
from .stack import CONCHE, environment_of


@asynccontextmanager
async def program(
    mosquitto: Mosquitto, folder: Path, text: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    port = free_port()
    config = folder / "conche.yaml"
    config.write_text(f"gateway: {{port: {port}, state_dir: state, {text}}}\n")
    command = (CONCHE, "gateway", "--config", config)
    options = {"env": environment_of(mosquitto), "stdout": asyncio.subprocess.PIPE}
    async with child(*command, **options) as process:
        yield process, port


async def until_told(process: asyncio.subprocess.Process, words: str) -> str:
    """What it said up to a line with some words."""
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(30):
        while words not in said:
            line = await process.stderr.readline()
            assert line, said
            said += line.decode()
    return said


async def test_the_program_tells_its_fingerprint_lets_the_first_admin_in_and_ends_when_told(
    mosquitto: Mosquitto, tmp_path: Path
):
    password = make_admin(tmp_path / "state")
    socket = tmp_path / "gateway.sock"
    text = f"trust: [unix-socket], socket: {socket}, socket_role: viewer"
    async with program(mosquitto, tmp_path, text) as (process, port):
        said = await until_told(process, "conche-gateway: online")
        fingerprint = re.search(r"SHA-256 ([0-9A-F:]{95})", said)
        assert fingerprint is not None
        pinned = aiohttp.Fingerprint(bytes.fromhex(fingerprint[1].replace(":", "")))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pinned)) as http:
            login = {"username": "admin", "password": password}
            async with http.post(f"https://127.0.0.1:{port}/auth/login", json=login) as answer:
                assert (answer.status, (await answer.json())["role"]) == (200, "admin")
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as http,
            http.get("http://localhost/auth/me") as answer,
        ):
            assert re.fullmatch(r"socket uid \d+ gid \d+ pid \d+", (await answer.json())["via"])
        process.send_signal(signal.SIGTERM)
        out, _ = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0
        assert [json.loads(line)["path"] for line in out.splitlines()] == ["/auth/login", "/auth/me"]
        assert password is not None
        assert password.encode() not in out
    assert not socket.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("certificate: /nowhere.pem", "/nowhere.pem"),
        ("trusted_hosts: [corr]", "gateway.trusted_hosts"),
    ],
)
async def test_settings_that_can_not_be_followed_end_the_program_with_one_line(
    mosquitto: Mosquitto, tmp_path: Path, text: str, words: str
):
    async with program(mosquitto, tmp_path, text) as (process, _):
        _, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 1
        (line,) = [one for one in err.decode().splitlines() if '"critical"' in one]
        assert words in line
        assert "Traceback" not in err.decode()


async def test_a_person_of_the_directory_logs_in_with_the_role_of_his_group(
    mosquitto: Mosquitto, tmp_path: Path
):
    (tmp_path / "slapd").mkdir()
    with running_slapd(tmp_path / "slapd") as slapd:
        async with running_gateway(mosquitto, tmp_path, ldap=slapd.settings(), login_attempts=3) as gateway:

            async def log_in(name: str, password: str) -> tuple[int, str | None]:
                body = {"username": name, "password": password}
                answer = await gateway.ask("POST", "/auth/login", json=body)
                return answer.status, answer.json.get("role")

            assert await log_in("alice", password_of("alice")) == (200, Role.OPERATOR)
            assert await log_in("Alice", password_of("alice")) == (200, Role.OPERATOR)
            assert await log_in("dora", password_of("dora")) == (401, None)
            assert await log_in(Role.ADMIN, f"the password of {Role.ADMIN}") == (401, None)
            assert await log_in("*", password_of("alice")) == (401, None)
            assert await log_in("alice", password_of("alice")) == (429, None)
