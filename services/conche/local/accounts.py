"""The accounts of people and scripts at one broker, in the folder that mosquitto runs in.

``accounts.json`` says who has which role, and is the truth; ``passwords`` has the hashes, those of the services too;
``acl`` follows from the roles. An account counts when it stands in both of the first. So they are written in an order
in which a crash in between leaves nobody with more than he had: a new account's password comes last, that of one that
goes goes first, and what was left half done is dropped by the next change.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import decode, encode, format
from msgspec.structs import replace

from conche.contract import NameInvalid, Role, Service, Time, check_account, check_new_account
from conche.contract.acl import acl
from conche.storage import write_atomic

from .passwords import BrokerSetupFailed, hashed, parse, text_of
from .reloading import reload

BOOK: Final = "accounts.json"
PASSWORDS: Final = "passwords"
ACL: Final = "acl"
LOCK: Final = "accounts.lock"


class AccountRefused(Exception):
    """Something that is not done to an account; says what would have been right."""


class Account(Struct, frozen=True, kw_only=True):
    """A person's or a script's account.

    Parameters
    ----------
    role
        What it may do.
    since
        When it was given this role.
    of_stack
        Made by ``conche up`` at every start, with its password in ``secrets/``.
    """

    role: Role
    since: Time
    of_stack: bool = False


class Book(Struct, frozen=True, kw_only=True):
    """What stands in the file.

    Parameters
    ----------
    root
        First level of every topic.
    accounts
        By name.
    """

    root: str
    accounts: dict[str, Account]


@dataclass(slots=True)
class _Files:
    """What the folder holds, and what it will.

    Parameters
    ----------
    book, hashes
        Accounts and passwords.
    left
        Accounts that were half made or half removed, and are dropped.
    """

    book: Book
    hashes: dict[str, str]
    left: list[str] = field(default_factory=list)

    def set(self, name: str, account: Account | None) -> None:
        """Put an account into the book, or take it out."""
        others = {n: a for n, a in self.book.accounts.items() if n != name}
        self.book = replace(self.book, accounts=others if account is None else {**others, name: account})

    def drop_halves(self) -> None:
        """Take those out of the book who have no password."""
        self.left = [name for name in self.book.accounts if name not in self.hashes]
        for name in self.left:
            self.set(name, None)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts in a broker's folder.

    Parameters
    ----------
    folder
        mosquitto's working directory.
    root
        First level of every topic, where the folder does not say.
    """

    folder: Path
    root: str = "conche"

    def listed(self) -> dict[str, Account | None]:
        """Return every account that can log in, by name; None for one that was made by hand and has no role.

        Raises
        ------
        BrokerSetupFailed
            The folder can't be read.
        """
        files = self._read()
        names = sorted(set(files.hashes) - set(Service))
        return {name: files.book.accounts.get(name) for name in names}

    def add(self, name: str, *, role: Role, password: str) -> list[str]:
        """Make an account.

        Returns
        -------
        list
            Accounts that were found half made or half removed, and are gone now; so in each of these methods.

        Raises
        ------
        AccountRefused
            The name can't be one, or is taken.
        BrokerSetupFailed
            The folder can't be read.
        """
        _check_new(name)
        with self._changed() as files:
            if name in files.hashes:
                known = files.book.accounts.get(name)
                has = f"is {_a(known.role)}" if known else "has no role, it was made by hand"
                raise AccountRefused(
                    f"the account {name} exists already and {has}: conche users role {name} ROLE gives it another, "
                    f"conche users password {name} another password{self._told_again()}"
                )
            files.set(name, Account(role=role, since=_now()))
            files.hashes[name] = hashed(name, password)
            self._write(files, login_first=False)
        return [other for other in files.left if other != name]

    def remove(self, name: str) -> list[str]:
        """Remove an account."""
        with self._changed() as files:
            if name not in files.left:
                self._check_known(files, name, "remove")
            files.set(name, None)
            files.hashes.pop(name, None)
            self._write(files, login_first=True)
        return [other for other in files.left if other != name]

    def set_role(self, name: str, role: Role) -> list[str]:
        """Give an account another role."""
        with self._changed() as files:
            self._check_known(files, name, "change the role of")
            known = files.book.accounts.get(name)
            if known is None:
                _check_new(name)
            if known is None or known.role is not role:
                files.set(name, Account(role=role, since=_now()))
            self._write(files, login_first=False)
        return files.left

    def set_password(self, name: str, password: str) -> list[str]:
        """Give an account another password."""
        with self._changed() as files:
            self._check_known(files, name, "change the password of")
            files.hashes[name] = hashed(name, password)
            self._write(files, login_first=True)
        return files.left

    def lay_out(self, own: Mapping[str, Role], passwords: Mapping[str, str]) -> None:
        """Make or refresh the files; people keep their roles and passwords.

        Parameters
        ----------
        own
            Accounts of the stack itself that are no services.
        passwords
            Of these and of the services.

        Raises
        ------
        BrokerSetupFailed
            A file can't be understood, or mosquitto's tool is missing.
        """
        fresh = {name: hashed(name, password) for name, password in passwords.items()}
        with self._locked():
            files = self._read_what_is()
            gone = [n for n, a in files.book.accounts.items() if a.of_stack and n not in own]
            for name in gone:
                files.set(name, None)
            files.hashes = {**{n: h for n, h in files.hashes.items() if n not in gone}, **fresh}
            files.drop_halves()
            for name, role in own.items():
                known = files.book.accounts.get(name)
                since = known.since if known and known.role is role else _now()
                files.set(name, Account(role=role, since=since, of_stack=True))
            files.book = replace(files.book, root=self.root)
            self._write(files, login_first=bool(gone))

    # --- the files

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _changed(self) -> Iterator[_Files]:
        """Hold the files for one change, without what another one has left half done."""
        self._read()
        with self._locked():
            files = self._read()
            files.drop_halves()
            yield files

    def _read(self) -> _Files:
        """Return what the folder of a broker holds.

        Raises
        ------
        BrokerSetupFailed
            It is none.
        """
        if not self.folder.is_dir():
            raise BrokerSetupFailed(f"{self.folder}: there is no such folder")
        files = self._read_what_is()
        if not files.hashes:
            raise BrokerSetupFailed(
                f"{self.folder / PASSWORDS} is missing or empty, so not even a service could log in: is this the "
                "folder that mosquitto runs in?"
            )
        return files

    def _read_what_is(self) -> _Files:
        try:
            passwords = (self.folder / PASSWORDS).read_text()
        except FileNotFoundError:
            passwords = ""
        except OSError as error:
            raise BrokerSetupFailed(f"{error.filename}: {error.strerror}") from None
        return _Files(self._read_book(), parse(passwords))

    def _read_book(self) -> Book:
        path = self.folder / BOOK
        try:
            book = decode(path.read_bytes(), type=Book)
            for name in book.accounts:
                check_account(name)
        except FileNotFoundError:
            return Book(root=self.root, accounts={})
        except OSError as error:
            raise BrokerSetupFailed(f"{path}: {error.strerror}") from None
        except (ValidationError, DecodeError, UnicodeDecodeError, NameInvalid) as error:
            raise BrokerSetupFailed(f"{path}: {error}; mend it or bring it back from a backup") from None
        return book

    def _write(self, files: _Files, *, login_first: bool) -> None:
        """Write what is different; passwords first or last."""
        roles = {name: account.role for name, account in files.book.accounts.items()}
        book = (BOOK, format(encode(files.book), indent=2) + b"\n")
        rights = (ACL, acl(files.book.root, accounts=roles).encode())
        login = (PASSWORDS, text_of(files.hashes).encode())
        for name, data in (login, book, rights) if login_first else (book, rights, login):
            self._replace(self.folder / name, data)

    def _replace(self, path: Path, data: bytes) -> None:
        """Write a file that mosquitto can read as it could the old one."""
        like = path if path.exists() else self.folder / PASSWORDS
        if not like.exists():
            write_atomic(path, data, mode=0o600)
        elif not path.exists() or path.read_bytes() != data:
            found = like.stat()
            write_atomic(path, data, mode=found.st_mode & 0o777, owner=(found.st_uid, found.st_gid))

    def _check_known(self, files: _Files, name: str, what: str) -> None:
        if name in tuple(Service):
            raise AccountRefused(f"{name} is the account of a service: it has no role, and its own password")
        if name not in files.hashes:
            there = ", ".join(sorted(set(files.hashes) - set(Service))) or "none yet"
            raise AccountRefused(f"there is no account {name}; there are: {there}{self._told_again()}")
        account = files.book.accounts.get(name)
        if account is not None and account.of_stack:
            raise AccountRefused(
                f"can't {what} {name}: it is the account of whoever started this stack; its password stands in "
                f"{self.folder / 'secrets' / name}, and who can read that may do anything here"
            )

    def _told_again(self) -> str:
        """Have the broker read its accounts again, and say so.

        What is refused may have been done before, by a command that was killed before the broker knew.
        """
        reloaded = reload(self.folder)
        words = ""
        if reloaded.told:
            words = ". The broker was told to read its accounts again, in case it did not know"
        if reloaded.forbidden:
            numbers = " ".join(map(str, reloaded.forbidden))
            words += f". The broker is somebody else's; in case it did not know: sudo kill -HUP {numbers}"
        return words


def _check_new(name: str) -> None:
    try:
        check_new_account(name)
    except NameInvalid as error:
        raise AccountRefused(str(error)) from None


def _a(role: Role) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
