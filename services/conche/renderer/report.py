"""What a config directory says, without a service: for ``conche check`` and ``conche render``."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from .batch import render_all
from .configfiles import STORED_FOLDER, SUFFIXES
from .nodes import FILE as NODES_FILE
from .nodes import Nodes, read_nodes
from .problems import Problem, Severity
from .render import Rendered, Rendering
from .variables import FILE as VARIABLES_FILE


class RegistryInvalid(ValueError):
    """``nodes.yaml`` can't be understood, so nobody knows what to render.

    Parameters
    ----------
    problems
        What is wrong with it.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


def render_directory(directory: Path) -> dict[str, Rendered]:
    """Render every node of a config directory.

    Parameters
    ----------
    directory
        Holds ``nodes.yaml``.

    Returns
    -------
    dict
        ``group/node`` to what it should run, or why that can't be told.

    Raises
    ------
    RegistryInvalid
        ``nodes.yaml`` can't be understood.
    """
    rendering = Rendering(directory)
    nodes = read_nodes(rendering.files)
    if nodes.error is not None:
        raise RegistryInvalid(nodes.problems)
    return {rendered.node.key: rendered for rendered in render_all(rendering, list(nodes))}


def check_directory(directory: Path) -> list[Problem]:
    """Return everything that is wrong in a config directory, errors first.

    Parameters
    ----------
    directory
        Holds ``nodes.yaml``; where that can't be understood, what could be is still checked.
    """
    rendering = Rendering(directory)
    nodes = read_nodes(rendering.files)
    with rendering.files.recording() as reads:
        rendered = render_all(rendering, list(nodes))
    orphans = _orphans(directory, nodes, reads) if nodes.error is None else []
    problems = [*nodes.problems, *_by_problem(rendered), *orphans]
    return sorted(problems, key=_order)


def _order(problem: Problem) -> tuple[bool, bool, str, int]:
    return (
        problem.severity is not Severity.ERROR,
        problem.file != NODES_FILE,
        problem.file,
        problem.line or 0,
    )


def _by_problem(rendered: Iterable[Rendered]) -> list[Problem]:
    """Return each problem once, with the nodes that have it."""
    concerned: dict[Problem, list[str]] = {}
    for result in rendered:
        for problem in dict.fromkeys(result.problems):
            concerned.setdefault(problem, []).append(result.node.key)
    return [replace(problem, nodes=tuple(nodes)) for problem, nodes in concerned.items()]


def _orphans(directory: Path, nodes: Nodes, reads: set[str]) -> Iterator[Problem]:
    """Yield a warning for each file that looks like one of a node and was of use to none."""
    for name in _files_below(directory):
        path = PurePosixPath(name)
        if name in reads or name in (NODES_FILE, VARIABLES_FILE):
            continue
        if path.parts[0] == STORED_FOLDER and path.suffix == ".json":
            words = f"holds stored values of {_whose(path.parts[1:], nodes)}"
        elif path.suffix in SUFFIXES and not any(part.startswith(".") for part in path.parts):
            words = f"is used by no node: it is included nowhere and belongs to {_whose(path.parts, nodes)}"
        else:
            continue
        yield Problem(name, words, severity=Severity.WARNING)


def _whose(parts: tuple[str, ...], nodes: Nodes) -> str:
    """Return of whom a file would be, in words: nobody that there is."""
    if len(parts) != 2:
        return "no node"
    group, name = parts[0], PurePosixPath(parts[1]).stem
    if group not in nodes.groups:
        return f"no node, as there is no group {group!r} in {NODES_FILE}"
    if name not in nodes.groups[group]:
        return f"no node, as group {group!r} has no node {name!r} in {NODES_FILE}"
    return f"{group}/{name}, which does not read it"


def _files_below(directory: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(files):
            yield Path(folder, name).relative_to(directory).as_posix()
