"""Commands that were carried out and left no commit, because it was so already or no history is kept.

Their ids stand in a small file in the run directory, so that one that is repeated after a restart is answered, and
not carried out again over what somebody has wished for since.
"""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import decode, encode

from conche.commands import Command, Envelope, check_same
from conche.storage import write_atomic

from .known import id_of

logger = logging.getLogger(__name__)

FILE: Final = "answered.json"

MAX_IDS: Final = 1_000
"""Ids that are kept; a guess: hours of scripts."""

MAX_FILES: Final = 20_000
"""Files of all of them together, as the whole is written each time; a guess: 2 MB."""


class Answered(Struct, frozen=True, kw_only=True):
    """A command after which files were as it wanted them.

    Parameters
    ----------
    id
        Who sent it, and its id.
    what, digest
        Target and action, and of its arguments.
    files
        Name to what tells the content from other content; None for no file.
    """

    id: str
    what: str
    digest: str
    files: dict[str, str | None]


class AnsweredIds:
    """Remembers such commands; the oldest are forgotten first.

    Parameters
    ----------
    run_dir
        Where the file is kept.
    """

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / FILE
        self._known: dict[str, Answered] = {}

    def read(self) -> None:
        """Take over what an earlier process kept."""
        try:
            found = decode(self._path.read_bytes(), type=list[Answered])
        except FileNotFoundError:
            return
        except (OSError, ValidationError, DecodeError, UnicodeDecodeError) as error:
            logger.warning("%s: can't be read: %s", self._path, error)
            return
        self._known = {one.id: one for one in found}

    def knows(self, envelope: Envelope) -> bool:
        """Return whether a command is remembered."""
        return envelope.id is not None and id_of(envelope) in self._known

    def find(self, envelope: Envelope) -> Answered | None:
        """Return what is remembered of a command; None where it is new.

        Raises
        ------
        CommandRefused
            Another command bore that id.
        """
        found = self._known.get(id_of(envelope)) if envelope.id is not None else None
        if found is not None:
            check_same(envelope, what=found.what, digest=found.digest)
        return found

    def note(self, command: Command, files: Mapping[str, bytes | None]) -> None:
        """Take that files are as a command wants them."""
        envelope = command.envelope
        if envelope.id is None:
            return
        digests = {name: digest_of(data) for name, data in files.items()}
        name = id_of(envelope)
        self._known[name] = Answered(id=name, what=envelope.what, digest=envelope.digest, files=digests)
        self._shorten()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, encode(list(self._known.values())))
        except OSError as error:
            logger.warning(
                "%s: can't be written, so %s is forgotten at a restart: %s", self._path, name, error
            )

    def _shorten(self) -> None:
        files = sum(len(one.files) for one in self._known.values())
        while len(self._known) > MAX_IDS or (files > MAX_FILES and len(self._known) > 1):
            oldest = self._known.pop(next(iter(self._known)))
            files -= len(oldest.files)


def digest_of(data: bytes | None) -> str | None:
    """Return what tells content from other content; None for no file."""
    return None if data is None else hashlib.blake2b(data, digest_size=8).hexdigest()


def changed(answered: Answered, now: Mapping[str, bytes | None]) -> list[str]:
    """Return those of the files of a command that are others by now."""
    return [name for name, digest in answered.files.items() if digest_of(now.get(name)) != digest]
