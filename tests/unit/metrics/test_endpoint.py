"""The port for Prometheus."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from conche.errors import FatalError
from conche.metrics.endpoint import Endpoint, serving


class Shown:
    """A registry, how often it was prepared, and the port."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.gauge = Gauge("conche_x", "A figure.", registry=self.registry)
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1
        self.gauge.set(self.prepared)

    def serving(self, port: int = 0):
        return serving(Endpoint(self.registry, prepare=self.prepare), host="127.0.0.1", port=port)


async def get(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str, str]:
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_what_is_known_is_told_in_the_format_that_is_asked_for():
    async with Shown().serving() as port:
        code, kind, text = await get(port)
        assert (code, kind.partition(";")[0]) == (200, "text/plain")
        assert "conche_x 1.0\n" in text
        code, kind, text = await get(port, Accept="application/openmetrics-text; version=1.0.0")
        assert (code, kind.partition(";")[0]) == (200, "application/openmetrics-text")
        assert text.endswith("# EOF\n")


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=abc",
        "application/openmetrics-text; version=1.0.0x",
        "text/plain; version=1.x",
        "; ;=,",
    ],
)
async def test_a_format_that_can_not_be_read_is_answered_in_plain_text(accept: str):
    async with Shown().serving() as port:
        code, kind, text = await get(port, Accept=accept)
    assert (code, kind.partition(";")[0]) == (200, "text/plain")
    assert "conche_x 1.0\n" in text


async def test_many_who_ask_at_once_get_one_answer_that_was_made_once():
    shown = Shown()
    async with shown.serving() as port:
        answers = await asyncio.gather(*(get(port) for _ in range(20)))
    assert shown.prepared == 1
    assert {text for _, _, text in answers} == {answers[0][2]}


async def test_an_answer_that_is_old_is_made_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("conche.metrics.endpoint.FRESH_S", 0.0)
    async with Shown().serving() as port:
        assert "conche_x 1.0" in (await get(port))[2]
        assert "conche_x 2.0" in (await get(port))[2]


async def test_there_is_nothing_else():
    async with Shown().serving() as port:
        assert (await get(port, "/"))[0] == 404


async def test_a_port_that_is_taken_is_named():
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(Shown().serving())
        with pytest.raises(FatalError, match=rf"metrics\.listen_.*127\.0\.0\.1:{port}: .*in use"):
            await stack.enter_async_context(Shown().serving(port))


async def test_a_host_that_is_not_here_is_named():
    async with AsyncExitStack() as stack:
        taken = serving(Endpoint(CollectorRegistry(), prepare=lambda: None), host="192.0.2.1", port=0)
        with pytest.raises(FatalError, match=r"can't listen on 192\.0\.2\.1:0"):
            await stack.enter_async_context(taken)
