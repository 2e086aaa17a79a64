"""The first local user of the gateway: made once, by a program of the gateway's own."""

import subprocess
import sys
from pathlib import Path

import click


def first_password(folder: Path) -> str | None:
    """Return the password of the user that was made; None where there are users already.

    Parameters
    ----------
    folder
        The gateway's state.

    Raises
    ------
    click.ClickException
        None can be made.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", "conche.gateway.admin", folder],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise click.ClickException(f"no user of the gateway can be made in {folder}: {words[0]}")
    return done.stdout.strip() or None


def first_login(password: str) -> str:
    """Return what is said of that password, this once."""
    return f"user admin of the gateway was made, password {password} (it is not shown again)"
