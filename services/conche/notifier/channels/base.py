"""What a channel is, the ways in which it can fail, and what it is given from files."""

from pathlib import Path
from typing import Protocol

from conche.errors import FatalError
from conche.notifier.message import Message


class ChannelTrouble(Exception):
    """A message was not taken; says why, without any secret."""


class ChannelUnavailable(ChannelTrouble):
    """It may be taken later.

    Parameters
    ----------
    words
        Why it was not.
    retry_after_s
        How long the other side asks to be left alone [s].
    """

    def __init__(self, words: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(words)
        self.retry_after_s = retry_after_s


class ChannelRefused(ChannelTrouble):
    """It will not be taken: to send it again would not help."""


class Channel(Protocol):
    """A way to somebody."""

    async def send(self, message: Message) -> None:
        """Have a message taken.

        Raises
        ------
        ChannelTrouble
            One of its kinds.
        """


def read_secret(path: Path, *, setting: str) -> str:
    """Return the one line of a file that holds a secret.

    Raises
    ------
    FatalError
        Names the setting and the file, never what is in it.
    """
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise FatalError(f"{setting}: {path}: can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise FatalError(f"{setting}: {path}: is not text") from None
    if not text:
        raise FatalError(f"{setting}: {path}: is empty; it must hold the secret")
    if not text.isprintable():
        raise FatalError(f"{setting}: {path}: must hold one line of text, and nothing else")
    return text
