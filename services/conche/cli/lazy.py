"""Commands that are imported when they are called, so that each needs only its own extra."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """One command of the table.

    Parameters
    ----------
    name
        What is typed.
    target
        Where it is: ``module:attribute``.
    summary
        Its line in ``conche --help``.
    extra
        Extra of the package that it needs, if any.
    """

    name: str
    target: str
    summary: str
    extra: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Commands that stand together in ``conche --help``."""

    title: str
    entries: tuple[Entry, ...]


def load(target: str, *, command: str, extra: str | None) -> Any:
    """Import what a command needs.

    Parameters
    ----------
    target
        ``module:attribute``.
    command, extra
        For the words where a library is missing.

    Raises
    ------
    click.ClickException
        If a library that the extra brings is not installed.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").partition(".")[0] == "conche":
            raise
        raise click.ClickException(
            f"conche {command} needs the extra '{extra}': pip install 'conche[{extra}]'"
        ) from error


class LazyGroup(click.Group):
    """A group whose commands stand in a table.

    Parameters
    ----------
    sections
        The table.
    """

    def __init__(self, *, sections: Sequence[Section], **settings: Any) -> None:
        super().__init__(**settings)
        self._sections = sections
        self._entries = {entry.name: entry for section in sections for entry in section.entries}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of this name."""
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        command = load(entry.target, command=entry.name, extra=entry.extra)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without importing anything."""
        widest = max(map(len, self._entries))
        for section in self._sections:
            with formatter.section(section.title):
                formatter.write_dl([(entry.name.ljust(widest), entry.summary) for entry in section.entries])
