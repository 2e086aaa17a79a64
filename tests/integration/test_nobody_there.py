"""Commands for which nobody is there: who says so, and in which words. On a real broker, from plain clients."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from conche.bus.client import NobodyListens
from conche.contract import SYNC_ACTIONS, Log, Ping

from .dataplane import DataPlane, starting_data_plane
from .scripting import GOOD, QUICK, VERSIONS, Plain, of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DataPlane]:
    """Nobody works for recv, and neither journal nor fpga nor eop runs."""
    settings = {**QUICK, "sync": {**QUICK["sync"], "groups": ["cx"]}}
    sizes, folder = {"cx": 1, "recv": 1}, tmp_path_factory.mktemp("nobody")
    async with starting_data_plane(folder, sizes, speed=3, **settings) as running:
        async with asyncio.timeout(20):
            while "cx/cx1" not in await running.statuses():
                await asyncio.sleep(0.1)
        yield running


@pytest_asyncio.fixture(loop_scope="module", params=VERSIONS)
async def script(stack: DataPlane, request: pytest.FixtureRequest) -> AsyncIterator[Plain]:
    async with Plain(stack, request.param).running() as running:
        yield running


async def refusal(script: Plain, target: str, wish: dict[str, object]) -> str:
    """Repeat a command until it is answered, as its sender does, and return why not."""
    async with asyncio.timeout(30):
        while True:
            try:
                reply = await script.ask(target, wish, timeout=1)
            except TimeoutError:
                continue  # who is away may be back in a moment
            assert reply["ok"] is False, reply
            return str(reply["error"])


@pytest.mark.parametrize("action", SYNC_ACTIONS)
async def test_a_group_without_a_worker_is_told_for_each_action_of_nodes(script: Plain, action: str):
    for node in ("recv1", "all"):
        words = await refusal(script, f"recv/{node}/{action}", GOOD.get(action, {}))
        assert words == "recv has no worker: is 'conche sync' running for it?"


async def test_who_commands_all_is_told_who_will_not_answer(script: Plain):
    await refusal(script, "recv/all/ping", {})  # by then it is known
    script.send("all/all/ping", {"id": f"all-{script.version}"})
    replies = {reply["group"]: reply for reply in [await script.reply() for _ in range(2)]}
    assert (replies["all"]["ok"], replies["all"]["groups"]) == (False, ["cx"])
    assert replies["all"]["warnings"] == ["recv has no worker: is 'conche sync' running for it?"]
    assert of(replies["cx"]) == {"cx/cx1": "ok"}
    await script.hears_nothing_more()


@pytest.mark.parametrize(("service", "action"), [("journal", "events"), ("fpga", "refresh"), ("eop", "run")])
async def test_a_service_that_is_away_is_told(script: Plain, service: str, action: str):
    assert (await refusal(script, f"-/{service}/{action}", {})).startswith(f"{service} is away: ")


async def test_values_are_stored_for_nodes_that_nobody_works_for_and_it_says_what_is_not_known(script: Plain):
    planned = await script.ask("recv/recv1/plan", GOOD["plan"])
    assert (planned["ok"], list(planned["plan"]["nodes"])) == (True, ["recv/recv1"])


async def test_a_broker_on_which_nobody_listens_says_so_at_once(stack: DataPlane):
    """The hint that is PUBACK 0x10; last, as it ends the services."""
    async with stack.connect() as client:
        wish = Ping(id="somebody")
        assert await client.send("ping", wish, group="cx", node="cx1")
        for process in stack.processes.values():
            process.stop()
        async with asyncio.timeout(20):
            while await client.send("ping", wish, group="cx", node="cx1"):
                await asyncio.sleep(0.1)
        for action, arguments, group, node in (
            ("ping", Ping(id="n"), "all", "all"),
            ("log", Log(id="l"), "-", "renderer"),
        ):
            asked = client.command(action, arguments, group=group, node=node, timeout=1)
            with pytest.raises(NobodyListens, match=f"nobody takes commands for {group}/{node}"):
                await anext(asked)
