import itertools
import json
from pathlib import Path

import click
import pytest

from conche.local import rehearsal
from conche.local.rehearsal import SimNode, extend
from conche.renderer.nodes import Node


def node(key: str, host: str | None = None, port: int = 12048) -> Node:
    group, name = key.split("/")
    return Node(group=group, name=name, host=host or f"{name}.site", port=port)


def ports(first: int = 21000):
    return itertools.count(first)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "cx").mkdir(parents=True)
    (folder / "nodes.yaml").write_text("groups: {cx: {cx1: {host: cx1.site, port: 12048}}}\n")
    (folder / "cx" / "cx1.yaml").write_text("log_level: info\n")
    return folder


def copied(source: Path, tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    rehearsal.copy(source, home / "configs", without=home)
    return home / "configs"


def test_each_address_of_the_registry_gets_a_node():
    assert extend({}, [node("cx/cx1"), node("recv/recv1")], ports()) == {
        "cx1.site:12048": SimNode("cx/cx1", 21000),
        "recv1.site:12048": SimNode("recv/recv1", 21001),
    }


def test_nodes_that_there_are_keep_their_ports_when_others_are_added():
    before = extend({}, [node("cx/cx2")], ports())
    after = extend(before, [node("cx/cx1"), node("cx/cx2")], ports(21001))
    assert after["cx2.site:12048"] == SimNode("cx/cx2", 21000)
    assert after["cx1.site:12048"] == SimNode("cx/cx1", 21001)


def test_a_node_that_is_renamed_is_still_the_machine_at_its_address():
    before = extend({}, [node("cx/cx1")], ports())
    assert extend(before, [node("cx/other", host="cx1.site")], ports()) == before


def test_a_node_that_moves_is_another_machine_under_another_name():
    before = extend({}, [node("cx/cx1")], ports())
    after = extend(before, [node("cx/cx1", host="new.site")], ports(21001))
    assert after["cx1.site:12048"].name == "cx/cx1"
    assert after["new.site:12048"] == SimNode("cx/cx1.21001", 21001)


def test_what_is_written_is_what_simulator_and_services_read(tmp_path):
    simulation = extend({}, [node("cx/cx1"), node("cx/cx2", port=9)], ports())
    rehearsal.write(simulation, tmp_path, fpga_port=21002)
    assert json.loads((tmp_path / rehearsal.MAP).read_text())["nodes"]["cx/cx2"] == {
        "host": "127.0.0.1",
        "port": 21001,
    }
    assert json.loads((tmp_path / rehearsal.ADDRESSES).read_text())["cx2.site:9"] == "127.0.0.1:21001"
    assert rehearsal.read(tmp_path) == simulation
    assert rehearsal.read_fpga_port(tmp_path) == 21002


def test_a_registry_that_is_wrong_is_not_rehearsed(source):
    (source / "nodes.yaml").write_text("groups: {cx: {cx1: {port: no}}}\n")
    with pytest.raises(click.ClickException, match=r"nodes\.yaml:1: .*cx1/port"):
        rehearsal.registry(source)


def test_a_copy_has_the_same_files(source, tmp_path):
    copy = copied(source, tmp_path)
    assert (copy / "cx" / "cx1.yaml").read_text() == "log_level: info\n"


def test_a_copy_of_what_is_read_only_can_be_written(source, tmp_path):
    for path in (source / "cx" / "cx1.yaml", source / "cx", source):
        path.chmod(0o555)
    copy = copied(source, tmp_path)
    assert (copy / "cx" / "cx1.yaml").stat().st_mode & 0o200
    assert (copy / "cx").stat().st_mode & 0o200


def test_the_git_history_stays_behind(source, tmp_path):
    (source / ".git").write_text("gitdir: /somewhere/else\n")  # as in a worktree: commits would go there
    assert not (copied(source, tmp_path) / ".git").exists()


def test_a_second_copy_is_fresh_and_the_first_is_set_aside(source, tmp_path):
    (copied(source, tmp_path) / "cx" / "cx1.yaml").write_text("edited\n")
    copy = copied(source, tmp_path)
    assert (copy / "cx" / "cx1.yaml").read_text() == "log_level: info\n"
    assert (tmp_path / "home" / "configs.previous" / "cx" / "cx1.yaml").read_text() == "edited\n"


def test_a_link_inside_the_directory_leads_into_the_copy(source, tmp_path):
    (source / "cx" / "cx2.yaml").symlink_to(source / "cx" / "cx1.yaml")
    (source / "cx" / "cx3.yaml").symlink_to("cx1.yaml")
    copy = copied(source, tmp_path)
    for name in ("cx2.yaml", "cx3.yaml"):
        assert (copy / "cx" / name).resolve() == copy / "cx" / "cx1.yaml"


def test_a_folder_elsewhere_is_not_written_to_through_a_link(source, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (source / ".updatable").symlink_to(elsewhere)
    assert not (copied(source, tmp_path) / ".updatable").exists()


def test_state_that_lies_in_the_directory_is_not_copied_into_itself(source):
    home = source / ".conche"
    home.mkdir()
    rehearsal.copy(source, home / "configs", without=home)
    rehearsal.copy(source, home / "configs", without=home)
    assert sorted(path.name for path in (home / "configs").iterdir()) == ["cx", "nodes.yaml"]


def test_what_can_not_be_copied_is_named(source, tmp_path):
    import os

    os.mkfifo(source / "cx" / "pipe")
    with pytest.raises(click.ClickException, match=r"cx/pipe.*named pipe"):
        copied(source, tmp_path)
