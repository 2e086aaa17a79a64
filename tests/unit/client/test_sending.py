"""A command to chosen nodes, in virtual time."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from conche.client.sending import Order, Report, exchange, orders_of, send
from conche.client.targets import Chosen
from conche.contract import Arguments, Reply, Resync
from tests.unit.cli.samples import result

BOTH = {"cx": Chosen(("cx1", "cx2"), whole=True), "recv": Chosen(("recv1",), whole=False)}


class FakeClient:
    """Keeps what is sent; a worker that takes it answers after a while."""

    def __init__(self, *, answers: Callable[[str, int], float | None]) -> None:
        self.sent: list[tuple[str, str, Arguments]] = []
        self._answers = answers
        self._replies: asyncio.Queue[Reply] = asyncio.Queue()

    async def send(self, action: str, arguments: Arguments, *, group: str, node: str) -> bool:
        self.sent.append((group, node, arguments))
        times = sum(1 for sent in self.sent if sent[:2] == (group, node))
        after = self._answers(group, times)
        if after is not None:
            nodes = ("cx1", "cx2") if node == "all" else (node,)
            reply = Reply(
                id=arguments.id,
                action=action,
                group=group,
                ok=True,
                results={f"{group}/{name}": result() for name in nodes},
            )
            asyncio.get_running_loop().call_later(after, self._replies.put_nowait, reply)
        return True

    async def reply(self, *, timeout: float) -> Reply | None:
        try:
            return await asyncio.wait_for(self._replies.get(), timeout)
        except TimeoutError:
            return None


async def sent(client: FakeClient, *, timeout: float = 70.0, **away: str) -> Report:
    return await send(client, "resync", Resync(reason="why"), targets=BOTH, unserved=away, timeout=timeout)


def test_a_whole_group_is_one_message_and_chosen_nodes_are_one_each():
    targets = {"cx": Chosen(("cx1", "cx2"), whole=True), "recv": Chosen(("a", "b"), whole=False)}
    assert orders_of(targets) == [
        Order("cx", "all", ("cx1", "cx2")),
        Order("recv", "a", ("a",)),
        Order("recv", "b", ("b",)),
    ]


@pytest.mark.looptime
async def test_all_replies_are_awaited():
    report = await sent(FakeClient(answers=lambda group, _: {"cx": 1.0, "recv": 3.0}[group]))
    assert report.ok
    assert sorted(report.results) == ["cx/cx1", "cx/cx2", "recv/recv1"]


@pytest.mark.looptime
async def test_what_is_not_answered_is_sent_again_with_the_same_id_and_what_is_answered_is_not():
    client = FakeClient(answers=lambda group, times: 1.0 if group == "cx" or times == 3 else None)
    report = await sent(client)
    assert report.ok
    assert [group for group, _, _ in client.sent] == ["cx", "recv", "recv", "recv"]
    assert len({arguments.id for group, _, arguments in client.sent if group == "recv"}) == 1
    assert len({arguments.id for _, _, arguments in client.sent}) == 2


@pytest.mark.looptime
async def test_a_command_expires_when_its_sender_gives_up():
    client = FakeClient(answers=lambda group, times: None)
    before = datetime.now(UTC)
    report = await sent(client, timeout=12.0)
    assert report.unanswered == {"cx": "no answer within 12 s", "recv/recv1": "no answer within 12 s"}
    assert report.is_silent
    assert asyncio.get_running_loop().time() == pytest.approx(12.0)
    expiry = {arguments.expires_at for _, _, arguments in client.sent}
    assert len(expiry) == 1
    (at,) = expiry
    assert at is not None
    assert timedelta(0) <= at - before - timedelta(seconds=12) < timedelta(seconds=5)


@pytest.mark.looptime
async def test_a_group_without_worker_is_told_and_not_sent_to():
    client = FakeClient(answers=lambda group, times: 1.0)
    report = await sent(client, recv="no worker serves it")
    assert report.unanswered == {"recv": "no worker serves it"}
    assert [group for group, _, _ in client.sent] == ["cx"]
    assert asyncio.get_running_loop().time() < 2


def test_a_refusal_is_no_result():
    report = Report()
    report.take(Order("cx", "all", ("cx1",)), Reply(id="1", action="a", group="cx", ok=False, error="busy"))
    assert report.refused == {"cx": "busy"}
    assert not report.is_silent


def test_a_node_that_a_reply_does_not_mention_is_skipped():
    report = Report()
    report.take(
        Order("cx", "all", ("cx1", "cx2")),
        Reply(id="1", action="a", group="cx", ok=True, results={"cx/cx1": result()}),
    )
    assert report.results["cx/cx2"].outcome == "skipped"
    assert not report.ok


def test_a_node_that_a_change_of_configs_does_not_concern_is_as_wished():
    report = Report()
    reply = Reply(
        id="1",
        action="updatable_config",
        group="cx",
        ok=True,
        results={"cx/cx1": result(), "cx/cx2": result("skipped", "has no such block")},
        commit="c",
    )
    report.take(Order("cx", "all", ("cx1", "cx2")), reply)
    assert report.ok
    assert report.commits == ["c"]
    assert report.results["cx/cx2"].outcome == "skipped"


def test_an_order_to_a_service_bears_its_name():
    assert Order("-", "renderer").name == "renderer"
    assert Order("all", "all").name == "all"


@pytest.mark.looptime
async def test_a_question_to_a_service_is_asked_again_until_it_is_answered():
    client = FakeClient(answers=lambda group, times: 1.0 if times == 3 else None)
    order = Order("-", "renderer")
    replies = await exchange(client, "log", [(order, Arguments())], timeout=70.0)
    assert list(replies) == [order]
    assert asyncio.get_running_loop().time() == pytest.approx(11.0)
    assert len({arguments.id for _, _, arguments in client.sent}) == 1
