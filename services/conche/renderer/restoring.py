"""Values that a kotekan refused are taken back: what was stored before them is stored again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.json import decode

from conche.contract import EditAction, NodeStatus, Outcome, Rejection, Result
from conche.kotekan.blocks import MARKER, updatable_blocks, values
from conche.kotekan.revision import revision

from .edits import Edit, written
from .forcing import Forced
from .history import History
from .merge import MergeInvalid, merge, parse_stored
from .nodes import Node
from .outcomes import Sightings
from .problems import ProblemError, some_of
from .render import Rendering, stored_file
from .worklist import Worklist

MAX_VERSIONS: Final = 1_000
"""Versions of a file that are looked through for values from before; a guess."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Values of a block that a kotekan refused, and the node's own words.

    Parameters
    ----------
    node
        ``group/node`` of the one that refused them.
    endpoint
        Of the block.
    values
        Their hash.
    words
        Kotekan's.
    """

    node: str
    endpoint: str
    values: str
    words: str

    @property
    def group(self) -> str:
        """Its group: the others in it are not given them."""
        return self.node.partition("/")[0]


@dataclass(frozen=True)
class Restoration:
    """What is to be written on account of a refusal.

    Parameters
    ----------
    refusal
        Why.
    edit
        The files.
    """

    refusal: Refusal
    edit: Edit

    def result(self, key: str, commit: str | None) -> Result:
        """Return how giving them the values has ended for one of the nodes."""
        where = f" (commit {commit[:8]})" if commit else ""
        said = f"refused these values of {self.refusal.endpoint}: {self.refusal.words}"
        back = f"those from before are stored again{where}"
        if key == self.refusal.node:
            return Result(ok=False, outcome=Outcome.FAILED, error=f"its kotekan {said}; {back}")
        words = f"{self.refusal.node} {said}; {back}"
        return Result(ok=False, outcome=Outcome.HELD, error=words)


class Restorer:
    """Finds what is to be put back.

    Parameters
    ----------
    work
        What each node should run.
    sightings
        What became of it.
    forced
        Wishes that refused values be tried once more.
    """

    def __init__(self, work: Worklist, sightings: Sightings, forced: Forced) -> None:
        self._work = work
        self._sightings = sightings
        self._forced = forced

    def refusals(self, key: str, status: NodeStatus) -> list[Refusal]:
        """Return what a node refused and still should run."""
        return [
            Refusal(key, r.endpoint, r.values, r.error)
            for r in status.rejected
            if r.endpoint is not None and r.values is not None and self._stands(key, r)
        ]

    def concerns(self, refusal: Refusal, key: str) -> bool:
        """Return whether a node should run what was refused, and does not."""
        return key.partition("/")[0] == refusal.group and self._wants(key, refusal.endpoint, refusal.values)

    def _stands(self, key: str, rejection: Rejection) -> bool:
        endpoint, values = rejection.endpoint or "", rejection.values or ""
        wish = self._forced.wish(key, endpoint, values)
        if wish is not None and rejection.forced != wish:
            return False  # to be tried once more
        return self._wants(key, endpoint, values)

    def _wants(self, key: str, endpoint: str, values: str) -> bool:
        """Return whether a node should run values and does not: one that does has no trouble with them."""
        done, status = self._work.done(key), self._sightings.statuses.get(key)
        wanted = done is not None and done.updatable.get(endpoint) == values
        return wanted and (status is None or status.live != (done.revision if done else None))

    def restoration(self, refusal: Refusal, *, rendering: Rendering, history: History) -> Restoration | None:
        """Return what is to be written, or None where nothing is stored that could be taken back.

        Raises
        ------
        HistoryError
            What was there before can't be told.
        """
        files: dict[str, bytes | None] = {}
        nodes: list[Node] = []
        for node in self._work.nodes():
            if self.concerns(refusal, node.key):
                before = _before(node, refusal, rendering=rendering, history=history)
                if before is not None:
                    files[stored_file(node)] = written(before) if before else None
                    nodes.append(node)
        if not files:
            return None
        named = some_of(node.key for node in nodes)
        return Restoration(
            refusal,
            Edit(
                action=EditAction.UPDATABLE_CONFIG,
                subject=f"{refusal.endpoint} of {named} put back: {refusal.node} refused the values",
                files=files,
                targets=tuple(nodes),
                endpoint=refusal.endpoint,
            ),
        )


def _before(node: Node, refusal: Refusal, *, rendering: Rendering, history: History) -> dict[str, Any] | None:
    """Return all stored values of a node with those of one block as they were before; None if that can't be told."""
    try:
        stored = rendering.stored(node)
        block = updatable_blocks(decode(rendering.base(node))).get(refusal.endpoint)
    except ProblemError:
        return None
    if refusal.endpoint not in stored or block is None:
        return None
    for older in _versions(node, refusal.endpoint, history):
        if _hash_of(block, older, refusal.endpoint) not in (None, refusal.values):
            rest = {endpoint: given for endpoint, given in stored.items() if endpoint != refusal.endpoint}
            return rest if older is None else {**rest, refusal.endpoint: older}
    return None


def _versions(node: Node, endpoint: str, history: History) -> Iterable[dict[str, Any] | None]:
    """Yield what was stored for a block, the newest first, and at last nothing: the base config's own values."""
    file = stored_file(node)
    for _, data in zip(range(MAX_VERSIONS), history.versions(file), strict=False):
        try:
            yield None if data is None else parse_stored(data.decode(), file=file).get(endpoint)
        except (ProblemError, UnicodeDecodeError):
            continue
    yield None


def _hash_of(block: Mapping[str, Any], stored: dict[str, Any] | None, endpoint: str) -> str | None:
    """Return the hash that a block would have with stored values, or None where they don't fit it."""
    whole: dict[str, Any] = dict(block)
    nested: dict[str, Any] = {"block": whole}
    try:
        merge(nested, {"block": stored} if stored is not None else {})
    except MergeInvalid:
        return None
    return revision(values(whole)) if MARKER in whole else None
