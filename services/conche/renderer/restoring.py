"""Values that a kotekan refused are taken back: what was stored before them is stored again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.json import decode

from conche.contract import EditAction, NodeStatus, Outcome, Rejection, Result
from conche.kotekan.blocks import updatable_blocks, values
from conche.kotekan.revision import revision

from .edits import Edit, written
from .forcing import Forced
from .history import LOOKED_THROUGH, History
from .merge import MergeInvalid, merge, parse_stored
from .nodes import Node
from .outcomes import Sightings
from .problems import ProblemError, some_of
from .render import Rendering, stored_file
from .worklist import Worklist


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
        found = _Earlier(refusal, rendering)
        concerned = [node for node in self._work.nodes() if self.concerns(refusal, node.key)]
        nodes = [node for node in concerned if found.take(node)]
        files = found.files(history)
        nodes = [node for node in nodes if rendering.files.real_name(stored_file(node)) in files]
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


class _Earlier:
    """Finds for each of some nodes what was stored before the values that were refused."""

    def __init__(self, refusal: Refusal, rendering: Rendering) -> None:
        self._refusal = refusal
        self._rendering = rendering
        self._stored: dict[str, dict[str, Any]] = {}
        self._blocks: dict[str, Mapping[str, Any]] = {}
        self._parsed: dict[bytes, dict[str, dict[str, Any]]] = {}

    def take(self, node: Node) -> bool:
        """Take a node; return whether it has stored values for the block."""
        endpoint = self._refusal.endpoint
        try:
            file = self._rendering.files.real_name(stored_file(node))
            stored = self._rendering.stored(node)
            base = self._rendering.base(node)
        except ProblemError:
            return False
        if base not in self._parsed:  # many nodes have the same
            self._parsed[base] = updatable_blocks(decode(base))
        block = self._parsed[base].get(endpoint)
        if endpoint not in stored or block is None:
            return False
        self._stored[file], self._blocks[file] = stored, block
        return True

    def files(self, history: History) -> dict[str, bytes | None]:
        """Return the files with what was stored before; one for which that can't be told is left out.

        Raises
        ------
        HistoryError
            It can't be read.
        """
        found = history.earlier(self._stored, fits=self._fits, at_most=LOOKED_THROUGH)
        for file in self._stored:
            if file not in found and self._fits(file, None):
                found[file] = None  # the base config's own values
        return {file: self._with(file, data) for file, data in found.items()}

    def _fits(self, file: str, data: bytes | None) -> bool:
        """Return whether a version of a file has other values for the block, which it takes."""
        try:
            older = _stored_in(file, data, self._refusal.endpoint)
        except (ProblemError, UnicodeDecodeError):
            return False
        found = _hash_of(self._blocks[file], older)
        return found is not None and found != self._refusal.values

    def _with(self, file: str, data: bytes | None) -> bytes | None:
        endpoint = self._refusal.endpoint
        older = _stored_in(file, data, endpoint)
        rest = {name: given for name, given in self._stored[file].items() if name != endpoint}
        if older is not None:
            rest[endpoint] = older
        return written(rest) if rest else None


def _stored_in(file: str, data: bytes | None, endpoint: str) -> Any:
    return None if data is None else parse_stored(data.decode(), file=file).get(endpoint)


def _hash_of(block: Mapping[str, Any], stored: dict[str, Any] | None) -> str | None:
    """Return the hash that a block would have with stored values, or None where they don't fit it."""
    whole: dict[str, Any] = dict(block)
    nested: dict[str, Any] = {"block": whole}
    try:
        merge(nested, {"block": stored} if stored is not None else {})
    except MergeInvalid:
        return None
    return revision(values(whole))
