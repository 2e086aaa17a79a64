"""What commands do and how they are answered: the real orders, editor and history, and nodes that obey."""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw
from msgspec.json import encode

from conche.contract import (
    Arguments,
    BaseConfig,
    Change,
    EditAction,
    NodeEntry,
    Outcome,
    Plan,
    Rejection,
    Reply,
    SetFiles,
    SetNodes,
    UpdatableConfig,
)
from conche.kotekan.revision import revision
from conche.renderer import changeset
from conche.renderer.changeset import FILE
from conche.renderer.steps import put_in_place

from .plane import BASE, NAMES, Killed, Plane, dying_at, patched

SHARED = BASE.format(depth=1)


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    plane = Plane(tmp_path)
    plane.start()
    yield plane
    plane.end()


def gain(coeff: float, **more: Any) -> UpdatableConfig:
    return UpdatableConfig(endpoint="gains", values={"coeff": coeff}, **more)


def outcomes(reply: Reply) -> dict[str, Outcome]:
    return {key: result.outcome for key, result in reply.results.items()}


def planned(plane: Plane, action: EditAction, whom: str, wish: Arguments) -> Reply:
    return plane.wish("plan", whom, Plan(action=action, arguments=Raw(encode(wish))))


def refused_by(plane: Plane, name: str, coeff: float) -> None:
    one = Rejection(
        endpoint="gains", values=revision({"coeff": coeff}), error="too loud", at=datetime.now(UTC)
    )
    plane.rejected[name] = [one]
    plane.obey()


# --- what is ok


def test_set_nodes_is_answered_when_the_nodes_that_get_other_configs_run_them(plane: Plane) -> None:
    entries = {name: NodeEntry() for name in NAMES} | {"cx1": NodeEntry(vars={"d": 5})}
    reply = plane.wish("set_nodes", "all", SetNodes(groups={"cx": entries}), group="all")
    assert (reply.ok, outcomes(reply)) == (True, {"cx/cx1": Outcome.OK})


def test_a_node_that_is_stopped_makes_a_reply_not_ok(plane: Plane) -> None:
    plane.stopped.add("cx2")
    plane.obey()
    reply = plane.wish("updatable_config", "all", gain(2.0))
    assert outcomes(reply) == {"cx/cx1": Outcome.OK, "cx/cx2": Outcome.SKIPPED, "cx/cx3": Outcome.OK}
    assert not reply.ok
    assert "it is stopped" in (reply.results["cx/cx2"].error or "")


@pytest.mark.parametrize("restarted", [False, True])
def test_a_node_without_the_block_is_skipped_and_the_reply_is_ok(plane: Plane, restarted: bool) -> None:
    plane.write("cx/cx3.yaml", "depth: 1\n")
    plane.look()
    plane.obey()
    reply = plane.wish("updatable_config", "all", gain(2.0, id="g"))
    if restarted:
        plane.restart()
        reply = plane.wish("updatable_config", "all", gain(2.0, id="g"))
    assert (reply.ok, outcomes(reply)["cx/cx3"]) == (True, Outcome.SKIPPED)
    assert "has no updatable block gains" in (reply.results["cx/cx3"].error or "")


# --- ids


def test_an_id_whose_change_was_so_already_is_known_after_a_restart(plane: Plane) -> None:
    assert plane.wish("updatable_config", "cx1", gain(2.0)).ok
    assert plane.wish("updatable_config", "cx1", gain(2.0, id="again")).commit is None
    plane.wish("updatable_config", "cx1", gain(3.0))
    plane.restart()
    reply = plane.wish("updatable_config", "cx1", gain(2.0, id="again"))
    assert not reply.ok
    assert "was carried out before; .updatable/cx/cx1.json was changed" in (reply.error or "")
    assert "3.0" in (plane.text(".updatable/cx/cx1.json") or "")


def test_an_id_whose_change_was_so_already_and_still_is_is_answered_by_what_the_nodes_run(
    plane: Plane,
) -> None:
    plane.wish("updatable_config", "cx1", gain(2.0))
    plane.wish("updatable_config", "cx1", gain(2.0, id="again"))
    plane.restart()
    reply = plane.wish("updatable_config", "cx1", gain(2.0, id="again"))
    assert (reply.ok, outcomes(reply)) == (True, {"cx/cx1": Outcome.OK})


