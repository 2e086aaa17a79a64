"""The FPGA master's client against servers that answer anything at all, over real HTTP."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conche.errors import FatalError
from conche.fpga.client import (
    MAX_BODY,
    FpgaError,
    FpgaGarbled,
    FpgaHttpError,
    FpgaMaster,
    FpgaTimeout,
    FpgaUnreachable,
    open_session,
)
from conche.fpga.timing import TimingInvalid, read_timing
from conche.sim.fpga import FLOOD, FpgaFault
from conche.sim.fpga import FpgaMaster as SimulatedMaster
from conche.sim.launch import simulated_fpga

from .harness import free_port
from .test_bus_tls import make_ca, make_certificate

HEALTH, TIMING = "/status", "/get-frame0-time"


@asynccontextmanager
async def asking(
    url: str, *, timeout_s: float = 2.0, ca_file: Path | None = None
) -> AsyncIterator[FpgaMaster]:
    async with open_session(ca_file) as session:
        yield FpgaMaster(session, url=url, timeout_s=timeout_s)


@asynccontextmanager
async def simulated(
    fault: FpgaFault | None = None, *, timeout_s: float = 2.0
) -> AsyncIterator[tuple[FpgaMaster, SimulatedMaster]]:
    async with simulated_fpga() as (master, url), asking(url, timeout_s=timeout_s) as client:
        master.fault = fault
        yield client, master


@asynccontextmanager
async def answering(data: bytes, *, stay: bool = False) -> AsyncIterator[str]:
    """A server that says some bytes to everybody, and then closes, or stays."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        if stay:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    head = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


async def test_a_good_master_is_read():
    async with simulated() as (client, master):
        assert await client.get(HEALTH) == b'{"status": "running"}'
        timing = read_timing(await client.get(TIMING))
    assert timing.frame0_ns == master.frame0_ns


async def test_a_path_in_front_and_a_slash_behind_do_no_harm():
    async with simulated_fpga() as (_, url), asking(f"{url}/") as client:
        assert await client.get(HEALTH)


# --- what it is told to do wrong


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (FpgaFault.ERROR, FpgaHttpError, "GET /get-frame0-time: HTTP 500"),
        (FpgaFault.REDIRECT, FpgaHttpError, "HTTP 302, leads to '/elsewhere': give the address itself"),
        (FpgaFault.HALF, FpgaGarbled, "the answer ends in the middle"),
        (FpgaFault.FLOOD, FpgaGarbled, "an answer of more than 64 KiB"),
        (FpgaFault.BABBLE, FpgaGarbled, "does not speak HTTP"),
        (FpgaFault.GONE, FpgaUnreachable, "closed before there was an answer"),
    ],
)
async def test_an_answer_that_is_none_is_told_apart_from_the_others(
    fault: FpgaFault, kind: type[FpgaError], words: str
):
    async with simulated(fault) as (client, _):
        with pytest.raises(kind, match=words):
            await client.get(TIMING)


@pytest.mark.parametrize("path", [HEALTH, TIMING])
async def test_never_an_answer_takes_no_longer_than_the_timeout(path: str):
    async with simulated(FpgaFault.SILENT, timeout_s=0.3) as (client, _):
        began = time.monotonic()
        with pytest.raises(FpgaTimeout, match=f"GET {path}: no whole answer within 0.3 s"):
            await client.get(path)
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (FpgaFault.HTML, "not JSON: a page, HTML or XML"),
        (FpgaFault.NULL, "null where there should be an object"),
        (FpgaFault.EMPTY, "there is no frame0_nano"),
    ],
)
async def test_an_answer_that_is_no_timing_is_refused_when_it_is_read(fault: FpgaFault, words: str):
    async with simulated(fault) as (client, _):
        body = await client.get(TIMING)
    with pytest.raises(TimingInvalid, match=words):
        read_timing(body)


@pytest.mark.parametrize("fault", [FpgaFault.MUTE, FpgaFault.ERROR, FpgaFault.HTML, FpgaFault.FLOOD])
async def test_the_health_is_good_where_only_the_timing_is_not(fault: FpgaFault):
    async with simulated(fault) as (client, _):
        assert await client.get(HEALTH)


async def test_of_an_endless_answer_only_the_beginning_is_taken():
    async with simulated(FpgaFault.FLOOD) as (client, _):
        began = time.monotonic()
        with pytest.raises(FpgaGarbled):
            await client.get(TIMING)
        assert time.monotonic() - began < 1.0
    assert FLOOD > 100 * MAX_BODY


