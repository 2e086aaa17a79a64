from datetime import UTC, datetime

import pytest
from rich.console import Console

from conche.cli.past import _drawn, question, samples_of
from conche.cli.strips import Sample, Scale, states
from conche.contract import NodeState
from conche.influx import Series

SCALE = Scale(begin=1_763_726_400, bucket_s=60, columns=56)
"""Columns of a minute from 2025-11-21 12:00Z."""


def series(node: str, *rows: list[int], group: str = "cx") -> Series:
    return Series(
        name="node", tags={"group": group, "node": node}, columns=["time", "max", "last"], rows=[*rows]
    )


def at(column: int) -> int:
    return (SCALE.begin + column * SCALE.bucket_s) * 1_000_000_000


def lines(found: dict[tuple[str, str], list[NodeState | None]], *, width: int = 80) -> list[str]:
    out = Console(width=width, color_system=None, highlight=False)
    with out.capture() as captured:
        for block in _drawn(found, SCALE):
            out.print(block)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_what_the_database_says_is_put_into_columns():
    found = samples_of([series("cx1", [at(0), 4, 0], [at(55), 0, 0])], SCALE)
    assert found == {("cx", "cx1"): {0: Sample(4, 0), 55: Sample(0, 0)}}


def test_a_node_without_states_is_none():
    assert samples_of([Series(name="node", tags={"group": "cx", "node": "cx1"})], SCALE) == {}


def test_the_question_names_the_measurement_and_both_ends():
    asked = question(SCALE)
    assert 'FROM "node"' in asked
    assert f"time >= {SCALE.begin}s" in asked
    assert f"time < {SCALE.begin + 56 * 60}s" in asked
    assert 'GROUP BY time(60s), "group", "node"' in asked


def test_each_node_of_a_small_group_has_a_line_in_natural_order():
    running = states({column: Sample(0, 0) for column in range(56)}, SCALE, refresh_s=60)
    drawn = lines({("cx", "cx10"): running, ("cx", "cx2"): running})
    assert drawn[:3] == ["cx", f" {'cx2':<23}{'█' * 56}", f" {'cx10':<23}{'█' * 56}"]
    assert drawn[-1] == "█ started"
    assert all(len(line) <= 80 for line in drawn)


def test_nodes_of_a_large_group_that_fared_alike_share_a_line():
    running = states({column: Sample(0, 0) for column in range(56)}, SCALE, refresh_s=60)
    down = states({column: Sample(4, 4) for column in range(56)}, SCALE, refresh_s=60)
    drawn = lines({("cx", f"cx{n}"): down if n == 7 else running for n in range(1, 101)})
    assert f" {'cx7':<23}{'x' * 56}" in drawn
    assert " 99 nodes cx1…cx6, cx8…cx100" in drawn
    assert all(len(line) <= 80 for line in drawn)


def test_where_there_is_nothing_it_says_so():
    assert lines({}) == ["the database has no states since then"]


@pytest.mark.parametrize("count", [1, 3])
def test_several_groups_each_have_a_head(count):
    running = states({0: Sample(0, 0)}, SCALE, refresh_s=60)
    drawn = lines({(f"g{n}", "n1"): running for n in range(count)})
    assert [line for line in drawn if line.startswith("g")] == [f"g{n}" for n in range(count)]


def test_times_are_those_of_the_first_column():
    assert datetime.fromtimestamp(SCALE.begin, UTC) == datetime(2025, 11, 21, 12, 0, tzinfo=UTC)
    running = states({0: Sample(0, 0)}, SCALE, refresh_s=60)
    assert (
        lines({("cx", "cx1"): running})[-3] == f"{' ' * 24}|12:00Z       |12:14Z       |12:28Z       |12:42Z"
    )
