"""The services' entry points: settings, then the service until a signal ends it."""

import os
from pathlib import Path

import click

from conche.settings import Settings, SettingsInvalid
from conche.settings import load as load_settings

from .lazy import load


class WrongSettings(click.ClickException):
    """A setting is wrong; says which."""

    exit_code = 2


CONFIG = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Settings to use, instead of those that CONCHE_CONFIG names or ./conche.yaml.",
)
GROUPS = click.option(
    "--group", "groups", multiple=True, help="Serve this group; may be repeated. Default: all."
)


@click.command()
@CONFIG
def renderer(*, config: Path | None) -> None:
    """Watch the config directory, render it, and publish what every node should run."""
    _run("renderer", config)


@click.command()
@CONFIG
@GROUPS
@click.option("--instance", help="Name of this poller; each of several needs its own.")
def poller(*, config: Path | None, groups: tuple[str, ...], instance: str | None) -> None:
    """Ask every node on a fixed period what it runs, and publish it."""
    _run("poller", config, groups=",".join(groups), instance=instance)


@click.command()
@CONFIG
@GROUPS
def sync(*, config: Path | None, groups: tuple[str, ...]) -> None:
    """Compare what every node runs with what it should, and bring it there."""
    _run("sync", config, groups=",".join(groups))


@click.command()
@CONFIG
def journal(*, config: Path | None) -> None:
    """Remember what happens, and tell it on command."""
    _run("journal", config)


@click.command("eop-service")
@CONFIG
def eop(*, config: Path | None) -> None:
    """Build the Earth-orientation table every day, and have it pushed to every node that it concerns."""
    _run("eop", config)


@click.command("fpga-service")
@CONFIG
def fpga(*, config: Path | None) -> None:
    """Ask the FPGA master on a fixed period how it is and when frame 0 was, and publish it."""
    _run("fpga", config)


@click.command()
@CONFIG
def metrics(*, config: Path | None) -> None:
    """Keep what happens in a time-series database, and show it to Prometheus."""
    _run("metrics", config)


@click.command()
@CONFIG
def notifier(*, config: Path | None) -> None:
    """Tell people what needs them: by Slack, mail, or any webhook."""
    _run("notifier", config)


@click.command()
@CONFIG
def gateway(*, config: Path | None) -> None:
    """Answer scripts and pages over HTTPS, with logins, and send what they wish for as commands."""
    _run("gateway", config)


def read_settings(service: str, config: Path | None, **options: str | None) -> Settings:
    """Read the settings; options given on the command line override them, checked alike.

    Raises
    ------
    WrongSettings
        In the words of `SettingsInvalid`.
    """
    given = {f"CONCHE_{service}__{key}".upper(): value for key, value in options.items() if value}
    try:
        return load_settings(config, environment={**os.environ, **given})
    except SettingsInvalid as error:
        raise WrongSettings(str(error)) from error


def _run(service: str, config: Path | None, **options: str | None) -> None:
    main = load(f"conche.{service}.main:main", command=service, extra=service)
    raise SystemExit(main(read_settings(service, config, **options)))
