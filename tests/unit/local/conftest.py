from pathlib import Path

import pytest

from conche.contract import Role
from conche.local.accounts import Accounts

from .books import SECRET, again


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    """Those of a stack, with alice and bob."""
    again(tmp_path / "broker")
    made = Accounts(tmp_path / "broker")
    made.add("alice", role=Role.OPERATOR, password=SECRET)
    made.add("bob", role=Role.VIEWER, password=SECRET)
    return made
