"""The files of a broker's accounts, as tests read them."""

from pathlib import Path

from conche.contract import Role
from conche.local.accounts import Accounts
from conche.local.broker import lay_out
from conche.local.passwords import parse
from tests.integration.harness import PROJECT

SECRET = "correct horse battery"
FILES = ("passwords", "accounts.json", "acl")


def again(folder: Path, **changes) -> None:
    folder.mkdir(exist_ok=True)
    lay_out(folder, shipped=PROJECT / "mosquitto", port=1883, **changes)


def content(accounts: Accounts) -> dict[str, bytes]:
    return {name: (accounts.folder / name).read_bytes() for name in FILES}


def hashes(accounts: Accounts) -> dict[str, str]:
    return parse((accounts.folder / "passwords").read_text())


def rights(accounts: Accounts) -> dict[str, set[str]]:
    """The actions that the access list allows each account, if it can log in."""
    found: dict[str, set[str]] = {name: set() for name in hashes(accounts)}
    for line in (accounts.folder / "acl").read_text().splitlines():
        if "/command/" in line and line.startswith("topic write "):
            _, _, user, _, _, action = line.split()[2].split("/")
            if user in found:
                found[user].add(action)
    return found


def roles(accounts: Accounts) -> dict[str, Role | None]:
    return {name: account and account.role for name, account in accounts.listed().items()}
