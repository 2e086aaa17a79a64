"""Pseudo-terminals for tests."""

import os

import pytest


def open_terminal() -> tuple[int, int]:
    """Return both ends of a pseudo-terminal, or skip the test where there are none, as in a bare chroot."""
    try:
        return os.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal can be opened here: {error}")
