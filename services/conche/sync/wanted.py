"""What the renderer says that each node should run: heard from it, or only found on the broker."""

from conche.contract import DesiredConfig


class DesiredConfigs:
    """The desired configs of a group, by node.

    One that is found at a connection does not replace one that was heard before: it may be older. It does once
    the renderer's heartbeat says that what stands on the broker is what it says.
    """

    def __init__(self) -> None:
        self._said: dict[str, DesiredConfig] = {}
        self._found: dict[str, DesiredConfig] = {}

    def take(self, name: str, desired: DesiredConfig, *, heard: bool) -> None:
        """Take a desired config."""
        self._found.pop(name, None)  # the newest on this connection counts
        if heard:
            self._said[name] = desired
        elif self._said.get(name) != desired:
            self._found[name] = desired

    def on_beat(self, boot: str) -> set[str]:
        """Take that what was found of a renderer is what it says; return of which nodes it was."""
        promoted = {name for name, desired in self._found.items() if desired.boot == boot}
        for name in promoted:
            self._said[name] = self._found.pop(name)
        return promoted

    def on_disconnection(self) -> None:
        """Take that the broker is away: the next connection finds what stands there then."""
        self._found.clear()

    def of(self, name: str) -> DesiredConfig | None:
        """Return what a node should run, as far as is known."""
        return self._said.get(name) or self._found.get(name)

    def is_said(self, name: str) -> bool:
        """Return whether that was heard from the renderer."""
        return name in self._said

    def forget(self, name: str) -> None:
        """Forget a node."""
        self._said.pop(name, None)
        self._found.pop(name, None)
