"""Services and broker are killed at random while everything goes on; the simulator's books are the judge.

The plan of a run is drawn from a seed before it begins, and the seed is printed: ``CONCHE_CHAOS_SEED=123`` runs that
plan again. Runs of full size (100 nodes, 200 kills, four minutes each) are made only when they are asked for:
``CONCHE_CHAOS_FULL=1 ./conche.sh test -m chaos``. What happened stands in the folder of the test: the logs of all
services, ``record.json`` (what was wished for) and ``books.jsonl`` (what arrived at the machines).
"""

import os
import random
import sys
from pathlib import Path

import pytest

from conche.settings import RegistryChange
from tests.integration.dataplane import running_data_plane

from .books import broken_rules
from .engine import Chaos, Result
from .plan import Size, draw

pytestmark = pytest.mark.chaos

SEED = int(os.environ.get("CONCHE_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)

DOZEN = Size(groups={"cx": 6, "recv": 4, "beam": 2}, kills=40)
TWENTY_WITH_FAULTS = Size(groups={"cx": 10, "recv": 7, "beam": 3}, kills=25, faults=True)
HUNDRED = Size(groups={"cx": 50, "recv": 40, "beam": 10}, kills=200, orders_period_s=0.3)
HUNDRED_WITH_FAULTS = Size(
    groups={"cx": 50, "recv": 40, "beam": 10}, kills=200, orders_period_s=0.3, faults=True
)

full = pytest.mark.skipif(
    os.environ.get("CONCHE_CHAOS_FULL", "") in ("", "0"), reason="four minutes: set CONCHE_CHAOS_FULL=1"
)


async def chaos(folder: Path, size: Size, policy: RegistryChange) -> Result:
    plan = draw(SEED, size)
    async with running_data_plane(
        folder, size.groups, renderer={"on_registry_change": policy.value}
    ) as stack:
        return await Chaos(stack, plan, policy=policy).run()


@pytest.mark.parametrize(
    ("size", "policy"),
    [
        pytest.param(DOZEN, RegistryChange.ALL, id="dozen"),
        pytest.param(TWENTY_WITH_FAULTS, RegistryChange.CHANGED, id="twenty-with-faults"),
        pytest.param(HUNDRED, RegistryChange.ALL, id="hundred", marks=full),
        pytest.param(HUNDRED_WITH_FAULTS, RegistryChange.CHANGED, id="hundred-with-faults", marks=full),
    ],
)
async def test_no_rule_is_broken_while_services_and_broker_are_killed(
    size: Size, policy: RegistryChange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(words: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\nchaos: {words}\n")

    say(f"{len(size.nodes)} nodes, {size.kills} kills, faults {size.faults}, CONCHE_CHAOS_SEED={SEED}")
    result = await chaos(tmp_path, size, policy)
    say(result.told())
    assert result.notes == []
    assert broken_rules(result.entries, result.record) == []
    assert [e for e in result.entries if e.what == "kill"], "nothing was pushed: the test tested nothing"
