"""What an FPGA master says about its time: integers in, integers out."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conche.fpga.timing import (
    AHEAD_NS,
    GPS_EPOCH_NS,
    LARGEST,
    ROLLOVER_NS,
    SECOND_NS,
    Timing,
    TimingInvalid,
    judge,
    length_words,
    read_timing,
    rollovers_between,
)

NOW_NS = 1_795_230_000_123_456_789
TOLERANCE_NS = 600 * SECOND_NS
TIMES = st.integers(GPS_EPOCH_NS, NOW_NS)
OFFS = st.integers(-TOLERANCE_NS, TOLERANCE_NS)


def answer(frame0: Any = NOW_NS, start: Any = 1_795_230_000.5) -> bytes:
    return json.dumps({"frame0_nano": frame0, "start_ctime": start}).encode()


def judged(frame0_ns: int, start_ns: int):
    return judge(Timing(frame0_ns, start_ns), now_ns=NOW_NS, tolerance_ns=TOLERANCE_NS)


# --- reading


@given(frame0=st.integers(GPS_EPOCH_NS, LARGEST), start=st.integers(GPS_EPOCH_NS // SECOND_NS, 9 * 10**9))
def test_integers_are_read_without_the_loss_of_a_nanosecond(frame0: int, start: int):
    assert read_timing(answer(frame0, start)) == Timing(frame0, start * SECOND_NS)


@given(st.floats(GPS_EPOCH_NS / SECOND_NS, 9e9))
def test_the_start_may_have_a_fraction_which_is_read_to_a_microsecond(start: float):
    assert abs(read_timing(answer(start=start)).start_ns - start * 1e9) <= 1000


def test_other_keys_are_ignored():
    body = json.dumps({**json.loads(answer()), "frame0_timestamp": "x", "frame0_ctime": 1.5}).encode()
    assert read_timing(body).frame0_ns == NOW_NS


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><body>It works!</body></html>", "not JSON: a page"),
        (b"", "not JSON: nothing at all"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (answer()[:30], "not JSON"),
        (b"null", "null where there should be an object"),
        (b"[1]", "an array where there should be an object"),
        (b"3", "the number 3 where there should be an object"),
        (b"{}", "there is no frame0_nano"),
        (b'{"frame0_nano": 1795230000000000000}', "there is no start_ctime"),
        (answer(None), "frame0_nano is null"),
        (answer(1.7952e18), "has lost nanoseconds, only a whole number is taken"),
        (b'{"frame0_nano": 1795230000000000000.0, "start_ctime": 1795230000}', "has lost nanoseconds"),
        (answer("1795230000000000000"), "frame0_nano is a string, '1795230000000000000', and should be"),
        (answer(True), "frame0_nano is true, and should be a whole number"),
        (answer([1]), "frame0_nano is an array"),
        (answer({}), "frame0_nano is an object"),
        (answer(-5), "frame0_nano is negative, before GPS began in 1980"),
        (answer(0), "frame0_nano is 1970-01-01 00:00:00Z, before GPS began in 1980"),
        (answer(GPS_EPOCH_NS - 1), "frame0_nano is 1980-01-05 23:59:59Z, before GPS began"),
        (answer(LARGEST + 1), "frame0_nano is beyond 64 bits"),
        (answer(2**64), "frame0_nano is beyond 64 bits"),
        (b'{"frame0_nano": 1' + b"0" * 5000 + b', "start_ctime": 1}', "out of range"),
        (answer(start=None), "start_ctime is null"),
        (answer(start="yesterday"), "start_ctime is a string, 'yesterday'"),
        (answer(start=False), "start_ctime is false"),
        (answer(start=-1.5), "start_ctime is negative"),
        (answer(start=0), "start_ctime is 1970-01-01 00:00:00Z, before GPS began"),
        (answer(start=1e300), "start_ctime is 1e+300, which is no time in seconds"),
        (answer(start=NOW_NS), "which is no time in seconds"),
        (b'{"frame0_nano": 1795230000000000000, "start_ctime": NaN}', "not JSON"),
        (b'{"frame0_nano": 1795230000000000000, "start_ctime": 1e999}', "out of range"),
    ],
)
def test_what_is_no_timing_is_refused_in_words(body: bytes, words: str):
    with pytest.raises(TimingInvalid) as refused:
        read_timing(body)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


VALUES = st.none() | st.booleans() | st.text() | st.integers() | st.floats() | st.lists(st.none())


@given(st.binary(max_size=200) | st.builds(answer, VALUES, VALUES))
def test_whatever_comes_is_read_or_refused(body: bytes):
    with suppress(TimingInvalid):
        assert read_timing(body).frame0_ns >= GPS_EPOCH_NS


# --- the rollover


@given(frame0_ns=TIMES, off_ns=OFFS, rollovers=st.integers(-3, 3))
def test_a_receiver_that_is_behind_by_whole_periods_is_brought_to_where_it_belongs(
    frame0_ns: int, off_ns: int, rollovers: int
):
    behind_ns = frame0_ns - rollovers * ROLLOVER_NS
    assert rollovers_between(frame0_ns + off_ns, behind_ns) == rollovers


@given(start_ns=TIMES, frame0_ns=TIMES)
def test_what_is_left_after_the_correction_is_at_most_half_a_period(start_ns: int, frame0_ns: int):
    corrected = frame0_ns + rollovers_between(start_ns, frame0_ns) * ROLLOVER_NS
    assert abs(corrected - start_ns) <= ROLLOVER_NS // 2


@given(frame0_ns=TIMES, off_ns=OFFS, rollovers=st.integers(0, 2))
def test_away_from_a_rollover_it_is_the_difference_of_the_periods_since_1980(
    frame0_ns: int, off_ns: int, rollovers: int
):
    def period(time_ns: int) -> int:
        return (time_ns - GPS_EPOCH_NS) // ROLLOVER_NS

    start_ns, behind_ns = frame0_ns + off_ns, frame0_ns - rollovers * ROLLOVER_NS
    if period(start_ns) == period(frame0_ns):
        assert rollovers_between(start_ns, behind_ns) == period(start_ns) - period(behind_ns)


def test_an_engine_that_is_started_a_second_before_a_rollover_is_not_put_off_by_twenty_years():
    rollover_ns = GPS_EPOCH_NS + 2 * ROLLOVER_NS
    assert rollovers_between(rollover_ns - SECOND_NS, rollover_ns + 3 * SECOND_NS) == 0
    assert rollovers_between(rollover_ns - SECOND_NS, rollover_ns + 3 * SECOND_NS - ROLLOVER_NS) == 1


def test_the_second_rollover_was_on_the_seventh_of_april_2019():
    at = time.gmtime((GPS_EPOCH_NS + 2 * ROLLOVER_NS) // SECOND_NS)
    assert time.strftime("%Y-%m-%d %H:%M", at) == "2019-04-07 00:00"


# --- judging


@given(
    start_ns=st.integers(GPS_EPOCH_NS + ROLLOVER_NS * 2 + TOLERANCE_NS, NOW_NS - TOLERANCE_NS),
    off_ns=OFFS,
    rollovers=st.integers(0, 2),
)
def test_a_frame0_near_the_start_is_believed_and_corrected_to_the_nanosecond(
    start_ns: int, off_ns: int, rollovers: int
):
    judgement = judged(start_ns + off_ns - rollovers * ROLLOVER_NS, start_ns)
    assert (judgement.frame0_ns, judgement.rollovers) == (start_ns + off_ns, rollovers)
    assert judgement.error is None


@given(frame0_ns=TIMES, start_ns=TIMES)
def test_what_is_believed_is_near_the_start_and_whole_periods_from_what_was_said(
    frame0_ns: int, start_ns: int
):
    judgement = judged(frame0_ns, start_ns)
    assert (judgement.frame0_ns is None) is (judgement.error is not None)
    if judgement.frame0_ns is not None:
        assert abs(judgement.frame0_ns - start_ns) <= TOLERANCE_NS
        assert (judgement.frame0_ns - frame0_ns) % ROLLOVER_NS == 0


@pytest.mark.parametrize("ahead_ns", [AHEAD_NS + 1, 3600 * SECOND_NS, ROLLOVER_NS])
def test_a_frame0_in_the_future_is_not_believed(ahead_ns: int):
    judgement = judged(NOW_NS + ahead_ns, NOW_NS)
    assert judgement.frame0_ns is None
    assert judgement.error is not None
    assert "frame0 is 20" in judgement.error
    assert "in the future" in judgement.error


def test_a_start_in_the_future_is_not_believed_either():
    judgement = judged(NOW_NS, NOW_NS + ROLLOVER_NS)
    assert judgement.frame0_ns is None
    assert "start_ctime is" in str(judgement.error)


def test_a_frame0_that_is_a_second_ahead_is_believed():
    assert judged(NOW_NS + SECOND_NS, NOW_NS).frame0_ns == NOW_NS + SECOND_NS


@pytest.mark.parametrize(
    ("off_ns", "rollovers", "words"),
    [
        (-3600 * SECOND_NS, 0, "1 h 0 min before it; its clock or its GPS receiver is wrong"),
        (-900 * SECOND_NS, 0, "15 min 0 s before it"),
        (-86400 * SECOND_NS, 1, "1 d 0 h before it, corrected by 1 times 1024 weeks; its clock"),
    ],
)
def test_a_frame0_that_is_off_by_something_else_is_told_with_both_times(
    off_ns: int, rollovers: int, words: str
):
    judgement = judged(NOW_NS + off_ns - rollovers * ROLLOVER_NS, NOW_NS)
    assert judgement.frame0_ns is None
    assert judgement.rollovers == rollovers
    assert words in str(judgement.error)


@pytest.mark.parametrize(
    ("length_s", "words"), [(59, "0 min 59 s"), (-3661, "1 h 1 min"), (90_000, "1 d 1 h"), (0, "0 min 0 s")]
)
def test_lengths_are_short(length_s: int, words: str):
    assert length_words(length_s * SECOND_NS) == words
