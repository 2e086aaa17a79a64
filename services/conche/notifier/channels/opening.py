"""The channels of the settings, opened: with their secrets read, so that what is wrong is said at the start."""

import logging
import re
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from conche.errors import FatalError
from conche.settings import Notifier
from conche.settings.notifying import URL, Email, Slack, Tls, Webhook
from conche.settings.notifying import Channel as ChannelSettings
from conche.web import open_session, tls_context

from .base import Channel, read_secret
from .http import Post
from .mail import MailChannel
from .webhooks import SlackChannel, WebhookChannel

logger = logging.getLogger(__name__)


async def open_channels(settings: Notifier, stack: AsyncExitStack) -> dict[str, Channel]:
    """Return the channels by name; nothing is sent yet.

    Raises
    ------
    FatalError
        A file can't be used; names its setting.
    """
    session = await stack.enter_async_context(open_session())
    return {name: _open(name, one, session) for name, one in settings.channels.items()}


def _open(name: str, settings: ChannelSettings, session: aiohttp.ClientSession) -> Channel:
    key = f"notifier.channels.{name}"
    match settings.slack or settings.email or settings.webhook:
        case Slack() as slack:
            return _slack(slack, session, key=f"{key}.slack")
        case Email() as email:
            return _email(email, key=f"{key}.email")
        case Webhook() as webhook:
            return _webhook(webhook, session, key=f"{key}.webhook")
    raise FatalError(f"{key}: says no way: give it one of slack, email and webhook")


def _slack(settings: Slack, session: aiohttp.ClientSession, *, key: str) -> Channel:
    url = _url(settings.url_file, setting=f"{key}.url_file")
    return SlackChannel(Post(session, url, tls=tls_context(None, setting=key)))


def _url(path: Path, *, setting: str) -> str:
    """Return the address that a file holds.

    Raises
    ------
    FatalError
        There is none in it.
    """
    url = read_secret(path, setting=setting)
    if not re.match(URL, url):
        raise FatalError(f"{setting}: {path}: must hold an address that begins with https://, without an @")
    return url


def _email(settings: Email, *, key: str) -> Channel:
    if (settings.user is None) is not (settings.password_file is None):
        raise FatalError(f"{key}: user and password_file go together: give both or neither")
    password = None
    if settings.password_file is not None:
        password = read_secret(settings.password_file, setting=f"{key}.password_file")
        if settings.tls is Tls.NONE:
            logger.warning("%s: tls is none: the password goes over the network for everybody to read", key)
    encrypted = settings.tls is not Tls.NONE
    tls = tls_context(settings.ca_file, setting=f"{key}.ca_file") if encrypted else None
    return MailChannel(settings, tls=tls, password=password)


def _webhook(settings: Webhook, session: aiohttp.ClientSession, *, key: str) -> Channel:
    token = None
    if settings.token_file is not None:
        token = read_secret(settings.token_file, setting=f"{key}.token_file")
    tls = tls_context(settings.ca_file, setting=f"{key}.ca_file")
    return WebhookChannel(Post(session, _webhook_url(settings, key=key), tls=tls, token=token))


def _webhook_url(settings: Webhook, *, key: str) -> str:
    if settings.url is not None and settings.url_file is None:
        return settings.url
    if settings.url_file is not None and settings.url is None:
        return _url(settings.url_file, setting=f"{key}.url_file")
    raise FatalError(f"{key}: needs one of url and url_file, and not both")
