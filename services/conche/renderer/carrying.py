"""How a command is carried out: tried on all that it concerns, written, committed, published; then its outcome."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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
from .gitwords import HistoryError
from .known import Carried, KnownCommands, id_of, what_of
from .nodes import Node
from .orders import planned_edit
from .outcomes import ANSWER_WITHIN_S, Expectation, Sightings
from .planning import plan, refusals
from .problems import some_of
from .trial import Trial, changed_by, check
from .worklist import Worklist

logger = logging.getLogger(__name__)


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
        self.known = KnownCommands(editor.history)
        self._tasks: asyncio.TaskGroup

    async def run(self) -> None:
        """Wait for outcomes, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.Event().wait()

    async def begin(self) -> None:
        """Finish what an earlier process left half done, and learn which commands were carried out."""
        try:
            commit = await asyncio.to_thread(self._editor.recover)
            if commit is not None:
                logger.warning(
                    "%s: was half done when the renderer ended, and is complete now", commit.subject
                )
                self._tell(_note_of(commit), commit)
        except HistoryError as error:
            logger.warning("what was half done was taken back: %s", error)
        try:
            await asyncio.to_thread(self.known.read)
        except HistoryError as error:
            logger.warning("no history: %s", error)

    async def carry_out(self, command: Command, targets: Sequence[Node]) -> Reply | None:
        """Carry out a command that is first in line; return the reply, or None where it comes later.

        Raises
        ------
        CommandRefused, EditRefused, ChangeFailed, HistoryError
            Nothing was changed.
        """
        if isinstance(command.arguments, Wish):
            return await self._edit(command, command.arguments, targets)
        check_not_expired(command.arguments, datetime.now(UTC))
        match command.arguments:
            case Plan() as wish:
                return await self._plan(command, wish, targets)
            case Log() | Show() | ReadFiles() as question:
                return await asyncio.to_thread(self._read, command, question)
            case other:
                raise TypeError(f"no such action: {other}")

    # --- questions

    async def _plan(self, command: Command, wish: Plan, targets: Sequence[Node]) -> Reply:
        edit = planned_edit(command, wish)
        trial = await asyncio.to_thread(self._tried, edit, wish.action, targets)
        planned = await asyncio.to_thread(self._planned, trial)
        refused = [node.error for node in planned.nodes.values() if node.change is Change.REFUSED]
        return _reply(command, ok=not refused, plan=planned, results=_skipped(trial.edit))

    def _tried(self, wish: Wish, action: EditAction, targets: Sequence[Node]) -> Trial:
        return self._editor.try_out(self._editor.edit_of(wish, action, targets))

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
        carried = await asyncio.to_thread(self.known.find, command)
        if carried is not None:
            return await self._answer_again(command, carried, targets)
        action = EditAction(command.envelope.action)
        trial = await asyncio.to_thread(self._tried, wish, action, targets)
        await asyncio.to_thread(self._check, trial, wish)
        check_not_expired(command.arguments, datetime.now(UTC))
        commit = await self._write(command, trial) if trial.files else None
        if trial.edit.force and trial.edit.endpoint is not None:
            for node in trial.edit.targets:
                self._forced.want(trial.after[node.key], trial.edit.endpoint, id_of(command.envelope))
        concerned = {*changed_by(trial, self._work), *trial.targets} & trial.nodes.keys()
        if action is EditAction.SET_NODES:  # whoever is concerned is in maintenance then
            concerned = set()
        rendered = [trial.after[key] for key in sorted(concerned)]
        expected = self._sightings.expect(
            {one.node.key: one.fingerprint.revision for one in rendered if one.fingerprint is not None}
        )
        await self._publish(trial)
        known = {one.node.key: _failed(one.error or "") for one in rendered if one.fingerprint is None}
        self._await(command, expected, known=known | _skipped(trial.edit), commit=commit)
        return None

    async def _answer_again(
        self, command: Command, carried: Carried, targets: Sequence[Node]
    ) -> Reply | None:
        """Answer a command that an earlier process carried out, or this one long ago, by what is so now."""
        history = self._editor.history
        changed = [] if history is None else await asyncio.to_thread(history.changed_since, carried.commit)
        if changed:
            words = (
                f"was carried out before; {some_of(changed)} was changed by somebody since: nothing was done"
            )
            return _reply(command, ok=False, error=words, commit=carried.commit)
        paths = () if history is None else (await asyncio.to_thread(history.find, carried.commit)).paths
        nodes = {node.key for node in (*targets, *self._work.concerned(self._work.nodes(), paths))}
        done = {key: self._work.done(key) for key in sorted(nodes)}
        expected = self._sightings.expect({k: d.revision for k, d in done.items() if d and d.revision})
        known = {
            key: _failed((d.error if d else None) or "") for key, d in done.items() if not d or not d.revision
        }
        self._await(command, expected, known=known, commit=carried.commit)
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
        trailers = {"command": what_of(command.envelope)}
        if command.envelope.id:
            trailers["command_id"] = id_of(command.envelope)
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
        self.known.note(command, commit.id)
        return commit.id

    # --- outcomes

    def _await(
        self, command: Command, expected: Expectation, *, known: Mapping[str, Result], commit: str | None
    ) -> None:
        self._tasks.create_task(
            self._answer_later(command, expected, known, commit), name=f"answer {id_of(command.envelope)}"
        )

    async def _answer_later(
        self, command: Command, expected: Expectation, known: Mapping[str, Result], commit: str | None
    ) -> None:
        deadline = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
        results = {**await expected.results(deadline=deadline), **known}
        fine = (Outcome.OK, Outcome.SKIPPED)
        self._answer(
            command,
            _reply(
                command,
                ok=all(result.outcome in fine for result in results.values()),
                results=dict(sorted(results.items())),
                commit=commit,
                warnings=[] if commit else ["it was so already, or no history is kept: there is no commit"],
            ),
        )


def _note_of(commit: Commit) -> Note:
    trailers = {"command_id": commit.trailers["Command-Id"]} if "Command-Id" in commit.trailers else {}
    return Note(author=commit.author, subject=commit.subject, reason=commit.reason, trailers=trailers)


def _failed(error: str) -> Result:
    return Result(ok=False, outcome=Outcome.FAILED, error=error or "left the registry")


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
