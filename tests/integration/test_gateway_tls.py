"""HTTPS and its certificate, plain HTTP that leads there, and the sockets."""

import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from conche.contract.roles import Role
from conche.errors import FatalError
from conche.gateway.tls import Pair, make_self_signed

from .bus_support import until
from .gateway_support import Running, running_gateway
from .harness import Mosquitto, free_port


def certificate_of(port: int) -> bytes:
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))


async def served(gateway: Running) -> str:
    der = await asyncio.to_thread(certificate_of, gateway.built.port)
    return hashlib.sha256(der).digest().hex(":").upper()


async def test_the_fingerprint_in_the_log_is_that_of_the_certificate(
    mosquitto: Mosquitto, tmp_path: Path, caplog
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        assert await served(gateway) in caplog.text


async def test_a_certificate_that_changes_is_served_without_dropping_anybody(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("conche.gateway.tls.LOOK_S", 0.1)
    pair = Pair(tmp_path / "crt", tmp_path / "key")
    make_self_signed(pair, names=[])
    async with running_gateway(mosquitto, tmp_path, certificate=pair.certificate, key=pair.key) as gateway:
        before = await served(gateway)
        assert before == pair.fingerprint()
        trusting = ssl.create_default_context(cafile=pair.certificate)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", gateway.built.port, ssl=trusting, server_hostname="localhost"
        )
        try:
            await health(reader, writer)
            make_self_signed(pair, names=[])
            async with asyncio.timeout(10):
                while await served(gateway) == before:
                    await asyncio.sleep(0.05)
            assert await served(gateway) == pair.fingerprint()
            await health(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ssl.SSLError):
                await writer.wait_closed()


async def health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask on a connection that stays."""
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)


async def test_browsers_are_told_to_stay_with_https_where_the_certificate_is_given(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        assert "Strict-Transport-Security" not in (await gateway.ask("GET", "/healthz")).headers
        tokens = gateway.tokens
    pair = Pair(tmp_path / "crt", tmp_path / "key")
    make_self_signed(pair, names=[])
    given = {"certificate": pair.certificate, "key": pair.key, "prepared": tokens}
    async with running_gateway(mosquitto, tmp_path, **given) as gateway:
        headers = (await gateway.ask("GET", "/healthz")).headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
    async with running_gateway(mosquitto, tmp_path, hsts=False, **given) as gateway:
        assert "Strict-Transport-Security" not in (await gateway.ask("GET", "/healthz")).headers


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/auth/login", "/%00"])
async def test_every_answer_tells_browsers_to_do_nothing_that_was_not_meant(
    mosquitto: Mosquitto, tmp_path: Path, path: str
):
    async with running_gateway(mosquitto, tmp_path) as gateway:
        headers = (await gateway.ask("GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "conche"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]


async def test_plain_http_leads_to_https_and_does_nothing_else(mosquitto: Mosquitto, tmp_path: Path):
    port = free_port()
    async with running_gateway(mosquitto, tmp_path, http_port=port) as gateway:
        assert gateway.built.http_port == port

        async def lead(method: str, path: str, host: str) -> tuple[int, str | None]:
            async with gateway.http.request(
                method, f"http://127.0.0.1:{port}{path}", headers={"Host": host}, allow_redirects=False
            ) as answer:
                return answer.status, answer.headers.get("Location")

        there = f"https://corr.example.org:{gateway.built.port}"
        assert await lead("GET", "/auth/login?x=1", "corr.example.org") == (301, f"{there}/auth/login?x=1")
        assert await lead("GET", "/a", f"corr.example.org:{port}") == (301, f"{there}/a")
        assert await lead("POST", "/update/cx", "corr.example.org") == (308, f"{there}/update/cx")
        assert await lead("GET", "/a", "[::1]:80") == (301, f"https://[::1]:{gateway.built.port}/a")
        for host in ("evil/x", "a@b", "", "a b"):
            assert await lead("GET", "/a", host) == (400, None)


async def test_a_port_that_is_taken_ends_the_start_in_words(mosquitto: Mosquitto, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FatalError, match=rf"can't listen on 127\.0\.0\.1:{port}"):
            async with running_gateway(mosquitto, tmp_path, port=port):
                pass


# --- the Unix socket


async def test_whoever_may_open_the_socket_needs_no_login(mosquitto: Mosquitto, tmp_path: Path):
    path = tmp_path / "gateway.sock"
    more = {"trust": ["unix-socket"], "socket": path, "socket_role": Role.ENGINEER}
    async with running_gateway(mosquitto, tmp_path, **more) as gateway:
        assert path.stat().st_mode & 0o777 == 0o660
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as http:
            async with http.get("http://localhost/auth/me") as answer:
                me = await answer.json()
            async with http.post("http://localhost/auth/logout", json={}) as answer:
                assert answer.status == 422
            async with http.delete("http://localhost/auth/sessions/x") as answer:
                assert answer.status == 403
        assert me["role"] == "engineer"
        assert me["via"].startswith("socket uid ")
        line = gateway.log[0]
        assert (line["who"], line["address"]) == (me["name"], "-")
        assert " pid " in line["via"]
    assert not path.exists()


async def test_the_socket_is_there_only_where_it_is_trusted(mosquitto: Mosquitto, tmp_path: Path):
    async with running_gateway(mosquitto, tmp_path, socket=tmp_path / "gateway.sock"):
        assert not (tmp_path / "gateway.sock").exists()


async def test_a_socket_that_a_killed_gateway_left_is_taken_over(mosquitto: Mosquitto, tmp_path: Path):
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with running_gateway(mosquitto, tmp_path, trust=["unix-socket"], socket=path):
        assert path.is_socket()


async def test_a_socket_that_somebody_listens_on_and_a_file_are_not_removed(
    mosquitto: Mosquitto, tmp_path: Path
):
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(FatalError, match="another process listens"):
            async with running_gateway(mosquitto, tmp_path, trust=["unix-socket"], socket=path):
                pass
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FatalError, match="no socket"):
        async with running_gateway(
            mosquitto, tmp_path / "b", trust=["unix-socket"], socket=tmp_path / "file"
        ):
            pass
    assert (tmp_path / "file").read_text() == "precious"


async def test_a_handshake_that_is_none_harms_nobody(mosquitto: Mosquitto, tmp_path: Path, caplog):
    caplog.set_level(logging.ERROR)
    async with running_gateway(mosquitto, tmp_path) as gateway:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100, b""):
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.built.port)
            writer.write(garbage)
            writer.close()
            await writer.wait_closed()
        assert (await gateway.ask("GET", "/healthz")).status == 200
        await until(lambda: gateway.log)
    assert not caplog.records
