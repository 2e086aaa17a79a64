"""How many nodes of a group may be restarted at once."""


class Slots:
    """Restart slots of a group; those who find none are told when one is free.

    Parameters
    ----------
    limit
        How many; None for as many as there are nodes.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._taken: set[str] = set()
        self._waiting: set[str] = set()

    def free(self, name: str) -> bool:
        """Return whether a node may be restarted now."""
        return self._limit is None or name in self._taken or len(self._taken) < self._limit

    def wait(self, name: str) -> None:
        """Take note that a node would be restarted if there were a slot."""
        self._waiting.add(name)

    def take(self, name: str) -> None:
        """Take a slot."""
        self._taken.add(name)
        self._waiting.discard(name)

    def give_back(self, name: str) -> set[str]:
        """Give a slot back; return nodes that may want it, as many as there is room for."""
        self._taken.discard(name)
        self._waiting.discard(name)
        if self._limit is None:
            return set()
        return set(sorted(self._waiting)[: max(0, self._limit - len(self._taken))])
