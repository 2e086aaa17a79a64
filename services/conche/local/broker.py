"""A folder in which mosquitto can be started: the shipped configuration, accounts, and where it listens."""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from conche.contract import Role, Service
from conche.storage import write_atomic

from .accounts import Accounts

OPERATOR: Final = "operator"
"""Account of the person at the command line."""

ACCOUNTS: Final[Mapping[str, Role]] = MappingProxyType({OPERATOR: Role.ADMIN})
"""Accounts that are no services' and that each broker of the local mode has: who can read their passwords in its
folder could have written them."""


def lay_out(
    folder: Path,
    *,
    shipped: Path,
    port: int,
    root: str = "conche",
    host: str = "127.0.0.1",
    accounts: Mapping[str, Role] = ACCOUNTS,
) -> None:
    """Make or refresh the folder that mosquitto runs in; accounts that have a password keep it, and their role.

    Parameters
    ----------
    folder
        mosquitto's working directory; ``secrets/`` in it gets one file for each service and each of ``accounts``.
    shipped
        The project's ``mosquitto`` folder.
    port
        Where to listen, on ``host`` only.
    root
        First level of every topic.
    accounts
        Those of the stack itself, with their roles; people's are in ``accounts.json``.

    Raises
    ------
    BrokerSetupFailed
        mosquitto's password tool is missing or refuses, or a file there can't be understood.
    """
    for name in ("data", "listeners", "secrets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "secrets").chmod(0o700)
    shutil.copyfile(shipped / "mosquitto.conf", folder / "mosquitto.conf")
    user = (
        "user root\n" if os.geteuid() == 0 else ""
    )  # else it becomes 'mosquitto', who can't read the secrets
    write_atomic(folder / "listeners" / "local.conf", f"listener {port} {host}\n{user}".encode())
    passwords = {name: _password(folder / "secrets" / name) for name in (*map(str, Service), *accounts)}
    Accounts(folder, root=root).lay_out(accounts, passwords)


def _password(path: Path) -> str:
    if not path.exists():
        write_atomic(path, secrets.token_urlsafe(24).encode(), mode=0o600)
    return path.read_text()
