"""Rows that are alike, drawn together."""

from typing import Any

from conche.cli.folding import fold, said_once
from conche.cli.rows import Row, row_of
from conche.contract import Maintenance, NodeStatus

from .samples import NOW, ago, status

EPOCH = Maintenance(on=True, by="conche", reason="new epoch")
ALICE = Maintenance(on=True, by="alice", reason="new GPU")


def row(one: NodeStatus, *, key: str = "cx/cx1", **how: Any) -> Row:
    return row_of(key, one, **{"known": True, "registered": True, "now": NOW} | how)


def words(shown: Row) -> list[str]:
    return [note.words for note in shown.notes]


def marks(rows: list[Row]) -> list[str | None]:
    return [shown.switch and shown.switch.words for shown in rows]


def cluster(down: int, well: int) -> list[Row]:
    refused = [
        row(status("down", error=f"10.0.0.{i}:12048: refused", since=ago(hours=3)), key=f"cx/cx{i}")
        for i in range(1, down + 1)
    ]
    return refused + [
        row(status(since=ago(hours=i)), key=f"cx/cx{i}") for i in range(down + 1, down + well + 1)
    ]


def test_in_a_large_group_alike_nodes_share_a_row_and_the_worst_comes_first():
    folded = fold(list(reversed(cluster(down=2, well=20))))
    assert [shown.names for shown in folded] == [("cx1", "cx2"), tuple(f"cx{i}" for i in range(3, 23))]
    assert words(folded[0]) == ["refused"]
    assert [shown.since for shown in folded] == ["3 h", ""]


def test_in_a_small_group_nodes_share_a_row_only_to_say_the_same_many_times():
    assert fold(cluster(down=4, well=8)) == cluster(down=4, well=8)
    folded = fold(cluster(down=5, well=8))
    assert [len(shown.names) for shown in folded] == [5, *[1] * 8]
    assert words(folded[0]) == ["refused"]


def test_a_row_that_stays_alone_keeps_all_its_words():
    folded = fold(cluster(down=1, well=20))
    assert words(folded[0]) == ["10.0.0.1:12048: refused"]


def test_nodes_in_maintenance_share_a_row_like_any_that_have_the_same_to_say():
    folded = fold([row(status("stopped", maintenance=EPOCH), key=f"cx/cx{i}") for i in range(1, 6)])
    assert [len(shown.names) for shown in folded] == [5]


def test_words_about_maintenance_that_all_rows_share_are_said_once():
    rows = [row(status(state, maintenance=EPOCH), key=f"cx/{state}") for state in ("started", "stopped")]
    shared, shown = said_once(rows)
    assert shared == ["all 2 nodes: maintenance by conche: new epoch"]
    assert marks(shown) == [None, None]


def test_where_some_rows_share_them_these_keep_a_hint():
    switches = {"cx1": EPOCH, "cx2": EPOCH, "cx3": ALICE, "cx4": Maintenance(on=False)}
    shared, shown = said_once([row(status(maintenance=s), key=f"cx/{n}") for n, s in switches.items()])
    assert shared == ["2 nodes: maintenance by conche: new epoch (cx1, cx2)"]
    assert marks(shown) == [
        "maintenance by conche",
        "maintenance by conche",
        "maintenance by alice: new GPU",
        None,
    ]


def test_a_thousand_nodes_of_a_new_epoch_say_so_in_one_line():
    states = ("started", "stopped", "down")
    rows = [row(status(states[i % 3], maintenance=EPOCH), key=f"cx/cx{i}") for i in range(1000)]
    shared, shown = said_once(fold(rows))
    assert shared == ["all 1000 nodes: maintenance by conche: new epoch"]
    assert (len(shown), marks(shown)) == (3, [None] * 3)
