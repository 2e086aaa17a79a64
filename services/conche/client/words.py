"""Names in the order in which people read them."""

import re


def natural(name: str) -> list[tuple[str, int]]:
    """Return a key that sorts cx2 before cx10."""
    return [(word, int(digits or -1)) for word, digits in re.findall(r"(\D*)(\d*)", name) if word or digits]
