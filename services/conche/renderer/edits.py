"""From a wish to change the config directory to the files that it changes; nothing is written here."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec.json import decode

from conche.contract import BaseConfig, EditAction, NodeEntry, Rollback, SetFiles, SetNodes, UpdatableConfig
from conche.kotekan.blocks import updatable_blocks
from conche.kotekan.values import ConfigInvalid, to_json

from .configfiles import SUFFIXES, is_config_file
from .gitwords import HistoryError
from .history import History
from .merge import MergeInvalid, complete_block, parse_stored
from .nodes import FILE as NODES_FILE
from .nodes import Node
from .nodesfile import NodesFileInvalid, rewrite
from .problems import ProblemError, some_of
from .render import Rendering, stored_file

MAX_NAMED: Final = 10
"""Endpoints that a refusal names."""

MAX_FILE_CHARACTERS: Final = 8 * 1024 * 1024
"""Of one file; a guess, as in `files`."""


class EditRefused(Exception):
    """A wish that can't be carried out; says what would have been right."""


@dataclass(frozen=True)
class Edit:
    """A change of the config directory.

    Parameters
    ----------
    action
        What was wished for.
    subject
        The same in one line, for the history.
    files
        Name to new content, None for one that goes.
    targets
        The nodes that it is meant for.
    skipped
        Of those that were named, the ones that it does not concern, and why.
    shared
        Whether it may concern other nodes too.
    endpoint
        The updatable block whose values it sets, if it does that.
    force
        Whether values may be sent that a kotekan has refused.
    """

    action: EditAction
    subject: str
    files: Mapping[str, bytes | None]
    targets: tuple[Node, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    shared: bool = True
    endpoint: str | None = None
    force: bool = False


def base_config(wish: BaseConfig, targets: Sequence[Node], *, rendering: Rendering) -> Edit:
    """Return the files that a new base config goes into.

    Raises
    ------
    EditRefused
        ``nodes.yaml`` names a file that can't be.
    """
    content = _encoded(wish.config_content, "config_content")
    try:
        files = {rendering.source(node) or f"{node.key}{SUFFIXES[0]}": content for node in targets}
    except ProblemError as error:
        raise EditRefused(str(error)) from None
    return Edit(
        action=EditAction.BASE_CONFIG,
        subject=f"Base config of {_named(targets)}",
        files=files,
        targets=tuple(targets),
        shared=wish.shared,
    )


def updatable_config(wish: UpdatableConfig, targets: Sequence[Node], *, rendering: Rendering) -> Edit:
    """Return the files of stored values with new ones for a block.

    Raises
    ------
    EditRefused
        The values don't fit the block of a target, or no target has such a block.
    """
    try:
        given, _ = to_json(wish.values)
    except ConfigInvalid as error:
        raise EditRefused(f"values: {error}") from None
    files: dict[str, bytes | None] = {}
    skipped: dict[str, str] = {}
    endpoint = wish.endpoint.strip("/")
    found: dict[bytes, dict[str, dict[str, Any]]] = {}
    for node in targets:
        base = _base(node, rendering)
        if base not in found:  # many nodes have the same
            found[base] = updatable_blocks(decode(base))
        blocks = found[base]
        if endpoint in blocks:
            files[stored_file(node)] = _with_values(node, endpoint, blocks[endpoint], given, rendering)
        else:
            skipped[node.key] = without_block(endpoint)
    if not files:
        known = sorted({endpoint for blocks in found.values() for endpoint in blocks})
        there = f"there are {some_of(known, at_most=MAX_NAMED)}" if known else "there are none"
        raise EditRefused(f"{_named(targets)} has no updatable block {endpoint!r}; {there}")
    concerned = tuple(node for node in targets if node.key not in skipped)
    return Edit(
        action=EditAction.UPDATABLE_CONFIG,
        subject=f"{endpoint} of {_named(concerned)}",
        files=files,
        targets=concerned,
        skipped=skipped,
        shared=False,
        endpoint=endpoint,
        force=wish.force,
    )


def without_block(endpoint: str) -> str:
    """Return why a node is skipped."""
    return f"has no updatable block {endpoint}: nothing is stored for it"


def _base(node: Node, rendering: Rendering) -> bytes:
    try:
        return rendering.base(node)
    except ProblemError as error:
        raise EditRefused(f"{node.key} has no config that it could be checked against: {error}") from None


def _with_values(
    node: Node, endpoint: str, block: dict[str, Any], given: dict[str, Any], rendering: Rendering
) -> bytes:
    try:
        values = complete_block(block, given, endpoint)
        return written({**rendering.stored(node), endpoint: values})
    except MergeInvalid as error:
        raise EditRefused(f"{node.key}: {error}") from None
    except ProblemError as error:
        raise EditRefused(f"{error}; mend or remove that file first") from None


def written(stored: Mapping[str, Any]) -> bytes:
    """Return the text of a file of stored values."""
    return (json.dumps(stored, indent=2, ensure_ascii=False) + "\n").encode()


def stored_in(data: bytes | None, endpoint: str) -> Any:
    """Return what a file of stored values holds for a block; one that can't be understood is its own answer."""
    if data is None:
        return None
    try:
        return parse_stored(data.decode(), file="").get(endpoint)
    except (ProblemError, UnicodeDecodeError):
        return data


def set_nodes(wish: SetNodes, *, rendering: Rendering) -> Edit:
    """Return ``nodes.yaml`` with other groups and nodes.

    Raises
    ------
    EditRefused
        The file that is there can't be understood, or the new one could not.
    """
    try:
        text = rendering.files.text(NODES_FILE) or ""
        after = rewrite(text, wish.groups)
    except (ProblemError, NodesFileInvalid) as error:
        raise EditRefused(f"{error}; mend it on disk, or by set_files or rollback") from None
    return Edit(
        action=EditAction.SET_NODES,
        subject=f"{NODES_FILE}: {_counted(wish.groups)}",
        files={NODES_FILE: after.encode()},
    )


def _counted(groups: Mapping[str, Mapping[str, NodeEntry]]) -> str:
    return f"{sum(map(len, groups.values()))} nodes in {len(groups)} groups"


def set_files(wish: SetFiles, action: EditAction) -> Edit:
    """Return files as they were given; ``nodes.yaml`` among them only where the action is for those who may.

    Raises
    ------
    EditRefused
        A name that is none of a file of a config directory.
    """
    for name in wish.files:
        check_name(name, nodes_too=action is EditAction.SET_DIRECTORY)
        if any(other.startswith(f"{name}/") for other in wish.files):
            raise EditRefused(f"{name!r} is a file and a folder in one")
    files = {
        name: None if text is None else _encoded(text, name) for name, text in sorted(wish.files.items())
    }
    return Edit(action=action, subject=f"Set {some_of(files)}", files=files)


def check_name(name: str, *, nodes_too: bool = True) -> None:
    """Refuse a name that is none of a file of a config directory.

    Raises
    ------
    EditRefused
        Says how such names look.
    """
    path = PurePosixPath(name)
    if name == NODES_FILE and not nodes_too:
        raise EditRefused(
            f"{NODES_FILE} takes the role admin: set_nodes, set_directory or rollback_directory"
        )
    inside = not path.is_absolute() and ".." not in path.parts and str(path) == name
    if not inside or "\\" in name or "\0" in name or not is_config_file(name):
        raise EditRefused(
            f"{name!r} is no file of a config directory: names start at its top and end in "
            f"{', '.join(SUFFIXES)}, or lie in .updatable and end in .json"
        )


def rollback(wish: Rollback, action: EditAction, *, history: History | None) -> Edit:
    """Return files as they were at a commit; ``nodes.yaml`` only where the action is for those who may.

    Raises
    ------
    EditRefused
        There is no such commit, or no history.
    """
    if history is None:
        raise EditRefused("no history is kept of this directory (renderer.history is false)")
    try:
        commit = history.find(wish.commit)
        files = history.files_at(commit.id, paths=wish.paths)
    except HistoryError as error:
        raise EditRefused(str(error)) from None
    if action is EditAction.ROLLBACK:
        if NODES_FILE in wish.paths:
            check_name(NODES_FILE, nodes_too=False)
        files.pop(NODES_FILE, None)
    if wish.paths and not files:
        raise EditRefused(f"{some_of(wish.paths)} was not there at {commit.id[:8]}, nor is it now")
    what = some_of(wish.paths) if wish.paths else "everything"
    return Edit(
        action=action,
        subject=f"Roll {what} back to {commit.id[:8]} ({commit.subject})",
        files=files,
    )


def contents(names: Iterable[str], *, rendering: Rendering) -> dict[str, bytes | None]:
    """Return what files hold as they were read last, None for one that is not there.

    Raises
    ------
    EditRefused
        One can't be read.
    """
    return {name: _read(rendering, name) for name in names}


def _read(rendering: Rendering, name: str) -> bytes | None:
    try:
        return rendering.files.read(name)
    except ProblemError as error:
        raise EditRefused(str(error)) from None


def _encoded(text: str, what: str) -> bytes:
    if len(text) > MAX_FILE_CHARACTERS:
        raise EditRefused(f"{what}: more than {MAX_FILE_CHARACTERS} characters")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise EditRefused(f"{what}: is not valid Unicode text") from None


def _named(nodes: Iterable[Node]) -> str:
    return some_of([node.key for node in nodes])
