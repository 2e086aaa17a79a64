"""`conche edit`: a file of the config directory in an editor, and then what follows from it."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from conche.client import CommandRefused, Conche, TargetUnknown

from .changing import EPILOG, Manner, options_of, propose
from .confirming import AWAY
from .output import Trouble
from .session import NOT_SENT, with_telescope
from .targets import complete_target

FALLBACK: Final = "vi"


@dataclass(frozen=True, slots=True)
class Original:
    """A file as it was when it was fetched."""

    name: str
    text: str | None
    commit: str | None


def complete_word(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the nodes that begin so."""
    return [item for item in complete_target(ctx, param, incomplete) if item.value != "all"]


@click.command(epilog=EPILOG)
@click.argument("word", metavar="NODE|FILE", shell_complete=complete_word)
@options_of
def edit(*, word: str, reason: str | None, timeout: float, **options: Any) -> None:
    """Edit a file of the config directory, and carry out what follows from it.

    NODE (cx/cx27) stands for the file of its base config, which it may share with others; FILE is a name in the
    directory (vars.yaml, cx/cx27.yaml). $VISUAL or $EDITOR opens it; then it is shown what the change would do, and
    asked. Where somebody has changed the file meanwhile, or it is refused, your text is kept.
    """
    account = options["account"]
    found = with_telescope(lambda telescope: fetch(telescope, word), account=account, away=AWAY)
    draft = _draft(found)
    _open(draft)
    text = _read(draft)
    if text == (found.text or ""):
        _discard(draft)
        click.echo("nothing was changed", err=True)
        return
    wish = {found.name: text}
    try:
        propose(
            lambda telescope: telescope.plan.set_files(wish, reason=reason, started_from=found.commit),
            Manner(timeout=timeout, always_ask=True, **options),
        )
    except Trouble as trouble:
        raise Trouble(f"{trouble.message}; {_kept(draft)}", exit_code=trouble.exit_code) from None
    except SystemExit:
        _end(draft, keep=options["only_plan"])
        raise
    _end(draft, keep=options["only_plan"])


def _kept(draft: Path) -> str:
    return f"your text is kept in {draft}"


def _end(draft: Path, *, keep: bool) -> None:
    """Say where the text is, or remove it: it is in force now."""
    if keep:
        click.echo(_kept(draft), err=True)
    else:
        _discard(draft)


async def fetch(telescope: Conche, word: str) -> Original:
    """Return the file that a word means.

    Raises
    ------
    TargetUnknown
        There is no such node, and it is no name of a file.
    """
    name = await _file_of(telescope, word)
    try:
        files = await telescope.read_files(name or word)
    except CommandRefused as error:
        raise TargetUnknown(f"there is no node {word!r}, and {error}") from None
    return Original(name or word, files.texts[name or word], files.commit)


async def _file_of(telescope: Conche, word: str) -> str | None:
    """Return the file of a node's base config; None where the word names no node."""
    registry = (await telescope.picture(statuses=False)).registry
    group, _, node = word.partition("/")
    if registry is None or node not in registry.groups.get(group, {}):
        return None
    desired = (await telescope.desired(word)).get(word)
    if desired is None or desired.source is None:
        why = f" ({desired.error})" if desired and desired.error else ""
        raise TargetUnknown(f"no file of {word} is known{why}: conche edit {word}.yaml makes one")
    return desired.source


def _draft(found: Original) -> Path:
    """Write the text where an editor can open it, under its own name."""
    folder = Path(tempfile.mkdtemp(prefix="conche-edit-"))
    draft = folder / PurePosixPath(found.name).name
    draft.write_bytes((found.text or "").encode())
    return draft


def _open(draft: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or FALLBACK
    try:
        with _keys_for_another():
            code = subprocess.run([*shlex.split(editor), str(draft)], check=False).returncode
    except (OSError, ValueError) as error:
        _discard(draft)
        raise Trouble(
            f"the editor {editor!r} can't be run: {error}; set EDITOR to another one", exit_code=NOT_SENT
        ) from None
    if code != 0:
        raise Trouble(
            f"the editor ended with {code}: nothing was sent; your text is kept in {draft}",
            exit_code=NOT_SENT,
        )


@contextmanager
def _keys_for_another() -> Iterator[None]:
    """Leave Ctrl-C to the program that has the terminal: the signal goes to both."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # ignored, it would be ignored by that program too
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _read(draft: Path) -> str:
    try:
        return draft.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"{draft} can't be read: {error}", exit_code=NOT_SENT) from None


def _discard(draft: Path) -> None:
    shutil.rmtree(draft.parent, ignore_errors=True)  # with what the editor left beside it
