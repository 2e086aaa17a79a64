"""How the outcome of a command is told."""

import io

from rich.console import Console

from conche.cli.results import Line, blocks_of, hints_of, lines_of, sum_of
from conche.client.sending import Report

from .samples import result

HELD = result("held", "in maintenance by alice: new GPU; forgotten")


def shown(report: Report, action: str = "resync") -> str:
    out = Console(file=io.StringIO(), width=80, highlight=False)
    for block in blocks_of(action, report):
        out.print(block)
    assert isinstance(out.file, io.StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines())


def test_each_node_has_its_line_in_natural_order():
    report = Report(results={"cx/cx10": result(), "cx/cx2": result("failed", "it ended\nat once")})
    assert lines_of(report) == [
        Line(("cx/cx2",), "failed", "it ended at once"),
        Line(("cx/cx10",), "ok"),
    ]


def test_of_many_nodes_alike_ones_share_a_line_and_what_went_wrong_comes_first():
    results = {f"cx/cx{i}": result() for i in range(1, 31)}
    results |= {f"cx/cx{i}": result("unreachable", f"10.0.0.{i}:12048: refused") for i in (4, 5)}
    assert [(line.word, line.words, len(line.names)) for line in lines_of(Report(results=results))] == [
        ("unreachable", "refused", 2),
        ("ok", "", 28),
    ]


def test_the_sum_counts_outcomes_and_names_who_did_not_answer():
    report = Report(
        results={"cx/cx1": result(), "cx/cx2": HELD}, refused={"a": "busy"}, unanswered={"recv": "away"}
    )
    assert sum_of(report) == "1 ok, 1 held, a refused, recv without an answer"
    assert not report.ok
    assert not report.is_silent


def test_held_in_maintenance_says_what_to_do():
    assert hints_of("set_started", {"cx/cx1": HELD}) == ["to have it done: conche maintenance off cx/cx1"]
    assert hints_of("resync", {"cx/cx1": HELD})[0].endswith(", then say resync again")


def test_held_by_a_rejection_says_what_to_do():
    held = result("held", "its kotekan rejected this config: no")
    assert hints_of("set_started", {"cx/cx1": held}) == [
        "mend the config, or try it once more: conche resync cx/cx1"
    ]


def test_everything_fits_80_columns_and_nothing_is_cut():
    words = "its kotekan said " + "very " * 60 + "no"
    text = shown(Report(results={"cx/" + "n" * 40: result("failed", words), "cx/cx1": result()}))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.count("very") == 60


def test_one_node_that_is_ok_is_one_line():
    assert shown(Report(results={"cx/cx1": result()})) == "cx/cx1  ok"
