"""The commands that ping nodes, set values and tell the history, as programs, against a whole conche."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .changes_support import all_running, fits, text
from .harness import Mosquitto
from .stack import Stack, conche


@pytest.fixture
async def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    async with all_running(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def mine(stack: Stack, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stack.settings.renderer.configs, tmp_path / "mine"))


# --- ping


async def test_ping_tells_who_answers_and_who_does_not(stack: Stack):
    stack.fault("cx/cx2", "refuse")
    await stack.until_node("cx/cx2", lambda status: status.state == "down")
    ran = await stack.conche("ping", "cx")
    assert ran.code == 1
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0].startswith("cx/cx1 ok ")
    assert lines[0].endswith(" ms runs")
    assert lines[1].startswith("cx/cx2 unreachable")
    told = (await stack.conche("ping", "cx/cx1", "--json")).json
    assert told["results"]["cx/cx1"]["inspection"]["latency_s"] > 0
    assert (await stack.conche("ping", "rx")).code == 2


# --- set


async def test_a_gain_is_set_while_nodes_run_and_other_keys_stay(stack: Stack):
    ran = await stack.conche("set", "cx", "gains", "count=7", "--reason", "bright sky")
    assert ran.code == 0, ran
    assert ran.out.split() == ["cx/cx1", "ok", "cx/cx2", "ok", "2", "ok"]
    assert "in place  2 nodes: cx/cx1, cx/cx2\n            gains/count: 3 → 7\n" in ran.err
    assert '"start_time": 1.5' in text(stack, ".updatable/cx/cx1.json")
    statuses = (await stack.picture()).statuses["cx"]
    assert all(status.last_push and status.last_push.kind == "update" for status in statuses.values())
    shown = await stack.conche("show", "HEAD")
    assert "bright sky" in shown.out
    again = await stack.conche("set", "cx", "gains", "count=7")
    assert (again.code, again.out) == (0, "")
    assert "it is so already" in again.err


async def test_with_plan_nothing_is_done(stack: Stack):
    ran = await stack.conche("set", "cx", "gains", "count=7", "--plan")
    assert ran.code == 0
    assert "updates 2 nodes in place; 1 other node untouched" in ran.out
    assert fits(ran)
    assert not (stack.settings.renderer.configs / ".updatable").exists()
    told = (await stack.conche("set", "cx", "gains", "count=7", "--plan", "--json")).json
    assert (told["ok"], told["plan"]["nodes"]["cx/cx1"]["change"]) == (True, "update")


async def test_values_come_from_a_file_and_words_win(stack: Stack, tmp_path: Path):
    file = tmp_path / "values.json"
    file.write_text('{"count": 5, "start_time": 2.5}')
    ran = await stack.conche("set", "cx/cx1", "gains", "count=6", "--file", str(file), "--json")
    assert ran.code == 0, ran
    assert list(ran.json) == [
        "action", "ok", "results", "refused", "unanswered", "commits", "warnings", "plan",
    ]  # fmt: skip
    stored = text(stack, ".updatable/cx/cx1.json")
    assert '"count": 6' in stored
    assert '"start_time": 2.5' in stored


async def test_what_can_not_be_set_is_one_line_that_says_what_to_do(stack: Stack):
    assert (await stack.conche("set", "cx/cx1", "gains", "start_time=2.5")).code == 0
    for words, code, problem in (
        (("cx", "gains", "count=7"), 2, "give start_time too, or set these nodes one by one"),
        (("cx", "gain", "count=7"), 2, "did you mean gains?"),
        (("cx/cx1", "gains", "cuont=7"), 2, "did you mean count?"),
        (("cx/cx1", "gains", "count=many"), 1, "gains/count: is a string"),
        (("cx/cx9", "gains", "count=7"), 2, "there is no node 'cx/cx9'"),
    ):
        ran = await stack.conche("set", *words)
        assert (ran.code, ran.out) == (code, ""), ran
        assert problem in ran.err
        assert ran.err.count("\n") == 1


async def test_values_that_a_kotekan_refused_take_force(stack: Stack):
    assert (await stack.conche("set", "cx/cx1", "gains", "count=4")).code == 0
    stack.fault("cx/cx1", "reject_value", endpoint="gains", key="count", equals=9)
    ran = await stack.conche("set", "cx/cx1", "gains", "count=9")
    assert ran.code == 1
    assert "refused these values of gains" in " ".join(ran.out.split())
    stack.clear("cx/cx1")
    await stack.until_node("cx/cx1", lambda s: s.state == "started" and s.live == s.desired and not s.pending)
    again = await stack.conche("set", "cx/cx1", "gains", "count=9")
    assert again.code == 1
    assert "--force has them tried again" in again.err
    forced = await stack.conche("set", "cx/cx1", "gains", "count=9", "--force")
    assert forced.code == 0, forced


async def test_a_node_in_maintenance_is_held_and_it_says_how_to_have_it_done(stack: Stack):
    await stack.conche("maintenance", "on", "cx/cx1", "--reason", "new fan")
    ran = await stack.conche("set", "cx", "gains", "count=4")
    assert ran.code == 1
    assert "conche maintenance off cx/cx1" in ran.out
    assert "not at once: in maintenance by operator: new fan" in ran.err


async def test_an_operator_may_set_gains_and_nothing_else(stack: Stack):
    assert (await stack.conche("set", "cx/cx1", "gains", "count=4", "--account", "oscar")).code == 0
    ran = await stack.conche("set", "cx/cx1", "gains", "count=5", "--account", "vera")
    assert ran.code == 2
    assert "it takes the role operator" in ran.err
    back = await stack.conche("rollback", "HEAD~", "--account", "oscar", "--yes")
    assert back.code == 2
    assert "it takes the role engineer" in back.err


# --- log, show, rollback


async def test_the_history_tells_who_when_and_why_and_leads_back(stack: Stack):
    assert (await stack.conche("set", "cx/cx1", "gains", "count=4", "--reason", "sky")).code == 0
    ran = await stack.conche("log", "-n", "1")
    assert "operator" in ran.out
    assert "gains of cx/cx1" in ran.out
    assert "sky" in ran.out
    assert fits(ran)
    (commit,) = (await stack.conche("log", "--json", "-n", "1")).json["commits"]
    shown = await stack.conche("show", commit["id"][:8])
    assert '+    "count": 4' in shown.out
    assert "Command-Id  operator/" in shown.out
    assert "\x1b" not in shown.out
    assert "+++ b/.updatable/cx/cx1.json\n" in shown.out
    back = await stack.conche("rollback", f"{commit['id'][:8]}~", ".updatable", "--reason", "too much")
    assert back.code == 0, back
    assert "removes" not in back.err
    assert not (stack.settings.renderer.configs / ".updatable/cx/cx1.json").exists()
    assert "too much" in (await stack.conche("log")).out
    assert (await stack.conche("show", "--json", "HEAD")).json["commit"]["reason"] == "too much"


async def test_a_commit_or_path_that_is_not_there_is_told(stack: Stack):
    for words in (("show", "f00"), ("rollback", "f00"), ("plan", "--commit", "f00")):
        ran = await stack.conche(*words)
        assert ran.code == 1
        assert "there is no commit 'f00'" in ran.err
    nothing = await stack.conche("log", "rx")
    assert (nothing.code, nothing.out) == (0, "")
    assert "no change of rx is known" in nothing.err


# --- who is away, and completion


async def test_without_a_renderer_or_a_broker_it_is_said_at_once(stack: Stack, mine: Path):
    commands = (("set", "cx", "gains", "count=4"), ("log",), ("plan", str(mine)), ("edit", "vars.yaml"))
    await stack.end("renderer")
    for words in commands:
        ran = await stack.conche(*words, EDITOR="true")
        assert ran.code == 3
        assert "renderer was stopped" in ran.err
    stack.broker.stop()
    for words in (*commands, ("ping", "cx")):
        ran = await stack.conche(*words)
        assert ran.code == 3
        assert ran.err.count("\n") == 1
        assert "./conche.sh up" in ran.err


async def test_targets_are_completed_from_the_running_registry(stack: Stack):
    def asking(words: str) -> dict[str, str]:
        return {"_CONCHE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "2"}

    ran = await stack.conche(**asking("conche start cx/"))
    assert ran.out.split() == ["plain,cx/cx1", "plain,cx/cx2"]
    ran = await stack.conche(**asking("conche set r"))
    assert ran.out.split() == ["plain,recv", "plain,recv/recv1"]
    stack.broker.stop()
    ran = await stack.conche(**asking("conche start cx/"))
    assert (ran.out.strip(), ran.err) == ("", "")


async def test_without_a_broker_completion_is_silent(mosquitto: Mosquitto):
    mosquitto.stop()
    ran = await conche(
        broker=mosquitto, _CONCHE_COMPLETE="bash_complete", COMP_WORDS="conche stop ", COMP_CWORD="2"
    )
    assert (ran.out.strip(), ran.err) == ("", "")


async def test_blocks_and_keys_are_completed_with_what_is_desired_now(stack: Stack):
    def asking(words: str, place: int) -> dict[str, str]:
        return {"_CONCHE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(place)}

    ran = await stack.conche(**asking("conche set cx g", 3))
    assert ran.out.split() == ["plain,gains"]
    ran = await stack.conche(**asking("conche set cx gains c", 4))
    assert ran.out.split() == ["plain,count=3"]
    ran = await stack.conche(**asking("conche set rx g", 3))
    assert (ran.out.strip(), ran.err) == ("", "")