# --- what other servers do


async def test_nobody_who_listens_is_refused():
    async with asking(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(FpgaUnreachable, match="GET /status: refused: nobody listens there"):
            await client.get(HEALTH)


async def test_a_name_that_nobody_knows_is_told():
    async with asking("http://nowhere.invalid:54321") as client:
        with pytest.raises(FpgaUnreachable, match="nobody knows the name of its host"):
            await client.get(HEALTH)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://:5", "http://[::1", "http://..:3"])
async def test_an_address_that_is_none_is_told(url: str):
    async with asking(url) as client:
        with pytest.raises(FpgaUnreachable):
            await client.get(HEALTH)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", FpgaUnreachable),
        (b"HTTP/1.1 200 OK\r\nContent-Len", FpgaError),
        (reply(b"{", "Content-Length: 100"), FpgaGarbled),
        (reply(b"{}", "Content-Length: -5"), FpgaGarbled),
        (reply(b"5\r\n{}", "Transfer-Encoding: chunked"), FpgaGarbled),
        (reply(b"zz\r\n{}", "Transfer-Encoding: chunked"), FpgaGarbled),
        (reply(b"", f"X: {'x' * 100_000}"), FpgaGarbled),
        (reply(b"", *(f"X-{n}: x" for n in range(5000))), FpgaError),
        (reply(b"", "Content-Length: 0", status="204 No Content"), FpgaHttpError),
        (reply(b"", "Content-Length: 0", status="404 Not Found"), FpgaHttpError),
        (b"\x16\x03\x01\x02\x00" * 20, FpgaGarbled),
    ],
)
async def test_whatever_is_answered_is_an_error_of_the_fpga_and_no_other(data: bytes, kind: type[FpgaError]):
    async with answering(data) as url, asking(url) as client:
        with pytest.raises(kind):
            await client.get(TIMING)


async def test_half_an_answer_and_then_nothing_takes_no_longer_than_the_timeout():
    data = reply(b'{"frame0', "Content-Length: 100")
    async with answering(data, stay=True) as url, asking(url, timeout_s=0.3) as client:
        with pytest.raises(FpgaTimeout):
            await client.get(TIMING)


async def test_what_is_compressed_is_not_unpacked():
    data = reply(b"\x1f\x8b\x08" + b"x" * 20, "Content-Encoding: gzip", "Connection: close")
    async with answering(data) as url, asking(url) as client:
        with pytest.raises(TimingInvalid, match="not JSON"):
            read_timing(await client.get(TIMING))


# --- encryption


async def test_a_certificate_is_verified_and_one_that_nobody_vouches_for_is_refused(tmp_path: Path):
    ca_file = make_ca(tmp_path, "ca")
    make_certificate(tmp_path, "ca", "127.0.0.1")
    async with serving_tls(tmp_path) as port:
        async with asking(f"https://127.0.0.1:{port}", ca_file=ca_file) as client:
            assert await client.get(HEALTH) == b"{}"
        async with asking(f"https://127.0.0.1:{port}") as client:
            with pytest.raises(FpgaUnreachable, match=r"certificate is not trusted: .*fpga\.ca_file"):
                await client.get(HEALTH)


async def test_the_certificate_of_another_host_is_refused(tmp_path: Path):
    ca_file = make_ca(tmp_path, "ca")
    make_certificate(tmp_path, "ca", "127.0.0.2")
    async with (
        serving_tls(tmp_path) as port,
        asking(f"https://127.0.0.1:{port}", ca_file=ca_file) as client,
    ):
        with pytest.raises(FpgaUnreachable, match=r"certificate is not trusted: .*mismatch"):
            await client.get(HEALTH)


async def test_https_where_there_is_none_is_told():
    async with simulated_fpga() as (_, url), asking(url.replace("http:", "https:")) as client:
        with pytest.raises(FpgaUnreachable, match="no TLS connection: is it http:// there"):
            await client.get(HEALTH)


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_an_authority_that_can_not_be_read_ends_the_service_with_its_name(
    tmp_path: Path, content: str | None
):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(FatalError, match=r"fpga\.ca_file: .*ca\.pem"):
        open_session(file)


@asynccontextmanager
async def serving_tls(folder: Path) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b"{}", "Content-Length: 2"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
