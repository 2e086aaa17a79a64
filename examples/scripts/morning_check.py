"""A look at the telescope in the morning: who is not well, who answers, and a gain for a group.

    python examples/scripts/morning_check.py cx --endpoint gains --set count=4

It talks to the stack that runs here, or to the broker that CONCHE_CONFIG or CONCHE_BROKER__... name; the account is
that of CONCHE_ACCOUNT. The exit code is 0 if everything is as wished.
"""

import argparse
import asyncio
import json
import sys

from conche.client import Conche, ConcheError, Report


async def check(telescope: Conche, group: str) -> bool:
    """Print who is not well, and who does not answer; return whether all is well."""
    statuses = await telescope.status(group)
    unwell = {key: status for key, status in statuses.items() if status.error or status.state != "started"}
    print(f"{len(statuses)} nodes, {len(unwell)} to look at")
    for key, status in unwell.items():
        print(f"  {key}: {status.state}{f', {status.error}' if status.error else ''}")
    pinged = await telescope.ping(group)
    for key, result in pinged.results.items():
        seen = result.inspection
        print(f"  {key}: {f'{1000 * seen.latency_s:.1f} ms' if seen and seen.latency_s else result.error}")
    return not unwell and pinged.ok


async def set_gain(telescope: Conche, group: str, *, endpoint: str, key: str, value: object) -> bool:
    """Give a group another value, all others as they are, and print what has become of it."""
    plan = await telescope.plan.set_values(group, endpoint, {key: value}, reason="morning check")
    print(
        f"{endpoint}/{key}: updates {len(plan.of('update'))} nodes in place, restarts {len(plan.of('restart'))}"
    )
    report = await telescope.carry_out(plan)
    _print(report)
    return report.ok


def _print(report: Report) -> None:
    for key, result in report.results.items():
        print(f"  {key}: {result.outcome}{f', {result.error}' if result.error else ''}")
    for name, words in {**report.refused, **report.unanswered}.items():
        print(f"  {name}: {words}")


async def main() -> int:
    """Check, and set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("group")
    parser.add_argument("--endpoint", default="gains", help="the updatable block")
    parser.add_argument("--set", dest="setting", help="KEY=VALUE, the value in JSON")
    wanted = parser.parse_args()
    try:
        async with Conche() as telescope:
            well = await check(telescope, wanted.group)
            if wanted.setting:
                key, _, value = wanted.setting.partition("=")
                well &= await set_gain(
                    telescope, wanted.group, endpoint=wanted.endpoint, key=key, value=json.loads(value)
                )
    except ConcheError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if well else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
