from datetime import UTC, datetime, timedelta

import pytest

from conche.cli.strips import SIGNS, Sample, Scale, axis, legend, scale_of, states, strip
from conche.contract import NodeState
from conche.contract.measurements import NODE_STATE_CODES

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STARTED, STOPPED, SYNCING, DOWN = (
    NODE_STATE_CODES[state]
    for state in (NodeState.STARTED, NodeState.STOPPED, NodeState.SYNCING, NodeState.DOWN)
)
MINUTES = Scale(begin=0, bucket_s=60, columns=8)


def drawn(samples: dict[int, Sample], *, refresh_s: float = 60.0, scale: Scale = MINUTES) -> str:
    return strip(states(samples, scale, refresh_s=refresh_s)).plain


@pytest.mark.parametrize("hours", [0.01, 1, 24, 24 * 400])
@pytest.mark.parametrize("width", [1, 2, 60, 200])
def test_the_axis_fits_into_its_width_and_its_last_column_contains_now(hours, width):
    since = NOW - timedelta(hours=hours)
    scale = scale_of(since, NOW, width=width)
    assert scale.columns <= width + 1
    assert scale.begin <= since.timestamp()
    assert scale.end - scale.bucket_s <= NOW.timestamp() < scale.end


def test_a_column_shows_its_worst_state_so_that_a_short_trouble_is_seen():
    assert drawn({0: Sample(worst=DOWN, last=STARTED), 1: Sample(STARTED, STARTED)})[:2] == "x█"


def test_a_state_that_lasts_into_a_column_counts_there():
    assert (
        drawn({0: Sample(DOWN, DOWN), 1: Sample(STARTED, STARTED), 2: Sample(STARTED, STARTED)})[:3] == "xx█"
    )


def test_a_state_holds_for_three_refresh_periods_and_is_not_known_after_them():
    assert drawn({0: Sample(STARTED, STARTED)}) == "████    "


def test_a_state_that_was_lost_does_not_count_when_another_comes():
    assert drawn({0: Sample(DOWN, DOWN), 6: Sample(STARTED, STARTED)}) == "xxxx  ██"


def test_before_the_first_sample_nothing_is_known():
    assert drawn({7: Sample(SYNCING, STARTED)}) == "       ~"


def test_a_code_that_a_later_conche_wrote_is_unknown():
    assert drawn({0: Sample(99, 99)})[0] == SIGNS[NodeState.UNKNOWN]


def test_every_state_has_a_sign_of_its_own():
    assert len(set(SIGNS.values()) | {" "}) == len(NodeState) + 1


def test_the_axis_tells_times_and_days_where_there_are_several():
    hour = Scale(begin=int(NOW.timestamp()), bucket_s=60, columns=60)
    assert axis(hour).plain == "|12:00Z       |12:14Z       |12:28Z       |12:42Z"
    seconds = Scale(begin=int(NOW.timestamp()), bucket_s=2, columns=30)
    assert axis(seconds).plain == "|12:00:00Z    |12:00:28Z"
    days = Scale(begin=int(NOW.timestamp()), bucket_s=3600, columns=60)
    assert axis(days).plain.startswith("|11-21 12:00  |11-22 02:00")


@pytest.mark.parametrize("columns", range(1, 80))
def test_the_axis_is_never_longer_than_the_strip(columns):
    assert len(axis(Scale(0, 60, columns)).plain) <= columns


def test_the_legend_explains_what_is_shown_and_nothing_else():
    assert legend(iter([NodeState.STARTED, None])).plain == "█ started  blank: not known"
