"""`conche events` as the program that is typed, against a whole conche with its journal."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from .harness import Mosquitto
from .stack import CONCHE, PATIENCE_S, Stack, environment_of, running_stack


@pytest.fixture
async def stack(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stack]:
    monkeypatch.setattr("conche.journal.service.OWNERS_S", 0.5)
    async with running_stack(mosquitto, tmp_path, "cx/cx1", "cx/cx2", "recv/recv1") as running:
        await running.begin("journal")
        await running.until(
            lambda picture: "journal" in picture.births and picture.births["journal"].state == "online"
        )
        yield running


async def hold(stack: Stack, target: str, why: str) -> None:
    assert (await stack.conche("maintenance", "on", target, "--reason", why)).code == 0


async def texts(stack: Stack, *arguments: str) -> list[str]:
    ran = await stack.conche("events", *arguments, "--json")
    assert ran.code == 0, ran
    return [json.loads(line)["event"]["text"] for line in ran.out.splitlines()]


# --- what has happened


async def test_what_was_done_is_told_in_order_the_newest_last_a_line_each(stack: Stack):
    await hold(stack, "cx/cx1", "old GPU")
    await hold(stack, "cx/cx1", "new GPU")
    ran = await stack.conche("events", "cx/cx1", "--limit", "3")
    assert ran.code == 0, ran
    assert [line.partition("  ")[2] for line in ran.out.splitlines()] == [
        "cx/cx1  maintenance on, by operator: new GPU",
        "cx/cx1  in maintenance by operator: new GPU",
        "cx/cx1  maintenance on, by operator: ok",
    ]
    assert "there are older ones" in ran.err


async def test_targets_and_kinds_choose(stack: Stack):
    await hold(stack, "cx/cx1", "one")
    await hold(stack, "cx", "two")
    await hold(stack, "recv", "three")
    switches = await texts(stack, "cx/cx1", "--kind", "switch")
    assert [words.rpartition(": ")[2] for words in switches] == ["one", "two"]
    commands = await texts(stack, "c*", "recv/recv1", "--kind", "command")
    assert [words.rpartition(": ")[2] for words in commands] == ["one", "two", "three"]
    assert all(" came online" in words for words in await texts(stack, "--kind", "service"))
    assert await texts(stack, "all", "--kind", "switch") == await texts(stack, "--kind", "switch")


async def test_since_leaves_out_what_was_before(stack: Stack):
    await hold(stack, "cx/cx1", "one")
    assert await texts(stack, "--since", "1h", "--kind", "switch") != []
    await asyncio.sleep(1.2)
    assert await texts(stack, "--since", "1s") == []


async def test_the_whole_journal_is_exported_as_lines_of_json_the_oldest_first(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("conche.journal.reading.MAX_ANSWER", 2_000)  # several pages
    for number in range(5):
        await hold(stack, "cx", f"reason {number}")
    ran = await stack.conche("events", "--all", "--json")
    assert ran.code == 0, ran
    entries = [json.loads(line) for line in ran.out.splitlines()]
    assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
    newest = await stack.conche("events", "--limit", str(len(entries)), "--json")
    assert newest.out == ran.out
    reasons = [e["event"]["reason"] for e in entries if e["event"]["kind"] == "command"]
    assert reasons == [f"reason {number}" for number in range(5)]


# --- what can go wrong


async def test_a_journal_that_is_away_is_named_with_what_to_do(stack: Stack):
    await stack.end("journal")
    ran = await stack.conche("events")
    assert (ran.code, ran.out) == (3, "")
    assert "the journal was stopped, it ran on " in ran.err
    assert "conche journal" in ran.err


async def test_a_journal_that_never_was_is_named(mosquitto: Mosquitto, tmp_path: Path):
    async with running_stack(mosquitto, tmp_path, "cx/cx1") as stack:
        ran = await stack.conche("events", "--all")
        assert ran.code == 3
        assert "the journal has never been online" in ran.err


async def test_a_broker_that_is_away_is_named(stack: Stack):
    await stack.end_all()
    stack.broker.stop()
    for more in ((), ("--follow",), ("--all",)):
        ran = await stack.conche("events", *more)
        assert ran.code == 3
        assert f"broker 127.0.0.1:{stack.broker.port}" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cx/cx9",), "there is no node 'cx/cx9'; did you mean"),
        (("cx/cx9", "--follow"), "there is no node 'cx/cx9'; did you mean"),
        (("--kind", "pish"), "'pish' is not one of 'state', 'switch'"),
        (("--since", "yesterday"), "is no time: say 90m, 2h, 3d, 17:30Z (the last one, in UTC)"),
        (("--since", "2999-01-01T00:00Z"), "is still to come"),
        (("--limit", "0"), "'--limit'"),
        (("--all", "--limit", "5"), "leave --limit out"),
        (("--all", "--follow"), "leave --follow out"),
        (("--account", "nobody"), "nobody"),
    ],
)
async def test_what_makes_no_sense_is_said_with_the_remedy(
    stack: Stack, arguments: tuple[str, ...], words: str
):
    ran = await stack.conche("events", *arguments)
    assert ran.code == (3 if "--account" in arguments else 2)
    assert words in " ".join(ran.err.split())


async def test_a_node_that_is_gone_is_remembered_by_its_name(stack: Stack):
    await hold(stack, "recv/recv1", "sold")
    nodes = json.loads((stack.settings.renderer.configs / "nodes.yaml").read_text())
    del nodes["groups"]["recv"]
    stack.write("nodes.yaml", json.dumps(nodes))
    await stack.until(lambda picture: "recv" not in picture.groups())
    told = await texts(stack, "recv/recv1")
    assert "in maintenance by operator: sold" in told
    assert told[-1].endswith("-> left the registry")


# --- what happens now


@asynccontextmanager
async def following(stack: Stack, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        CONCHE,
        "events",
        "--follow",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(stack.broker),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until_line(process: asyncio.subprocess.Process, words: str) -> list[str]:
    """Return the lines up to the one that has these words."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while not lines or words not in lines[-1]:
            line = await process.stdout.readline()
            assert line, lines
            lines.append(line.decode().rstrip("\n"))
    return lines


