"""From the files of the config directory to what one node should run."""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from conche.kotekan.revision import Fingerprint, FingerprintCache

from .configfiles import STORED_FOLDER, SUFFIXES
from .files import Files, check_inside
from .merge import MergedConfigs, MergeInvalid, parse_stored
from .nodes import FILE as NODES_FILE
from .nodes import Node
from .parsing import ParsedTexts, Text
from .problems import Problem, ProblemError, Severity, errors
from .templates import Templates
from .variables import Variables

MAX_CONFIG_BYTES: Final = 8 * 1024 * 1024
"""Size of one config; a guess, far above any real one, and half of what the broker takes."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What one node should run, or why that can't be told.

    Parameters
    ----------
    node
        Of which it is.
    reads
        Files that were read or looked for: when one changes, this may.
    source
        File of the base config, if there is one.
    config
        The whole config as JSON; None if anything is wrong.
    fingerprint
        Its hashes; None likewise.
    problems
        Everything noticed; at most one is an error.
    """

    node: Node
    reads: frozenset[str]
    source: str | None = None
    config: bytes | None = None
    fingerprint: Fingerprint | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def error(self) -> str | None:
        """Why there is no config, in one line."""
        wrong = errors(self.problems)
        return str(wrong[0]) if wrong else None

    @property
    def warnings(self) -> list[str]:
        """What somebody should look at although there is a config."""
        return [str(problem) for problem in self.problems if problem.severity is Severity.WARNING]


@dataclass(frozen=True, slots=True)
class Draft:
    """A node half way: its text is not parsed yet.

    Parameters
    ----------
    node, reads, source
        As in `Rendered`.
    text
        The rendered template; None where there is none.
    stored
        Its stored values as they are written, where it has any.
    problems
        Everything noticed so far; at most one is an error.
    """

    node: Node
    reads: frozenset[str]
    source: str | None
    text: Text | None
    stored: str | None
    problems: tuple[Problem, ...]


class Rendering:
    """Renders nodes; remembers what it has read and parsed. Not for several threads at once.

    Parameters
    ----------
    root
        The config directory.
    """

    def __init__(self, root: Path) -> None:
        self._read_through(Files(root))
        self.texts = ParsedTexts()
        self._fingerprints = FingerprintCache()
        self._merged = MergedConfigs()

    def _read_through(self, files: Files) -> None:
        self.files = files
        self._templates = Templates(files)
        self._variables = Variables(files)

    def overlaid(self, files: Mapping[str, bytes | None]) -> Self:
        """Return one that renders as if some files had other content; what was parsed is shared."""
        other = copy(self)
        other._read_through(self.files.overlaid(files))
        return other

    def render(self, node: Node) -> Rendered:
        """Render one node."""
        return self.finish(self.draft(node))

    def draft(self, node: Node) -> Draft:
        """Read a node's files and render its template; what is left is to parse the text."""
        problems: list[Problem] = []
        source = text = stored = None
        with self.files.recording() as reads:
            try:
                source = self._source(node, problems)
                text = self._text(node, source, problems)
                stored = self.files.text(stored_file(node))
            except ProblemError as error:
                problems.append(error.problem)
        return Draft(node, frozenset(reads), source, text, stored, tuple(problems))

    def finish(self, draft: Draft) -> Rendered:
        """Parse a draft's text, unless that was learned meanwhile, and merge the stored values."""
        problems = list(draft.problems)
        config = fingerprint = None
        if draft.text is not None and not errors(problems):
            try:
                config = self._config(draft, draft.text, problems)
                fingerprint = self._fingerprints.of(config)
            except ProblemError as error:
                problems.append(error.problem)
        return Rendered(draft.node, draft.reads, draft.source, config, fingerprint, tuple(problems))

    def source(self, node: Node) -> str | None:
        """Return the file of a node's base config, or None where there is none.

        Raises
        ------
        ProblemError
            ``nodes.yaml`` names one that can't be.
        """
        if node.config is not None:
            if why := check_inside(node.config):
                raise ProblemError(
                    Problem(NODES_FILE, f"{node.config!r} {why}", key=f"groups/{node.key}/config")
                )
            return node.config
        return next((node.key + suffix for suffix in SUFFIXES if self.files.exists(node.key + suffix)), None)

    def base(self, node: Node) -> bytes:
        """Return a node's config without its stored values, as JSON.

        Raises
        ------
        ProblemError
            There is none.
        """
        draft = self.draft(node)
        if draft.text is None:
            raise ProblemError(errors(draft.problems)[0])
        return self.texts.of(draft.text).config

    def stored(self, node: Node) -> dict[str, Any]:
        """Return a node's stored values by endpoint.

        Raises
        ------
        ProblemError
            They can't be understood.
        """
        file = stored_file(node)
        text = self.files.text(file)
        return {} if text is None else parse_stored(text, file=file)

    def _source(self, node: Node, problems: list[Problem]) -> str:
        """Return the file of the base config, which is there."""
        source = self.source(node)
        if source is None:
            names = f"{node.key}{SUFFIXES[0]}, {' or '.join(SUFFIXES[1:])}"
            raise ProblemError(Problem(node.key, f"no config file ({names})"))
        if not self.files.exists(source):
            raise ProblemError(Problem(node.key, f"no config file {source}, which {NODES_FILE} names for it"))
        if node.config is None:
            problems.extend(self._unused(node, source))
        return source

    def _unused(self, node: Node, source: str) -> Iterator[Problem]:
        for other in (node.key + suffix for suffix in SUFFIXES):
            if other != source and self.files.exists(other):
                words = f"is not used: {source} comes first; remove one of them"
                yield Problem(other, words, severity=Severity.WARNING)

    def _text(self, node: Node, source: str, problems: list[Problem]) -> Text:
        variables = self._variables.of(node)
        problems.extend(self._variables.warnings(node))
        text = self._templates.render(source, variables)
        return Text(text, source, as_written=text == self.files.text(source))

    def _config(self, draft: Draft, text: Text, problems: list[Problem]) -> bytes:
        parsed = self.texts.of(text)
        problems.extend(parsed.warnings)
        config = self._with_stored(draft, parsed.config, problems)
        if len(config) > MAX_CONFIG_BYTES:
            raise ProblemError(Problem(text.source, f"gives a config of more than {MAX_CONFIG_BYTES} bytes"))
        return config

    def _with_stored(self, draft: Draft, config: bytes, problems: list[Problem]) -> bytes:
        if draft.stored is None:
            return config
        file = stored_file(draft.node)
        try:
            merged = self._merged.of(config, draft.stored, file=file)
        except MergeInvalid as error:
            raise ProblemError(Problem(file, error.words, key=error.key)) from None
        words = "the base config has no such updatable block; kept, but not pushed"
        problems.extend(
            Problem(file, words, key=endpoint, severity=Severity.WARNING) for endpoint in merged.left_out
        )
        return merged.config


def stored_file(node: Node) -> str:
    """Return the file of a node's stored values."""
    return f"{STORED_FOLDER}/{node.key}.json"
