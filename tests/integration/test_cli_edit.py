"""`conche edit`, `plan` and `apply` as programs, against a whole conche."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.terminals import open_terminal

from .changes_support import all_running, content, fits, program, text, typed
from .stack import CONCHE, CONFIG, PATIENCE_S, Stack, environment_of


@pytest.fixture
async def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    async with all_running(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def editor(tmp_path: Path) -> str:
    """An editor that adds a line."""
    return program(tmp_path, 'printf "more: 1\\n" >> "$1"')


@pytest.fixture
def mine(stack: Stack, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stack.settings.renderer.configs, tmp_path / "mine"))


# --- edit


async def test_an_edit_is_planned_asked_for_and_carried_out(stack: Stack, editor: str):
    for answer, code in (("n", 2), ("y", 0)):
        ran = await typed(stack, "edit", "cx/cx1", "--reason", "deeper", answer=answer, EDITOR=editor)
        assert ran.code == code, ran
        assert "This restarts 1 node. Go on? [y/N]" in ran.err
        assert "more: new, 1" in ran.err
        assert (text(stack, "cx/cx1.yaml") == CONFIG) is (answer == "n")
    assert "deeper" in (await stack.conche("show", "HEAD")).out


async def test_a_text_that_is_not_taken_is_kept(stack: Stack, tmp_path: Path):
    spoil = program(tmp_path, 'printf "a: {{ nobody }}\\n" > "$1"')
    ran = await stack.conche("edit", "cx/cx1.yaml", "--yes", EDITOR=spoil)
    assert ran.code == 1
    assert "cx/cx1 would have no config; your text is kept in /" in ran.err
    kept = ran.err.strip().rpartition(" ")[2]
    assert content(kept) == "a: {{ nobody }}\n"
    assert text(stack, "cx/cx1.yaml") == CONFIG


async def test_two_who_edit_the_same_file_are_told_of_each_other(stack: Stack, tmp_path: Path):
    other = f"{CONCHE} edit cx/cx1 --yes --reason first >/dev/null 2>&1"
    inner = program(tmp_path, 'printf "more: 2\\n" >> "$1"')
    os.rename(inner, tmp_path / "inner")
    both = program(tmp_path, f'EDITOR={tmp_path}/inner {other}; printf "more: 1\\n" >> "$1"')
    ran = await stack.conche("edit", "cx/cx1", "--yes", EDITOR=both)
    assert ran.code == 1
    assert "cx/cx1.yaml was changed since" in ran.err
    assert "by operator" in ran.err
    assert "your text is kept in" in ran.err
    assert "more: 2" in text(stack, "cx/cx1.yaml")


async def test_an_editor_that_does_nothing_or_fails_changes_nothing(stack: Stack):
    for command, code, words in (
        ("true", 0, "nothing was changed"),
        ("false", 2, "the editor ended with 1: nothing was sent"),
        ("/no/such/editor", 2, "set EDITOR to another one"),
    ):
        ran = await stack.conche("edit", "cx/cx1", EDITOR=command)
        assert (ran.code, ran.out) == (code, "")
        assert words in ran.err
    ran = await stack.conche("edit", "cx/cx9", EDITOR="true")
    assert ran.code == 2
    assert "there is no node 'cx/cx9', and" in ran.err


async def test_a_node_whose_file_is_gone_is_told_how_it_gets_one(stack: Stack):
    (stack.settings.renderer.configs / "cx/cx1.yaml").unlink()
    await stack.until_node("cx/cx1", lambda status: status.error is not None)
    ran = await stack.conche("edit", "cx/cx1", EDITOR="true")
    assert ran.code == 2
    assert "no file of cx/cx1 is known (cx/cx1: no config file" in ran.err
    assert "conche edit cx/cx1.yaml makes one" in ran.err


async def test_a_file_that_is_new_can_be_edited_too(stack: Stack, tmp_path: Path):
    write = program(tmp_path, 'printf "depth: 4\\n" > "$1"')
    ran = await stack.conche("edit", "vars.yaml", "--yes", EDITOR=write)
    assert ran.code == 0, ran
    assert text(stack, "vars.yaml") == "depth: 4\n"


# --- plan and apply


async def test_a_directory_is_planned_and_put_into_force(stack: Stack, mine: Path):
    for name in ("cx1", "cx2"):
        (mine / f"cx/{name}.yaml").write_text(CONFIG + "more: 1\n")
    (mine / "vars.yaml").write_text("a: 1\n")
    planned = await stack.conche("plan", str(mine))
    assert planned.code == 0
    assert "restart  2 nodes: cx/cx1, cx/cx2" in planned.out
    assert "one node of cx tries it first" in planned.out
    assert fits(planned)
    refused = await stack.conche("apply", str(mine))
    assert refused.code == 2
    assert "This restarts 2 nodes (2 of cx): add --yes" in refused.err
    assert text(stack, "cx/cx1.yaml") == CONFIG
    applied = await stack.conche("apply", str(mine), "--yes", "--reason", "more")
    assert applied.code == 0, applied
    assert text(stack, "vars.yaml") == "a: 1\n"
    again = await stack.conche("apply", str(mine))
    assert (again.code, again.out) == (0, "")
    assert "no file differs" in again.err
    assert (await stack.conche("plan", str(mine), "--json")).json["plan"] is None


async def test_a_directory_larger_than_a_message_is_compared_and_only_what_differs_is_sent(
    stack: Stack, mine: Path
):
    for folder in (stack.settings.renderer.configs, mine):
        (folder / "large").mkdir()
        for number in range(3):
            (folder / f"large/{number}.yaml").write_text("# " + str(number) * 7_000_000 + "\n")
    (mine / "vars.yaml").write_text("a: 1\n")
    applied = await stack.conche("apply", str(mine))
    assert applied.code == 0, applied
    assert "large" not in applied.err
    assert text(stack, "vars.yaml") == "a: 1\n"
    for number in range(3):
        (mine / f"large/{number}.yaml").write_text("# new" + str(number) * 7_000_000 + "\n")
    refused = await stack.conche("apply", str(mine))
    assert refused.code == 2
    assert "are more than 16000000; change fewer files at a time, and large ones one by one" in refused.err


async def test_files_that_the_directory_lacks_are_removed(stack: Stack, mine: Path, editor: str):
    assert (await stack.conche("edit", "include/old.j2", "--yes", EDITOR=editor)).code == 0
    ran = await stack.conche("apply", str(mine))
    assert ran.code == 0, ran
    assert "removes  include/old.j2" in ran.err
    assert not (stack.settings.renderer.configs / "include/old.j2").exists()


async def test_what_would_break_a_node_is_not_sent(stack: Stack, mine: Path):
    (mine / "cx/cx1.yaml").write_text("a: {{ nobody }}\n")
    planned = await stack.conche("plan", str(mine))
    assert planned.code == 1
    assert "refused  cx/cx1" in planned.out
    assert "'nobody' is undefined" in planned.out
    ran = await stack.conche("apply", str(mine), "--yes")
    assert ran.code == 1
    assert "nothing was changed: cx/cx1 would have no config" in ran.err


async def test_a_change_of_nodes_warns_of_the_new_epoch_and_is_asked_for(stack: Stack, mine: Path):
    nodes = (mine / "nodes.yaml").read_text()
    (mine / "nodes.yaml").write_text(nodes.replace('"127.0.0.1"', '"127.0.0.2"', 1))
    ran = await stack.conche("apply", str(mine))
    assert ran.code == 2
    assert "3 nodes would go into maintenance" in " ".join(ran.err.split())
    assert "puts 3 nodes into maintenance: add --yes" in ran.err


async def test_what_is_no_directory_or_too_many_is_told(stack: Stack, tmp_path: Path):
    for words, problem in (
        (("plan", str(tmp_path)), "it has no nodes.yaml"),
        (("plan",), "say one DIR, or --commit REV"),
        (("apply", str(tmp_path / "none")), "it has no nodes.yaml"),
    ):
        ran = await stack.conche(*words)
        assert ran.code == 2
        assert problem in ran.err


async def test_a_rollback_is_planned_by_its_commit(stack: Stack):
    assert (await stack.conche("set", "cx/cx1", "gains", "count=4")).code == 0
    ran = await stack.conche("plan", "--commit", "HEAD~", ".updatable/cx")
    assert ran.code == 0
    assert "gains/count: 4 → 3" in ran.out
    assert '"count": 4' in text(stack, ".updatable/cx/cx1.json")


async def test_what_others_change_before_the_yes_is_not_overwritten(stack: Stack, mine: Path):
    (mine / "vars.yaml").write_text("a: 1\n")
    for name in ("cx1", "cx2"):
        (mine / f"cx/{name}.yaml").write_text(CONFIG + "more: 1\n")
    terminal, keyboard = open_terminal()
    process = await asyncio.create_subprocess_exec(
        CONCHE,
        *("apply", str(mine)),
        stdin=keyboard,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(stack.broker),
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            await process.stderr.readuntil(b"Go on?")
        assert (await stack.conche("set", "cx/cx1", "gains", "count=4")).code == 0
        os.write(terminal, b"y\n")
        async with asyncio.timeout(PATIENCE_S):
            _, err = await process.communicate()
        assert process.returncode == 1
        assert b"the world has moved since that plan: nothing was changed" in err
        assert text(stack, "cx/cx1.yaml") == CONFIG
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        os.close(terminal)
        os.close(keyboard)


async def test_ctrl_c_at_the_question_is_a_no(stack: Stack, editor: str):
    ran = await typed(stack, "edit", "cx/cx1", answer="\x04", EDITOR=editor)
    assert ran.code == 2
    assert "nothing was done; your text is kept in" in ran.err


async def test_a_change_that_takes_longer_than_is_waited_for_may_still_be_done(stack: Stack, editor: str):
    stack.fault("cx/cx1", "slow_start", seconds=3)
    ran = await stack.conche("edit", "cx/cx1", "--yes", "--timeout", "1", EDITOR=editor)
    assert ran.code == 3
    assert "the renderer did not answer within 1 s: what was sent may still be carried out" in ran.err


# --- progress


async def test_on_a_terminal_it_is_told_how_far_a_change_is(stack: Stack, editor: str):
    stack.fault("cx/cx1", "slow_start", seconds=3)
    terminal, screen = open_terminal()
    process = await asyncio.create_subprocess_exec(
        CONCHE,
        *("edit", "cx/cx1", "--yes"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=screen,
        env=environment_of(stack.broker) | {"EDITOR": editor, "TERM": "xterm-256color"},
    )
    try:
        seen = await _until(terminal, "0 of 1 nodes as wished, 1 at work")
        assert "more: new, 1" in seen
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
        assert process.returncode == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        os.close(terminal)
        os.close(screen)


async def _until(terminal: int, words: str) -> str:
    """Wait for words on a terminal; return all that came."""
    loop, seen, came = asyncio.get_running_loop(), bytearray(), asyncio.Event()

    def read() -> None:
        seen.extend(os.read(terminal, 4096))
        came.set()

    loop.add_reader(terminal, read)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while words not in seen.decode(errors="replace"):
                came.clear()
                await came.wait()
    except TimeoutError:
        raise AssertionError(f"never came; there is:\n{seen.decode(errors='replace')}") from None
    finally:
        loop.remove_reader(terminal)
    return seen.decode(errors="replace")
