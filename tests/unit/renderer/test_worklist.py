from conche.renderer.nodes import parse_nodes
from conche.renderer.render import Rendered
from conche.renderer.worklist import Worklist

TWO = parse_nodes("groups: {cx: {a: , b: }}")


def worklist() -> Worklist:
    work = Worklist()
    work.set_nodes(TWO)
    for node in work.stale():
        work.finish(Rendered(node, frozenset({"vars.yaml", f"{node.key}.yaml"})))
    return work


def stale(work: Worklist) -> list[str]:
    return [node.key for node in work.stale()]


def test_everything_is_rendered_at_first() -> None:
    work = Worklist()
    work.set_nodes(TWO)
    assert stale(work) == ["cx/a", "cx/b"]
    assert not worklist()


def test_changed_file_concerns_its_readers_only() -> None:
    work = worklist()
    work.files_changed(frozenset({"cx/b.yaml"}))
    assert stale(work) == ["cx/b"]
    work.files_changed(frozenset({"vars.yaml"}))
    assert stale(work) == ["cx/b", "cx/a"]


def test_changed_entry_concerns_its_node_only() -> None:
    work = worklist()
    work.set_nodes(parse_nodes("groups: {cx: {a: {vars: {x: 1}}, b: }}"))
    assert stale(work) == ["cx/a"]


def test_started_in_the_entry_changes_no_config() -> None:
    work = worklist()
    work.set_nodes(parse_nodes("groups: {cx: {a: {started: true}, b: }}"))
    assert not work


def test_removed_node_is_forgotten() -> None:
    work = worklist()
    work.files_changed(frozenset({"vars.yaml"}))
    work.set_nodes(parse_nodes("groups: {cx: {a: }}"))
    assert stale(work) == ["cx/a"]
    assert "cx/b.yaml" not in work.reads()
