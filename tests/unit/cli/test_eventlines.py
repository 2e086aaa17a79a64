"""What happened, as it is printed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conche.cli.eventlines import Happened, Json, OnTerminal, Plain, key_width
from conche.contract import Event, EventKind

AT = datetime(2026, 11, 21, 3, 0, 5, tzinfo=UTC)


def happened(
    text: str = "started -> down", *, group: str = "cx", node: str = "cx1", **fields: Any
) -> Happened:
    given: dict[str, Any] = {"at": AT, "kind": EventKind.STATE, **fields}
    return Happened("sync", group, node, Event(text=text, **given), number=7)


def terminal(*, columns: int = 80, coloured: bool = False) -> OnTerminal:
    return OnTerminal(8, columns=columns, coloured=coloured, today=AT)


@pytest.mark.parametrize(
    ("group", "node", "kind", "key"),
    [
        ("cx", "cx1", "state", "cx/cx1"),
        ("cx", "-", "command", "cx"),
        ("-", "-", "config", "sync"),
        ("-", "-", "service", "service"),
    ],
)
def test_it_is_said_of_whom(group: str, node: str, kind: str, key: str) -> None:
    assert happened(group=group, node=node, kind=EventKind(kind)).key == key


def test_on_a_terminal_it_reads_well_in_eighty_columns() -> None:
    lines = list(terminal().lines(happened("its kotekan rejected its config: " + "no such stage, " * 10)))
    assert lines[0].startswith("03:00:05Z  cx/cx1    its kotekan rejected")
    assert len(lines) > 1
    assert all(len(line) <= 80 for line in lines)
    assert all(line.startswith(" " * 21) and line[21] != " " for line in lines[1:])


def test_a_long_name_pushes_its_text_aside() -> None:
    (line,) = terminal().lines(happened(node="a-very-long-name-indeed"))
    assert line == "03:00:05Z  cx/a-very-long-name-indeed  started -> down"


def test_a_narrow_terminal_is_no_reason_to_fail() -> None:
    assert len(list(terminal(columns=10).lines(happened("a word and another one")))) >= 1


def test_a_day_is_named_where_it_changes_and_not_at_the_beginning_of_today() -> None:
    out = terminal()
    lines = [line for day in (0, 0, -1, -1) for line in out.lines(happened(at=AT + timedelta(days=day)))]
    assert [line for line in lines if len(line) == 10] == ["2026-11-20"]
    assert lines.index("2026-11-20") == 2


def test_what_is_bad_is_red_and_what_people_did_stands_out_and_never_without_colours() -> None:
    bad = list(terminal(coloured=True).lines(happened(ok=False)))
    assert "\x1b[31mstarted -> down\x1b[0m" in bad[0]
    person = list(terminal(coloured=True).lines(happened(kind=EventKind.COMMAND)))
    assert "\x1b[36m" in person[0]
    assert "\x1b" not in "".join(terminal().lines(happened(ok=False)))


def test_in_a_file_each_event_is_one_line_with_the_whole_time() -> None:
    (line,) = Plain(8).lines(happened("x " * 200))
    assert line.startswith("2026-11-21T03:00:05Z  cx/cx1    x x")


@pytest.mark.parametrize("layout", [Plain(8), terminal()])
def test_words_of_others_can_do_nothing_to_a_terminal(layout: Any) -> None:
    lines = list(layout.lines(happened("a\x1b[31mb\nc", node="cx\x1b1")))
    assert "\x1b" not in "".join(lines)
    assert len(lines) == 1


def test_an_event_without_words_is_shown_all_the_same() -> None:
    assert list(terminal().lines(happened(""))) == ["03:00:05Z  cx/cx1"]


def test_an_object_has_all_that_there_is() -> None:
    (line,) = Json().lines(happened(user="alice"))
    told = json.loads(line)
    assert (told["number"], told["service"], told["group"], told["node"]) == (7, "sync", "cx", "cx1")
    assert (told["event"]["kind"], told["event"]["user"]) == ("state", "alice")


def test_names_are_as_wide_as_the_longest_up_to_a_bound() -> None:
    assert key_width([happened(), happened(node="cx123")]) == len("cx/cx123")
    assert key_width([happened(node="x" * 100)]) == 20
    assert key_width([]) == 8


@pytest.mark.parametrize(
    ("targets", "fits"),
    [
        ([], True),
        (["cx"], True),
        (["cx/"], True),
        (["cx/cx1"], True),
        (["cx/cx?", "recv"], True),
        (["all"], True),
        (["all/cx1"], True),
        (["c*"], True),
        (["cx/cx2"], False),
        (["recv"], False),
        (["cx1"], False),
    ],
)
def test_targets_choose_as_in_the_journal(targets: list[str], fits: bool) -> None:
    assert happened().concerns(targets) is fits


def test_what_concerned_the_whole_group_concerned_each_of_its_nodes() -> None:
    assert happened(node="-").concerns(["cx/cx5"])
    assert not happened(node="-").concerns(["recv/recv1"])


@pytest.mark.parametrize(
    ("where", "kind", "target", "fits"),
    [
        (("cx", "-"), "command", "cx/cx1", True),
        (("-", "-"), "command", "cx/cx1", True),
        (("-", "-"), "reply", "cx", True),
        (("-", "-"), "config", "recv/recv1", True),
        (("-", "cx1"), "reply", "cx/cx1", True),
        (("-", "cx1"), "reply", "cx/cx2", False),
        (("-", "-"), "service", "cx/cx1", False),
        (("-", "-"), "eop", "cx", False),
        (("recv", "-"), "command", "cx/cx1", False),
    ],
)
def test_what_concerned_all_groups_concerned_each_node(
    where: tuple[str, str], kind: str, target: str, fits: bool
) -> None:
    one = happened(group=where[0], node=where[1], kind=EventKind(kind))
    assert one.concerns([target]) is fits
