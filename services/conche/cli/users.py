"""`conche users`: the accounts of people and scripts at the broker, and what each may do."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click
from msgspec import to_builtins
from msgspec.json import encode

from conche.contract import Role
from conche.local.accounts import BOOK, Account, AccountRefused, Accounts
from conche.local.home import find_home
from conche.local.passwords import BrokerSetupFailed, PasswordRefused, check_password, generated
from conche.local.reloading import reload
from conche.settings import SettingsInvalid, load

from .output import Trouble

REFUSED: Final = 2
"""Exit code where nothing was changed."""

EPILOG: Final = """A viewer reads and asks; an operator also starts, stops, restarts nodes, takes them into maintenance
and sets updatable values; an engineer also changes configs; an admin also changes which nodes there are.

A change holds at once: nobody else is disconnected, and whoever was removed or has a new password is cut off."""


class RoleType(click.ParamType[Role]):
    """A role, with the nearest right one for a wrong one."""

    name = "role"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Role:
        """Return the role."""
        try:
            return Role(value)
        except ValueError:
            near = difflib.get_close_matches(str(value), list(Role), n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            self.fail(f"there is no role {value!r}: {hint}There are {', '.join(Role)}", param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what `--help` shows."""
        return "|".join(Role)


NAME = click.argument("name")
BROKER_DIR = click.option(
    "--broker-dir",
    type=click.Path(path_type=Path),
    help="Folder with the broker's passwords and acl, such as a pod's volume. Default: that of the stack here.",
)
PASSWORD_FILE = click.option(
    "--password-file",
    type=click.File("r"),
    help="File with the password, - for standard input. Default: one is made, and printed this once.",
)


@click.group(epilog=EPILOG)
def users() -> None:
    """Make, change and remove the accounts of people and scripts."""


@users.command()
@NAME
@click.option("--role", type=RoleType(), required=True, help="What it may do.")
@PASSWORD_FILE
@BROKER_DIR
def add(*, name: str, role: Role, password_file: IO[str] | None, broker_dir: Path | None) -> None:
    """Make an account."""
    password = _given(password_file) or generated()
    _change(broker_dir, lambda a: a.add(name, role=role, password=password), f"{name} is added: {role}")
    _show_password(password, given=password_file is not None)


@users.command()
@NAME
@BROKER_DIR
def remove(*, name: str, broker_dir: Path | None) -> None:
    """Remove an account, and end its connections."""
    _change(broker_dir, lambda accounts: accounts.remove(name), f"{name} is removed")


@users.command()
@NAME
@click.argument("new", metavar="viewer|operator|engineer|admin", type=RoleType())
@BROKER_DIR
def role(*, name: str, new: Role, broker_dir: Path | None) -> None:
    """Give an account another role; it stays connected."""
    _change(broker_dir, lambda accounts: accounts.set_role(name, new), f"{name} is now: {new}")


@users.command()
@NAME
@PASSWORD_FILE
@BROKER_DIR
def password(*, name: str, password_file: IO[str] | None, broker_dir: Path | None) -> None:
    """Give an account another password, and end its connections."""
    new = _given(password_file) or generated()
    _change(broker_dir, lambda accounts: accounts.set_password(name, new), f"{name} has a new password")
    _show_password(new, given=password_file is not None)


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@BROKER_DIR
def list_(*, as_json: bool, broker_dir: Path | None) -> None:
    """Show the accounts and their roles."""
    with _refusals():
        listed = _accounts(broker_dir).listed()
    if as_json:
        click.echo(encode({"accounts": {name: _as_object(account) for name, account in listed.items()}}))
        return
    widest = max(map(len, listed), default=0)
    for name, account in listed.items():
        click.echo(f"{name:<{widest}}  {_words(account)}")


def _change(broker_dir: Path | None, change: Callable[[Accounts], list[str]], done: str) -> None:
    """Do something to the accounts, have the broker read them again, and say both."""
    with _refusals():
        accounts = _accounts(broker_dir)
        dropped = change(accounts)
    for name in dropped:
        click.echo(f"{name} was half made or half removed by a change that did not end; it is gone", err=True)
    click.echo(done, err=True)
    _reload(accounts.folder, here=broker_dir is None)


def _reload(folder: Path, *, here: bool) -> None:
    reloaded = reload(folder)
    for number in reloaded.forbidden:
        click.echo(f"the broker is somebody else's; have it know: sudo kill -HUP {number}", err=True)
    if reloaded.told or reloaded.forbidden:
        return
    if here:
        click.echo("no broker runs here now: it holds from the next ./conche.sh up on", err=True)
    else:
        click.echo(
            f"no mosquitto of {folder} is seen from here; where one runs, have it know: "
            "kill -HUP <its process>, or podman kill -s HUP <its container>",
            err=True,
        )


def _accounts(broker_dir: Path | None) -> Accounts:
    """Return the accounts of the folder that was named, else of the stack that was started here."""
    if broker_dir is not None:
        return Accounts(broker_dir, root=load().broker.root)
    folder = find_home().broker
    if not (folder / BOOK).exists():
        raise BrokerSetupFailed(
            f"no broker has been set up in {folder}: ./conche.sh up does it; --broker-dir DIR is for another one"
        )
    return Accounts(folder)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (AccountRefused, BrokerSetupFailed, SettingsInvalid) as error:
        raise Trouble(str(error), exit_code=REFUSED) from None
    except OSError as error:
        raise Trouble(f"{error.filename}: {error.strerror}", exit_code=REFUSED) from None


def _given(file: IO[str] | None) -> str | None:
    if file is None:
        return None
    try:
        return check_password(file.read())
    except UnicodeDecodeError:
        raise Trouble(f"{file.name}: the password is not text", exit_code=REFUSED) from None
    except PasswordRefused as error:
        raise Trouble(f"{file.name}: {error}", exit_code=REFUSED) from None


def _show_password(password: str, *, given: bool) -> None:
    """Print a password that was made: the only thing on standard output, so that it can be sent to a file."""
    if given:
        return
    click.echo(
        "password, shown this once (CONCHE_BROKER__PASSWORD_FILE names the file that holds it):", err=True
    )
    click.echo(password)


def _words(account: Account | None) -> str:
    if account is None:
        return "no role   made by hand: reads, and sends nothing"
    since = f"{account.role:<8}  since {account.since:%Y-%m-%d}"
    return f"{since}, of this stack" if account.of_stack else since


def _as_object(account: Account | None) -> Any:
    return None if account is None else to_builtins(account)
