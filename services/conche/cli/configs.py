"""Commands on a config directory; they need no service and no broker."""

import difflib
import sys
import textwrap
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import click
import yaml
from msgspec import Raw
from msgspec.json import decode, encode

from conche.renderer.problems import Problem, Severity, errors, some_of
from conche.renderer.render import Rendered
from conche.renderer.report import RegistryInvalid, check_directory, render_directory

FAULTY: Final = 1
"""Exit code: the directory is at fault."""

COLUMNS: Final = 80

COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow"}

DIRECTORY = click.argument(
    "directory", metavar="DIR", type=click.Path(file_okay=False, exists=True, path_type=Path)
)


@click.command()
@DIRECTORY
def check(*, directory: Path) -> None:
    """Say what is wrong in the config directory DIR.

    Errors come first: a node that one concerns gets no config. The exit code is 1 if there is any.
    """
    problems = check_directory(directory)
    for problem in problems:
        click.echo(_line(problem))
    wrong = len(errors(problems))
    click.echo(f"{directory}: {_count(wrong, 'error')}, {_count(len(problems) - wrong, 'warning')}")
    if wrong:
        raise SystemExit(FAULTY)


@click.command()
@DIRECTORY
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def render(*, directory: Path, nodes: tuple[str, ...], as_json: bool) -> None:
    """Render the configs of the config directory DIR.

    NODE is group/node or a pattern such as 'cx/*'; without one, all are rendered. The exit code is 1 if one of
    them has no config.
    """
    try:
        rendered = _chosen(render_directory(directory), nodes)
    except RegistryInvalid as error:
        for problem in errors(error.problems):
            click.echo(_line(problem), err=True)
        if as_json:
            click.echo("{}")
        raise SystemExit(FAULTY) from None
    if as_json:
        click.echo(_json(rendered))
    else:
        _print(rendered)
    if any(result.error for result in rendered.values()):
        raise SystemExit(FAULTY)


def _chosen(rendered: dict[str, Rendered], patterns: Iterable[str]) -> dict[str, Rendered]:
    """Return the nodes that the patterns name, all where there is none.

    Raises
    ------
    click.BadParameter
        A pattern names no node; lists those that are near.
    """
    chosen: dict[str, Rendered] = {}
    for pattern in patterns:
        found = {key: result for key, result in rendered.items() if fnmatchcase(key, pattern)}
        if not found:
            near = difflib.get_close_matches(pattern, rendered, cutoff=0.4)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are {some_of(rendered) or 'none'}"
            raise click.BadParameter(f"no node is called {pattern!r}; {hint}", param_hint="NODE")
        chosen |= found
    return chosen or rendered


def _json(rendered: dict[str, Rendered]) -> str:
    return encode({key: _entry(result) for key, result in rendered.items()}).decode()


def _entry(result: Rendered) -> dict[str, Any]:
    known = result.fingerprint
    return {
        "config": Raw(result.config) if result.config else None,
        "revision": known.revision if known else None,
        "base": known.base if known else None,
        "updatable": known.updatable if known else {},
        "error": result.error,
    }


def _print(rendered: dict[str, Rendered]) -> None:
    for key, result in rendered.items():
        for problem in result.problems:
            click.echo(_line(problem), err=True)
        if result.config is not None and result.fingerprint is not None:
            click.echo(f"---\n# {key}: revision {result.fingerprint.revision}, from {result.source}")
            click.echo(_yaml(result.config), nl=False)


def _yaml(config: bytes) -> str:
    text: str = yaml.dump(
        decode(config), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=COLUMNS
    )
    return text


def _line(problem: Problem) -> str:
    """Return a problem in one line, wrapped on a terminal."""
    label = "" if problem.severity is Severity.ERROR else f"{problem.severity}: "
    concerned = f" [{some_of(problem.nodes)}]" if problem.nodes and problem.file not in problem.nodes else ""
    text = f"{problem.where}: {label}{problem.what}{concerned}"
    if sys.stdout.isatty():
        text = textwrap.fill(text, COLUMNS, subsequent_indent="    ", break_on_hyphens=False)
    return click.style(text, fg=COLOURS[problem.severity])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