def test_an_id_whose_change_was_so_already_is_refused_to_another_command(plane: Plane) -> None:
    plane.wish("updatable_config", "cx1", gain(2.0))
    plane.wish("updatable_config", "cx1", gain(2.0, id="again"))
    plane.restart()
    reply = plane.wish("updatable_config", "cx2", gain(2.0, id="again"))
    assert "the id 'again' is that of updatable_config of cx/cx1" in (reply.error or "")


# --- links


@pytest.fixture
def linked(plane: Plane) -> Plane:
    """Let cx2 have the base config of cx1 by a link, and cx3 be alone."""
    path = plane.root / "cx/cx2.yaml"
    path.unlink()
    path.symlink_to("cx1.yaml")
    plane.look()
    plane.obey()
    return plane


def test_a_base_config_that_is_a_link_concerns_all_who_use_the_file(linked: Plane) -> None:
    wish = BaseConfig(config_content=BASE.format(depth=7))
    reply = linked.wish("base_config", "cx2", wish)
    assert "cx/cx1.yaml would change cx/cx1 too" in (reply.error or "")
    plan = planned(linked, EditAction.BASE_CONFIG, "cx1", wish).plan
    assert plan is not None
    assert plan.nodes.keys() == {"cx/cx1", "cx/cx2"}
    assert linked.text("cx/cx1.yaml") == SHARED


@pytest.mark.parametrize("whom", ["cx1", "cx2", "all"])
def test_a_change_through_a_link_is_one_commit_of_the_real_file_by_its_sender(
    linked: Plane, whom: str
) -> None:
    wish = BaseConfig(config_content=BASE.format(depth=7), shared=True, id="b")
    reply = linked.wish("base_config", whom, wish)
    assert reply.ok, reply
    assert {"cx/cx1", "cx/cx2"} <= reply.results.keys()
    assert (linked.root / "cx/cx2.yaml").is_symlink()
    commit = next(linked.history.log())
    assert (commit.author, commit.trailers["Command-Id"]) == ("ann", "ann/b")
    assert set(commit.paths) - {"cx/cx3.yaml"} == {"cx/cx1.yaml"}
    assert linked.runs["cx1"] == linked.wanted("cx1")
    assert linked.runs["cx2"] == linked.wanted("cx2")


def test_values_that_two_nodes_store_in_one_file_are_not_given_to_one_alone(plane: Plane) -> None:
    assert plane.wish("updatable_config", "cx1", gain(2.0)).ok
    (plane.root / ".updatable/cx/cx2.json").symlink_to("cx1.json")
    plane.look()
    plane.obey()
    reply = plane.wish("updatable_config", "cx2", gain(3.0))
    assert ".updatable/cx/cx1.json would change cx/cx1 too" in (reply.error or "")
    assert plane.wish("updatable_config", "all", gain(3.0)).ok


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("../nodes.yaml", "nodes.yaml takes the role admin"),
        ("../.git/config", "which is no file of a config directory"),
        ("../../out.yaml", "outside of the config directory"),
    ],
)
def test_a_link_to_what_the_sender_may_not_write_is_refused(plane: Plane, target: str, words: str) -> None:
    (plane.root / "cx/x.yaml").symlink_to(target)
    nodes = plane.text("nodes.yaml")
    reply = plane.wish("set_files", "renderer", SetFiles(files={"cx/x.yaml": "groups: {}"}), group="-")
    assert words in (reply.error or "")
    assert plane.text("nodes.yaml") == nodes


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"cx/cx1.yaml": "a: 1", "cx/cx2.yaml": "a: 2"}, "are one file, cx/cx1.yaml"),
        ({"cx/cx2.yaml": None}, "remove the link on disk"),
    ],
)
def test_a_link_is_not_written_with_two_contents_nor_removed(
    linked: Plane, files: dict[str, str | None], words: str
) -> None:
    reply = linked.wish("set_files", "renderer", SetFiles(files=files), group="-")
    assert words in (reply.error or "")
    assert linked.text("cx/cx1.yaml") == SHARED


