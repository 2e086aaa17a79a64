"""A folder in which mosquitto can be started: the shipped configuration, accounts, and where it listens."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from conche.contract import Service
from conche.contract.acl import acl
from conche.storage import write_atomic

OPERATOR: Final = "operator"
"""Account of the person at the command line."""

ACCOUNTS: Final = (*(str(service) for service in Service), OPERATOR)


class BrokerSetupFailed(Exception):
    """mosquitto's folder could not be made; says what is missing."""


def lay_out(folder: Path, *, shipped: Path, port: int, root: str = "conche", host: str = "127.0.0.1") -> None:
    """Make or refresh the folder that mosquitto runs in; accounts that have a password keep it.

    Parameters
    ----------
    folder
        mosquitto's working directory; ``secrets/`` in it gets one file per account.
    shipped
        The project's ``mosquitto`` folder.
    port
        Where to listen, on ``host`` only.
    root
        First level of every topic.

    Raises
    ------
    BrokerSetupFailed
        mosquitto's password tool is missing or refuses.
    """
    for name in ("data", "listeners", "secrets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "secrets").chmod(0o700)
    shutil.copyfile(shipped / "mosquitto.conf", folder / "mosquitto.conf")
    write_atomic(folder / "acl", acl(root).encode(), mode=0o600)
    user = (
        "user root\n" if os.geteuid() == 0 else ""
    )  # else it becomes 'mosquitto', who can't read the secrets
    write_atomic(folder / "listeners" / "local.conf", f"listener {port} {host}\n{user}".encode())
    _make_accounts(folder, ACCOUNTS)


def _make_accounts(folder: Path, accounts: Iterable[str]) -> None:
    passwords = {name: _password(folder / "secrets" / name) for name in accounts}
    plain = folder / "passwords.new"
    write_atomic(plain, "".join(f"{n}:{p}\n" for n, p in passwords.items()).encode(), mode=0o600)
    try:
        subprocess.run(["mosquitto_passwd", "-U", str(plain)], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        plain.unlink()
        raise BrokerSetupFailed("mosquitto_passwd is not installed: apt-get install mosquitto") from None
    except subprocess.CalledProcessError as error:
        plain.unlink()
        raise BrokerSetupFailed(f"mosquitto_passwd: {error.stderr.strip()}") from None
    plain.rename(folder / "passwords")


def _password(path: Path) -> str:
    if not path.exists():
        write_atomic(path, secrets.token_urlsafe(24).encode(), mode=0o600)
    return path.read_text()
