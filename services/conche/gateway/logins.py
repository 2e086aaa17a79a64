"""Logins: a name and a password, looked at by the directory or the local users, and not too often."""

import logging
from collections.abc import Hashable
from typing import Protocol

from .directory import DirectoryAway, folded
from .limits import Attempts
from .people import Person, may_be_called
from .problems import Away, TooMany, Unauthenticated

logger = logging.getLogger(__name__)


class Book(Protocol):
    """What knows people: a directory, or the local users."""

    async def check(self, name: str, password: str) -> Person | None:
        """Return who it is; None for nobody who is let in.

        Raises
        ------
        DirectoryAway
            It can't tell just now.
        """


class Logins:
    """Tells who somebody is by his password.

    Parameters
    ----------
    book
        What knows people.
    attempts
        The failures of a name, and of an address.
    """

    def __init__(self, book: Book, *, attempts: Attempts) -> None:
        self._book = book
        self._attempts = attempts

    async def check(self, name: str, password: str, *, address: str) -> Person:
        """Return who it is; nobody learns whether there is such a name.

        Raises
        ------
        Unauthenticated
            Name or password is wrong, or he may not come in.
        TooMany
            The name, or the address, has failed too often.
        Away
            The directory can't tell just now.
        """
        keys: tuple[Hashable, Hashable] = (("name", folded(name)), ("address", address))
        if (wait_s := max(self._attempts.wait_s(key) for key in keys)) > 0:
            logger.warning("login of %r from %s: too many have failed", name, address)
            raise TooMany(f"too many logins have failed; try again in {wait_s:.0f} s", retry_after_s=wait_s)
        for key in keys:
            self._attempts.begin(key)
        person = await self._ask(name, password, keys=keys)
        if person is None:
            logger.warning("login of %r from %s: failed", name, address)
            raise Unauthenticated("name or password is wrong, or you have no role here")
        self._attempts.forget(keys[0])
        self._attempts.undo(keys[1])
        logger.info("%s: logged in as %s from %s", person.name, person.role, address)
        return person

    async def _ask(self, name: str, password: str, *, keys: tuple[Hashable, ...]) -> Person | None:
        if not (password and may_be_called(name)):
            return None
        try:
            return await self._book.check(name, password)
        except DirectoryAway:
            for key in keys:
                self._attempts.undo(key)
            raise Away("the directory that knows people does not answer; try again") from None
