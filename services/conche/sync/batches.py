"""One node tries a new config before the others are given it.

A batch is all nodes of a group whose desired revision has been run past the settle time nowhere in it, at
the moment when its first node is chosen. When the first one settles the whole batch is cleared and the others
go in parallel. A config that one node rejects is tried on a second; two rejections hold the batch, and so do
two first nodes in a row of which nothing can be said. What is cleared stays so: a node that rejects it later
is sick itself and stops nobody else.

Source: design, section 5, "Rejection".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_REJECTIONS: Final = 2
MAX_INCONCLUSIVE: Final = 2


class Verdict(StrEnum):
    """How the first node's try ended."""

    PROVEN = "proven"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"
    LEFT = "left"
    """It went out of reach, was stopped or put into maintenance: nothing was tried."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A node rejected a revision, with kotekan's words."""

    node: str
    revision: str
    words: str


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether a node may be given its desired config now.

    Parameters
    ----------
    go
        It may.
    words
        Else why not.
    held
        It will not be its turn by itself.
    """

    go: bool
    words: str | None = None
    held: bool = False


GO: Final = Turn(go=True)


@dataclass
class Trial:
    """A batch with the node that tries it.

    Parameters
    ----------
    members
        Node to desired revision, of the whole batch.
    rejected
        Members that rejected theirs, with kotekan's words.
    first
        The node that tries; None while the next one is to be chosen.
    inconclusive
        First nodes in a row of which nothing could be said.
    """

    members: dict[str, str]
    rejected: dict[str, str] = field(default_factory=dict)
    first: str | None = None
    inconclusive: int = 0


class Batches:
    """Who of a group may be given a new config, and who waits for whom.

    Pure: it is told what happens, says whose turn it is, and returns whom to decide anew about. The work that
    one node's change makes does not grow with the group, but when a first node is chosen.
    """

    def __init__(self) -> None:
        self.cleared: dict[str, None] = {}
        """Revisions that ran past the settle time, or whose batch did; the newest last."""
        self.held: dict[str, str] = {}
        """Revision to why it is given to nobody."""
        self._trial: Trial | None = None
        self._waiting: dict[str, str] = {}
        self._pardoned: set[str] = set()
        """Revisions whose earlier rejections do not count: somebody wants them tried again."""

    def restore(self, cleared: Iterable[str], held: Mapping[str, str]) -> None:
        """Take over what an earlier worker knew."""
        self.cleared = dict.fromkeys(cleared)
        self.held = dict(held)

    def turn(self, name: str, revision: str) -> Turn:
        """Return whether a node may be given a revision now."""
        if revision in self.cleared:
            return GO
        if revision in self.held:
            return Turn(go=False, words=self.held[revision], held=True)
        trial = self._trial
        if trial is None or trial.first is None:
            return Turn(go=False, words="waits until a first node is chosen to try this config")
        if trial.first == name and trial.members.get(name) == revision:
            return GO
        return Turn(go=False, words=f"waits for {trial.first}, which tries it first")

    @property
    def first(self) -> str | None:
        """The node that tries now."""
        return self._trial.first if self._trial else None

    @property
    def needs_first(self) -> bool:
        """Whether somebody waits and nobody tries."""
        return bool(self._waiting) and self.first is None

    @property
    def waiting(self) -> set[str]:
        """Nodes that would act if it were their turn."""
        return set(self._waiting)

    def wait(self, name: str, revision: str) -> None:
        """Take note that a node would act if it were its turn."""
        self._waiting[name] = revision

    def forget(self, name: str) -> None:
        """Take note that a node would not act, or acts."""
        self._waiting.pop(name, None)

    def choose(self, desired: Mapping[str, str], rejections: Iterable[Refusal]) -> set[str]:
        """Choose who tries: of the batch, the first by name that waits.

        Parameters
        ----------
        desired
            Node to desired revision, of the whole group.
        rejections
            What nodes of the group rejected, whatever is desired of them now.

        Returns
        -------
        set of str
            Nodes of which the turn changed.
        """
        trial = self._trial
        if trial is not None:
            trial.members = {n: r for n, r in trial.members.items() if desired.get(n) == r}
        if trial is None or not self._candidates(trial):
            known = self.cleared.keys() | self.held.keys()
            members = {name: revision for name, revision in desired.items() if revision not in known}
            trial = Trial(members, rejected=self._counted(rejections, set(members.values())))
        self._trial = trial
        if len(trial.rejected) >= MAX_REJECTIONS:
            return self._hold_rejected(trial)
        candidates = self._candidates(trial)
        if not candidates:
            self._trial = None
            return set()
        trial.first = min(candidates)
        return {trial.first}

    def _counted(self, rejections: Iterable[Refusal], revisions: set[str]) -> dict[str, str]:
        return {r.node: r.words for r in rejections if r.revision in revisions - self._pardoned}

    def _candidates(self, trial: Trial) -> list[str]:
        return [name for name, revision in self._waiting.items() if trial.members.get(name) == revision]

    def conclude(self, verdict: Verdict, words: str = "") -> set[str]:
        """Take how the first node's try ended; return nodes of which the turn changed."""
        trial = self._trial
        if trial is None or trial.first is None:
            return set()
        name, trial.first = trial.first, None
        match verdict:
            case Verdict.PROVEN:
                return self._clear(trial.members.values())
            case Verdict.REJECTED:
                trial.inconclusive = 0
                trial.rejected[name] = words
                if len(trial.rejected) >= MAX_REJECTIONS or trial.members.keys() <= trial.rejected.keys():
                    return self._hold_rejected(trial)
            case Verdict.INCONCLUSIVE:
                trial.inconclusive += 1
                if trial.inconclusive >= MAX_INCONCLUSIVE:
                    return self._hold(
                        trial, f"two first nodes in a row told nothing, {name} at last: {words}"
                    )
            case Verdict.LEFT:
                pass
        return set()

    def prove(self, revision: str) -> set[str]:
        """Take that a revision has run past the settle time; return nodes of which the turn changed."""
        if revision in self.cleared:
            return set()
        trial = self._trial
        whole_batch = trial is not None and revision in trial.members.values()
        return self._clear(trial.members.values() if trial is not None and whole_batch else [revision])

    def lift(self, revision: str) -> None:
        """Let a held revision be tried again, whoever rejected it before."""
        if self.held.pop(revision, None) is not None:
            self._pardoned.add(revision)

    def forget_old(self, useful: set[str], *, bound: int) -> None:
        """Keep what is known of revisions bounded: the oldest that nobody desires or has proven go first."""
        for revision in list(self.cleared)[: max(0, len(self.cleared) - bound)]:
            if revision not in useful:
                del self.cleared[revision]
        for revision in self.held.keys() - useful:
            del self.held[revision]

    def _hold_rejected(self, trial: Trial) -> set[str]:
        names = " and ".join(sorted(trial.rejected))
        return self._hold(trial, f"{names} rejected it: {next(iter(trial.rejected.values()))}")

    def _hold(self, trial: Trial, words: str) -> set[str]:
        for revision in trial.members.values():
            self.held[revision] = f"held, {words}"
            self._pardoned.discard(revision)
        return self._end(trial.members.values())

    def _clear(self, revisions: Iterable[str]) -> set[str]:
        cleared = set(revisions)
        for revision in cleared:
            self.cleared[revision] = None
            self.held.pop(revision, None)
            self._pardoned.discard(revision)
        return self._end(cleared)

    def _end(self, revisions: Iterable[str]) -> set[str]:
        decided = set(revisions)
        if self._trial is not None and decided & set(self._trial.members.values()):
            self._trial = None
        freed = {name for name, revision in self._waiting.items() if revision in decided}
        for name in freed:
            del self._waiting[name]
        return freed
