"""Slack, and any other server that takes an object."""

from msgspec.json import encode

from conche.notifier.message import Message

from .http import Post


class SlackChannel:
    """An incoming webhook of Slack's.

    Parameters
    ----------
    post
        To its address.
    """

    def __init__(self, post: Post) -> None:
        self._post = post

    async def send(self, message: Message) -> None:
        """Have a message shown."""
        await self._post(encode({"text": slack_text(message)}))


class WebhookChannel:
    """A server that takes a `Notification`.

    Parameters
    ----------
    post
        To its address.
    """

    def __init__(self, post: Post) -> None:
        self._post = post

    async def send(self, message: Message) -> None:
        """Have an object taken."""
        await self._post(encode(message.notification))


def slack_text(message: Message) -> str:
    """Return a message in Slack's own markup, its first line in bold.

    Source: Slack, "Formatting text for app surfaces": ``&``, ``<`` and ``>`` are escaped, and nothing else.
    """
    title = _escaped(message.title).replace("*", "∗")  # one that is not the end of bold
    body = _escaped(message.body)
    return f"*{title}*\n{body}" if body else f"*{title}*"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
