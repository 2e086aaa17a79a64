"""How a change of the config directory is shown."""

import io
from typing import Any

import pytest
from rich.console import Console

from conche.cli.history import head_of, patch_line
from conche.contract import LoggedCommit

from .samples import NOW


def commit(**fields: Any) -> LoggedCommit:
    return LoggedCommit(**{"id": "a" * 40, "at": NOW, "author": "ann", "subject": "gains of cx/cx1"} | fields)


def shown(one: LoggedCommit) -> str:
    out = Console(file=io.StringIO(), width=80, highlight=False)
    for block in head_of(one):
        out.print(block)
    assert isinstance(out.file, io.StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines())


def test_who_when_what_and_why_stand_before_the_patch():
    text = shown(
        commit(reason="sky", trailers={"Via": "panel"}, paths=["cx/cx1.yaml", "cx/cx2.yaml", "cx/cx3.yaml"])
    )
    assert text.startswith(f"commit {'a' * 40}\nauthor  ann\nwhen    2026-11-21 03:00:00Z\n")
    assert "reason  sky\nVia     panel\nfiles   cx/cx1…cx3.yaml\n" in text


def test_what_is_not_there_takes_no_line():
    assert "reason" not in shown(commit())


def test_somebody_elses_words_can_do_nothing_to_a_terminal():
    assert "\x1b" not in shown(commit(author="\x1b[2J", reason="a\nb"))
    assert "\x1b" not in patch_line("+\x1b[2J").plain


@pytest.mark.parametrize(
    ("line", "style"),
    [
        ("+a", "green"),
        ("-a", "red"),
        ("@@ -1 +1 @@", "cyan"),
        ("+++ b/x", "bold"),
        ("--- a/x", "bold"),
        (" a", ""),
    ],
)
def test_lines_of_a_patch_have_their_colour(line: str, style: str):
    assert patch_line(line).style == style
