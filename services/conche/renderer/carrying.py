"""How a command is carried out: tried on all that it concerns, written, committed, published; then its outcome."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from conche.commands import Command, check_not_expired
from conche.contract import (
    Change,
    EditAction,
    Log,
    LoggedCommit,
    Outcome,
    Plan,
    Planned,
    ReadFiles,
    Reply,
    Result,
    Show,
)
from conche.contract import Edit as Wish
from conche.settings import RegistryChange

from .changeset import Note
from .commits import Commit
from .editor import Editor
from .edits import Edit, EditRefused
from .forcing import Forced
from .history import HistoryError
from .nodes import Node
from .orders import planned_edit
from .outcomes import ANSWER_WITHIN_S, Sightings
from .planning import plan, refusals
from .problems import some_of
from .trial import Trial, changed_by, check
from .worklist import Worklist

logger = logging.getLogger(__name__)

KNOWN_COMMANDS: Final = 10_000
"""Commits that are looked through for ids of commands at the start; a guess: years of changes."""


class Carrying:
    """Carries out commands, one after another.

    Parameters
    ----------
    editor
        Makes and writes changes.
    work
        The nodes as they are.
    sightings
        What becomes of them.
    forced
        Wishes that refused values be tried once more; filled here.
    on_registry_change
        Whom a change of nodes or addresses sends into maintenance.
    publish
        Publishes what was written.
    answer
        Sends a reply that comes later.
    tell
        Told of each change, and of its commit.
    """

    def __init__(
        self,
        editor: Editor,
        *,
        work: Worklist,
        sightings: Sightings,
        forced: Forced,
        on_registry_change: RegistryChange,
        publish: Callable[[Trial], Awaitable[None]],
        answer: Callable[[Command, Reply], None],
        tell: Callable[[Note, Commit | None], None],
    ) -> None:
        self._editor = editor
        self._work = work
        self._sightings = sightings
        self._forced = forced
        self._policy = on_registry_change
        self._publish = publish
        self._answer = answer
        self._tell = tell
        self._known: dict[str, str] = {}
        self._tasks: asyncio.TaskGroup

    async def run(self) -> None:
        """Wait for outcomes, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.Event().wait()

    async def begin(self) -> None:
        """Finish what an earlier process left half done, and learn which commands were carried out."""
        history = self._editor.history
        try:
            commit = await asyncio.to_thread(self._editor.recover)
            if commit is not None:
                logger.warning(
                    "%s: was half done when the renderer ended, and is complete now", commit.subject
                )
            if history is not None:
                self._known = await asyncio.to_thread(history.known_commands, at_most=KNOWN_COMMANDS)
        except HistoryError as error:
            logger.warning("no history: %s", error)

    async def carry_out(self, command: Command, targets: Sequence[Node]) -> Reply | None:
        """Carry out a command that is first in line; return the reply, or None where it comes later.

        Raises
        ------
        CommandRefused, EditRefused, ChangeFailed, HistoryError
            Nothing was changed.
        """
        check_not_expired(command.arguments, datetime.now(UTC))
        match command.arguments:
            case Plan() as wish:
                return await self._plan(command, wish, targets)
            case Wish() as wish:
                return await self._edit(command, wish, targets)
            case Log() | Show() | ReadFiles() as question:
                return await asyncio.to_thread(self._read, command, question)
            case other:
                raise TypeError(f"no such action: {other}")

    # --- questions

    async def _plan(self, command: Command, wish: Plan, targets: Sequence[Node]) -> Reply:
        edit = planned_edit(command, wish)
        trial = await asyncio.to_thread(self._tried, edit, targets)
        planned = await asyncio.to_thread(self._planned, trial)
        refused = [node.error for node in planned.nodes.values() if node.change is Change.REFUSED]
        return _reply(command, ok=not refused, plan=planned, results=_skipped(trial.edit))

    def _tried(self, wish: Wish, targets: Sequence[Node]) -> Trial:
        return self._editor.try_out(self._editor.edit_of(wish, targets))

    def _planned(self, trial: Trial) -> Planned:
        return plan(
            trial,
            rendering=self._editor.rendering,
            work=self._work,
            sightings=self._sightings,
            on_registry_change=self._policy,
        )

    def _read(self, command: Command, question: Log | Show | ReadFiles) -> Reply:
        history = self._editor.history
        if isinstance(question, ReadFiles):
            names = [*question.files, *(self._editor.names() if question.all else ())]
            if not names:
                raise EditRefused("read_files: name a file, or say all: true")
            files = {name: self._editor.text_of(name) for name in names}
            return _reply(command, files=files, commit=None if history is None else history.head())
        if history is None:
            raise EditRefused("no history is kept of this directory (renderer.history is false)")
        if isinstance(question, Show):
            commit = history.find(question.commit)
            return _reply(command, commits=[_logged(commit)], patch=history.patch(commit.id))
        found = zip(range(question.limit), history.log(path=question.path), strict=False)
        return _reply(command, commits=[_logged(commit) for _, commit in found])

    # --- changes

    async def _edit(self, command: Command, wish: Wish, targets: Sequence[Node]) -> Reply | None:
        if (commit := self._known.get(_name_of(command))) is not None:
            before = Edit(
                action=EditAction(command.envelope.action), subject="", files={}, targets=tuple(targets)
            )
            self._await(command, before, commit=commit)
            return None
        trial = await asyncio.to_thread(self._tried, wish, targets)
        await asyncio.to_thread(self._check, trial, wish)
        check_not_expired(command.arguments, datetime.now(UTC))
        commit = await self._write(command, trial) if trial.files else None
        if trial.edit.force and trial.edit.endpoint is not None:
            for node in trial.edit.targets:
                self._forced.want(trial.after[node.key], trial.edit.endpoint, _name_of(command))
        concerned = changed_by(trial, self._work)
        await self._publish(trial)
        if trial.edit.action is EditAction.SET_NODES:  # whoever is concerned is in maintenance by now
            concerned = []
        self._await(command, trial.edit, commit=commit, more=concerned)
        return None

    def _check(self, trial: Trial, wish: Wish) -> None:
        check(trial, self._work)
        if trial.edit.endpoint is not None and not trial.edit.force:
            refused = refusals(trial, self._sightings)
            if refused:
                raise EditRefused(
                    f"{some_of(sorted(refused))} refused these values of {trial.edit.endpoint}: "
                    f"{refused[min(refused)]}; nothing was changed; force: true has them tried again"
                )
        if wish.plan is not None and self._planned(trial).name != wish.plan:
            raise EditRefused(
                "the world has moved since that plan: nothing was changed; plan it anew, and look"
            )

    async def _write(self, command: Command, trial: Trial) -> str | None:
        trailers = {"command_id": _name_of(command)} if command.envelope.id else {}
        if command.via is not None:
            trailers["via"] = command.via
        note = Note(
            author=command.by,
            subject=trial.edit.subject,
            reason=command.arguments.reason or "",
            trailers=trailers,
        )
        commit = await asyncio.to_thread(self._editor.write, trial, note)
        self._tell(note, commit)
        if commit is None:
            return None
        if command.envelope.id:
            self._known[_name_of(command)] = commit.id
        return commit.id

    # --- outcomes

    def _await(self, command: Command, edit: Edit, *, commit: str | None, more: Sequence[str] = ()) -> None:
        keys = sorted({*more, *(node.key for node in edit.targets)})
        self._tasks.create_task(
            self._answer_later(command, edit, keys, commit), name=f"answer {_name_of(command)}"
        )

    async def _answer_later(
        self, command: Command, edit: Edit, keys: Sequence[str], commit: str | None
    ) -> None:
        deadline = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
        found = await asyncio.gather(*(self._outcome(key, deadline) for key in keys))
        results = dict(zip(keys, found, strict=True)) | _skipped(edit)
        fine = (Outcome.OK, Outcome.SKIPPED)
        self._answer(
            command,
            _reply(
                command,
                ok=all(result.outcome in fine for result in results.values()),
                results=results,
                commit=commit,
                warnings=[] if commit or edit.files else ["it was so already: nothing was written"],
            ),
        )

    async def _outcome(self, key: str, deadline: float) -> Result:
        done = self._work.done(key)
        if done is None or done.revision is None:
            error = done.error if done is not None else "left the registry"
            return Result(ok=False, outcome=Outcome.FAILED, error=error)
        return await self._sightings.outcome(key, done.revision, deadline=deadline)


def _name_of(command: Command) -> str:
    """Return by what a command is known in the history."""
    return f"{command.envelope.user}/{command.envelope.id or ''}"


def _skipped(edit: Edit) -> dict[str, Result]:
    return {
        key: Result(ok=False, outcome=Outcome.SKIPPED, error=words) for key, words in edit.skipped.items()
    }


def _logged(commit: Commit) -> LoggedCommit:
    return LoggedCommit(
        id=commit.id,
        at=commit.at,
        author=commit.author,
        subject=commit.subject,
        reason=commit.reason,
        trailers=dict(commit.trailers),
        paths=list(commit.paths),
    )


def _reply(command: Command, *, ok: bool = True, **more: Any) -> Reply:
    envelope = command.envelope
    return Reply(id=envelope.id, action=envelope.action, group=envelope.group, ok=ok, **more)
