"""Whether a node that nobody keeps in maintenance is as it should be, for whoever tells people of it."""

from typing import Final

from conche.contract import NodeState, NodeStatus

_IN_BETWEEN: Final = (NodeState.UNKNOWN, NodeState.SYNCING, NodeState.DOWN)


def is_idle(status: NodeStatus) -> bool:
    """Return whether a node should run and does not."""
    return status.state is NodeState.STOPPED and status.started is True


def is_unhealed(status: NodeStatus) -> bool | None:
    """Return whether a node is not as desired, and nothing is being done about it; None where nobody can tell.

    A wait for the next attempt counts as nothing: it may be five minutes long. Of drift that is let stand because
    its path is ignored nobody says that anything is wrong.
    """
    if status.maintenance.on:
        return False
    if status.pending or status.state in _IN_BETWEEN:
        return None
    wrong = status.error is not None or status.held is not None
    return wrong and (is_idle(status) or _differs(status))


def _differs(status: NodeStatus) -> bool:
    """Return whether a node that runs has something else than it should."""
    other = None not in (status.live, status.desired) and status.live != status.desired
    return status.state is NodeState.STARTED and bool(status.drift.base or status.drift.endpoints or other)
