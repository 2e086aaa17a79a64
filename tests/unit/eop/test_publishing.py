"""Commands on their way: repeated with the same id until they are answered, whatever becomes of the broker."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from conche.bus import BusUnavailable
from conche.contract import COMMAND, Message, Outcome, Payload, Reply, Result, UpdatableConfig
from conche.eop.publishing import PATIENCE_S, REPEAT_S, Publisher
from conche.eop.targets import Parcel

pytestmark = pytest.mark.looptime

CX = Parcel("cx", "all", ("cx/cx1", "cx/cx2"), {"table": [1]})
RECV = Parcel("recv", "r1", ("recv/r1",), {"table": [2]})
OK = Result(ok=True, outcome=Outcome.OK)


class Bus:
    """A broker in memory; a test says when it is there and who answers."""

    def __init__(self) -> None:
        self.connected = True
        self.breaks = False
        self.sent: list[tuple[float, dict[str, str], UpdatableConfig]] = []
        self.answer: Callable[[dict[str, str], UpdatableConfig], None] = lambda params, wish: None

    async def publish(self, message: Message[Payload], payload: Payload, **params: str) -> bool:
        assert message is COMMAND
        assert isinstance(payload, UpdatableConfig)
        if self.breaks:
            self.connected = False
            raise BusUnavailable("lost")
        self.sent.append((asyncio.get_running_loop().time(), params, payload))
        self.answer(params, payload)
        return True

    @property
    def ids(self) -> list[str | None]:
        return [wish.id for _, _, wish in self.sent]


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def publisher(bus: Bus) -> Publisher:
    return Publisher(bus, endpoint="eop")


def reply(wish: UpdatableConfig, *keys: str, result: Result = OK, error: str | None = None) -> Reply:
    return Reply(
        id=wish.id, action="updatable_config", group="cx", ok=error is None, error=error,
        results=dict.fromkeys(keys, result),
    )  # fmt: skip


def answering(
    publisher: Publisher, *, result: Result = OK
) -> Callable[[dict[str, str], UpdatableConfig], None]:
    def answer(params: dict[str, str], wish: UpdatableConfig) -> None:
        keys = CX.nodes if params["group"] == "cx" else RECV.nodes
        publisher.on_reply({"user": "eop", "id": wish.id or ""}, reply(wish, *keys, result=result))

    return answer


async def test_each_group_gets_its_values_under_the_service_s_own_name_with_an_id_of_its_own(
    bus: Bus, publisher: Publisher
):
    bus.answer = answering(publisher)
    found = await publisher.push([CX, RECV], run="run", reason="daily")
    assert {key: one.outcome for key, one in found.items()} == dict.fromkeys(
        [*CX.nodes, *RECV.nodes], Outcome.OK
    )
    assert [(p["user"], p["group"], p["node"], p["action"]) for _, p, _ in bus.sent] == [
        ("eop", "cx", "all", "updatable_config"), ("eop", "recv", "r1", "updatable_config")
    ]  # fmt: skip
    assert [(w.id, w.endpoint, w.values, w.reason) for _, _, w in bus.sent] == [
        ("run-0", "eop", {"table": [1]}, "daily"), ("run-1", "eop", {"table": [2]}, "daily")
    ]  # fmt: skip


async def test_what_is_not_answered_is_sent_again_with_the_same_id(bus: Bus, publisher: Publisher):
    async with asyncio.TaskGroup() as tasks:
        pushed = tasks.create_task(publisher.push([CX], run="run", reason=""))
        await asyncio.sleep(2.5 * REPEAT_S)
        answering(publisher)(*bus.sent[0][1:])
    assert bus.ids == ["run-0"] * 3
    assert pushed.result()["cx/cx1"].outcome is Outcome.OK


async def test_a_renderer_that_never_answers_is_a_failure_at_each_node(bus: Bus, publisher: Publisher):
    found = await publisher.push([CX], run="run", reason="")
    assert asyncio.get_running_loop().time() == pytest.approx(PATIENCE_S)
    assert {one.outcome for one in found.values()} == {Outcome.FAILED}
    assert "did not answer within 120 s" in (found["cx/cx2"].error or "")


async def test_a_broker_lost_between_two_groups_is_waited_for_and_the_same_ids_go_on(
    bus: Bus, publisher: Publisher
):
    answer = answering(publisher)
    bus.answer = lambda params, wish: answer(params, wish) if params["group"] == "cx" else None
    async with asyncio.TaskGroup() as tasks:
        pushed = tasks.create_task(publisher.push([CX, RECV], run="run", reason=""))
        await asyncio.sleep(1)
        assert bus.ids == ["run-0", "run-1"]
        bus.breaks = True
        await asyncio.sleep(10 * PATIENCE_S)
        assert not pushed.done()
        bus.breaks, bus.connected, bus.answer = False, True, answer
    assert {one.outcome for one in pushed.result().values()} == {Outcome.OK}
    assert bus.ids == ["run-0", "run-1", "run-1"]


async def test_a_command_ends_when_nobody_waits_for_it_any_more(bus: Bus, publisher: Publisher):
    began = datetime.now(UTC)
    await publisher.push([CX], run="run", reason="")
    ends = {wish.expires_at for _, _, wish in bus.sent}
    assert len(ends) == 1
    assert began <= ends.pop() - timedelta(seconds=PATIENCE_S) <= datetime.now(UTC)


async def test_what_expired_while_the_broker_was_away_is_sent_anew_under_another_id(
    bus: Bus, publisher: Publisher
):
    def expired(params: dict[str, str], wish: UpdatableConfig) -> None:
        publisher.on_reply({"user": "eop", "id": wish.id or ""}, reply(wish, error="it has expired"))

    async with asyncio.TaskGroup() as tasks:
        pushed = tasks.create_task(publisher.push([RECV], run="run", reason=""))
        await asyncio.sleep(1)
        bus.connected = False
        await asyncio.sleep(2 * PATIENCE_S)
        answer = answering(publisher)
        bus.answer = lambda params, wish: (expired if wish.id == "run-0" else answer)(params, wish)
        bus.connected = True
    assert pushed.result()["recv/r1"].outcome is Outcome.OK
    assert bus.ids == ["run-0", "run-0", "run-0-1"]


async def test_a_group_that_refuses_fails_with_its_words_and_the_others_do_not(
    bus: Bus, publisher: Publisher
):
    answer = answering(publisher)

    def refuse(params: dict[str, str], wish: UpdatableConfig) -> None:
        if params["group"] == "cx":
            refused = reply(wish, error="cx/cx1 refused these values: table too short")
            publisher.on_reply({"user": "eop", "id": wish.id or ""}, refused)
        else:
            answer(params, wish)

    bus.answer = refuse
    found = await publisher.push([CX, RECV], run="run", reason="")
    assert found["cx/cx1"].error == found["cx/cx2"].error == "cx/cx1 refused these values: table too short"
    assert found["recv/r1"].outcome is Outcome.OK


@pytest.mark.parametrize("outcome", [Outcome.HELD, Outcome.UNREACHABLE, Outcome.SKIPPED, Outcome.FAILED])
async def test_outcomes_and_words_are_those_of_the_renderer(bus: Bus, publisher: Publisher, outcome: Outcome):
    bus.answer = answering(publisher, result=Result(ok=False, outcome=outcome, error="stored; why"))
    found = await publisher.push([RECV], run="run", reason="")
    assert (found["recv/r1"].outcome, found["recv/r1"].error) == (outcome, "stored; why")


async def test_a_node_that_the_answer_does_not_mention_has_failed(bus: Bus, publisher: Publisher):
    bus.answer = lambda params, wish: publisher.on_reply(
        {"user": "eop", "id": wish.id or ""}, reply(wish, "cx/cx1")
    )
    found = await publisher.push([CX], run="run", reason="")
    assert found["cx/cx1"].outcome is Outcome.OK
    assert found["cx/cx2"].outcome is Outcome.FAILED


async def test_answers_to_what_nobody_awaits_change_nothing(bus: Bus, publisher: Publisher):
    publisher.on_reply(
        {"user": "eop", "id": "other"}, reply(UpdatableConfig(id="other", endpoint="e", values={}))
    )
    publisher.on_reply({"user": "eop", "id": "other"}, None)
    bus.answer = answering(publisher)
    assert await publisher.push([RECV], run="run", reason="")


async def test_nothing_to_send_is_nothing_sent(bus: Bus, publisher: Publisher):
    assert await publisher.push([], run="run", reason="") == {}
    assert bus.sent == []
