"""What conche does as soon as nodes are given back to it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from conche.contract import NodeState, NodeStatus

from .output import count

_WORDS: Final = ("stopped", "restarted", "started")


def consequence_of(status: NodeStatus | None) -> str | None:
    """Return what becomes of a node that is taken out of maintenance; None where nothing does."""
    if status is None or not status.maintenance.on:
        return None
    if status.state is NodeState.STARTED:
        if status.started is False:
            return "stopped"
        return "restarted" if status.started and status.drift.base else None
    return "started" if status.state is NodeState.STOPPED and status.started else None


def counted(statuses: Iterable[NodeStatus | None]) -> Mapping[str, int]:
    """Return of how many nodes becomes what, the worst first; what becomes of none is left out."""
    found = [consequence_of(status) for status in statuses]
    return {words: found.count(words) for words in _WORDS if words in found}


def in_words(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield a sentence for each."""
    for words, number in counts.items():
        yield f"{count(number, 'node')} {'is' if number == 1 else 'are'} {words} then"