# --- plans


def test_a_plan_of_what_will_be_refused_says_so_and_still_names_the_nodes(linked: Plane) -> None:
    wish = BaseConfig(config_content=BASE.format(depth=7))
    reply = planned(linked, EditAction.BASE_CONFIG, "cx1", wish)
    assert reply.plan is not None
    assert not reply.ok
    assert reply.error == linked.wish("base_config", "cx1", wish).error
    assert {key: node.change for key, node in reply.plan.nodes.items()} == {
        "cx/cx1": Change.RESTART,
        "cx/cx2": Change.RESTART,
    }


def test_values_that_another_node_of_the_group_refused_are_planned_as_rejected(plane: Plane) -> None:
    refused_by(plane, "cx1", 9.0)
    reply = planned(plane, EditAction.UPDATABLE_CONFIG, "cx2", gain(9.0))
    assert reply.plan is not None
    assert (reply.ok, reply.plan.nodes["cx/cx2"].change) == (False, Change.REJECTED)
    assert reply.plan.nodes["cx/cx2"].error == "cx/cx1 refused these values of gains: too loud"
    assert reply.error == plane.wish("updatable_config", "cx2", gain(9.0)).error


def test_values_that_are_forced_are_planned_as_tried(plane: Plane) -> None:
    refused_by(plane, "cx1", 9.0)
    reply = planned(plane, EditAction.UPDATABLE_CONFIG, "all", gain(9.0, force=True))
    assert reply.plan is not None
    assert reply.ok
    assert {node.change for node in reply.plan.nodes.values()} == {Change.UPDATE}


# --- crashes, and disks that refuse


def everywhere(depth: int, **more: Any) -> BaseConfig:
    return BaseConfig(config_content=BASE.format(depth=depth), **more)


@pytest.mark.parametrize("point", ["before renames", "between renames", "before commit"])
def test_a_crash_and_a_hand_edit_leave_the_hand_edit_and_nothing_of_the_change(
    plane: Plane, point: str
) -> None:
    with dying_at(point), pytest.raises(Killed):
        plane.wish("base_config", "all", everywhere(7, id="b"))
    plane.kill()
    plane.write("cx/cx2.yaml", "mine: 1\n")
    plane.start()
    assert plane.text("cx/cx1.yaml") == plane.text("cx/cx3.yaml") == SHARED
    assert plane.text("cx/cx2.yaml") == "mine: 1\n"
    assert not [c for c in plane.history.log() if "Command-Id" in c.trailers]


def read_only(*_: Any) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), "cx1.yaml")


@pytest.fixture
def half_done(plane: Plane) -> Plane:
    """Have the disk refuse after one rename, and the taking back too, until `changeset.take_back` is whole again."""

    def one(steps: Any) -> None:
        put_in_place(list(steps)[:1])
        read_only()

    with patched(changeset, "put_in_place", one), patched(changeset, "take_back", read_only):
        reply = plane.wish("base_config", "all", everywhere(7, id="b"))
        assert not reply.ok
        assert "it is half done" in (reply.error or "")
        assert "Read-only file system" in (reply.error or "")
        reply = plane.wish("updatable_config", "cx1", gain(2.0))
        assert "can't be taken back yet" in (reply.error or "")
    return plane


def test_what_could_not_be_taken_back_is_as_soon_as_the_disk_lets_it(half_done: Plane) -> None:
    assert half_done.wish("updatable_config", "cx1", gain(2.0)).ok
    assert half_done.text("cx/cx1.yaml") == SHARED
    assert half_done.wish("base_config", "all", everywhere(7, id="b")).ok


def test_what_could_not_be_taken_back_is_at_the_next_start_and_not_carried_out(half_done: Plane) -> None:
    half_done.restart()
    assert half_done.text("cx/cx1.yaml") == SHARED
    assert not (half_done.root / FILE).exists()
    assert not [c for c in half_done.history.log() if "Command-Id" in c.trailers]
