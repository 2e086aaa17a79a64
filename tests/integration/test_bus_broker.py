"""What the broker holds, in which order things come, and what becomes of it when the broker goes."""

import asyncio
import signal
import subprocess
from datetime import UTC, datetime

import pytest

from conche import commands, contract
from conche.bus import Bus, BusUnavailable, Incoming, PayloadTooLarge, encoding
from conche.bus.client import Client
from conche.contract import Service

from .bus_support import SEEN, listening, observed, publish, running, until
from .harness import Mosquitto


def poller(mosquitto: Mosquitto) -> Bus:
    return Bus(mosquitto.settings, service=Service.POLLER, instance="main")


async def held(mosquitto: Mosquitto) -> dict[str, contract.Observed]:
    """What stands on observed topics, by node."""
    async with Client(mosquitto.settings, account="operator") as client:
        return {params["node"]: payload for params, payload in await client.read(contract.NODE_OBSERVED)}


def own(bus: Bus, *numbers: int, sweep: int = 1) -> None:
    for i in numbers:
        bus.own(contract.NODE_OBSERVED, observed(sweep), group="cx", node=f"n{i}")


def swept(number: int = 1) -> contract.Sweep:
    return contract.Sweep(
        boot="b",
        number=number,
        groups=["cx"],
        at=datetime.now(UTC),
        took_s=0.0,
        polled=0,
        unreachable=0,
        overrun=False,
        period_s=2.0,
    )


async def test_broker_killed_in_the_midst_of_a_thousand_states_ends_up_with_exactly_those_owned(
    mosquitto: Mosquitto,
) -> None:
    async with running(poller(mosquitto)) as bus:
        own(bus, *range(1000))
        await asyncio.sleep(0.02)
        mosquitto.stop(signal.SIGKILL)
        own(bus, *range(500), sweep=2)
        await until(lambda: not bus.connected)
        for i in range(900, 1000):
            bus.disown(contract.NODE_OBSERVED, group="cx", node=f"n{i}")
        own(bus, 1000)
        await mosquitto.start()
        await until(lambda: bus.connected)
        await bus.settled()
        sweeps = {f"n{i}": 2 if i < 500 else 1 for i in (*range(900), 1000)}
        assert {node: payload.sweep for node, payload in (await held(mosquitto)).items()} == sweeps


async def test_broker_that_is_restarted_in_good_order_has_kept_everything_and_is_told_nothing_twice(
    mosquitto: Mosquitto,
) -> None:
    async with running(poller(mosquitto)) as bus:
        own(bus, *range(50))
        await bus.settled()
    mosquitto.stop()
    await mosquitto.start()
    assert len(await held(mosquitto)) == 50
    async with listening(mosquitto.settings, SEEN) as got, running(poller(mosquitto)) as bus:
        await until(lambda: len(got) == 50)
        own(bus, *range(50))
        own(bus, 7, sweep=2)
        await bus.settled()
        await until(lambda: len(got) > 50)
        assert [message.topic for message in got[50:]] == ["conche/observed/cx/n7"]


async def test_state_that_is_set_or_cleared_while_the_broker_is_away_is_not_lost(
    mosquitto: Mosquitto,
) -> None:
    async with running(poller(mosquitto)) as bus:
        own(bus, 1, 2)
        await bus.settled()
        mosquitto.stop()
        await until(lambda: not bus.connected)
        own(bus, 3)
        bus.disown(contract.NODE_OBSERVED, group="cx", node="n1")
        await mosquitto.start()
        await until(lambda: bus.connected)
        await bus.settled()
        assert sorted(await held(mosquitto)) == ["n2", "n3"]


