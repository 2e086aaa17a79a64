"""The bus against a real mosquitto as shipped."""

import asyncio
import contextlib
import logging
import signal
import subprocess

import pytest

from conche import contract
from conche.bus import Bus, BusDenied, BusTakenOver, BusUnavailable
from conche.bus.link import Incoming
from conche.contract import Service
from conche.settings import Broker

from .bus_support import observed, retained, running, until
from .harness import Mosquitto


async def test_state_is_retained_and_read_by_who_comes_later(mosquitto: Mosquitto):
    got: dict[str, object] = {}
    async with running(Bus(mosquitto.settings, service=Service.POLLER, instance="main")) as poller:
        poller.own(contract.NODE_OBSERVED, observed(), group="cx", node="cx1")
        await poller.settled()
        sync = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
        sync.subscribe(contract.NODE_OBSERVED, lambda p, o: got.update({p["node"]: o}), group="cx")
        async with running(sync):
            assert got == {"cx1": observed()}  # complete as soon as the picture is


async def test_three_thousand_retained_topics_all_arrive_before_the_picture_is_complete(mosquitto: Mosquitto):
    got = set()
    async with running(Bus(mosquitto.settings, service=Service.POLLER, instance="main")) as poller:
        for i in range(3000):
            poller.own(contract.NODE_OBSERVED, observed(), group="cx", node=f"n{i}")
        await poller.settled()
        sync = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
        sync.subscribe(contract.NODE_OBSERVED, lambda p, o: got.add(p["node"]))
        async with running(sync):
            assert len(got) == 3000


async def test_owned_state_is_published_again_when_the_broker_comes_back_empty(mosquitto: Mosquitto):
    async with running(Bus(mosquitto.settings, service=Service.POLLER, instance="main")) as poller:
        poller.own(contract.NODE_OBSERVED, observed(), group="cx", node="cx1")
        await poller.settled()
        mosquitto.stop(signal.SIGKILL)
        await until(lambda: not poller.connected)
        await mosquitto.start()
        await until(lambda: poller.connected)
        await poller.settled()
        assert any("observed/cx/cx1" in line for line in retained(mosquitto, "conche/observed/+/+"))


async def test_topics_of_things_that_are_gone_are_cleared_only_when_the_owner_says_so(mosquitto: Mosquitto):
    async with running(Bus(mosquitto.settings, service=Service.POLLER, instance="main")) as first:
        for node in ("cx1", "cx2"):
            first.own(contract.NODE_OBSERVED, observed(), group="cx", node=node)
        await first.settled()
    second = Bus(mosquitto.settings, service=Service.POLLER, instance="main")
    async with running(second):
        assert sorted(p["node"] for p, _ in second.found(contract.NODE_OBSERVED)) == ["cx1", "cx2"]
        second.own(contract.NODE_OBSERVED, observed(2), group="cx", node="cx1")
        await second.settled()
        assert len(retained(mosquitto, "conche/observed/+/+")) == 2
        second.clear_unowned(contract.NODE_OBSERVED, group="cx")
        await second.settled()
        assert [line.split()[0] for line in retained(mosquitto, "conche/observed/+/+")] == [
            "conche/observed/cx/cx1"
        ]


async def test_what_the_access_list_forbids_ends_the_process_with_topic_and_account(mosquitto: Mosquitto):
    bus = Bus(mosquitto.settings, service=Service.POLLER, instance="main")
    task = asyncio.create_task(bus.run())
    await bus.picture_complete()
    with contextlib.suppress(BusUnavailable, BusDenied):
        await bus.publish(
            contract.NODE_STATUS,
            contract.NodeStatus(
                state=contract.NodeState.DOWN,
                started=None,
                maintenance=contract.Maintenance(on=True),
                epoch="e",
            ),
            group="cx",
            node="cx1",
        )
    with pytest.raises(ExceptionGroup) as caught:
        await task
    (error,) = caught.value.exceptions
    assert isinstance(error, BusDenied)
    assert "conche/status/cx/cx1" in str(error)
    assert "poller" in str(error)


async def test_a_wrong_password_ends_the_process(mosquitto: Mosquitto):
    bus = Bus(Broker(port=mosquitto.port, password="wrong"), service=Service.POLLER, instance="main")
    with pytest.raises(ExceptionGroup) as caught:
        await bus.run()
    assert isinstance(caught.value.exceptions[0], BusDenied)
    assert "poller" in str(caught.value.exceptions[0])


async def test_a_second_process_with_the_same_name_ends_the_first(mosquitto: Mosquitto):
    first = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
    task = asyncio.create_task(first.run())
    await first.picture_complete()
    async with running(Bus(mosquitto.settings, service=Service.SYNC, instance="cx")):
        with pytest.raises(ExceptionGroup) as caught:
            await task
        assert isinstance(caught.value.exceptions[0], BusTakenOver)