async def test_follow_shows_what_was_and_goes_on_with_what_comes_each_once(stack: Stack):
    await hold(stack, "cx/cx1", "one")
    async with following(stack, "cx", "--kind", "switch") as process:
        past = await until_line(process, "one")
        await hold(stack, "recv", "not for cx")
        await hold(stack, "cx/cx2", "two")
        await hold(stack, "cx/cx1", "three")
        lines = past + await until_line(process, "three")
        mine = [line for line in lines if "by operator" in line]
        assert [line.rpartition(": ")[2] for line in mine] == ["one", "two", "three"]
        process.terminate()


async def test_follow_prints_objects_too(stack: Stack):
    async with following(stack, "--json", "--limit", "1") as process:
        (past,) = await until_line(process, "{")
        assert json.loads(past)["number"] > 0
        await hold(stack, "cx/cx2", "live")
        found = [json.loads(line) for line in await until_line(process, '"reply"')]
        assert {entry["number"] for entry in found} == {None}
        assert found[-1]["event"]["text"] == "maintenance on, by operator: ok"


async def test_follow_without_a_journal_shows_what_comes_and_says_so(stack: Stack):
    await stack.end("journal")
    async with following(stack, "cx") as process:
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            words = (await process.stderr.readline()).decode()
        assert "the journal was stopped" in words
        assert "nothing that is past can be shown" in words
        await hold(stack, "cx/cx2", "live")
        await until_line(process, "maintenance on, by operator: ok")


async def test_follow_ends_when_nobody_reads_it_any_more(stack: Stack):
    shell = f"{CONCHE} events --follow | head -n 1"
    process = await asyncio.create_subprocess_shell(
        shell,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(stack.broker),
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert out
    assert b"Traceback" not in err
