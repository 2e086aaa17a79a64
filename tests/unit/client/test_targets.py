"""Which nodes a word means."""

from pathlib import Path

import pytest

from conche.client.targets import Chosen, TargetUnknown, fits, resolve

GROUPS = {"cx": ["cx1", "cx2", "cx10"], "recv": ["recv1"], "empty": []}


def test_a_node_is_that_node():
    assert resolve(["cx/cx2"], GROUPS) == {"cx": Chosen(("cx2",), whole=False)}


@pytest.mark.parametrize("word", ["cx", "cx/", "cx/all", "cx/*"])
def test_a_group_is_all_of_it_in_natural_order(word: str):
    assert resolve([word], GROUPS) == {"cx": Chosen(("cx1", "cx2", "cx10"), whole=True)}


@pytest.mark.parametrize("word", ["all", "*", "all/all", "*/*"])
def test_all_is_every_group_that_has_nodes(word: str):
    chosen = resolve([word], GROUPS)
    assert list(chosen) == ["cx", "recv"]
    assert all(group.whole for group in chosen.values())


def test_a_pattern_is_the_nodes_that_fit():
    assert resolve(["cx/cx?"], GROUPS) == {"cx": Chosen(("cx1", "cx2"), whole=False)}
    assert resolve(["*/*1"], GROUPS) == {
        "cx": Chosen(("cx1",), whole=False),
        "recv": Chosen(("recv1",), whole=False),
    }
    assert resolve(["all/recv1"], GROUPS) == {"recv": Chosen(("recv1",), whole=False)}


def test_words_add_up_and_a_group_named_whole_stays_whole():
    assert resolve(["cx/cx1", "cx", "cx/cx1"], GROUPS)["cx"].whole


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("cx/cx3", "there is no node 'cx/cx3'; did you mean cx/cx"),
        ("cx1", "there is no group 'cx1'; did you mean cx/cx1?"),
        ("rec", "did you mean recv"),
        ("cx/q*", "no node fits 'cx/q*'"),
        ("zzz", "there is no group 'zzz'; the groups are cx, empty, recv"),
        ("empty", "the group 'empty' has no nodes"),
        ("cx/cx1.yaml", "put patterns in quotes: 'cx/*'"),
    ],
)
def test_an_unknown_word_is_answered_with_what_would_have_been_right(word: str, words: str):
    with pytest.raises(TargetUnknown, match=r".") as raised:
        resolve(["cx", word], GROUPS)
    assert words in str(raised.value)


def test_a_word_that_is_a_file_hints_at_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "notes").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetUnknown, match="quotes"):
        resolve(["notes"], GROUPS)


def test_without_nodes_nothing_is_suggested():
    with pytest.raises(TargetUnknown, match="there are no nodes yet"):
        resolve(["cx"], {})


def test_a_registry_with_an_error_may_be_why_a_name_is_missing():
    with pytest.raises(TargetUnknown, match=r"error: nodes.yaml: broken"):
        resolve(["nn"], GROUPS, error="nodes.yaml: broken")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], True),
        (["all"], True),
        (["cx"], True),
        (["cx/cx?"], True),
        (["recv", "cx/cx1"], True),
        (["rx/cx1"], False),
    ],
)
def test_a_node_that_may_come_is_known_by_its_name(words: list[str], named: bool):
    assert fits("cx/cx1", words) is named
