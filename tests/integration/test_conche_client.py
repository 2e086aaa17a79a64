"""The Python client against a whole conche."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conche.bus import encoding
from conche.client import (
    AccountDenied,
    BrokerAway,
    CommandRefused,
    CommandTooLarge,
    Conche,
    RoleMissing,
    ServiceAway,
    TargetUnknown,
    ValuesIncomplete,
)
from conche.contract import Change, NodeEntry, Outcome, Role, text_digest
from conche.settings import Broker

from .harness import PROJECT, Mosquitto
from .stack import CONFIG, Stack, environment_of, running_stack

SCRIPT = PROJECT / "examples/scripts/morning_check.py"
ROLES = {"operator": Role.ADMIN, "vera": Role.VIEWER}


@pytest.fixture
async def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    monkeypatch.setattr("conche.sync.worker.DOUBT_S", 0.1, raising=False)
    broker = Mosquitto(tmp_path / "mosquitto", accounts=ROLES)
    await broker.start()
    async with running_stack(broker, tmp_path, "cx/cx1", "cx/cx2", "recv/recv1") as running:
        yield running
    broker.stop()


@pytest.fixture
async def telescope(stack: Stack) -> AsyncIterator[Conche]:
    async with Conche(broker=stack.broker.settings) as found:
        yield found


async def run_all(telescope: Conche) -> None:
    assert (await telescope.maintenance("all", on=False)).ok
    assert (await telescope.start("all")).ok


# --- nodes


async def test_commands_and_statuses_by_words_as_the_command_line_has_them(telescope: Conche):
    await run_all(telescope)
    statuses = await telescope.status(["cx/*", "recv/recv1"])
    assert {key: status.state for key, status in statuses.items()} == {
        "cx/cx1": "started", "cx/cx2": "started", "recv/recv1": "started",
    }  # fmt: skip
    assert (await telescope.stop("cx/cx1", reason="tired")).ok
    assert (await telescope.resync("cx/cx2")).ok
    pinged = await telescope.ping("cx")
    assert pinged.ok
    assert all(result.inspection for result in pinged.results.values())
    seen = (await telescope.inspect("cx/cx2")).results["cx/cx2"].inspection
    assert seen is not None
    assert seen.revision == seen.desired


async def test_a_word_that_names_nothing_raises_and_nothing_is_sent(telescope: Conche):
    with pytest.raises(TargetUnknown, match="did you mean cx/cx"):
        await telescope.start("cx/cx3")


async def test_changes_come_by_themselves_at_first_each_node_as_it_is(telescope: Conche):
    watch = telescope.watch("cx/cx1")
    first = await anext(watch)
    assert (first.node, first.before) == ("cx/cx1", None)
    assert first.status is not None
    assert first.status.maintenance.on
    await telescope.maintenance("cx", on=False)
    async with asyncio.timeout(10):
        while (change := await anext(watch)).status is None or change.status.maintenance.on:
            assert change.node == "cx/cx1"
    assert change.before is not None
    await watch.close()


async def test_a_watch_that_never_reaches_its_broker_says_so(stack: Stack, telescope: Conche):
    stack.broker.stop()
    with pytest.raises(BrokerAway, match="refused"):
        await anext(telescope.watch())


async def test_a_watch_ends_with_its_client(stack: Stack):
    async with Conche(broker=stack.broker.settings) as telescope:
        watch = telescope.watch()
        assert {(await anext(watch)).node for _ in range(3)} == {"cx/cx1", "cx/cx2", "recv/recv1"}


async def test_a_watch_outlives_its_broker_and_says_meanwhile_why_nothing_comes(
    stack: Stack, telescope: Conche
):
    watch = telescope.watch("cx/cx1")
    await anext(watch)
    await watch.complete.wait()
    stack.broker.stop()
    next_one = asyncio.ensure_future(anext(watch))
    async with asyncio.timeout(10):
        while watch.lost is None:
            await asyncio.sleep(0.05)
    await stack.broker.start()
    async with Conche(broker=stack.broker.settings) as other:
        await stack.until(lambda picture: picture.is_served("cx") and picture.registry is not None)
        await other.maintenance("cx/cx1", on=False)
    async with asyncio.timeout(10):
        assert (await next_one).node == "cx/cx1"
    assert watch.lost is None


# --- values


async def test_values_that_are_not_given_stay_as_they_are(stack: Stack, telescope: Conche):
    await run_all(telescope)
    report = await telescope.set_values("cx", "gains", {"count": 7}, reason="bright sky")
    assert report.ok, report
    assert report.results.keys() == {"cx/cx1", "cx/cx2"}
    stored = json.loads((stack.settings.renderer.configs / ".updatable/cx/cx1.json").read_text())
    assert stored == {"gains": {"count": 7, "start_time": 1.5}}
    (commit,) = await telescope.log(limit=1)
    assert (commit.id, commit.reason) == (report.commits[0], "bright sky")
    shown = await telescope.show(commit.id)
    assert '+    "count": 7' in shown.patch


async def test_where_nodes_differ_in_what_is_not_given_they_are_named(telescope: Conche):
    await telescope.set_values("cx/cx1", "gains", {"start_time": 2.5})
    with pytest.raises(ValuesIncomplete, match=r"start_time is not given, and the nodes differ") as raised:
        await telescope.set_values("cx", "gains", {"count": 7})
    assert "cx/cx1 2.5, cx/cx2 1.5" in str(raised.value)
    with pytest.raises(CommandRefused, match="start_time is missing"):
        await telescope.set_values("cx", "gains", {"count": 7}, partial=False)


@pytest.mark.parametrize(
    ("endpoint", "values", "words"),
    [
        ("gain", {"count": 1}, "no updatable block 'gain'; did you mean gains"),
        ("gains", {"cuont": 1}, "gains has no key 'cuont'; did you mean count"),
    ],
)
async def test_a_block_or_key_that_is_not_there_is_answered_with_what_is_near(
    telescope: Conche, endpoint: str, values: dict[str, int], words: str
):
    with pytest.raises(ValuesIncomplete, match=words):
        await telescope.set_values("cx", endpoint, values)


async def test_values_for_all_nodes_are_one_change(telescope: Conche):
    await run_all(telescope)
    report = await telescope.set_values("all", "gains", {"count": 5})
    assert report.ok
    assert len(report.results) == 3
    assert len(report.commits) == 1


async def test_a_value_that_does_not_fit_is_refused_in_the_words_of_the_renderer(telescope: Conche):
    with pytest.raises(CommandRefused, match="gains/count: is a string"):
        await telescope.set_values("cx", "gains", {"count": "many"})


# --- plans, files


async def test_a_plan_is_carried_out_as_it_was_made_or_not_at_all(telescope: Conche):
    await run_all(telescope)
    plan = await telescope.plan.set_values("cx/cx1", "gains", {"count": 9})
    assert plan.of(Change.UPDATE) == ["cx/cx1"]
    assert plan.untouched == 2
    late = await telescope.plan.set_values("cx/cx1", "gains", {"count": 10})
    assert (await telescope.carry_out(plan)).ok
    with pytest.raises(CommandRefused):
        await telescope.carry_out(late)


async def test_files_are_read_written_and_rolled_back(stack: Stack, telescope: Conche):
    await run_all(telescope)
    everything = await telescope.read_files()
    assert set(everything.texts) == {"nodes.yaml", "cx/cx1.yaml", "cx/cx2.yaml", "recv/recv1.yaml"}
    assert everything.texts["cx/cx1.yaml"] == CONFIG
    files = {"cx/cx1.yaml": CONFIG + "more: 1\n"}
    plan = await telescope.plan.set_files(files, started_from=everything.commit)
    assert plan.of(Change.RESTART) == ["cx/cx1"]
    report = await telescope.carry_out(plan)
    assert report.results["cx/cx1"].outcome is Outcome.OK
    assert (await telescope.rollback(everything.commit or "", paths=["cx"])).ok
    assert (stack.settings.renderer.configs / "cx/cx1.yaml").read_text() == CONFIG
    assert (await telescope.set_base_config("cx/cx2", CONFIG + "more: 2\n")).ok


async def test_what_files_are_known_by_is_told_however_large_they_are_and_what_is_too_large_is_not_sent(
    stack: Stack, telescope: Conche, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(encoding, "MAX_PAYLOAD", 20_000)
    large = "# " + "x" * 15_000 + "\n"
    for name in ("large/1.yaml", "large/2.yaml"):
        stack.write(name, large)
    with pytest.raises(CommandRefused, match="the answer is too long"):
        await telescope.read_files()
    known = await telescope.digests()
    assert known.by_name["large/1.yaml"] == text_digest(large)
    assert known.by_name["cx/cx1.yaml"] == text_digest(CONFIG)
    assert (await telescope.digests("no.yaml")).by_name == {"no.yaml": None}
    assert known.commit is not None
    with pytest.raises(CommandTooLarge, match="change fewer files at a time"):
        await telescope.set_files({"large/1.yaml": large, "large/2.yaml": None, "large/3.yaml": large})
    assert (await telescope.set_files({"large/1.yaml": None}, started_from=known.commit)).ok
    assert (stack.settings.renderer.configs / "large/2.yaml").exists()


async def test_a_plan_names_the_nodes_that_it_would_break(telescope: Conche):
    plan = await telescope.plan.set_files({"cx/cx1.yaml": "a: {{ nobody }}\n"})
    assert plan.broken == ("cx/cx1",)
    with pytest.raises(CommandRefused, match="no config for cx/cx1"):
        await telescope.carry_out(plan)


async def test_nodes_can_be_set(telescope: Conche):
    plan = await telescope.plan.set_nodes({"cx": {"cx1": NodeEntry()}})
    assert plan.of(Change.LEAVE) == ["cx/cx2", "recv/recv1"]
    assert plan.new_epoch == ["cx/cx1"]


# --- what can go wrong


async def test_without_a_broker_it_is_said(stack: Stack):
    stack.broker.stop()
    with pytest.raises(BrokerAway, match="refused"):
        async with Conche(broker=stack.broker.settings):
            pass


async def test_a_wrong_account_is_told(stack: Stack):
    with pytest.raises(AccountDenied, match="nobody"):
        async with Conche(account="nobody", broker=stack.broker.settings):
            pass


async def test_what_the_role_does_not_allow_is_told_with_the_role_that_would(stack: Stack):
    async with Conche(account="vera", broker=stack.broker.settings) as telescope:
        assert (await telescope.ping("cx")).ok
        with pytest.raises(RoleMissing, match="it takes the role operator"):
            await telescope.set_values("cx", "gains", {"count": 1})


async def test_a_service_that_is_away_is_told_at_once(stack: Stack, telescope: Conche):
    with pytest.raises(ServiceAway, match="journal has never been online"):
        await telescope.events()
    await stack.end("renderer")
    async with asyncio.timeout(5):
        with pytest.raises(ServiceAway, match="renderer was stopped"):
            await telescope.log()


async def test_what_happened_is_asked_of_the_journal(stack: Stack, telescope: Conche):
    await stack.begin("journal")
    await stack.until(lambda picture: "journal" in picture.births)
    await telescope.maintenance("cx/cx1", on=False, reason="back")
    async with asyncio.timeout(10):
        while not (found := await telescope.events("cx/cx1", kinds=["switch"])):
            await asyncio.sleep(0.1)
    assert found[-1].event.reason == "back"


async def test_without_a_connection_it_says_how_to_get_one():
    with pytest.raises(BrokerAway, match="async with"):
        await Conche(broker=Broker()).status()


# --- the example


async def test_the_example_checks_pings_and_sets_a_gain(stack: Stack, telescope: Conche):
    await run_all(telescope)
    ran = await script(stack, "cx", "--set", "count=4")
    assert ran[0] == 0, ran
    assert ran[1].startswith("2 nodes, 0 to look at\n")
    assert "gains/count: updates 2 nodes in place, restarts 0" in ran[1]
    assert "cx/cx1: ok" in ran[1]
    assert (await telescope.log(limit=1))[0].reason == "morning check"
    failed = await script(stack, "rx")
    assert failed[0] == 2
    assert "there is no group 'rx'" in failed[2]


async def script(stack: Stack, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        SCRIPT,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(stack.broker),
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