async def test_the_last_will_of_a_predecessor_does_not_stay_on_the_birth_topic(mosquitto: Mosquitto):
    bus = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
    async with running(bus):
        await bus.settled()
        will = '{"state":"lost","boot":"old","since":"2026-01-01T00:00:00Z"}'
        subprocess.run(
            [
                "mosquitto_pub",
                *mosquitto.client_arguments("sync"),
                "-t",
                "conche/service/sync/cx",
                "-r",
                "-m",
                will,
            ],
            check=True,
        )
        await asyncio.sleep(0.2)
        await bus.settled()
        (line,) = retained(mosquitto, "conche/service/sync/cx")
        assert bus.boot in line
        assert '"online"' in line
    assert '"offline"' in retained(mosquitto, "conche/service/sync/cx")[0]


async def test_an_invalid_payload_is_logged_once_and_dropped(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
):
    got = []
    bus = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
    bus.subscribe(contract.NODE_OBSERVED, lambda p, o: got.append(o))
    with caplog.at_level(logging.WARNING):
        async with running(bus):
            for text in ("{", '{"boot": 5}', '{"boot": 5}', "[]"):
                subprocess.run(
                    [
                        "mosquitto_pub",
                        *mosquitto.client_arguments("poller"),
                        "-t",
                        "conche/observed/cx/a",
                        "-m",
                        text,
                    ],
                    check=True,
                )
            await asyncio.sleep(0.2)
            await until(lambda: '"invalid":4' in retained(mosquitto, "conche/service/sync/cx")[0])
    assert got == []
    assert len([r for r in caplog.records if "observed/cx/a" in r.message]) == 1


async def test_a_service_beats_while_the_broker_holds_all_that_it_owns(mosquitto: Mosquitto):
    beats: list[str] = []
    reader = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
    reader.subscribe(
        contract.SERVICE_BEAT, lambda _, b: beats.append(b.boot) if b else None, service=Service.RENDERER
    )
    renderer = Bus(mosquitto.settings, service=Service.RENDERER, beats=True)
    quiet = Bus(mosquitto.settings, service=Service.POLLER, instance="main")
    async with running(reader), running(renderer), running(quiet):
        await until(lambda: len(beats) >= 2)
        assert set(beats) == {renderer.boot}
        mosquitto.send(signal.SIGSTOP)  # what is owned from now on is not acknowledged
        renderer.own(contract.REGISTRY, contract.Registry(boot=renderer.boot, groups={}))
        await asyncio.sleep(2.5)
        heard = len(beats)
        mosquitto.send(signal.SIGCONT)
        await until(lambda: len(beats) > heard)
        assert '"groups":{}' in retained(mosquitto, "conche/registry")[0]


async def test_retained_state_that_is_cleared_is_told_also_when_it_happened_during_a_break(
    mosquitto: Mosquitto,
):
    got: dict[str, object] = {}
    sync = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
    sync.subscribe(contract.NODE_OBSERVED, lambda p, o: got.update({p["node"]: o}))
    async with running(sync):
        async with running(Bus(mosquitto.settings, service=Service.POLLER, instance="main")) as poller:
            poller.own(contract.NODE_OBSERVED, observed(), group="cx", node="cx1")
            poller.own(contract.NODE_OBSERVED, observed(), group="cx", node="cx2")
            await poller.settled()
            poller.disown(contract.NODE_OBSERVED, group="cx", node="cx1")
            await poller.settled()
            await until(lambda: got.get("cx1", 0) is None)
        mosquitto.stop(signal.SIGKILL)  # cx2 was never saved
        await until(lambda: not sync.connected)
        await mosquitto.start()
        await until(lambda: got["cx2"] is None)


async def test_a_command_is_seen_with_its_retain_flag_and_never_from_the_past(mosquitto: Mosquitto):
    got: list[Incoming] = []
    topic = "conche/command/operator/cx/cx1/resync"
    publish = ["mosquitto_pub", *mosquitto.client_arguments(), "-t", topic, "-m", "{}"]
    subprocess.run([*publish, "-r"], check=True)
    bus = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
    bus.take_commands([contract.COMMAND.filter(group="cx")], got.append, on_busy=got.append)
    async with running(bus):
        assert got == []
        subprocess.run([*publish, "-r"], check=True)
        subprocess.run(publish, check=True)
        await until(lambda: len(got) == 2)
    assert [m.retained for m in got] == [True, False]


async def test_a_broker_that_is_away_at_start_is_waited_for(mosquitto: Mosquitto):
    mosquitto.stop()
    async with asyncio.TaskGroup() as group:
        bus = Bus(mosquitto.settings, service=Service.SYNC, instance="cx")
        task = group.create_task(bus.run())
        await asyncio.sleep(0.5)
        assert not bus.connected
        await mosquitto.start()
        await bus.picture_complete()
        task.cancel()
