"""``nodes.yaml``: which groups and nodes there are, and where."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from conche.contract import NameInvalid, check_name

from .files import Files
from .problems import Problem, ProblemError, Severity, errors
from .yamltext import Document, YamlInvalid, load

FILE: Final = "nodes.yaml"

DEFAULT_PORT: Final = 12048
"""kotekan's own."""

KNOWN_KEYS: Final = ("host", "port", "started", "config", "vars")

_HOST: Final = re.compile(r"[A-Za-z0-9_.%:-]+")
_TOP: Final = "groups"


@dataclass(frozen=True, slots=True)
class Node:
    """One node as ``nodes.yaml`` has it.

    Parameters
    ----------
    group, name
        What it is called.
    host, port
        Where its kotekan answers.
    started
        Whether it should run where nothing else tells.
    config
        File of its base config, if not the one that its name gives.
    variables
        Its own template variables.
    """

    group: str
    name: str
    host: str
    port: int = DEFAULT_PORT
    started: bool = False
    config: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``group/node``."""
        return f"{self.group}/{self.name}"

    @property
    def rendered_from(self) -> str:
        """Everything of the entry that its config depends on, to be compared: 1, 1.0 and true differ here."""
        return repr((self.group, self.name, self.host, self.port, self.config, self.variables))


@dataclass(frozen=True, slots=True)
class Nodes:
    """What ``nodes.yaml`` says.

    Parameters
    ----------
    groups
        Group to name to node, as far as they could be understood.
    problems
        Everything wrong.
    missing
        Whether there is no such file at all.
    text
        The file as it was read.
    """

    groups: dict[str, dict[str, Node]]
    problems: tuple[Problem, ...] = ()
    missing: bool = False
    text: str | None = None

    def __iter__(self) -> Iterator[Node]:
        for group in self.groups.values():
            yield from group.values()

    @property
    def error(self) -> str | None:
        """What is wrong, in one line; None where everything could be understood."""
        wrong = errors(self.problems)
        if not wrong:
            return None
        more = f" (and {len(wrong) - 1} more: conche check)" if len(wrong) > 1 else ""
        return f"{wrong[0]}{more}"


def read_nodes(files: Files) -> Nodes:
    """Read ``nodes.yaml`` from the config directory."""
    try:
        text = files.text(FILE)
    except ProblemError as error:
        return Nodes({}, (error.problem,))
    if text is None:
        gone = "is not there" if files.root.is_dir() else f"the config directory {files.root} is not there"
        return Nodes({}, (Problem(FILE, gone),), missing=True)
    return parse_nodes(text)


def parse_nodes(text: str) -> Nodes:
    """Parse the text of ``nodes.yaml``."""
    try:
        document = load(text)
    except YamlInvalid as error:
        return Nodes({}, (Problem(FILE, f"not YAML: {error.words}", line=error.line),))
    reader = _Reader(document)
    groups = reader.groups()
    reader.check_addresses(groups)
    reader.problems.sort(key=lambda problem: problem.line or 0)
    return Nodes(groups, tuple(reader.problems), text=text)


class _Reader:
    """Takes a document apart and notes everything that is wrong with it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems = [
            Problem(FILE, f"stands twice, first in line {d.first}; keep one", line=d.line, key=d.key)
            for d in document.duplicates
        ]

    def groups(self) -> dict[str, dict[str, Node]]:
        value = self._document.value
        if not isinstance(value, dict) or _TOP not in value:
            # An emptied file is more likely one that is being written than a telescope without nodes.
            self._note((), f"has no {_TOP!r}; write '{_TOP}: {{}}' where there are none")
            return {}
        self._check_keys((), value, (_TOP,))
        groups = self._mapping((_TOP,), value[_TOP], "group names")
        return {
            name: self._group(name, members)
            for name, members in groups.items()
            if self._name((_TOP, name), name, "group")
        }

    def check_addresses(self, groups: dict[str, dict[str, Node]]) -> None:
        first: dict[tuple[str, int], Node] = {}
        for group in groups.values():
            for node in group.values():
                other = first.setdefault((node.host.lower(), node.port), node)
                if other is not node:
                    words = (
                        f"has the address of {other.key}, {node.host}:{node.port}; each node needs its own"
                    )
                    self._note((_TOP, node.group, node.name), words)

    def _group(self, group: str, members: object) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        for name, entry in self._mapping((_TOP, group), members, "node names").items():
            if self._name((_TOP, group, name), name, "node"):
                nodes[name] = self._node(group, name, entry)
        return nodes

    def _node(self, group: str, name: str, entry: object) -> Node:
        path = (_TOP, group, name)
        fields = self._mapping(path, entry, f"{', '.join(KNOWN_KEYS)}")
        self._check_keys(path, fields, KNOWN_KEYS)
        return Node(
            group=group,
            name=name,
            host=self._host((*path, "host"), fields.get("host"), name),
            port=self._port((*path, "port"), fields.get("port")),
            started=self._started((*path, "started"), fields.get("started")),
            config=self._config((*path, "config"), fields.get("config")),
            variables=self._variables((*path, "vars"), fields.get("vars")),
        )

    def _host(self, path: tuple[Any, ...], value: object, name: str) -> str:
        if value is None:
            return name
        if not isinstance(value, str) or not _HOST.fullmatch(value):
            self._note(path, f"{value!r} is not a host name or address")
        elif value.count(":") == 1:
            self._note(path, f"{value!r} holds a port; write it in a line 'port:' of its own")
        return str(value)

    def _port(self, path: tuple[Any, ...], value: object) -> int:
        if value is None:
            return DEFAULT_PORT
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536:
            return value
        self._note(path, f"{value!r} is not a port; write a number from 1 to 65535, without quotes")
        return DEFAULT_PORT

    def _started(self, path: tuple[Any, ...], value: object) -> bool:
        if value is not None and not isinstance(value, bool):
            self._note(path, f"{value!r} is neither true nor false")
        return value is True

    def _config(self, path: tuple[Any, ...], value: object) -> str | None:
        if value is None or (isinstance(value, str) and value):
            return value
        self._note(path, f"{value!r} is not the name of a file in the config directory")
        return None

    def _variables(self, path: tuple[Any, ...], value: object) -> dict[str, Any]:
        variables = self._mapping(path, value, "names of variables")
        for name in variables:
            if not isinstance(name, str):
                self._note((*path, name), f"the name {name!r} is not text; put it in quotes")
        return {name: item for name, item in variables.items() if isinstance(name, str)}

    def _mapping(self, path: tuple[Any, ...], value: object, of: str) -> dict[Any, Any]:
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self._note(path, f"must be a mapping of {of}")
        return {}

    def _name(self, path: tuple[Any, ...], name: object, what: str) -> bool:
        try:
            check_name(name, what=what)
        except NameInvalid as error:
            self._note(path, str(error))
            return False
        return True

    def _check_keys(self, path: tuple[Any, ...], value: dict[Any, Any], known: tuple[str, ...]) -> None:
        for key in value:
            if key not in known:
                words = f"is not known here and ignored; there are {', '.join(known)}"
                self._note((*path, key), words, severity=Severity.WARNING)

    def _note(self, path: tuple[Any, ...], words: str, *, severity: Severity = Severity.ERROR) -> None:
        key = "/".join(str(part) for part in path) or None
        self.problems.append(
            Problem(FILE, words, line=self._document.line(*path), key=key, severity=severity)
        )
