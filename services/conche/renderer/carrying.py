"""How a command is carried out: tried on all that it concerns, written, committed, published; then its outcome."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conche.commands import ANSWER_WITHIN_S, Command, Envelope, check_not_expired
from conche.contract import (
    Arguments,
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
    UpdatableConfig,
    text_digest,
)
from conche.contract import Edit as Wish
from conche.settings import RegistryChange

from .answered import AnsweredIds, changed
from .changeset import Note
from .commits import Commit
from .editor import Editor
from .edits import Edit, EditRefused, contents, without_block
from .forcing import Forced
from .gitwords import HistoryError
from .known import KnownCommands, id_of, trailers_of
from .nodes import Node
from .orders import planned_edit
from .outcomes import Expectation, Sightings
from .planning import plan, refusals
from .problems import some_of
from .trial import Trial, changed_by, check
from .worklist import Done, Worklist

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Before:
    """What became of a command that was carried out before.

    Parameters
    ----------
    paths
        Its files.
    changed
        Those that are others by now.
    commit
        What it made, where it made one.
    """

    paths: Sequence[str]
    changed: Sequence[str]
    commit: str | None = None


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
    answered
        Remembers commands that left no commit.
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
        answered: AnsweredIds,
        publish: Callable[[Trial], Awaitable[None]],
        answer: Callable[[Command, Reply], None],
        tell: Callable[[Note, Commit | None], None],
    ) -> None:
        self._editor = editor
        self._work = work
        self._sightings = sightings
        self._forced = forced
        self._policy = on_registry_change
        self._answered = answered
        self._publish = publish
        self._answer = answer
        self._tell = tell
        self._known = KnownCommands(editor.history)
        self._tasks: asyncio.TaskGroup

    async def run(self) -> None:
        """Wait for outcomes, until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.Event().wait()

    def knows(self, envelope: Envelope) -> bool:
        """Return whether a command was carried out, as far as that was read."""
        return self._known.knows(envelope) or self._answered.knows(envelope)

    async def begin(self) -> None:
        """Learn which commands were carried out."""
        try:
            await asyncio.to_thread(self._answered.read)
            await asyncio.to_thread(self._known.read)
        except HistoryError as error:
            logger.warning("no history: %s", error)

    async def recover(self) -> None:
        """Take back what was left half done, or finish it where it has its commit."""
        commit = await asyncio.to_thread(self._editor.recover)
        if commit is not None:
            logger.warning("%s: had its commit, and is complete now", commit.subject)
            self._tell(_note_of(commit), commit)

    async def carry_out(self, command: Command, targets: Sequence[Node]) -> Reply | None:
        """Carry out a command that is first in line; return the reply, or None where it comes later.

        Raises
        ------
        CommandRefused, EditRefused, ChangeFailed, HistoryError
            Nothing was changed, or it says what still is.
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
        refused = await asyncio.to_thread(self._refusal, trial, edit)
        ok = refused is None and not any(node.change is Change.REFUSED for node in planned.nodes.values())
        return _reply(command, ok=ok, error=refused, plan=planned, results=_skipped(trial.edit))

    def _refusal(self, trial: Trial, wish: Wish) -> str | None:
        """Return in which words a change would be refused, or None."""
        try:
            self._check(trial, wish)
        except EditRefused as refused:
            return str(refused)
        return None

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
            return _reply(
                command,
                **self._texts(names, digests=question.digests),
                commit=None if history is None else history.head(),
            )
        if history is None:
            raise EditRefused("no history is kept of this directory (renderer.history is false)")
        if isinstance(question, Show):
            commit = history.find(question.commit)
            return _reply(command, commits=[_logged(commit)], patch=history.patch(commit.id))
        found = zip(range(question.limit), history.log(path=question.path), strict=False)
        return _reply(command, commits=[_logged(commit) for _, commit in found])

    def _texts(self, names: Sequence[str], *, digests: bool) -> dict[str, Any]:
        """Return files as a reply has them: their texts, or what these are known by."""
        texts = ((name, self._editor.text_of(name)) for name in names)
        if digests:
            return {"digests": {name: None if text is None else text_digest(text) for name, text in texts}}
        return {"files": dict(texts)}

    # --- changes

    async def _edit(self, command: Command, wish: Wish, targets: Sequence[Node]) -> Reply | None:
        before = await asyncio.to_thread(self._before, command)
        if before is not None:
            return await self._answer_again(command, before, targets)
        trial = await asyncio.to_thread(self._tried, wish, EditAction(command.envelope.action), targets)
        await asyncio.to_thread(self._check, trial, wish)
        check_not_expired(command.arguments, datetime.now(UTC))
        commit = await self._write(command, trial) if trial.files else None
        if commit is None:
            await asyncio.to_thread(self._answered.note, command, trial.edit.files)
        if trial.edit.force and trial.edit.endpoint is not None:
            for node in trial.edit.targets:
                self._forced.want(trial.after[node.key], trial.edit.endpoint, id_of(command.envelope))
        concerned = {*changed_by(trial, self._work), *trial.targets} & trial.nodes.keys()
        rendered = [trial.after[key] for key in sorted(concerned)]
        expected = self._sightings.expect(
            {one.node.key: one.fingerprint.revision for one in rendered if one.fingerprint is not None}
        )
        await self._publish(trial)
        known = {one.node.key: _failed(one.error or "") for one in rendered if one.fingerprint is None}
        self._await(command, expected, known=known, excused=_skipped(trial.edit), commit=commit)
        return None

    def _before(self, command: Command) -> _Before | None:
        """Return what became of a command that was carried out before; None for one that was not."""
        history, editor = self._editor.history, self._editor
        carried = self._known.find(command)
        if carried is not None and history is not None:
            found = history.find(carried.commit)
            return _Before(found.paths, history.changed_since(carried.commit), carried.commit)
        answered = self._answered.find(command.envelope)
        if answered is None:
            return None
        names = tuple(answered.files)
        return _Before(names, changed(answered, contents(names, rendering=editor.rendering)))

    async def _answer_again(self, command: Command, before: _Before, targets: Sequence[Node]) -> Reply | None:
        """Answer a command that an earlier process carried out, or this one long ago, by what is so now."""
        if before.changed:
            which = some_of(before.changed)
            words = f"was carried out before; {which} was changed by somebody since: nothing was done"
            return _reply(command, ok=False, error=words, commit=before.commit)
        paths = await asyncio.to_thread(self._editor.rendering.files.names_of, before.paths)
        nodes = {node.key for node in (*targets, *self._work.concerned(self._work.nodes(), paths))}
        done = {key: self._work.done(key) for key in sorted(nodes)}
        excused = _without_block(command.arguments, done)
        done = {key: one for key, one in done.items() if key not in excused}
        expected = self._sightings.expect({k: d.revision for k, d in done.items() if d and d.revision})
        known = {
            key: _failed((d.error if d else None) or "") for key, d in done.items() if not d or not d.revision
        }
        self._await(command, expected, known=known, excused=excused, commit=before.commit)
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
        note = Note(
            author=command.by,
            subject=trial.edit.subject,
            reason=command.arguments.reason or "",
            trailers=trailers_of(command),
        )
        commit = await asyncio.to_thread(self._editor.write, trial, note)
        self._tell(note, commit)
        if commit is None:
            return None
        self._known.note(command, commit.id)
        return commit.id

    # --- outcomes

    def _await(
        self,
        command: Command,
        expected: Expectation,
        *,
        known: Mapping[str, Result],
        excused: Mapping[str, Result],
        commit: str | None,
    ) -> None:
        """Answer once it is known what has become of a command; whom it does not concern is excused."""

        async def answer_later() -> None:
            deadline = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
            results = {**await expected.results(deadline=deadline), **known}
            reply = _reply(
                command,
                ok=all(result.ok for result in results.values()),
                results=dict(sorted({**results, **excused}.items())),
                commit=commit,
                warnings=[] if commit else ["it was so already, or no history is kept: there is no commit"],
            )
            self._answer(command, reply)

        self._tasks.create_task(answer_later(), name=f"answer {id_of(command.envelope)}")


def _note_of(commit: Commit) -> Note:
    trailers = {"command_id": commit.trailers["Command-Id"]} if "Command-Id" in commit.trailers else {}
    return Note(author=commit.author, subject=commit.subject, reason=commit.reason, trailers=trailers)


def _failed(error: str) -> Result:
    return Result(ok=False, outcome=Outcome.FAILED, error=error or "left the registry")


def _skipped(edit: Edit) -> dict[str, Result]:
    return {
        key: Result(ok=False, outcome=Outcome.SKIPPED, error=words) for key, words in edit.skipped.items()
    }


def _without_block(arguments: Arguments, done: Mapping[str, Done | None]) -> dict[str, Result]:
    """Return the results of nodes that don't have the block that a command is about."""
    if not isinstance(arguments, UpdatableConfig):
        return {}
    endpoint = arguments.endpoint.strip("/")
    words = without_block(endpoint)
    return {
        key: Result(ok=False, outcome=Outcome.SKIPPED, error=words)
        for key, one in done.items()
        if one is not None and one.revision is not None and endpoint not in one.updatable
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
