"""How the status is laid out."""

import dataclasses
import io

from click.testing import CliRunner
from rich.console import Console

from conche.cli.overview import overview
from conche.cli.status import Detail, blocks_of
from conche.cli.status import status as status_command
from conche.client.picture import UNPOLLED, Picture
from conche.client.targets import resolve
from conche.contract import Maintenance, NodeStatus

from .samples import NOW, ago, picture, status


def shown(one: Picture, detail: Detail = Detail.FOLDED) -> str:
    out = Console(file=io.StringIO(), width=80, highlight=False)
    for block in blocks_of(overview(one, resolve(["all"], one.groups()), NOW), detail, now=NOW):
        out.print(block)
    assert isinstance(out.file, io.StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines())


def large(**others: NodeStatus) -> Picture:
    statuses = {f"cx/cx{i}": status(since=ago(hours=3)) for i in range(1, 97)}
    return picture(statuses | {f"cx/{name}": one for name, one in others.items()})


def test_a_small_group_has_a_row_for_every_node():
    text = shown(picture({f"cx/cx{i}": status() for i in range(20)}))
    assert all(f" cx{i} " in text for i in range(20))


def test_in_a_large_group_nodes_that_are_well_share_one_line():
    text = shown(large(cx7=status("down", error="refused")))
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "cx7 down run refused" in rows
    assert "95 nodes started run 3 h cx1…cx6, cx8…cx96" in rows
    assert "97 nodes" not in text
    assert len(text.splitlines()) < 12


def test_all_shows_every_node_of_a_large_group():
    assert len(shown(large(), Detail.ALL).splitlines()) > 96


def test_wrong_shows_only_what_somebody_should_look_at():
    text = shown(large(cx7=status("down", error="refused")), Detail.WRONG)
    assert "cx7" in text
    assert "cx8" not in text


def test_wrong_leaves_out_groups_that_are_well():
    both = picture({"cx/cx1": status("failed", error="no"), "recv/recv1": status()})
    text = shown(both, Detail.WRONG)
    assert "recv1" not in text
    assert "\nrecv " not in text


def test_long_words_are_wrapped_and_never_cut():
    reason = " ".join(f"word{i}" for i in range(40)) + " " + "x" * 100
    switch = Maintenance(on=True, by="alice", reason=reason)
    text = shown(picture({"cx/" + "n" * 60: status(maintenance=switch, error=reason)}))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.count("x") >= 200
    assert text.count("word39") == 2
    assert text.count("n" * 24) == 2


def test_the_words_of_a_new_epoch_stand_once_for_each_group():
    switch = Maintenance(on=True, by="conche", reason="new epoch: look, then take it out of maintenance")
    nodes = {f"cx/cx{i}": status(("started", "stopped")[i % 2], maintenance=switch) for i in range(1000)}
    nodes |= {f"recv/recv{i}": status("stopped", maintenance=switch) for i in range(4)}
    text = shown(picture(nodes))
    assert text.count("new epoch") == 2
    assert "all 1000 nodes: maintenance by conche: new epoch: look" in text
    assert len(text.splitlines()) < 24


def test_services_that_were_stopped_are_named():
    assert "\noffline  eop\n" in shown(picture({"cx/cx1": status()}, eop="offline"))


def test_a_group_that_no_poller_asks_says_so():
    blind = dataclasses.replace(picture({"cx/cx1": status("unknown")}), unpolled={"cx": UNPOLLED})
    assert "cx  error  no poller has asked its nodes lately; well" in shown(blind)


def test_brackets_in_words_are_words():
    assert "[red]not a colour[/red]" in shown(picture({"cx/cx1": status(error="[red]not a colour[/red]")}))


def test_the_last_line_says_how_bad_it_is():
    assert shown(picture({"cx/cx1": status()})).splitlines()[-1] == "normal  1 node in 1 group"
    assert shown(large(cx7=status("down"))).splitlines()[-1] == (
        "error  96 nodes in 1 group, 1 to look at: conche status --wrong"
    )


def test_to_check_is_one_look():
    ran = CliRunner().invoke(status_command, ["--watch", "--check"])
    assert ran.exit_code == 2
    assert "--check is for one look" in ran.output
