"""The operators' commands as the program that they type, against a whole conche."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from tests.terminals import open_terminal

from .harness import Mosquitto
from .stack import CONCHE, CONFIG, PATIENCE_S, Ran, Stack, conche, environment_of, running_stack


@pytest.fixture
async def stack(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stack]:
    # No renderer is going to come back with something newer: a start need not wait for that.
    monkeypatch.setattr("conche.sync.worker.DOUBT_S", 0.1, raising=False)
    async with running_stack(mosquitto, tmp_path, "cx/cx1", "cx/cx2", "recv/recv1") as running:
        yield running


async def run_all(stack: Stack) -> None:
    assert (await stack.conche("maintenance", "off", "all")).code == 0
    started = await stack.conche("start", "all")
    assert started.code == 0, started


async def test_what_is_done_to_a_node_is_seen_in_its_status(stack: Stack):
    await run_all(stack)
    assert (await stack.conche("stop", "cx/cx1")).code == 0
    told = (await stack.conche("status", "--json")).json
    assert told["groups"]["cx"]["nodes"]["cx1"]["state"] == "stopped"
    assert told["groups"]["cx"]["nodes"]["cx2"]["state"] == "started"


# --- start, stop, resync


async def test_nodes_come_up_in_maintenance_and_start_says_what_to_do(stack: Stack):
    ran = await stack.conche("start", "cx")
    assert ran.code == 1
    assert "held" in ran.out
    assert "conche maintenance off cx/cx1 cx/cx2" in ran.out
    assert all(len(line) <= 80 for line in ran.out.splitlines())


async def test_maintenance_carries_who_why_and_until_when(stack: Stack):
    await run_all(stack)
    ran = await stack.conche("maintenance", "on", "cx/cx1", "--reason", "new GPU", "--until", "90m")
    assert ran.code == 0
    switch = (await stack.picture()).statuses["cx"]["cx1"].maintenance
    assert (switch.on, switch.by, switch.reason) == (True, "operator", "new GPU")
    assert switch.until is not None
    shown = await stack.conche("status", "cx/cx1")
    assert "maintenance by operator: new GPU, until" in shown.out


async def test_resync_restarts_a_node_that_runs_what_it_should(stack: Stack):
    await run_all(stack)
    before = process_of(stack, "cx/cx1")
    ran = await stack.conche("resync", "cx/cx1", "--json")
    assert ran.code == 0, ran
    assert ran.json == {
        "action": "resync",
        "ok": True,
        "results": {"cx/cx1": {"ok": True, "outcome": "ok", "error": None, "inspection": None}},
        "refused": {},
        "unanswered": {},
    }
    assert process_of(stack, "cx/cx1") == before + 1


def process_of(stack: Stack, key: str) -> int:
    view = stack.sim.call("node", {"node": key})
    assert isinstance(view, dict)
    return int(str(view["process"]))


async def test_patterns_reach_the_nodes_that_fit_and_no_others(stack: Stack):
    await run_all(stack)
    ran = await stack.conche("stop", "cx/cx?", "--yes", "--json")
    assert ran.code == 0, ran
    assert sorted(ran.json["results"]) == ["cx/cx1", "cx/cx2"]
    assert (await stack.picture()).statuses["recv"]["recv1"].state == "started"


async def test_without_a_terminal_nothing_is_stopped_or_restarted_in_numbers_unless_yes_is_said(stack: Stack):
    await run_all(stack)
    for command in ("stop", "resync"):
        ran = await stack.conche(command, "all")
        assert ran.code == 2
        assert ran.err.startswith("Error: ")
        assert "3 nodes (2 of cx, 1 of recv)" in ran.err
        assert "--yes" in ran.err
    assert all(
        s.state == "started" for nodes in (await stack.picture()).statuses.values() for s in nodes.values()
    )


async def test_on_a_terminal_the_question_is_asked_and_no_means_no(stack: Stack):
    await run_all(stack)
    for answer, code, state in (("n", 2, "started"), ("y", 0, "stopped")):
        ran = await typed(stack, "stop", "cx", answer=answer)
        assert ran.code == code
        assert "This stops 2 nodes (2 of cx). Go on? [y/N]" in ran.err
        assert {one.state for one in (await stack.picture()).statuses["cx"].values()} == {state}


async def test_many_nodes_are_not_given_back_unasked_where_that_starts_or_restarts_them(stack: Stack):
    await stack.conche("start", "all")
    ran = await stack.conche("maintenance", "off", "all")
    assert ran.code == 2
    assert "This gives conche 3 nodes (2 of cx, 1 of recv); 3 nodes are started then: add --yes" in ran.err, (
        ran
    )
    assert all(s.maintenance.on for s in (await stack.picture()).statuses["cx"].values())
    assert (await stack.conche("maintenance", "off", "recv")).code == 0  # one node is not asked for
    ran = await typed(stack, "maintenance", "off", "cx", answer="y")
    assert ran.code == 0
    await stack.until_node("cx/cx2", lambda status: status.state == "started")
    assert (await stack.conche("maintenance", "on", "all")).code == 0
    assert (await stack.conche("maintenance", "off", "all")).code == 0  # nothing is done to any


async def test_a_node_that_joins_while_the_question_stands_is_not_stopped(stack: Stack):
    await run_all(stack)
    nodes = json.loads((stack.settings.renderer.configs / "nodes.yaml").read_text())
    nodes["groups"]["cx"]["cx9"] = {"host": "127.0.0.1", "port": 9}
    async with asking(stack, "stop", "cx") as answer:
        stack.write("cx/cx9.yaml", CONFIG)
        stack.write("nodes.yaml", json.dumps(nodes))
        await stack.until_node("cx/cx9", lambda status: status.state == "down")
        out = await answer("y")
    assert "cx/cx1" in out
    assert "cx/cx9" not in out
    assert (await stack.picture()).statuses["cx"]["cx9"].started is None


@contextlib.asynccontextmanager
async def asking(stack: Stack, *arguments: str) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """Run a command until it asks; what is given answers it, and returns what it prints then."""
    terminal, keyboard = open_terminal()
    process = await asyncio.create_subprocess_exec(
        CONCHE,
        *arguments,
        stdin=keyboard,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(stack.broker),
    )

    async def answer(word: str) -> str:
        os.write(terminal, f"{word}\n".encode())
        async with asyncio.timeout(PATIENCE_S):
            out, _ = await process.communicate()
        return out.decode()

    try:
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            await process.stderr.readuntil(b"Go on?")
        yield answer
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        os.close(terminal)
        os.close(keyboard)


async def typed(stack: Stack, *arguments: str, answer: str) -> Ran:
    """Run a command with a terminal for its input."""
    terminal, keyboard = open_terminal()
    try:
        os.write(terminal, f"{answer}\n".encode())
        return await stack.conche(*arguments, stdin=keyboard)
    finally:
        os.close(terminal)
        os.close(keyboard)


async def test_a_broker_that_is_lost_while_waiting_is_told_and_not_waited_for(stack: Stack):
    stack.fault("cx/cx1", "slow_start", seconds=30)
    await stack.conche("maintenance", "off", "cx/cx1")
    asking = asyncio.create_task(stack.conche("start", "cx/cx1"))
    await stack.until_node("cx/cx1", lambda status: status.state == "syncing")
    stack.broker.stop()
    ran = await asking
    assert ran.code == 3
    assert ran.err.count("\n") == 1
    assert "connection to the broker" in ran.err


async def test_a_timeout_is_the_longest_that_is_waited(stack: Stack):
    stack.fault("cx/cx1", "slow_start", seconds=30)
    await stack.conche("maintenance", "off", "cx/cx1")
    ran = await stack.conche("start", "cx/cx1", "--timeout", "1", "--json")
    assert ran.code == 3
    assert ran.json["unanswered"] == {"cx/cx1": "no answer within 1 s"}


async def test_a_dead_node_is_unreachable_and_the_others_are_ok(stack: Stack):
    await run_all(stack)
    stack.fault("cx/cx2", "refuse")
    await stack.until_node("cx/cx2", lambda status: status.state == "down")
    ran = await stack.conche("start", "cx", "--json")
    assert ran.code == 1
    assert {key: result["outcome"] for key, result in ran.json["results"].items()} == {
        "cx/cx1": "ok",
        "cx/cx2": "unreachable",
    }


async def test_an_unknown_target_is_answered_with_what_is_near_and_nothing_is_sent(stack: Stack):
    for words, near in (
        (("start", "cx/cx3"), "cx/cx1"),
        (("resync", "cx1"), "cx/cx1"),
        (("diff", "rec"), "recv"),
    ):
        ran = await stack.conche(*words)
        assert ran.code == 2
        assert near in ran.err
        assert ran.err.count("\n") == 1


# --- diff


async def test_diff_shows_the_paths_that_differ_and_says_so_by_its_exit_code(stack: Stack):
    await run_all(stack)
    ran = await stack.conche("diff")
    assert (ran.code, ran.out) == (0, "")
    assert "as desired" in ran.err
    assert (await stack.conche("maintenance", "on", "cx/cx1")).code == 0
    stack.fault("cx/cx1", "drift", path="gains/count", value=4)
    ran = await stack.conche("diff")
    assert ran.code == 1
    assert "cx/cx1 differs in 1 path\n  gains/count: desired 3, runs 4\n" in ran.out
    told = (await stack.conche("diff", "cx", "--json")).json
    assert (told["differing"], told["agreeing"]) == (["cx/cx1"], ["cx/cx2"])


async def test_diff_says_of_which_nodes_it_could_not_be_told(stack: Stack):
    await run_all(stack)
    stack.fault("cx/cx2", "refuse")
    await stack.until_node("cx/cx2", lambda status: status.state == "down")
    ran = await stack.conche("diff", "cx")
    assert ran.code == 2
    assert "cx/cx2  not compared  " in ran.err


# --- status, and who is away


async def test_status_is_one_stable_json_object(stack: Stack):
    told = (await stack.conche("status", "--json")).json
    assert list(told) == ["health", "problems", "services", "fpga", "eop", "registry", "groups"]
    assert {"renderer", "poller/main", "sync/cx", "sync/recv"} <= told["services"].keys()
    assert list(told["groups"]["cx"]) == ["health", "worker", "polled", "summary", "nodes"]
    assert list(told["groups"]["cx"]["nodes"]) == ["cx1", "cx2"]


async def test_a_group_without_worker_is_told_at_once_and_does_not_look_healthy(stack: Stack):
    await run_all(stack)
    await stack.end("sync")
    ran = await stack.conche("start", "all")
    assert ran.code == 3
    assert "no worker serves it: sync/cx was stopped" in " ".join(ran.out.split())
    shown = await stack.conche("status", "--check")
    assert shown.code == 1
    assert "was started" in shown.out
    assert "no worker serves it" in shown.out
    assert (await stack.conche("diff")).code == 2


async def test_one_group_without_worker_does_not_keep_the_others_from_answering(
    mosquitto: Mosquitto, tmp_path: Path
):
    async with running_stack(mosquitto, tmp_path, "cx/cx1", "recv/recv1", groups=("cx",)) as stack:
        ran = await stack.conche("maintenance", "off", "all", "--json")
        assert ran.code == 1
        assert ran.json["results"]["cx/cx1"]["ok"]
        assert ran.json["unanswered"] == {"recv": "no worker serves it: sync/recv has never been online"}


async def test_a_group_that_no_poller_asks_is_an_error_even_in_maintenance(stack: Stack):
    poller = msgspec.structs.replace(stack.settings.poller, groups=["cx"])
    await stack.end("poller")
    stack.settings = msgspec.structs.replace(stack.settings, poller=poller)
    await stack.begin("poller")
    async with asyncio.timeout(PATIENCE_S):
        while "cx  normal" not in (ran := await stack.conche("status", "--check")).out or ran.code == 0:
            await asyncio.sleep(0.1)
    assert "recv  error  no poller has asked its nodes lately" in ran.out


async def test_a_poller_that_is_away_and_a_broken_registry_stand_above_everything(stack: Stack):
    await stack.end("poller")
    stack.write("nodes.yaml", "groups: [")
    await stack.until(lambda picture: picture.registry is not None and picture.registry.error is not None)
    ran = await stack.conche("status", "--check")
    assert ran.code == 1
    first, *_ = ran.out.splitlines()
    assert first.startswith("error  registry: nodes.yaml")
    assert "poller/main was stopped" in ran.out
    assert all(len(line) <= 80 for line in ran.out.splitlines())


async def test_status_reads_well_without_colour_when_it_goes_into_a_file(stack: Stack):
    stack.write("cx/cx1.yaml", CONFIG + "stray: {{ nobody }}\n")
    await stack.until_node("cx/cx1", lambda status: status.error is not None)
    ran = await stack.conche("status")
    assert ran.code == 0
    assert "\x1b" not in ran.out
    assert "nobody" in ran.out


async def test_without_a_broker_there_is_one_line_and_each_command_its_exit_code(mosquitto: Mosquitto):
    mosquitto.stop()
    for words, code in (
        (("status",), 1), (("diff",), 2), (("start", "all"), 3), (("maintenance", "on", "all"), 3),
    ):  # fmt: skip
        ran = await conche(*words, broker=mosquitto)
        assert ran.code == code
        assert ran.out == ""
        assert ran.err.count("\n") == 1
        assert "Connection refused" in ran.err


async def test_an_empty_broker_is_told_as_such(mosquitto: Mosquitto):
    shown = await conche("status", broker=mosquitto)
    assert shown.code == 0
    assert "there is no registry" in shown.out
    assert (await conche("start", "all", broker=mosquitto)).code == 3


async def test_a_wrong_account_is_told_with_where_its_password_was_looked_for(mosquitto: Mosquitto):
    ran = await conche("status", "--account", "nobody", broker=mosquitto)
    assert ran.code == 1
    assert "secrets/nobody" in ran.err
    assert ran.err.count("\n") == 1


async def test_a_wish_with_an_end_that_is_over_is_not_sent(mosquitto: Mosquitto):
    ran = await conche("maintenance", "on", "all", "--until", "2020-01-01T00:00Z", broker=mosquitto)
    assert ran.code == 2
    assert "over already" in ran.err
