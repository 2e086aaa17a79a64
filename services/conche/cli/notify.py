"""``conche notify-test``: whether the notifier's channels work."""

import asyncio
from pathlib import Path

import click

from conche.errors import FatalError
from conche.notifier.trial import send_trial

from .services import CONFIG, read_settings


@click.command("notify-test")
@click.argument("channels", nargs=-1, metavar="[CHANNEL]...")
@CONFIG
def notify_test(*, channels: tuple[str, ...], config: Path | None) -> None:
    """Send a message to each of the notifier's channels, or to those that are named, and say who took it.

    It needs no broker and no running notifier, and reads the same settings.
    """
    settings = read_settings("notifier", config)
    try:
        tried = asyncio.run(send_trial(settings.notifier, channels))
    except FatalError as error:
        raise click.ClickException(str(error)) from None
    if not tried:
        raise click.ClickException("notifier.channels: there are none")
    for name, trouble in tried.items():
        click.echo(f"{name}: {trouble or 'taken'}")
    if any(tried.values()):
        raise SystemExit(1)
