"""`conche tokens`: what scripts show the gateway instead of a name and a password."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from msgspec.json import encode

from conche.contract import Role
from conche.gateway.store import FILE, StoreBroken, opened
from conche.gateway.tokens import Token, TokenRefused, Tokens
from conche.local.home import find_home
from conche.settings import DEFAULT_FILE, FILE_VARIABLE, SettingsInvalid, load

from .output import Trouble, plain
from .times import TimeInvalid, parse_until
from .users import RoleType

REFUSED: Final = 2
"""Exit code where nothing was changed."""

NEVER: Final = "never"
LONGEST: Final = timedelta(days=3650)

_STATE_DIR_VARIABLE: Final = "CONCHE_GATEWAY__STATE_DIR"

EPILOG: Final = """A script sends its token with each request: Authorization: Bearer conche_…

A token that is made or revoked is so at once; the gateway needs no restart."""


class Lasting(click.ParamType[timedelta | None]):
    """How long a token is good; None for ever."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | None:
        """Return the time from now on."""
        if value == NEVER:
            return None
        now = datetime.now(UTC)
        try:
            lasts = parse_until(str(value), now) - now
        except (TimeInvalid, OverflowError) as error:
            self.fail(f"{error}; {NEVER} for one that does not end", param, ctx)
        if lasts > LONGEST:
            self.fail(f"{value}: ten years are the most; {NEVER} for one that does not end", param, ctx)
        return lasts


NAME = click.argument("name")
STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    help="The gateway's state_dir, such as a pod's volume. Default: that of the settings, or of the stack here.",
)


@click.group(epilog=EPILOG)
def tokens() -> None:
    """Make, list and revoke the tokens of scripts."""


@tokens.command()
@NAME
@click.option("--role", type=RoleType(), required=True, help="What the script may do.")
@click.option(
    "--expires",
    type=Lasting(),
    default="90d",
    show_default=True,
    metavar="TIME",
    help="When it ends: 90d, a date and time with its zone, or never.",
)
@STATE_DIR
def create(*, name: str, role: Role, expires: timedelta | None, state_dir: Path | None) -> None:
    """Make a token, and print it this once."""
    with _tokens(state_dir) as book:
        made = book.create(name, role=role, lasts=expires)
    until = "for ever" if expires is None else f"until {datetime.now(UTC) + expires:%Y-%m-%d %H:%M} UTC"
    click.echo(f"{name} is {role} {until}; its token, shown this once:", err=True)
    click.echo(made)


@tokens.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@STATE_DIR
def list_(*, as_json: bool, state_dir: Path | None) -> None:
    """Show the tokens: their roles, when they end, when they were used last."""
    with _tokens(state_dir) as book:
        listed = book.listed()
    if as_json:
        click.echo(encode({"tokens": {token.name: token for token in listed}}))
        return
    now = datetime.now(UTC)
    widest = max((len(token.name) for token in listed), default=0)
    for token in listed:
        click.echo(f"{token.name:<{widest}}  {_words(token, now)}")


@tokens.command()
@NAME
@STATE_DIR
def revoke(*, name: str, state_dir: Path | None) -> None:
    """Have a token be refused from now on."""
    with _tokens(state_dir) as book:
        book.revoke(name)
    click.echo(f"{plain(name)} is revoked", err=True)


@contextmanager
def _tokens(given: Path | None) -> Iterator[Tokens]:
    try:
        with opened(given or _state_dir(os.environ)) as store:
            yield Tokens(store)
    except (TokenRefused, StoreBroken, SettingsInvalid) as error:
        raise Trouble(str(error), exit_code=REFUSED) from None


def _state_dir(environment: Mapping[str, str]) -> Path:
    """Return where the gateway keeps its tokens: as the settings say, else that of the stack that was made here."""
    if environment.get(FILE_VARIABLE) or DEFAULT_FILE.exists() or environment.get(_STATE_DIR_VARIABLE):
        return load(environment=environment).gateway.state_dir
    settings = find_home(environment).settings
    if settings.exists():
        return load(settings, environment=environment).gateway.state_dir
    raise Trouble(
        "nothing says where the gateway keeps its tokens: --state-dir DIR, or CONCHE_CONFIG names the settings; "
        f"there has to be, or will be, a {FILE}",
        exit_code=REFUSED,
    )


def _words(token: Token, now: datetime) -> str:
    ended = token.ends_at is not None and token.ends_at <= now
    ends = (
        "never ends" if token.ends_at is None else f"{'ENDED' if ended else 'ends'} {token.ends_at:%Y-%m-%d}"
    )
    used = "never used" if token.used_at is None else f"used {token.used_at:%Y-%m-%d %H:%M}"
    return f"{token.role:<8}  {ends:<16}  {used}"
