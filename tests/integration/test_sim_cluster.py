"""The simulator as a program: processes, control port, command line."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conche.sim.commands import sim
from conche.sim.control_client import SimControl, SimControlError, SimUnreachableError
from conche.sim.launch import NotReadyError, free_ports, simulated_cluster
from conche.sim.unit import Address

from .sim_support import GAINS, UPDATE, Client


@pytest.fixture
async def control() -> AsyncIterator[SimControl]:
    first = str(free_ports(4))
    arguments = ("--nodes", "4", "--processes", "2", "--first-port", first, "--speed", "20", "--seed", "7")
    async with simulated_cluster(*arguments) as control:
        yield control


async def until(control: SimControl, name: str, state: str) -> None:
    async with asyncio.timeout(5):
        while (await control.node(name)).state != state:
            await asyncio.sleep(0.01)


async def refused(port: int) -> None:
    """Wait until nobody listens on a port."""
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.01)


async def command(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, sim, arguments)


async def test_nodes_of_all_processes_are_listed_and_idle(control: SimControl) -> None:
    nodes = await control.nodes()
    assert list(nodes) == ["sim/n0001", "sim/n0002", "sim/n0003", "sim/n0004"]
    assert {node.state for node in nodes.values()} == {"idle"}
    about = await control.about()
    assert (about["seed"], about["speed"], about["processes"], about["nodes"]) == (7, 20.0, 2, 4)


async def test_books_of_all_processes_are_one_with_rising_numbers(control: SimControl) -> None:
    nodes = await control.nodes()
    for node in nodes.values():
        async with Client.to(Address(node.host, node.port)) as client:
            await client.post("/start", GAINS)
            await client.post("/gains", UPDATE)
            await client.get("/kill")
    books = await control.books()
    serials = [entry.serial for entry in books.entries]
    assert serials == list(range(1, books.last + 1))
    assert [entry.at for entry in books.entries] == sorted(entry.at for entry in books.entries)
    assert {entry.node for entry in books.entries if entry.what == "update"} == set(nodes)
    start = next(entry for entry in books.entries if entry.what == "start")
    kill = next(entry for entry in books.entries if entry.what == "kill" and entry.node == start.node)
    assert (start.told["status"], start.told["running"], kill.connection) == (200, None, start.connection)
    assert kill.told["running"] != start.told["revision"]
    later = await control.books(books.last - 2)
    assert [entry.serial for entry in later.entries[:2]] == serials[-2:]
    one = await control.books(node="sim/n0003", limit=3)
    assert [entry.what for entry in one.entries] == ["listening", "running", "start"]
    assert (await control.node("sim/n0003")).writes == {"start": 1, "kill": 1, "stop": 0, "update": 1}


async def test_faults_and_orders_reach_nodes_in_every_process(control: SimControl) -> None:
    assert await control.fault("sim/n000[12]", "hang") == ["sim/n0001", "sim/n0002"]
    assert (await control.node("sim/n0002")).faults == [{"kind": "hang"}]
    assert len(await control.clear()) == 4
    assert (await control.node("sim/n0002")).faults == []
    await control.order("sim/n0004", "stop")
    await until(control, "sim/n0004", "stopped")


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("hangg", {}, "there is no fault 'hangg'"),
        ("die", {"when": 3}, "die has no parameter 'when': it takes rc, after_start_s"),
        ("slow_stop", {}, "slow_stop needs 'seconds'"),
        ("slow_stop", {"seconds": "long"}, "seconds must be a number, not 'long'"),
        ("slow_stop", {"seconds": -1}, "must not be negative"),
        ("http", {"mode": "odd"}, "must be one of status, html, garbage, half, huge"),
        ("drift", {"path": "log_level", "value": 1}, "nothing can drift"),
    ],
)
async def test_faults_that_make_no_sense_are_refused_in_words(
    control: SimControl, kind: str, parameters: dict[str, Any], words: str
) -> None:
    with pytest.raises(SimControlError, match=words.replace("[", r"\[")):
        await control.fault("sim/n0001", kind, **parameters)


async def test_unknown_nodes_orders_and_paths_are_refused_in_words(control: SimControl) -> None:
    for question, words in [
        (control.node("sim/x"), "there is no node sim/x"),
        (control.order("sim/n0001", "explode"), "it is one of start, stop, restart, reset-failed, sigkill"),
        (control.fault("cx/*", "hang"), "no node fits cx/\\*"),
        (control._call("GET", "/nowhere"), "there is no GET /nowhere"),
        (control._call("POST", "/nodes/a/b/orders", [1]), "must be a JSON object"),
        (control._call("GET", "/books?since=x"), "whole numbers"),
    ]:
        with pytest.raises(SimControlError, match=words):
            await question


async def test_nodes_can_be_added_and_removed(control: SimControl) -> None:
    port = free_ports(1)
    added = await control.add("cx/cx27", port=port, speed=5)
    assert (added.host, added.port) == ("127.0.0.1", port)
    await until(control, "cx/cx27", "idle")
    with pytest.raises(SimControlError, match="there is a node cx/cx27 already"):
        await control.add("cx/cx27", port=port)
    with pytest.raises(SimControlError, match=f"cannot listen on 127.0.0.1:{port}"):
        await control.add("cx/cx28", port=port)
    await control.remove("cx/cx27")
    assert "cx/cx27" not in await control.nodes()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_map_names_the_nodes(tmp_path: Path) -> None:
    port = free_ports(2)
    nodes = {
        "cx/cx27": {"host": "127.0.0.1", "port": port},
        "recv/recv1": {"host": "127.0.0.1", "port": port + 1},
    }
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"nodes": nodes}))
    async with simulated_cluster("--map", str(path)) as control:
        assert {name: node.port for name, node in (await control.nodes()).items()} == {
            "cx/cx27": port,
            "recv/recv1": port + 1,
        }


async def test_taken_port_is_named_with_its_remedy_and_nothing_is_left_running() -> None:
    first = free_ports(4)
    thief = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", first + 3)
    with pytest.raises(
        NotReadyError, match=rf"sim/n0004 cannot listen on 127.0.0.1:{first + 3}.*--first-port"
    ):
        async with simulated_cluster("--nodes", "4", "--processes", "2", "--first-port", str(first)):
            pass
    thief.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", first)


async def test_taken_control_port_is_named() -> None:
    port = free_ports(1)
    thief = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", port)
    with pytest.raises(NotReadyError, match=f"control port 127.0.0.1:{port} cannot be had"):
        async with simulated_cluster("--nodes", "0", control_port=port):
            pass
    thief.close()


async def test_children_die_with_a_parent_that_is_killed() -> None:
    first = free_ports(2)
    async with simulated_cluster("--nodes", "2", "--processes", "2", "--first-port", str(first)) as control:
        os.kill((await control.about())["pid"], signal.SIGKILL)
        for port in (first, first + 1):
            await refused(port)


async def test_commands_show_nodes_and_books_and_make_trouble(control: SimControl) -> None:
    at = ("--control", str(control.port))
    listed = await command("nodes", *at)
    assert "sim/n0004" in listed.output
    assert max(len(line) for line in listed.output.splitlines()) <= 80
    assert (
        "slow_stop: sim/n0001" in (await command("fault", "sim/n0001", "slow_stop", "seconds=3", *at)).output
    )
    assert (await control.node("sim/n0001")).faults == [{"kind": "slow_stop", "seconds": 3}]
    assert "cleared" in (await command("clear", *at)).output
    assert "sim/n0002" in (await command("order", "sim/n0002", "sigkill", *at)).output
    books = await command("books", "sim/n0002", *at)
    assert "rc=137" in books.output
    assert (await command("fault", "sim/n0001", "slow_stop", "seconds", *at)).exit_code == 2
    refused = await command("fault", "sim/n0001", "slow_stop", "secs=1", *at)
    assert (refused.exit_code, "it takes seconds" in refused.output) == (1, True)


async def test_commands_say_when_no_simulator_answers() -> None:
    port = free_ports(1)
    told = await command("nodes", "--control", str(port))
    assert told.exit_code == 1
    assert f"no simulator answers at http://127.0.0.1:{port}" in told.output
    with pytest.raises(SimUnreachableError):
        await SimControl(port).nodes()


async def test_first_port_in_the_kernels_own_range_is_refused() -> None:
    told = await command("run", "--nodes", "10", "--first-port", "60000")
    assert told.exit_code == 1
    assert "choose a --first-port of at most" in told.output


async def test_faults_are_explained() -> None:
    told = (await command("faults")).output
    assert "callback_blocks: Block for ever in an update" in told
    assert max(len(line) for line in told.splitlines()) <= 80


async def test_death_of_one_process_ends_the_program() -> None:
    first = free_ports(2)
    async with simulated_cluster("--nodes", "2", "--processes", "2", "--first-port", str(first)) as control:
        pid = (await control.about())["pid"]
        children = await asyncio.to_thread(Path(f"/proc/{pid}/task/{pid}/children").read_text)
        os.kill(int(children.split()[0]), signal.SIGKILL)
        for port in (first, first + 1, control.port):
            await refused(port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_end_everything_in_order(number: signal.Signals) -> None:
    first = free_ports(2)
    async with simulated_cluster("--nodes", "2", "--processes", "2", "--first-port", str(first)) as control:
        async with Client.to(Address("127.0.0.1", first)) as client:
            assert (await client.get("/status")).status == 200
            os.kill((await control.about())["pid"], number)
            assert await client.end_of_file() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", first)
