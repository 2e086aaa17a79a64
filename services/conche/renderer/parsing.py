"""From a rendered text to the config that it says, once for each distinct text."""

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from msgspec.json import encode

from conche.kotekan.blocks import check_blocks
from conche.kotekan.values import ConfigInvalid, to_json

from .problems import Problem, ProblemError, Severity
from .yamltext import Document, YamlInvalid, load

CACHED_BYTES: Final = 256 * 1024 * 1024
"""Bound of the cache; a guess: 10,000 configs of 25 kB."""

SHOWN: Final = 60
"""Characters of a line that are shown."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text says.

    Parameters
    ----------
    config
        A config as JSON; empty where there is an error.
    warnings
        What somebody should look at.
    error
        Why there is no config.
    """

    config: bytes
    warnings: tuple[Problem, ...] = ()
    error: Problem | None = None


@dataclass(frozen=True)
class Text:
    """A rendered text that is to be parsed.

    Parameters
    ----------
    text
        As rendered.
    source
        File from which it was rendered.
    as_written
        Whether that file holds the same text, so that their lines are the same.
    """

    text: str
    source: str
    as_written: bool

    @cached_property
    def key(self) -> bytes:
        """What is the same for equal texts, and different for others."""
        data = f"{self.source}\0{self.as_written}\0{self.text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=16).digest()


def parse(text: Text) -> Parsed:
    """Parse a text."""
    return _Parser(text.text, text.source, as_written=text.as_written).parse()


class ParsedTexts:
    """Remembers what texts said; the least recently used is forgotten first."""

    def __init__(self, *, size: int = CACHED_BYTES) -> None:
        self._room = size
        self._known: OrderedDict[bytes, Parsed] = OrderedDict()

    def of(self, text: Text) -> Parsed:
        """Return what a text says, parsing it unless that is known.

        Raises
        ------
        ProblemError
            It is not YAML, or not a config that kotekan could run.
        """
        found = self._known.get(text.key)
        if found is None:
            found = parse(text)
            self.learn(text, found)
        else:
            self._known.move_to_end(text.key)
        if found.error:
            raise ProblemError(found.error)
        return found

    def __contains__(self, text: Text) -> bool:
        return text.key in self._known

    def learn(self, text: Text, parsed: Parsed) -> None:
        """Take what a text says."""
        if text not in self:
            self._put(text.key, parsed)

    def _put(self, key: bytes, parsed: Parsed) -> None:
        self._known[key] = parsed
        self._room -= _size(parsed)
        while self._room < 0:
            _, oldest = self._known.popitem(last=False)
            self._room += _size(oldest)


def _size(parsed: Parsed) -> int:
    return len(parsed.config) + 1_000  # for the entry itself: errors have no config


class _Parser:
    """Parses one text and tells where in its file things stand, as far as that can be told."""

    def __init__(self, text: str, source: str, *, as_written: bool) -> None:
        self._text = text
        self._source = source
        self._as_written = as_written

    def parse(self) -> Parsed:
        try:
            document = load(self._text)
        except YamlInvalid as error:
            return Parsed(b"", error=self._problem(f"not YAML: {error.words}", error.line))
        try:
            config, unusual = to_json(document.value)
            check_blocks(config)
        except ConfigInvalid as error:
            return Parsed(b"", error=self._problem(str(error), _line_of(document, str(error))))
        warnings = (*self._duplicates(document), *self._unusual(document, unusual))
        return Parsed(encode(config), warnings)

    def _duplicates(self, document: Document) -> list[Problem]:
        return [
            self._problem(f"{twice.key}: stands twice; the last counts", twice.line, Severity.WARNING)
            for twice in document.duplicates
        ]

    def _unusual(self, document: Document, unusual: list[str]) -> list[Problem]:
        return [self._problem(words, _line_of(document, words), Severity.WARNING) for words in unusual]

    def _problem(self, words: str, line: int | None, severity: Severity = Severity.ERROR) -> Problem:
        if line is None or self._as_written:
            return Problem(self._source, words, line=line, severity=severity)
        shown = "".join(self._text.splitlines()[line - 1 : line]).strip()[:SHOWN]
        return Problem(self._source, f"{words} (line {line} as rendered: {shown})", severity=severity)


def _line_of(document: Document, words: str) -> int | None:
    """Return the line of the key with whose path the words about it begin."""
    path = words.partition(": ")[0]
    return document.line(*re.split(r"[/\[]", path))
