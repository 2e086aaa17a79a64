"""mosquitto's password file: an account a line, with the hash that mosquitto's own tool makes."""

import secrets
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SHORTEST: Final = 12
"""Characters of a password that a person chooses; a guess at what takes too long to try."""

_GENERATED_BYTES: Final = 18


class BrokerSetupFailed(Exception):
    """mosquitto's folder could not be made or used; says what is missing."""


class PasswordRefused(ValueError):
    """Nobody should have this password; says why."""


def generated() -> str:
    """Return a password that nobody has seen."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


def check_password(text: str) -> str:
    """Return the password in a text that somebody wrote, without the line's end.

    Raises
    ------
    PasswordRefused
        It is empty, short, or more than one line.
    """
    password = text.strip()
    if not password:
        raise PasswordRefused("the password is empty")
    if not password.isprintable():
        raise PasswordRefused("the password must be one line of printable characters")
    if len(password) < SHORTEST:
        raise PasswordRefused(f"the password has {len(password)} characters: {SHORTEST} are the least")
    return password


def hashed(account: str, password: str) -> str:
    """Return what mosquitto keeps of a password.

    The password goes through a pipe: it stands in no file, and in no command line that others could see.

    Raises
    ------
    BrokerSetupFailed
        mosquitto's tool is missing or refuses.
    """
    with tempfile.TemporaryDirectory(prefix="conche-") as folder:
        file = Path(folder) / "passwords"
        file.touch(mode=0o600)
        try:
            subprocess.run(
                ["mosquitto_passwd", str(file), account],
                input=f"{password}\n{password}\n",
                check=True,
                capture_output=True,
                text=True,
            )
        except FileNotFoundError:
            raise BrokerSetupFailed("mosquitto_passwd is not installed: apt-get install mosquitto") from None
        except subprocess.CalledProcessError as error:
            raise BrokerSetupFailed(f"mosquitto_passwd: {error.stderr.strip()}") from None
        return parse(file.read_text())[account]


def parse(text: str) -> dict[str, str]:
    """Return the hash of each account in a password file."""
    lines = (line.partition(":") for line in text.splitlines() if line.strip())
    return {name: kept for name, _, kept in lines}


def text_of(hashes: Mapping[str, str]) -> str:
    """Return a password file."""
    return "".join(f"{name}:{kept}\n" for name, kept in hashes.items())
