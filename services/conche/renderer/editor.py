"""Changes of the config directory, from the wish to the commit; blocking, for one thread at a time."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from conche.contract import (
    BaseConfig,
    EditAction,
    Rollback,
    SetFiles,
    SetNodes,
    UpdatableConfig,
)
from conche.contract import Edit as Wish

from . import edits
from .changeset import ChangeFailed, ChangeSet, Note, Record
from .commits import Commit
from .configfiles import is_config_file
from .edits import Edit, EditRefused
from .gitwords import HistoryError
from .history import History
from .links import followed
from .nodes import Node
from .problems import ProblemError
from .render import Rendering
from .trial import Trial, try_out
from .worklist import Worklist

RECENT: Final = 100
"""Commits among which the one of a change that was interrupted would stand."""


class Editor:
    """Makes edits of wishes, tries them out, and writes them.

    Parameters
    ----------
    rendering
        Of the directory as it is.
    work
        The nodes as they are.
    changes
        Writes.
    history
        Where each change becomes a commit; None where none is kept.
    """

    def __init__(
        self, *, rendering: Rendering, work: Worklist, changes: ChangeSet, history: History | None
    ) -> None:
        self.history = history
        self.rendering = rendering
        self._work = work
        self._changes = changes

    def edit_of(self, wish: Wish, action: EditAction, targets: Sequence[Node]) -> Edit:
        """Return the files that a wish changes.

        Raises
        ------
        EditRefused
            It can't be carried out.
        """
        match wish:
            case BaseConfig():
                edit = edits.base_config(wish, targets, rendering=self.rendering)
            case UpdatableConfig():
                edit = edits.updatable_config(wish, targets, rendering=self.rendering)
            case SetNodes():
                edit = edits.set_nodes(wish, rendering=self.rendering)
            case SetFiles():
                edit = edits.set_files(wish, action)
            case Rollback():
                edit = edits.rollback(wish, action, history=self.history)
            case _:
                raise TypeError(f"no such edit: {wish}")
        edit = followed(edit, self.rendering.files)
        if wish.started_from is not None:
            self._check_start(edit, wish.started_from)
        return edit

    def text_of(self, name: str) -> str | None:
        """Return the text of a config file as it is, None where there is none.

        Raises
        ------
        EditRefused
            It is no config file, or can't be read.
        """
        edits.check_name(name)
        try:
            return self.rendering.files.text(name)
        except ProblemError as error:
            raise EditRefused(str(error)) from None

    def names(self) -> list[str]:
        """Return the names of all config files that there are; a link to another place counts as a file.

        Raises
        ------
        EditRefused
            The directory can't be read.
        """
        return sorted(_config_files(self.rendering.files.root))

    def try_out(self, edit: Edit) -> Trial:
        """Render what an edit concerns.

        Raises
        ------
        EditRefused
            ``nodes.yaml`` could not be understood any more.
        """
        return try_out(edit, rendering=self.rendering, work=self._work)

    def _check_start(self, edit: Edit, start: str) -> None:
        """Refuse an edit of what somebody has changed since it began."""
        if self.history is None:
            raise EditRefused(
                "started_from: no history is kept of this directory (renderer.history is false)"
            )
        try:
            for name in edit.files:
                if self._has_moved(edit, name, self.history.text_at(start, name)):
                    whom = _by_whom(name, self.history)
                    raise EditRefused(f"{name} was changed since {start}: {whom}; read it anew")
        except HistoryError as error:
            raise EditRefused(f"started_from: {error}") from None

    def _has_moved(self, edit: Edit, name: str, then: bytes | None) -> bool:
        try:
            now = self.rendering.files.read(name)
        except ProblemError:
            return True
        if edit.action is not EditAction.UPDATABLE_CONFIG or edit.endpoint is None:
            return then != now
        return bool(edits.stored_in(then, edit.endpoint) != edits.stored_in(now, edit.endpoint))

    def take_edits(self) -> Commit | None:
        """Commit what was edited by hand, so that it is not lost in what is written over it.

        Raises
        ------
        HistoryError
            It can't be.
        """
        return None if self.history is None else self.history.take_edits()

    def write(self, trial: Trial, note: Note) -> Commit | None:
        """Write the files of an edit and commit them; return the commit, None where no history is kept.

        Raises
        ------
        ChangeFailed
            Nothing was changed, or it says what still is.
        """
        record = self._changes.apply(trial.files, note, before=trial.before)
        try:
            commit = self._commit(record)
        except HistoryError as error:
            raise ChangeFailed(f"{self._changes.undo()}: {error}") from None
        self._changes.finish()
        return commit

    @property
    def trouble(self) -> str | None:
        """What keeps a change half done, in words; None where none is."""
        return self._changes.trouble

    def is_half_done(self) -> bool:
        """Return whether there is a change that was neither completed nor taken back."""
        return self._changes.is_half_done()

    def recover(self) -> Commit | None:
        """Take back a change in the middle of which a process died, unless it got as far as its commit; return that.

        Nobody was told of it: its sender repeats it, and it is carried out anew. What somebody has written since is
        left as it is.
        """
        record = self._changes.recover()
        if record is None:
            return None
        commit = self._commit_of(record)
        if commit is not None or (self.history is None and record.is_done):
            self._changes.finish()
        else:
            self._changes.undo()
        return commit

    def _commit_of(self, record: Record) -> Commit | None:
        if self.history is None:
            return None
        try:
            last = islice(self.history.log(), RECENT)
            return next((one for one in last if one.trailers.get("Change") == record.tag), None)
        except HistoryError:  # nor could it have been committed
            return None

    def _commit(self, record: Record) -> Commit | None:
        if self.history is None:
            return None
        note = record.note
        return self.history.commit(
            record.names,
            author=note.author,
            subject=note.subject,
            reason=note.reason,
            **note.trailers,
            change=record.tag,
        )


def _config_files(root: Path) -> Iterator[str]:
    """Yield the names of all config files.

    Raises
    ------
    EditRefused
        The directory can't be read.
    """

    def refuse(error: OSError) -> None:
        raise EditRefused(f"the config directory can't be read: {error.strerror}")

    for folder, folders, names in os.walk(root, onerror=refuse):
        if ".git" in folders:
            folders.remove(".git")
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            if is_config_file(path):
                yield path


def _by_whom(name: str, history: History) -> str:
    last = next(history.log(path=name), None)
    return "nobody knows by whom" if last is None else f"by {last.author}, {last.subject!r} ({last.id[:8]})"
