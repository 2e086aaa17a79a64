"""Whether somebody's answer has what is to be told to nobody in it."""

import html
import re
from typing import Final
from urllib.parse import unquote

LEAST: Final = 4
"""What is shorter is no secret [characters]."""

PIECE: Final = 8
"""So much of a secret gives it away [characters]: an answer is cut, and may have its beginning only."""

_PARTS: Final = re.compile(r"[/?#&=]")
_NO_WORD: Final = re.compile(r"[^a-z0-9]+")


class Secrets:
    """What an address and a token have in them.

    Parameters
    ----------
    url
        What stands behind its host is secret.
    token
        None for none.
    """

    def __init__(self, url: str, token: str | None) -> None:
        _host, *parts = _PARTS.split(url.partition("://")[2])
        self._pieces = {piece for text in (*parts, token or "") for piece in _pieces(text)}

    def are_in(self, text: str) -> bool:
        """Return whether something of them is in a text, however it is written there."""
        plain = _plain(text)
        return any(piece in plain for piece in self._pieces)


def _pieces(text: str) -> set[str]:
    plain = _plain(text)
    if len(plain) < LEAST:
        return set()
    return {plain[at : at + PIECE] for at in range(max(1, len(plain) - PIECE + 1))}


def _plain(text: str) -> str:
    """Return letters and digits alone: servers escape the rest, each in its way."""
    return _NO_WORD.sub("", html.unescape(unquote(text)).lower())
