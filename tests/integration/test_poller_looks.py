"""One node look by look: simulated, and scripted to answer as no kotekan does."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from conche.contract import Reach
from conche.kotekan.addresses import AddressMap
from conche.kotekan.connection import Address
from conche.kotekan.revision import FingerprintCache, fingerprint
from conche.poller.node import WatchedNode
from conche.settings import Kotekan

from .raw import Peer, RawServer, raw_server, reply
from .sim_support import GAINS, running_node


@asynccontextmanager
async def watched(
    at: Any, *, addresses: AddressMap | None = None, answer_timeout_s: float = 0.5
) -> AsyncIterator[WatchedNode]:
    node = WatchedNode(
        "cx/a",
        address=Address(at.host, at.port),
        addresses=addresses or AddressMap(None),
        settings=Kotekan(answer_timeout_s=answer_timeout_s),
        cache=FingerprintCache(),
    )
    try:
        yield node
    finally:
        node.close()


async def test_version_is_asked_once_for_each_process_and_status_once_for_each_time_it_is_idle() -> None:
    async with running_node() as node, watched(node.address) as watch:
        for _ in range(5):
            assert (await watch.look()).idle
        async with node.connect() as client:
            await client.post("/start", GAINS)
        for _ in range(5):
            assert (await watch.look()).running
        async with node.connect() as client:
            await client.get("/stop")
        for _ in range(5):
            assert (await watch.look()).idle
        reads = {path: told["count"] for path, told in node.view["reads"].items()}
        assert reads == {"/config": 15, "/version": 1, "/status": 2}
        node.order("sigkill")
        await node.until("listening", 2)
        for _ in range(5):
            assert (await watch.look()).idle
        assert node.view["reads"]["/version"]["count"] == 2


async def test_death_between_two_looks_shows_the_successor_and_no_error() -> None:
    async with running_node(speed=1000) as node, watched(node.address) as watch:
        await watch.look()
        node.order("sigkill")
        await node.until("listening", 2)
        snapshot = await watch.look()
        assert (snapshot.idle, snapshot.error) == (True, None)


async def test_kept_connection_that_dies_under_the_question_is_asked_again_once() -> None:
    async def answer(peer: Peer) -> None:
        for body in (b'{"kotekan_version": "1"}', b"{}"):
            await peer.request()
            peer.send(reply(body))
        await peer.request()

    async with raw_server(answer) as server, watched(server.address) as watch:
        for _ in range(3):
            assert (await watch.look()).running
        assert server.connections == 3
        assert server.paths == ["/version", "/config", *("/config", "/version", "/config") * 2]


async def test_connection_that_is_closed_at_once_is_an_error_and_is_not_tried_in_a_frenzy() -> None:
    async def close(peer: Peer) -> None:
        await peer.request()

    async with raw_server(close) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert snapshot.reach is Reach.HTTP_ERROR
        assert "ended before the answer was complete" in str(snapshot.error)
        assert server.connections == 1


def not_found() -> bytes:
    return reply(b'{"code":404,"message":"Not Found"}', status="404 NOT_FOUND")


async def scripted(peer: Peer, answers: dict[str, list[bytes]]) -> None:
    """Answer each path by what is left of its list; the last stays."""
    while request := await peer.request():
        left = answers[request.split(b" ")[1].decode()]
        peer.send(left.pop(0) if len(left) > 1 else left[0])


@asynccontextmanager
async def answering_node(**answers: list[bytes]) -> AsyncIterator[RawServer]:
    known = {f"/{name}": replies for name, replies in answers.items()}
    async with raw_server(lambda peer: scripted(peer, known)) as server:
        yield server


VERSION = reply(b'{"kotekan_version": "1"}')


RUNNING, STOPPED = reply(b'{"running": true}'), reply(b'{"running": false}')


RUNNING, STOPPED = reply(b'{"running": true}'), reply(b'{"running": false}')


async def test_process_that_has_just_begun_to_listen_and_knows_nothing_is_asked_again() -> None:
    for late in ("version", "config", "status"):
        answers = {"version": [VERSION], "config": [not_found()], "status": [STOPPED]}
        answers[late] = [not_found(), *answers[late]]
        async with answering_node(**answers) as server, watched(server.address) as watch:
            assert (await watch.look()).idle, late


async def test_server_that_always_answers_404_is_no_kotekan() -> None:
    answers = {"version": [not_found()], "config": [not_found()], "status": [not_found()]}
    async with answering_node(**answers) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert (snapshot.reach, snapshot.error) == (Reach.HTTP_ERROR, "GET /version: HTTP 404: Not Found")
        assert server.connections == 2


async def test_start_between_the_two_questions_about_an_idle_node_is_no_contradiction() -> None:
    answers = {"version": [VERSION], "config": [not_found(), reply(b'{"a": 1}')], "status": [RUNNING]}
    async with answering_node(**answers) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert snapshot.running == fingerprint({"a": 1})


async def test_node_that_is_idle_and_says_that_it_runs_makes_no_sense() -> None:
    answers = {"version": [VERSION], "config": [not_found()], "status": [RUNNING]}
    async with answering_node(**answers) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert snapshot.reach is Reach.HTTP_ERROR
        assert snapshot.error == "GET /config says idle and GET /status says running"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (reply(b"<HTML>", status="502 Bad Gateway"), "GET /config: HTTP 502"),
        (reply(b"<HTML>", status="404 Not Found"), "GET /config: HTTP 404"),
        (reply(b"{"), "GET /config: the answer is not JSON"),
        (reply(b"[]"), "GET /config: the answer is not a JSON object"),
        (reply(b'{"a": 1e999}'), "GET /config: the answer is not JSON"),
    ],
)
async def test_answer_that_makes_no_sense_is_told_in_words(config: bytes, words: str) -> None:
    async with answering_node(version=[VERSION], config=[config]) as server, watched(server.address) as watch:
        snapshot = await watch.look()
        assert snapshot.reach is Reach.HTTP_ERROR
        assert str(snapshot.error).startswith(words)


async def test_rehearsal_never_asks_a_real_node(tmp_path: Path) -> None:
    addresses = tmp_path / "addresses.json"
    async with (
        answering_node(version=[VERSION], config=[reply(b"{}")]) as real,
        answering_node(version=[VERSION], config=[reply(b"{}")]) as simulated,
        watched(real.address, addresses=AddressMap(addresses)) as watch,
    ):
        for text in (None, "{}"):
            if text is not None:
                addresses.write_text(text)
            assert (await watch.look()).reach is Reach.UNREACHABLE
        addresses.write_text(json.dumps({str(real.address): str(simulated.address)}))
        assert (await watch.look()).reach is Reach.OK
        assert (real.connections, simulated.connections) == (0, 1)
