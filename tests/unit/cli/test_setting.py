"""What is typed after `conche set`."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from conche.cli.main import main
from conche.cli.setting import values_of


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=3", 3), ("a=3.0", 3.0), ("a=true", True), ("a=null", None), ("a=[1, 2]", [1, 2]),
        ('a="3"', "3"), ("a=fast", "fast"), ("a=", ""), ("a=x=y", "x=y"), ("a=True", "True"),
    ],
)  # fmt: skip
def test_a_value_is_json_and_a_bare_word_is_text(word: str, value: Any):
    assert repr(values_of([word])) == repr({"a": value})


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["gain"], "'gain' is no KEY=VALUE"),
        (["=3"], "'=3' is no KEY=VALUE"),
        (["a=1", "a=2"], "a is given twice"),
        (["a=[1,"], "is not JSON"),
        (['a="x'], "is not JSON"),
    ],
)
def test_a_word_that_makes_no_sense_is_told(words: list[str], problem: str):
    with pytest.raises(click.UsageError, match=r".") as raised:
        values_of(words)
    assert problem in str(raised.value)


def test_without_values_nothing_is_sent():
    ran = CliRunner().invoke(main, ["set", "cx", "gains"])
    assert ran.exit_code == 2
    assert "say at least one KEY=VALUE" in ran.output


@pytest.mark.parametrize(("text", "problem"), [("{", "not JSON"), ("[1]", "must be a JSON object")])
def test_a_file_that_is_no_object_is_told(text: str, problem: str):
    ran = CliRunner().invoke(main, ["set", "cx", "gains", "--file", "-"], input=text)
    assert ran.exit_code == 2
    assert problem in ran.output
