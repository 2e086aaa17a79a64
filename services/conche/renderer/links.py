"""Names that are links: a change goes to the real file, under its own name, so that all whom it concerns are seen."""

from dataclasses import replace
from typing import Final

from conche.contract import EditAction

from .configfiles import is_config_file
from .edits import Edit, EditRefused, check_name
from .files import Files
from .nodes import FILE as NODES_FILE
from .problems import ProblemError

NODES_TOO: Final = (EditAction.SET_NODES, EditAction.SET_DIRECTORY, EditAction.ROLLBACK_DIRECTORY)
"""Changes that may be of ``nodes.yaml``."""


def followed(edit: Edit, files: Files) -> Edit:
    """Return an edit with each file under the name of the real one.

    Raises
    ------
    EditRefused
        A link leads where this edit may not write, or its file would have to have two contents.
    """
    found: dict[str, bytes | None] = {}
    first: dict[str, str] = {}
    for name, data in edit.files.items():
        real = _real(name, files)
        if real != name:
            _check_link(name, real, is_removed=data is None)
        if real == NODES_FILE and edit.action not in NODES_TOO:
            check_name(real, nodes_too=False)
        if found.setdefault(real, data) != data:
            raise EditRefused(f"{first[real]} and {name} are one file, {real}: it can't have two contents")
        first.setdefault(real, name)
    return replace(edit, files=found)


def _real(name: str, files: Files) -> str:
    try:
        return files.real_name(name)
    except ProblemError as error:
        raise EditRefused(str(error)) from None


def _check_link(name: str, real: str, *, is_removed: bool) -> None:
    if not is_config_file(real):
        raise EditRefused(f"{name} is a link to {real}, which is no file of a config directory")
    if is_removed:
        raise EditRefused(
            f"{name} is a link to {real}: remove the link on disk, or that file by its own name"
        )
