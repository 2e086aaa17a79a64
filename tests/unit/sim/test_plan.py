import json
from pathlib import Path

import pytest

from conche.sim.plan import PlanInvalidError, mapped_nodes, numbered_nodes, shares
from conche.sim.unit import Address


def test_numbered_nodes_have_consecutive_ports() -> None:
    nodes = numbered_nodes(2, host="127.0.0.1", first_port=21000)
    assert nodes == [("sim/n0001", Address("127.0.0.1", 21000)), ("sim/n0002", Address("127.0.0.1", 21001))]


def test_ports_of_outgoing_connections_are_refused() -> None:
    with pytest.raises(PlanInvalidError, match="at most"):
        numbered_nodes(20, host="127.0.0.1", first_port=65530)


def test_processes_are_as_many_as_the_nodes_or_their_descriptors_need() -> None:
    nodes = numbered_nodes(5001, host="127.0.0.1", first_port=1024)
    assert [len(part) for part in shares(nodes, processes=None, descriptors=100_000)] == [1667, 1667, 1667]
    assert len(shares(nodes, processes=None, descriptors=4064)) == 6
    assert len(shares([], processes=None, descriptors=4064)) == 1
    with pytest.raises(PlanInvalidError, match="--processes 6"):
        shares(nodes, processes=2, descriptors=4064)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not a map"),
        ("[]", "is not a map"),
        ('{"nodes": {"a/b": {"host": "h"}}}', "is not a map"),
        ('{"nodes": {"ab": {"host": "h", "port": 1}}}', "group/node"),
        ('{"nodes": {"a/b/c": {"host": "h", "port": 1}}}', "group/node"),
        (
            json.dumps({"nodes": {name: {"host": "h", "port": 1} for name in ("a/b", "a/c")}}),
            "a/b and a/c have the same address h:1",
        ),
    ],
)
def test_map_that_makes_no_sense_is_refused_in_words(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(content)
    with pytest.raises(PlanInvalidError, match=words):
        mapped_nodes(path)


def test_missing_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanInvalidError, match=r"cannot read .*nothing\.json"):
        mapped_nodes(tmp_path / "nothing.json")
