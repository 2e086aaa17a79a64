"""Where the checkout is: it holds what is shipped beside the package."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from .home import PROJECT_VARIABLE

_SIGN: Final = Path("mosquitto/mosquitto.conf")


def find_project(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the checkout: the one that ``CONCHE_PROJECT`` names, else the one that this package runs from.

    Raises
    ------
    click.ClickException
        If it is not there: an installed package does not bring what is shipped beside it.
    """
    named = environment.get(PROJECT_VARIABLE)
    project = Path(named) if named else Path(__file__).parents[3]
    if not (project / _SIGN).is_file():
        raise click.ClickException(
            f"{project} is no checkout of conche (no {_SIGN} in it): run ./conche.sh there, or set {PROJECT_VARIABLE}"
        )
    return project