async def test_what_is_not_state_fails_loudly_while_the_broker_is_away(mosquitto: Mosquitto) -> None:
    async with running(poller(mosquitto)) as bus:
        mosquitto.send(signal.SIGSTOP)
        waiting = asyncio.create_task(bus.publish(contract.SWEEP, swept(), instance="main"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        mosquitto.send(signal.SIGKILL)
        with pytest.raises(BusUnavailable, match="before it acknowledged"):
            await waiting
        await until(lambda: not bus.connected)
        with pytest.raises(BusUnavailable):
            await bus.publish(contract.SWEEP, swept(), instance="main")
        with pytest.raises(BusUnavailable):
            bus.send("conche/reply/alice/x", swept())


async def test_publisher_knows_whether_anybody_listens(mosquitto: Mosquitto) -> None:
    async with running(poller(mosquitto)) as bus:
        assert await bus.publish(contract.SWEEP, swept(), instance="main") is False
        async with listening(mosquitto.settings, "conche/sweep/+"):
            assert await bus.publish(contract.SWEEP, swept(), instance="main") is True


async def test_what_follows_settled_states_comes_behind_them(mosquitto: Mosquitto) -> None:
    async with (
        listening(mosquitto.settings, SEEN, "conche/sweep/+") as got,
        running(poller(mosquitto)) as bus,
    ):
        for number in range(1, 4):
            own(bus, *range(500), sweep=number)
            await bus.settled()
            await bus.publish(contract.SWEEP, swept(number), instance="main")
        await until(lambda: len(got) == 1503)
    assert [i for i, message in enumerate(got) if "sweep" in message.topic] == [500, 1001, 1502]


async def test_owned_state_of_others_is_left_alone(mosquitto: Mosquitto) -> None:
    async with running(poller(mosquitto)) as bus:
        for group in ("cx", "cy"):
            bus.own(contract.NODE_OBSERVED, observed(), group=group, node=f"{group}1")
        await bus.settled()
    one_group = Bus(mosquitto.settings, service=Service.POLLER, instance="b", scope={"group": "cx"})
    async with running(one_group):
        assert [params["node"] for params, _ in one_group.found(contract.NODE_OBSERVED)] == ["cx1"]
        one_group.clear_unowned(contract.NODE_OBSERVED, group="cx")
        await one_group.settled()
        assert list(await held(mosquitto)) == ["cy1"]


async def test_message_that_no_broker_would_take_is_refused_and_the_connection_stays(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "MAX_PAYLOAD", 1000)
    big = contract.Observed(boot="b", sweep=1, reach=contract.Reach.OK, error="x" * 1000)
    words = r"conche/observed/cx/cx1: 11\d\d bytes are more than 1000"
    async with running(poller(mosquitto)) as bus:
        with pytest.raises(PayloadTooLarge, match=words):
            bus.own(contract.NODE_OBSERVED, big, group="cx", node="cx1")
        with pytest.raises(PayloadTooLarge, match=words):
            await bus.publish(contract.NODE_OBSERVED, big, group="cx", node="cx1")
        with pytest.raises(PayloadTooLarge, match=words):
            bus.send("conche/observed/cx/cx1", big)
        own(bus, 1)
        await bus.settled()
        assert bus.connected


async def test_largest_message_that_is_let_through_is_taken_by_the_broker_as_shipped(
    mosquitto: Mosquitto,
) -> None:
    error = "x" * (encoding.MAX_PAYLOAD - 200)
    big = contract.Observed(boot="b", sweep=1, reach=contract.Reach.OK, error=error)
    async with running(poller(mosquitto)) as bus:
        bus.own(contract.NODE_OBSERVED, big, group="cx", node="cx1")
        await bus.settled()
        assert bus.connected
        assert (await held(mosquitto))["cx1"].error == error


# --- commands and replies


class Answering:
    """A service that answers each command at once."""

    def __init__(self, mosquitto: Mosquitto) -> None:
        self.bus = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
        self.answers = commands.Answers(self.bus)
        self.taken: list[Incoming] = []
        self.bus.take_commands(
            [contract.COMMAND.filter(group="cx")], self.on_command, on_busy=self.on_command
        )

    def on_command(self, message: Incoming) -> None:
        self.taken.append(message)
        envelope = commands.envelope_of(message, root="conche")
        if self.answers.is_repeated(envelope):
            return
        try:
            commands.read_command(
                message, envelope, root="conche", actions=contract.SYNC_ACTIONS, now=datetime.now(UTC)
            )
        except commands.CommandRefused as refused:
            self.answers.refuse(envelope, group="cx", why=str(refused))
        else:
            reply = contract.Reply(id=envelope.id, action=envelope.action, group="cx", ok=True)
            self.answers.answer(envelope, reply)


TOPIC = "conche/command/operator/cx/cx1/resync"


async def test_reply_comes_on_the_response_topic_with_its_correlation(mosquitto: Mosquitto) -> None:
    service = Answering(mosquitto)
    async with running(service.bus):
        arguments = ["-t", TOPIC, "-e", "conche/reply/operator/mine", "-m", '{"id": "a"}', "-W", "5"]
        asked = await asyncio.create_subprocess_exec(
            *(
                "mosquitto_rr",
                *mosquitto.client_arguments(),
                *arguments,
                "-D",
                "publish",
                "correlation-data",
                "c-1",
            ),
            *("-F", "%t %D %p"),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asked.communicate()
    topic, correlation, payload = out.decode().split(" ", 2)
    assert (topic, correlation) == ("conche/reply/operator/mine", "c-1")
    assert '"ok":true' in payload


@pytest.mark.parametrize(
    "topic",
    ["conche/reply/poller/x", "conche/reply/operator/x/y", "conche/status/cx/cx1", "conche/reply/operator"],
)
async def test_response_topic_that_the_service_may_not_write_to_is_refused_and_the_service_lives(
    mosquitto: Mosquitto, topic: str
) -> None:
    service = Answering(mosquitto)
    async with running(service.bus), listening(mosquitto.settings, "conche/reply/operator/+") as got:
        publish(mosquitto, TOPIC, '{"id": "a"}', "-D", "publish", "response-topic", topic)
        await until(lambda: got)
        publish(mosquitto, TOPIC, '{"id": "b"}')
        await until(lambda: len(got) == 2)
        assert service.bus.connected
    assert [message.topic for message in got] == ["conche/reply/operator/a", "conche/reply/operator/b"]
    assert b"the response topic must lie under" in got[0].payload


async def test_command_that_was_sent_while_the_service_was_away_is_never_delivered(
    mosquitto: Mosquitto,
) -> None:
    async with running(Answering(mosquitto).bus):
        pass
    publish(mosquitto, TOPIC, '{"id": "old"}')
    service = Answering(mosquitto)
    async with running(service.bus):
        publish(mosquitto, TOPIC, '{"id": "new"}')
        await until(lambda: service.taken)
    assert [message.payload for message in service.taken] == [b'{"id": "new"}']


async def test_reply_is_read_by_its_asker_alone(mosquitto: Mosquitto) -> None:
    service = Answering(mosquitto)
    async with (
        running(service.bus),
        listening(mosquitto.settings, "conche/reply/+/+", account="poller") as others,
        listening(mosquitto.settings, "conche/reply/operator/+") as own_replies,
    ):
        publish(mosquitto, TOPIC, '{"id": "a"}')
        await until(lambda: own_replies)
        await asyncio.sleep(0.05)
        assert not others


async def test_command_under_another_s_name_never_arrives(mosquitto: Mosquitto) -> None:
    service = Answering(mosquitto)
    async with running(service.bus):
        arguments = [*mosquitto.client_arguments("poller"), "-t", TOPIC, "-m", "{}", "-q", "1"]
        subprocess.run(["mosquitto_pub", *arguments], capture_output=True)
        publish(mosquitto, TOPIC, '{"id": "mine"}')
        await until(lambda: service.taken)
    assert [message.payload for message in service.taken] == [b'{"id": "mine"}']


async def test_the_broker_is_listened_to_by_the_one_service_that_may(mosquitto: Mosquitto) -> None:
    heard: dict[Service, dict[str, str]] = {}
    for service in (Service.METRICS, Service.JOURNAL):
        texts = heard.setdefault(service, {})
        bus = Bus(mosquitto.settings, service=service)
        bus.listen(contract.BROKER_FIGURES, texts.__setitem__)
        async with running(bus):
            assert bus.connected
            assert bus.birth.state is contract.ServiceState.ONLINE
            assert bus.birth.boot == bus.boot
    assert heard[Service.METRICS]["$SYS/broker/uptime"].endswith(" seconds")
    assert heard[Service.METRICS]["$SYS/broker/clients/connected"].isdigit()
    assert heard[Service.JOURNAL] == {}
