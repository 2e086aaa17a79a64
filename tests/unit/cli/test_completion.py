"""What a shell is told."""

import pytest
from click.testing import CliRunner

from conche.cli.main import main
from conche.cli.targets import candidates

GROUPS = {"cx": ["cx10", "cx2"], "recv": ["recv1"], "empty": []}


@pytest.mark.parametrize(
    ("begun", "found"),
    [
        ("", ["cx", "recv", "all"]),
        ("c", ["cx", "cx/cx2", "cx/cx10"]),
        ("cx/cx1", ["cx/cx10"]),
        ("a", ["all"]),
        ("q", []),
    ],
)
def test_groups_come_first_and_then_the_nodes_of_one(begun: str, found: list[str]):
    assert candidates(GROUPS, begun) == found


def test_without_a_registry_there_is_nothing():
    assert candidates({}, "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str):
    ran = CliRunner().invoke(main, ["completion", shell])
    assert ran.exit_code == 0
    assert "_CONCHE_COMPLETE" in ran.output
