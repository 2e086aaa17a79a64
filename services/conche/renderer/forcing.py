"""Wishes that values be tried once more although a kotekan has refused them."""

from collections import defaultdict

from .render import Rendered


class Forced:
    """Remembers which values of which node somebody wants to be tried again.

    Not kept over a restart: what was not tried by then is refused again, and wished for again.
    """

    def __init__(self) -> None:
        self._wishes: defaultdict[str, dict[str, tuple[str, str]]] = defaultdict(dict)

    def want(self, rendered: Rendered, endpoint: str, wish: str) -> None:
        """Take a wish about the values of a block that a node was given."""
        if rendered.fingerprint is not None:
            self._wishes[rendered.node.key][endpoint] = rendered.fingerprint.updatable[endpoint], wish

    def wish(self, key: str, endpoint: str, values: str) -> str | None:
        """Return the wish about values of a block, by their hash, or None."""
        found = self._wishes.get(key, {}).get(endpoint)
        return found[1] if found is not None and found[0] == values else None

    def of(self, rendered: Rendered) -> dict[str, str]:
        """Return endpoint and wish for what a node is to run now."""
        if rendered.fingerprint is None or rendered.node.key not in self._wishes:
            return {}
        found = {
            endpoint: self.wish(rendered.node.key, endpoint, values)
            for endpoint, values in rendered.fingerprint.updatable.items()
        }
        return {endpoint: wish for endpoint, wish in found.items() if wish is not None}
