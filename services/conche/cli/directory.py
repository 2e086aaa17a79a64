"""`conche plan` and `conche apply`: a config directory on disk against the one that is in force."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from msgspec.json import encode

from conche.contract import EditAction, text_digest
from conche.renderer.configfiles import STORED_FOLDER, is_config_file
from conche.renderer.nodes import FILE as NODES_FILE

from .changing import EPILOG, TIMEOUT, YES, Manner, propose
from .confirming import AWAY
from .output import Trouble
from .session import ACCOUNT, AS_JSON, NOT_SENT, with_telescope

REASON = click.option("--reason", help="Why; it stands in the history.")


@click.command(epilog=EPILOG)
@click.argument("words", metavar="DIR|[PATH]...", nargs=-1)
@click.option(
    "--commit", metavar="REV", help="Plan the rollback to a commit instead, of PATH if any are given."
)
@AS_JSON
@ACCOUNT
def plan(*, words: tuple[str, ...], commit: str | None, **options: Any) -> None:
    """Show what a change of the whole config directory would do, and do nothing.

    The change is that to the config directory DIR on this disk, as conche apply makes it; or with --commit that back
    to a commit, as conche rollback makes it.
    """
    manner = Manner(only_plan=True, yes=False, **options)
    if commit is not None:
        propose(lambda telescope: telescope.plan.rollback(commit, paths=words), manner)
        return
    if len(words) != 1:
        raise click.UsageError("say one DIR, or --commit REV")
    _put_into_force(Path(words[0]), manner, reason=None)


@click.command(epilog=EPILOG)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@REASON
@YES
@TIMEOUT
@AS_JSON
@ACCOUNT
def apply(*, directory: Path, reason: str | None, **options: Any) -> None:
    """Make the config directory that is in force the same as DIR on this disk.

    Files that differ are written, those that DIR lacks are removed, all or none of them. What is no config file
    (.yaml, .yml, .j2, and .updatable/**/*.json) doesn't count.
    """
    _put_into_force(directory, Manner(only_plan=False, **options), reason=reason)


def _put_into_force(directory: Path, manner: Manner, *, reason: str | None) -> None:
    mine = read_directory(directory)
    there = with_telescope(lambda telescope: telescope.digests(), account=manner.account, away=AWAY)
    files = differing(mine, there.by_name)
    if files:
        propose(
            lambda telescope: telescope.plan.set_files(files, reason=reason, started_from=there.commit),
            manner,
        )
    elif manner.as_json:
        click.echo(encode({"action": EditAction.SET_FILES, "ok": True, "plan": None}))
    else:
        click.echo(f"{directory} is what is in force: no file differs", err=True)


def differing(mine: Mapping[str, str], there: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return what has to be written, and, as None, removed.

    Parameters
    ----------
    mine
        Texts by name.
    there
        What the texts in force are known by; None where there is no such file.
    """
    written: dict[str, str | None] = {
        name: text for name, text in mine.items() if there.get(name) != text_digest(text)
    }
    return written | {name: None for name, known in there.items() if known is not None and name not in mine}


def read_directory(root: Path) -> dict[str, str]:
    """Return the config files of a directory, by name.

    Raises
    ------
    Trouble
        It is no config directory, or a file can't be read.
    """
    if not (root / NODES_FILE).is_file():
        raise Trouble(f"{root} is no config directory: it has no {NODES_FILE}", exit_code=NOT_SENT)
    return {name: _text(root, name) for name in sorted(_names(root))}


def _names(root: Path) -> Iterator[str]:
    for folder, inside, names in os.walk(root):
        inside[:] = [name for name in inside if not name.startswith(".") or name == STORED_FOLDER]
        for name in names:
            path = (Path(folder) / name).relative_to(root).as_posix()
            if is_config_file(path):
                yield path


def _text(root: Path, name: str) -> str:
    try:
        return (root / name).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Trouble(f"{root / name}: can't be read: {error.strerror}", exit_code=NOT_SENT) from None
    except UnicodeDecodeError:
        raise Trouble(f"{root / name}: is not UTF-8; save it as UTF-8", exit_code=NOT_SENT) from None
