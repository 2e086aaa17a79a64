"""The config a simulated kotekan runs: its updatable blocks, its present values, its revision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .values import Json, dump, revision, type_name

MARKER: Final = "kotekan_update_endpoint"
LOG_LEVELS: Final = frozenset({"off", "error", "warn", "info", "debug", "debug2"})


class StartRefusedError(Exception):
    """A config that kotekan refuses: answered 400 with these words, and the process exits."""


class UpdateFailedError(Exception):
    """An update that passed all checks and could not be stored: answered 500, and the process exits."""


class NoSuchPathError(Exception):
    """A path that the running config does not have."""


def _wrong_type(expected: str, value: Json) -> StartRefusedError:
    name = type_name(value)
    name = "number" if name in {"integer", "float"} else name
    return StartRefusedError(f"[json.exception.type_error.302] type must be {expected}, but is {name}")


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise _wrong_type("string", value)
    return value


@dataclass(frozen=True, slots=True)
class Block:
    """An updatable block: where it is, and the types of its values as they were given to /start."""

    keys: tuple[str, ...]
    types: dict[str, str]

    @property
    def addressable(self) -> bool:
        """Whether kotekan's JSON pointer finds the block again."""
        return not any("~" in key or "/" in key for key in self.keys)


def _objects(tree: dict[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    for key in sorted(tree):
        value = tree[key]
        if isinstance(value, dict):
            yield key, value


def find_blocks(tree: dict[str, Json]) -> dict[str, Block]:
    """Find the updatable blocks of a config by their endpoints (`configUpdater::parse_tree`).

    Blocks inside lists and inside other blocks are none, and a marker at the root is not looked at.

    Raises
    ------
    StartRefusedError
        For a marker that is not "json", and for two blocks with one endpoint.
    """
    found: dict[str, Block] = {}

    def visit(branch: dict[str, Json], above: tuple[str, ...]) -> None:
        for key, value in _objects(branch):
            keys = (*above, key)
            endpoint = "/" + "/".join(keys)
            kind = _text(value.get(MARKER, "none"))
            if kind == "none":
                visit(value, keys)
                continue
            if kind != "json":
                raise StartRefusedError(f"configUpdater: Found an unknown endpoint type value: {kind}")
            if endpoint in found:
                words = f"An endpoint with the path {endpoint} has been defined more than once."
                raise StartRefusedError(f"configUpdater: {words}")
            found[endpoint] = Block(keys, {name: type_name(item) for name, item in value.items()})

    visit(tree, ())
    return found


def _stages(tree: dict[str, Json]) -> Iterator[dict[str, Json]]:
    for _, value in _objects(tree):
        if "kotekan_stage" in value:
            yield value
        else:
            yield from _stages(value)


def stage_names(tree: dict[str, Json]) -> set[str]:
    """Return the kinds of stages that a config asks for."""
    return {_text(stage["kotekan_stage"]) for stage in _stages(tree)}


def _check_log_level(config: Json) -> None:
    if not isinstance(config, dict) or "log_level" not in config:
        words = "The config option: log_level is required, but was not found in the path: /"
        raise StartRefusedError(words)
    level = _text(config["log_level"])
    if level.lower() not in LOG_LEVELS:
        words = "(It should be one of 'off', 'error', 'warn', 'info', 'debug', 'debug2')"
        raise StartRefusedError(f"The value given for log_level: '{level}' is not valid! {words}")


def _check_subscriptions(tree: dict[str, Json], endpoints: Sequence[str]) -> None:
    for stage in _stages(tree):
        wanted = stage.get("updatable_config")
        paths = list(wanted.values()) if isinstance(wanted, dict) else [wanted]
        for path in paths:
            if isinstance(path, str) and path not in endpoints:
                raise StartRefusedError(subscriber_failed(path))


def _check_cpu_affinity(tree: dict[str, Json]) -> None:
    server = tree.get("rest_server")
    places = [place for place in (server, tree) if isinstance(place, dict) and "cpu_affinity" in place]
    if not places:
        words = "The config option: cpu_affinity is required, but was not found in the path: /rest_server"
        raise StartRefusedError(words)
    cores = places[0]["cpu_affinity"]
    if not isinstance(cores, list):
        raise _wrong_type("array", cores)
    for core in cores:
        if type_name(core) not in {"integer", "float", "boolean"}:
            raise _wrong_type("number", core)


def _read_aliases(tree: dict[str, Json]) -> dict[str, str]:
    server = tree.get("rest_server")
    aliases = server.get("aliases") if isinstance(server, dict) else None
    if not isinstance(aliases, dict):
        return {}
    return {
        "/" + name.removeprefix("/"): "/" + _text(path).removeprefix("/") for name, path in aliases.items()
    }


def subscriber_failed(endpoint: str) -> str:
    """Say that a stage refused the values its block had at start."""
    return f"configUpdater: Failure when calling subscriber to set initial value at endpoint '{endpoint}'."


class RunningConfig:
    """A config that was accepted at /start, and what has become of it since.

    Parameters
    ----------
    posted
        Body of /start; taken over, not copied.

    Raises
    ------
    StartRefusedError
        When kotekan would not start with it; the checks come in kotekan's order.
    """

    def __init__(self, posted: Json) -> None:
        _check_log_level(posted)
        if not isinstance(posted, dict):
            raise _wrong_type("object", posted)
        self.values = posted
        self.aliases = _read_aliases(posted)
        self.blocks = find_blocks(posted)
        self.stages = stage_names(posted)
        _check_subscriptions(posted, tuple(self.blocks))
        _check_cpu_affinity(posted)
        self._printed: bytes | None = None
        self._revision: str | None = None

    @property
    def printed(self) -> bytes:
        """The body of /config."""
        if self._printed is None:
            self._printed = dump(self.values)
        return self._printed

    @property
    def revision(self) -> str:
        """The MD5 of the config as it is now."""
        if self._revision is None:
            self._revision = revision(self.values)
        return self._revision

    def refusal(self, uri: str, body: dict[str, Json]) -> str | None:
        """Return the words with which an update is answered 400, or None if it may go to the stages.

        Extra keys and types are looked at before missing keys, in the order of the keys (`rest_callback`). The URI
        is the raw one: with a query, in absolute form or through an alias it names no block.
        """
        block = self.blocks.get(uri)
        types = block.types if block else {}
        told = f"configUpdater: Update to endpoint '{uri}'"
        for key in sorted(body):
            if key not in types:
                return f"{told} contained value '{key}' not defined in the updatable config block."
            if (got := type_name(body[key])) != types[key]:
                return f"{told} contained value '{key}' of type {got} (expected type {types[key]})."
        for key in sorted(types):
            if key != MARKER and key not in body:
                return f"{told} is missing value '{key}' that is defined in the config file."
        if block is None:
            words = f"configUpdater: Received POST command to non-existend endpoint: {uri}."
            return f"{words} This should never happen."
        return None

    def store(self, uri: str, body: dict[str, Json]) -> None:
        """Store an accepted update, value by value.

        Raises
        ------
        UpdateFailedError
            For a block or a value that a JSON pointer cannot name; what came before it is stored.
        """
        block = self.blocks[uri]
        try:
            live = self._at(block.keys)
        except NoSuchPathError as error:
            raise UpdateFailedError(str(error)) from error
        for key in sorted(body):
            pointed = block.addressable and "~" not in key and "/" not in key
            if not pointed or not isinstance(live, dict) or key not in live:
                raise UpdateFailedError(f"Failed applying update to endpoint {uri}: key '{key}' not found")
            live[key] = body[key]
            self._changed()

    def block(self, endpoint: str) -> dict[str, Json]:
        """Return the present values of a block."""
        live = self._at(self.blocks[endpoint].keys)
        return live if isinstance(live, dict) else {}

    def has(self, keys: Sequence[str]) -> bool:
        """Tell whether the config has such a place."""
        try:
            self._at(keys)
        except NoSuchPathError:
            return False
        return True

    def change(self, keys: Sequence[str], value: Json) -> None:
        """Change a value as a stage does that rewrites its own config, or an unknown hand.

        Raises
        ------
        NoSuchPathError
            If the config has no such place; the last key may be new.
        """
        if not keys:
            raise NoSuchPathError(
                "the path is empty: name a value, such as updatable_config/gains/start_time"
            )
        parent, last = self._at(keys[:-1]), keys[-1]
        if isinstance(parent, dict):
            parent[last] = value
        elif isinstance(parent, list) and last.isdecimal() and int(last) < len(parent):
            parent[int(last)] = value
        else:
            raise NoSuchPathError(f"the running config has no {'/'.join(keys)}")
        self._changed()

    def _at(self, keys: Sequence[str]) -> Json:
        place: Json = self.values
        for key in keys:
            if isinstance(place, dict) and key in place:
                place = place[key]
            elif isinstance(place, list) and key.isdecimal() and int(key) < len(place):
                place = place[int(key)]
            else:
                raise NoSuchPathError(f"the running config has no {'/'.join(keys)}")
        return place

    def _changed(self) -> None:
        self._printed = self._revision = None
