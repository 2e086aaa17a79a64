"""A message to try a channel with; nothing else is told, and no broker is needed."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from conche.contract import Health
from conche.errors import FatalError
from conche.settings import Notifier

from .channels import Channel, ChannelTrouble, open_channels
from .checking import nearest, plan_of
from .message import Message, Notification

TITLE: Final = "TRIAL this is how conche tells you what needs you"
BODY: Final = "Somebody tries this channel; nothing is wrong."


async def send_trial(settings: Notifier, names: tuple[str, ...] = ()) -> dict[str, str | None]:
    """Send a message to channels, one after the other told of in the order of the settings.

    Parameters
    ----------
    settings
        Of the notifier.
    names
        Channels to try; empty for all.

    Returns
    -------
    dict
        Why each of them did not take it; None where it did.

    Raises
    ------
    FatalError
        The settings are wrong, or there is no such channel.
    """
    plan_of(settings)
    for name in names:
        if name not in settings.channels:
            raise FatalError(
                f"there is no channel {name!r} in notifier.channels{nearest(name, settings.channels)}"
            )
    async with AsyncExitStack() as stack:
        channels = await open_channels(settings, stack)
        chosen = {name: one for name, one in channels.items() if not names or name in names}
        tried = (_try(one, timeout_s=settings.timeout_s, link=settings.link) for one in chosen.values())
        return dict(zip(chosen, await asyncio.gather(*tried), strict=True))


async def _try(channel: Channel, *, timeout_s: float, link: str | None) -> str | None:
    try:
        async with asyncio.timeout(timeout_s):
            await channel.send(_trial(link))
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except ChannelTrouble as error:
        return str(error)
    return None


def _trial(link: str | None) -> Message:
    body = f"{BODY}\n\nMore: {link}" if link else BODY
    text = f"{TITLE}\n\n{body}"
    at = datetime.now(UTC)
    return Message(TITLE, body, Notification(at=at, level=Health.NORMAL, title=TITLE, text=text, link=link))
