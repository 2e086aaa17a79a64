"""Full topics and topics below the root."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The root of all topics."""

    root: str

    def full(self, relative: str) -> str:
        """Return the topic with the root."""
        return f"{self.root}/{relative}"

    def relative(self, topic: str) -> str:
        """Return the topic below the root; empty if it is not below it."""
        return topic.removeprefix(f"{self.root}/") if topic.startswith(f"{self.root}/") else ""


def covers(topic_filter: str, topic: str) -> bool:
    """Return whether a filter covers a topic; of one that ends in ``#`` the levels before it count."""
    parts, levels = topic_filter.split("/"), topic.split("/")
    if parts[-1] == "#":
        parts, levels = parts[:-1], levels[: len(parts) - 1]
    return len(parts) == len(levels) and all(
        p in ("+", level) for p, level in zip(parts, levels, strict=True)
    )
