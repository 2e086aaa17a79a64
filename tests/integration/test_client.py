"""The client of the command line and of scripts, against a real mosquitto."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from conche import contract
from conche.bus import Bus, Incoming
from conche.bus.client import BusDenied, BusUnavailable, Client, CommandDenied, NobodyListens
from conche.commands import Answers, envelope_of
from conche.contract import COMMAND, NODE_STATUS, REGISTRY, Reply, Resync, Service
from conche.settings import Broker

from .bus_support import running, until
from .harness import Mosquitto
from .raw import Peer, raw_server


def status(state: str = "started") -> contract.NodeStatus:
    return contract.NodeStatus(
        state=contract.NodeState(state),
        started=True,
        maintenance=contract.Maintenance(on=False),
        epoch="e",
    )


def operator(mosquitto: Mosquitto) -> Client:
    return Client(mosquitto.settings, account="operator")


@asynccontextmanager
async def worker(mosquitto: Mosquitto) -> AsyncIterator[Bus]:
    async with running(Bus(mosquitto.settings, service=Service.SYNC, instance="cx")) as bus:
        yield bus


@asynccontextmanager
async def answering(mosquitto: Mosquitto) -> AsyncIterator[list[Incoming]]:
    """A worker that answers every command to cx with ok."""
    bus = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
    answers = Answers(bus)
    taken: list[Incoming] = []

    def on_command(message: Incoming) -> None:
        taken.append(message)
        envelope = envelope_of(message, root="conche")
        if not answers.is_repeated(envelope):
            reply = Reply(id=envelope.id, action=envelope.action, group="cx", ok=True)
            answers.answer(envelope, reply)

    bus.take_commands([COMMAND.filter(group="cx")], on_command, on_busy=on_command)
    async with running(bus):
        yield taken


async def test_a_read_is_complete_and_only_of_what_was_asked_for(mosquitto: Mosquitto):
    async with worker(mosquitto) as sync, operator(mosquitto) as client:
        for number in range(1000):
            sync.own(NODE_STATUS, status(), group="cx", node=f"n{number}")
        sync.own(NODE_STATUS, status(), group="recv", node="r1")
        await sync.settled()
        assert len(await client.read(NODE_STATUS)) == 1001
        assert [params for params, _ in await client.read(NODE_STATUS, group="recv")] == [
            {"group": "recv", "node": "r1"}
        ]
        assert await client.read(REGISTRY) == []


async def test_several_kinds_are_read_in_one_go(mosquitto: Mosquitto):
    async with worker(mosquitto) as sync, operator(mosquitto) as client:
        sync.own(NODE_STATUS, status(), group="cx", node="cx1")
        await sync.settled()
        found = await client.read(NODE_STATUS, *contract.BIRTHS)
        assert {type(payload) for _, payload in found} == {contract.NodeStatus, contract.ServiceBirth}


async def test_a_second_read_sees_what_has_changed_and_what_is_gone(mosquitto: Mosquitto):
    async with worker(mosquitto) as sync, operator(mosquitto) as client:
        for node in ("cx1", "cx2"):
            sync.own(NODE_STATUS, status(), group="cx", node=node)
        await sync.settled()
        await client.read(NODE_STATUS)
        sync.own(NODE_STATUS, status("down"), group="cx", node="cx1")
        sync.disown(NODE_STATUS, group="cx", node="cx2")
        await sync.settled()
        found = {params["node"]: payload for params, payload in await client.read(NODE_STATUS)}
        assert found == {"cx1": status("down")}


async def test_what_another_version_wrote_is_left_out_and_told(mosquitto: Mosquitto):
    topic = "conche/status/cx/cx1"
    subprocess.run(
        [
            "mosquitto_pub",
            *mosquitto.client_arguments("sync"),
            "-r",
            "-q",
            "1",
            "-t",
            topic,
            "-m",
            '{"state": 7}',
        ],
        check=True,
    )
    async with operator(mosquitto) as client:
        assert await client.read(NODE_STATUS) == []
        assert list(client.unreadable) == ["status/cx/cx1"]


async def test_a_command_is_answered_under_its_id(mosquitto: Mosquitto):
    async with answering(mosquitto), operator(mosquitto) as client:
        assert await client.send("resync", Resync(id="one"), group="cx", node="all")
        reply = await client.reply(timeout=5)
        assert reply is not None
        assert (reply.id, reply.ok) == ("one", True)


async def test_a_repeated_command_is_answered_again(mosquitto: Mosquitto):
    async with answering(mosquitto) as taken, operator(mosquitto) as client:
        for _ in range(2):
            await client.send("resync", Resync(id="one"), group="cx", node="all")
            reply = await client.reply(timeout=5)
            assert reply is not None
            assert reply.id == "one"
        assert len(taken) == 2


async def test_replies_go_to_the_connection_that_asked_and_not_to_others_of_the_account(mosquitto: Mosquitto):
    async with answering(mosquitto), operator(mosquitto) as client, operator(mosquitto) as other:
        await client.send("resync", Resync(id="one"), group="cx", node="all")
        assert await client.reply(timeout=5) is not None
        assert await other.reply(timeout=0.2) is None


async def test_a_reply_that_comes_during_a_read_is_not_lost(mosquitto: Mosquitto):
    async with answering(mosquitto) as taken, operator(mosquitto) as client:
        await client.send("resync", Resync(id="one"), group="cx", node="all")
        await until(lambda: taken)
        await client.read(NODE_STATUS)
        assert await client.reply(timeout=1) is not None


async def test_a_sender_learns_whether_anybody_listens(mosquitto: Mosquitto):
    async with operator(mosquitto) as client:
        assert not await client.send("resync", Resync(id="one"), group="cx", node="all")
        with pytest.raises(NobodyListens, match="is conche running"):
            async for _ in client.command("resync", Resync(id="two"), group="cx", node="all", timeout=1):
                pass


async def test_replies_to_one_command_come_until_there_are_no_more(mosquitto: Mosquitto):
    async with answering(mosquitto), operator(mosquitto) as client:
        replies = [
            reply
            async for reply in client.command("resync", Resync(id="one"), group="cx", node="all", timeout=0.3)
        ]
        assert [reply.id for reply in replies] == ["one"]


async def test_a_command_without_an_id_is_not_sent(mosquitto: Mosquitto):
    async with operator(mosquitto) as client:
        with pytest.raises(ValueError, match="needs an id"):
            await client.send("resync", Resync(), group="cx", node="all")


async def test_a_broker_that_goes_away_ends_the_waiting(mosquitto: Mosquitto):
    async with operator(mosquitto) as client:
        asyncio.get_running_loop().call_later(0.2, mosquitto.stop)
        with pytest.raises(BusUnavailable):
            await client.reply(timeout=10)


async def test_no_broker_and_a_wrong_password_are_two_things(mosquitto: Mosquitto):
    (mosquitto.folder / "secrets" / "operator").write_text("wrong")
    with pytest.raises(BusDenied, match="operator"):
        async with operator(mosquitto):
            pass
    mosquitto.stop()
    with pytest.raises(BusUnavailable, match="refused"):
        async with operator(mosquitto):
            pass


async def test_a_broker_that_disconnects_instead_of_refusing_a_command_says_the_same():
    """As EMQX does where it is told to: DISCONNECT 0x87 in the place of a PUBACK; made by hand here."""
    connack, suback, disconnect = b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x01", b"\xe0\x02\x87\x00"

    async def deny(peer: Peer) -> None:
        for answer in (connack, suback, disconnect):
            await peer.read()
            peer.send(answer)
        await peer.end_of_file()

    async with raw_server(deny) as server:
        with pytest.raises(CommandDenied, match="ann may not do resync: it takes the role operator"):
            async with Client(Broker(port=server.address.port), account="ann") as client:
                await client.send("resync", Resync(id="one"), group="cx", node="all")


async def test_without_a_password_the_words_are_others(mosquitto: Mosquitto):
    with pytest.raises(BusDenied, match=r"'operator': .*; no password was given"):
        async with Client(Broker(port=mosquitto.port), account="operator"):
            pass
