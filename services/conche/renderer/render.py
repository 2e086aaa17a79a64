"""From the files of the config directory to what one node should run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.json import decode, encode

from conche.kotekan.revision import Fingerprint, FingerprintCache

from .files import Files, check_inside
from .merge import MergeInvalid, merge, parse_stored
from .nodes import FILE as NODES_FILE
from .nodes import Node
from .parsing import ParsedTexts
from .problems import Problem, ProblemError, Severity, errors
from .templates import Templates
from .variables import Variables

MAX_CONFIG_BYTES: Final = 8 * 1024 * 1024
"""Size of one config; a guess, far above any real one, and half of what the broker takes."""

STORED_FOLDER: Final = ".updatable"

SUFFIXES: Final = (".yaml", ".yml", ".j2")
"""Of base configs, the first that exists."""


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


class Rendering:
    """Renders nodes; remembers what it has read and parsed.

    Takes and returns plain values, so it can live in another process. Not for several threads at once.

    Parameters
    ----------
    root
        The config directory.
    """

    def __init__(self, root: Path) -> None:
        self.files = Files(root)
        self._templates = Templates(self.files)
        self._variables = Variables(self.files)
        self._texts = ParsedTexts()
        self._fingerprints = FingerprintCache()

    def render(self, node: Node) -> Rendered:
        """Render one node."""
        problems: list[Problem] = []
        source = config = fingerprint = None
        with self.files.recording() as reads:
            try:
                source = self._source(node, problems)
                config = self._config(node, source, problems)
                fingerprint = self._fingerprints.of(config)
            except ProblemError as error:
                problems.append(error.problem)
        return Rendered(node, frozenset(reads), source, config, fingerprint, tuple(problems))

    def _source(self, node: Node, problems: list[Problem]) -> str:
        """Return the file of the base config."""
        if node.config is not None:
            return self._named_source(node, node.config)
        found = [node.key + suffix for suffix in SUFFIXES if self.files.exists(node.key + suffix)]
        if not found:
            names = f"{node.key}{SUFFIXES[0]}, {' or '.join(SUFFIXES[1:])}"
            raise ProblemError(Problem(node.key, f"no config file ({names})"))
        for other in found[1:]:
            words = f"is not used: {found[0]} comes first; remove one of them"
            problems.append(Problem(other, words, severity=Severity.WARNING))
        return found[0]

    def _named_source(self, node: Node, name: str) -> str:
        if why := check_inside(name):
            raise ProblemError(Problem(NODES_FILE, f"{name!r} {why}", key=f"groups/{node.key}/config"))
        if not self.files.exists(name):
            raise ProblemError(Problem(node.key, f"no config file {name}, which {NODES_FILE} names for it"))
        return name

    def _config(self, node: Node, source: str, problems: list[Problem]) -> bytes:
        variables = self._variables.of(node)
        problems.extend(self._variables.warnings(node))
        text = self._templates.render(source, variables)
        parsed = self._texts.of(text, source=source, written=self.files.text(source) or "")
        problems.extend(parsed.warnings)
        config = self._with_stored(node, parsed.config, problems)
        if len(config) > MAX_CONFIG_BYTES:
            raise ProblemError(Problem(source, f"gives a config of more than {MAX_CONFIG_BYTES} bytes"))
        return config

    def _with_stored(self, node: Node, config: bytes, problems: list[Problem]) -> bytes:
        file = f"{STORED_FOLDER}/{node.key}.json"
        text = self.files.text(file)
        if text is None:
            return config
        whole = decode(config)
        try:
            left_out = merge(whole, parse_stored(text, file=file))
        except MergeInvalid as error:
            raise ProblemError(Problem(file, error.words, key=error.key)) from None
        words = "the base config has no such updatable block; kept, but not pushed"
        problems.extend(
            Problem(file, words, key=endpoint, severity=Severity.WARNING) for endpoint in left_out
        )
        return encode(whole)
