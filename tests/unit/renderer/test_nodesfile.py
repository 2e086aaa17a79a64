import pytest
import yaml

from conche.contract import NodeEntry
from conche.renderer.nodesfile import NodesFileInvalid, rewrite

TEXT = """\
# the correlator
groups:
  cx:  # X-engines
    cx1: {host: h1, port: 12049}  # the old one
    cx2:
      host: "h2"   # behind the wall
      rack: 7
  recv: {}
site: here
"""


def test_what_is_not_named_is_kept_with_its_comments_and_unknown_keys() -> None:
    text = rewrite(TEXT, {"cx": {"cx1": NodeEntry(), "cx2": NodeEntry(port=99)}, "recv": {}})
    assert text == TEXT.replace("      rack: 7\n", "      rack: 7\n      port: 99\n")


def test_groups_and_nodes_that_are_not_named_go_and_new_ones_come() -> None:
    text = rewrite(TEXT, {"cx": {"cx2": NodeEntry()}, "beam": {"b1": NodeEntry(host="b.example.org")}})
    groups = {"cx": {"cx2": {"host": "h2", "rack": 7}}, "beam": {"b1": {"host": "b.example.org"}}}
    assert yaml.safe_load(text) == {"groups": groups, "site": "here"}
    assert text.startswith("# the correlator\n")


def test_null_removes_a_key() -> None:
    text = rewrite(TEXT, {"cx": {"cx1": NodeEntry(port=None)}})
    assert yaml.safe_load(text)["groups"] == {"cx": {"cx1": {"host": "h1"}}}


def test_an_empty_file_is_begun() -> None:
    text = rewrite("", {"cx": {"cx1": NodeEntry(started=True), "cx2": NodeEntry()}})
    assert yaml.safe_load(text) == {"groups": {"cx": {"cx1": {"started": True}, "cx2": None}}}


@pytest.mark.parametrize(
    ("text", "groups", "words"),
    [
        ("groups: [", {}, "is not YAML as it is"),
        ("- a", {}, "is no mapping as it is"),
        (TEXT, {"cx": {"a/b": NodeEntry()}}, "letters, digits"),
        (TEXT, {"cx": {"cx1": NodeEntry(port=0)}}, "is not a port"),
        (TEXT, {"cx": {"cx1": NodeEntry(host="h"), "cx2": NodeEntry(host="h", port=12049)}}, "address of"),
    ],
)
def test_what_could_not_be_understood_is_refused(
    text: str, groups: dict[str, dict[str, NodeEntry]], words: str
) -> None:
    with pytest.raises(NodesFileInvalid, match=words):
        rewrite(text, groups)
