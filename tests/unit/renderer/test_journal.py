import logging
from dataclasses import replace

import pytest

from conche.kotekan.revision import Fingerprint
from conche.renderer.journal import Journal
from conche.renderer.nodes import Node
from conche.renderer.problems import Problem
from conche.renderer.render import Rendered
from conche.renderer.worklist import Done

GOOD = Done(entry="", reads=frozenset(), revision="r", error=None, updatable={})


def failed(name: str, words: str) -> Rendered:
    return Rendered(Node("cx", name, "h"), frozenset(), problems=(Problem("f", words),))


def rendered(name: str, revision: str) -> Rendered:
    return replace(failed(name, ""), problems=(), fingerprint=Fingerprint(revision, "b", {}))


def test_error_that_many_nodes_share_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()
    for i in range(1000):
        journal.note(failed(f"n{i}", "bad"), None)
    journal.tell()
    journal.tell()
    (line,) = caplog.messages
    assert line.startswith("no config for cx/n0, cx/n1, ")
    assert line.endswith("cx/n9 and 990 more: f: bad")


def test_many_different_changes_are_a_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    journal = Journal()
    for i in range(1000):
        journal.note(rendered(f"n{i}", f"r{i}"), GOOD)
    journal.tell()
    assert len(caplog.messages) == 11
    assert caplog.messages[-1].endswith("and 980 more: 990 configs of their own")


def test_what_is_as_it_was_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    journal = Journal()
    journal.note(rendered("a", "r"), GOOD)
    journal.note(failed("b", "bad"), replace(GOOD, revision=None, error="f: bad"))
    journal.tell()
    assert caplog.messages == []
