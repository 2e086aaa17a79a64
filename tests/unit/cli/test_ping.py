"""How the answers to a ping are told."""

import io

from rich.console import Console

from conche.cli.ping import blocks_of
from conche.client import Report
from conche.contract import Inspection, Outcome, Reach, Result

from .samples import result


def answered(latency_s: float, *, running: bool = True) -> Result:
    seen = Inspection(reach=Reach.OK, latency_s=latency_s, running=running)
    return Result(ok=True, outcome=Outcome.OK, inspection=seen)


def shown(report: Report) -> list[str]:
    out = Console(file=io.StringIO(), width=80, highlight=False)
    for block in blocks_of(report):
        out.print(block)
    assert isinstance(out.file, io.StringIO)
    return [" ".join(line.split()) for line in out.file.getvalue().splitlines()]


def test_each_node_has_a_line_with_its_latency():
    report = Report(results={"cx/cx10": answered(0.0123), "cx/cx2": answered(0.001, running=False)})
    assert shown(report) == ["cx/cx2 ok 1.0 ms idle", "cx/cx10 ok 12.3 ms runs", "2 ok"]


def test_who_does_not_answer_says_why():
    report = Report(results={"cx/cx1": result("unreachable", "refused"), "cx/cx2": answered(0.001)})
    assert shown(report) == ["cx/cx2 ok 1.0 ms runs", "cx/cx1 unreachable refused", "1 ok, 1 unreachable"]


def test_many_that_answer_share_a_line_and_the_slowest_are_named():
    results = {f"cx/cx{i}": answered(0.002) for i in range(1, 1000)} | {"cx/cx1000": answered(0.5)}
    lines = shown(Report(results=results))
    assert "1000 nodes answer, in 2.0 ms as a rule; the slowest: cx/cx1000 500.0 ms" in " ".join(lines)
    assert len(lines) < 6
