"""The client against the simulated kotekan: what it reads, writes and is refused."""

from typing import Any

import pytest

from conche.kotekan.client import Reader, Writer
from conche.kotekan.connection import Address, Connection
from conche.kotekan.errors import (
    KotekanBusy,
    KotekanClosed,
    KotekanConflict,
    KotekanGarbled,
    KotekanHttpError,
    KotekanMalformed,
    KotekanRefused,
    KotekanRejected,
)
from conche.kotekan.revision import FingerprintCache, fingerprint
from conche.kotekan.snapshot import look

from .kotekan_support import CONFIG, allow, connected, start
from .sim_support import GAINS, UPDATE, running_node


async def test_idle_and_running_are_told_apart() -> None:
    async with running_node() as node, connected(node) as connection:
        reader = Reader(connection)
        assert await reader.config() is None
        assert await reader.running() is False
        assert (await look(reader, FingerprintCache())).idle
        await start(connection)
        assert await reader.running() is True
        seen = await look(reader, FingerprintCache())
        assert seen.running == fingerprint(GAINS)
        assert seen.running.revision == node.view["revision"]


async def test_requests_of_one_connection_arrive_on_one_connection() -> None:
    async with running_node() as node, connected(node) as connection:
        reader = Reader(connection)
        for _ in range(20):
            await reader.version()
        await start(connection)
        await Writer(connection, allow).update("gains", UPDATE)
        await Writer(connection, allow).kill()
        numbers = {entry["connection"] for what in ("start", "update", "kill") for entry in node.books(what)}
        assert len(numbers) == 1


async def test_update_is_what_runs_afterwards() -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        await Writer(connection, allow).update("gains", UPDATE)
        seen = await look(Reader(connection), FingerprintCache())
        assert seen.running == fingerprint({**GAINS, "gains": {**GAINS["gains"], **UPDATE}})


async def test_end_of_file_comes_with_the_death_and_not_with_the_answer_to_a_kill() -> None:
    async with running_node(speed=4) as node, connected(node) as connection:
        await start(connection)
        await Writer(connection, allow).kill()
        assert not node.books("died")
        assert not connection.closed
        assert await connection.wait_closed(timeout=0.01) is False
        assert await connection.wait_closed(timeout=5) is True
        assert len(node.books("died")) == 1
        with pytest.raises(KotekanClosed):
            await Reader(connection).config()


async def test_node_that_is_down_refuses() -> None:
    async with running_node() as node:
        node.fault("refuse")
        await node.until("died")
        with pytest.raises(KotekanRefused, match="connection refused, kotekan is not running"):
            await Connection.open(Address(node.address.host, node.address.port))


async def test_config_that_is_rejected_and_one_that_is_no_json_are_two_things() -> None:
    async with running_node() as node:
        async with connected(node) as connection:
            with pytest.raises(KotekanMalformed, match=r"HTTP 400: .*JSON failed to parse") as malformed:
                await start(connection, b'{"log_level": ')
            assert malformed.value.status == 400
        async with connected(node) as connection:
            with pytest.raises(KotekanMalformed, match="HTTP 400: 400"):
                await start(connection, b"")
        async with connected(node) as connection:
            with pytest.raises(KotekanRejected, match="log_level is required"):
                await start(connection, b"{}")
            assert await connection.wait_closed(timeout=5)
        assert len(node.books("died")) == 1


async def test_start_of_what_runs_is_a_conflict() -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        with pytest.raises(KotekanConflict, match="HTTP 402: Already running"):
            await start(connection)
        assert await Reader(connection).running()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({**UPDATE, "start_time": 2}, "of type integer"),
        ({"count": 4}, "is missing value"),
        ({**UPDATE, "other": 1}, "not defined"),
    ],
)
async def test_update_that_does_not_fit_is_malformed_and_kotekan_lives(
    values: dict[str, Any], words: str
) -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        with pytest.raises(KotekanMalformed, match=words):
            await Writer(connection, allow).update("gains", values)
        assert await Reader(connection).running()


async def test_value_that_a_stage_refuses_is_rejected_and_kotekan_dies_of_it() -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        node.fault("reject_value", endpoint="/gains")
        with pytest.raises(KotekanRejected, match="HTTP 500: configUpdater: Failed updating /gains"):
            await Writer(connection, allow).update("gains", UPDATE)
        assert await connection.wait_closed(timeout=5)


async def test_update_of_no_block_is_http_404() -> None:
    async with running_node() as node, connected(node) as connection:
        await start(connection)
        with pytest.raises(KotekanHttpError, match="POST /other: HTTP 404: Not Found"):
            await Writer(connection, allow).update("other", UPDATE)


async def test_hung_kotekan_is_busy_and_what_was_asked_is_still_carried_out() -> None:
    async with running_node() as node:
        async with connected(node) as connection:
            node.fault("hang")
            with pytest.raises(KotekanBusy, match=r"GET /config: connected, but no answer within 0\.1 s"):
                await Reader(connection, timeout=0.1).config()
        async with connected(node) as connection:
            with pytest.raises(KotekanBusy):
                await Writer(connection, allow).start(CONFIG, timeout=0.1)
        node.clear()
        assert (await node.until("start"))["status"] == 200


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ({"mode": "html", "status": 502, "words": "Bad Gateway"}, KotekanHttpError),
        ({"mode": "html", "status": 404}, KotekanHttpError),
        ({"mode": "status", "status": 503, "words": "later"}, KotekanHttpError),
        ({"mode": "garbage"}, KotekanGarbled),
        ({"mode": "half"}, KotekanClosed),
        ({"mode": "huge", "megabytes": 21}, KotekanGarbled),
    ],
)
async def test_each_wrong_answer_has_its_own_error(mode: dict[str, Any], error: type[Exception]) -> None:
    async with running_node() as node, connected(node) as connection:
        node.fault("http", **mode)
        with pytest.raises(error) as caught:
            await Reader(connection).config()
        assert type(caught.value) is error
        assert str(mode.get("status", "")) in str(caught.value)
