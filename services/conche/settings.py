"""The settings of all services: one file, a section each, overridden by the environment.

``conche.yaml`` may have each section once; ``CONCHE_<SECTION>__<KEY>`` in the environment overrides it, as in
``CONCHE_POLLER__PERIOD_S=5``, and so does ``CONCHE_LOG``. A wrong or unknown key is an error that names it and the
nearest right one.
"""

import difflib
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
import yaml
from msgspec import Meta, Struct, field

FILE_VARIABLE: Final = "CONCHE_CONFIG"
DEFAULT_FILE: Final = Path("conche.yaml")
LOG_VARIABLE: Final = "CONCHE_LOG"
_PREFIX: Final = "CONCHE_"
_SEPARATOR: Final = "__"


class SettingsInvalid(ValueError):
    """A setting is wrong; names the file or variable, the key, and the remedy."""


def doc(text: str, **bounds: Any) -> Meta:
    """Document a setting where it is declared: meaning, unit, consequence."""
    return Meta(description=text, **bounds)


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One section of the settings."""


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


class RegistryChange(StrEnum):
    """Whom a change of nodes or addresses in nodes.yaml sends into maintenance."""

    ALL = "all"
    CHANGED = "changed"


class Broker(Section, frozen=True, kw_only=True):
    """Where the broker is and how to log in; the account is the service's own name."""

    host: Annotated[str, doc("name or address of the MQTT 5 broker")] = "127.0.0.1"
    port: Annotated[int, doc("its port", ge=1, le=65535)] = 1883
    root: Annotated[
        str, doc("first level of every topic; mosquitto/acl must name the same", pattern=r"^[\w-]+$")
    ] = "conche"
    secrets: Annotated[
        Path | None, doc("folder with one file per account, named as it, holding its password")
    ] = None
    password: Annotated[str | None, doc("password of this process's account; from the environment only")] = (
        None
    )
    password_file: Annotated[
        Path | None, doc("file that holds the password of this process's account; it comes before secrets")
    ] = None
    ca_file: Annotated[Path | None, doc("certificate authority of the broker; given means TLS")] = None
    keepalive_s: Annotated[
        int, doc("a frozen service is reported lost after one and a half of these", ge=2)
    ] = 5


class Kotekan(Section, frozen=True, kw_only=True):
    """How to talk to every kotekan."""

    connect_timeout_s: Annotated[float, doc("no answer to the connection: unreachable", gt=0)] = 1.0
    answer_timeout_s: Annotated[float, doc("no answer to a request: busy", gt=0)] = 2.0
    addresses: Annotated[
        Path | None,
        doc(
            'JSON file {"host:port": "host:port"} of addresses to use instead, for a rehearsal on simulated nodes'
        ),
    ] = None


class Renderer(Section, frozen=True, kw_only=True):
    """The config directory and what becomes of it."""

    configs: Annotated[Path, doc("config directory: nodes.yaml, vars.yaml, a folder per group")] = Path(
        "configs"
    )
    run_dir: Annotated[Path, doc("lives as long as the stack; where it holds no epoch, a new one begins")] = (
        Path("run")
    )
    history: Annotated[
        bool, doc("keep the config directory's history in git, in a repository of its own")
    ] = True
    on_registry_change: Annotated[
        RegistryChange, doc("who goes into maintenance when nodes.yaml changes nodes or addresses")
    ] = RegistryChange.ALL


class Poller(Section, frozen=True, kw_only=True):
    """How nodes are asked what they run."""

    instance: Annotated[
        str, doc("name of this poller; each of several needs its own", pattern=r"^[\w.-]+$")
    ] = "main"
    groups: Annotated[list[str], doc("groups to poll; none named: all")] = field(default_factory=list)
    period_s: Annotated[float, doc("each node is asked once in this time", gt=0)] = 2.0
    refresh_s: Annotated[float, doc("an unchanged observation is published again after this", gt=0)] = 60.0


class Sync(Section, frozen=True, kw_only=True):
    """How nodes are brought to what is desired."""

    groups: Annotated[list[str], doc("groups to work for; none named: all")] = field(default_factory=list)
    run_dir: Annotated[Path, doc("one small file per group; lives as long as the stack")] = Path("run")
    start_timeout_s: Annotated[float, doc("a /start that allocates large buffers takes this long", gt=0)] = (
        60.0
    )
    settle_s: Annotated[
        float, doc("a process that lives this long after /start has taken its config", gt=0)
    ] = 3.0
    restart_timeout_s: Annotated[
        float, doc("after a kotekan is gone its service must have started the next within this", gt=0)
    ] = 20.0
    exit_timeout_s: Annotated[
        float,
        doc("a killed kotekan that joins slow stages is gone after this: 60 s a stage by default", gt=0),
    ] = 90.0


class Journal(Section, frozen=True, kw_only=True):
    """How what happened is remembered."""

    database: Annotated[Path, doc("SQLite file; it should outlive the stack")] = Path("journal.db")
    max_entries: Annotated[
        int, doc("the oldest go when there are more; a million take about half a gigabyte", ge=1)
    ] = 1_000_000
    max_age_days: Annotated[
        Annotated[float, Meta(gt=0)] | None, doc("older entries go; none: only their number counts")
    ] = None


class Fpga(Section, frozen=True, kw_only=True):
    """Where the FPGA master is, and how it is asked."""

    url: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^\s@?#]+$")] | None,
        doc("http://host:port of the FPGA master, without account and query; none: there is none"),
    ] = None
    ca_file: Annotated[
        Path | None, doc("certificate authority of an https:// one; none: those that the system trusts")
    ] = None
    period_s: Annotated[float, doc("it is asked once in this time", gt=0)] = 30.0
    timeout_s: Annotated[float, doc("no whole answer to a request by then: down", gt=0)] = 5.0
    max_off_s: Annotated[
        float, doc("frame0 may be so far from the start of the F-engine by its computer's clock", gt=0)
    ] = 600.0  # a guess: a start takes minutes, and the least error of a time zone is a quarter of an hour


class IersFrom(StrEnum):
    """Where data about the Earth's rotation come from; only a download asks the network."""

    BUNDLED = "bundled"
    FILE = "file"
    DOWNLOAD = "download"


class Eop(Section, frozen=True, kw_only=True):
    """How kotekans are told of the Earth's orientation."""

    endpoint: Annotated[str, doc("path of the updatable block that holds the table", min_length=1)] = (
        "earth_rotation_data"
    )
    key: Annotated[str, doc("of the table in that block", min_length=1)] = "earth_orientation_parameter_table"
    intervals_before: Annotated[
        int, doc("days of the table before the one that contains now", ge=0, le=1000)
    ] = 2
    intervals_after: Annotated[
        int, doc("days of the table after that one: so long nodes can do without a new table", ge=1, le=300)
    ] = 2
    run_at: Annotated[
        str, doc("time of the daily run, in UTC", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    ] = "12:00"
    state_file: Annotated[
        Path, doc("the table that was pushed last; it must outlive the stack, or values may change")
    ] = Path("eop.json")
    iers: Annotated[IersFrom, doc("bundled, file or download")] = IersFrom.BUNDLED
    iers_file: Annotated[
        Path | None, doc("with iers: file, one in the format of finals2000A.all or eopc04")
    ] = None
    iers_url: Annotated[
        str, doc("with iers: download, finals2000A.all, or a mirror of it", pattern=r"^https?://\S+$")
    ] = "https://datacenter.iers.org/data/9/finals2000A.all"
    warn_days: Annotated[int, doc("so long before the data run out there is a warning [d]", ge=0)] = 30
    frame0_ns: Annotated[
        Annotated[int, Meta(gt=0)] | None,
        doc("UNIX time of the first frame [ns], where no FPGA master tells it; it comes first"),
    ] = None


class GroupPolicy(Section, frozen=True, kw_only=True):
    """What holds for one group only."""

    max_parallel: Annotated[
        Annotated[int, Meta(ge=1)] | None, doc("nodes that may be restarted at once; none: all")
    ] = None
    ignore: Annotated[
        list[str], doc("paths whose drift is shown and not acted on, with * and ?, such as rfi/*/bad_inputs")
    ] = field(default_factory=list)


class Settings(Section, frozen=True, kw_only=True):
    """All sections."""

    log: Annotated[LogLevel, doc("debug, info or warning")] = LogLevel.INFO
    broker: Broker = field(default_factory=Broker)
    kotekan: Kotekan = field(default_factory=Kotekan)
    renderer: Renderer = field(default_factory=Renderer)
    poller: Poller = field(default_factory=Poller)
    sync: Sync = field(default_factory=Sync)
    journal: Journal = field(default_factory=Journal)
    fpga: Fpga = field(default_factory=Fpga)
    eop: Eop = field(default_factory=Eop)
    groups: Annotated[dict[str, GroupPolicy], doc("policy of single groups, by name")] = field(
        default_factory=dict
    )


def load(path: Path | None = None, *, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Parameters
    ----------
    path
        File to read; None for the one that ``CONCHE_CONFIG`` names, else ``conche.yaml`` if there is one.
        Relative paths in it are relative to its folder.
    environment
        Variables that override it; relative paths in them are relative to the working directory.

    Raises
    ------
    SettingsInvalid
        Names file or variable, key and remedy.
    """
    path = path or _default_file(environment)
    values = _read(path) if path else {}
    source = str(path) if path else "settings"
    _check_keys(values, _sections(Settings), source, "")
    if "password" in values.get("broker", {}):
        raise SettingsInvalid(
            f"{source}: broker.password: secrets don't belong in this file; name a folder in broker.secrets or set "
            f"{_PREFIX}BROKER{_SEPARATOR}PASSWORD"
        )
    overridden = _override(values, environment)
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        key, problem = _words(error)
        raise SettingsInvalid(f"{overridden.get(key, source)}: {key}: {problem}") from None
    return settings if path is None else _anchored(settings, path.parent.resolve(), but=overridden)


def _default_file(environment: Mapping[str, str]) -> Path | None:
    if named := environment.get(FILE_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


class _Twice(ValueError):
    """A key stands twice."""


class _Loader(yaml.CSafeLoader):
    """Takes no key twice: the last one would win, and nobody would notice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode):
                continue
            line = name.start_mark.line + 1
            first = lines.setdefault(name.value, line)
            if first != line:
                raise _Twice(f"{name.value} stands twice, in lines {first} and {line}; keep one")
        return super().construct_mapping(node, deep)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_bytes(), Loader=_Loader)
    except OSError as error:
        raise SettingsInvalid(f"{path}: can't be read: {error.strerror}") from None
    except _Twice as error:
        raise SettingsInvalid(f"{path}: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: what looks like a date and is none
        raise SettingsInvalid(f"{path}: not YAML: {error}") from None
    if not isinstance(values or {}, dict):
        raise SettingsInvalid(f"{path}: must be sections of keys and values")
    kinds = _sections(Settings)
    return {
        key: {} if value is None and _is_section(kinds.get(key)) else value
        for key, value in (values or {}).items()
    }


def _sections(model: type[Struct]) -> dict[str, Any]:
    return {f.name: _bare(f.type) for f in msgspec.structs.fields(model)}


def _bare(kind: Any) -> Any:
    """Return a type without what is only said about it."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _check_keys(values: dict[Any, Any], fields: Mapping[str, Any], source: str, prefix: str) -> None:
    for key, value in values.items():
        if key not in fields:
            raise SettingsInvalid(
                f"{source}: {prefix}{key}: there is no such setting{_nearest(str(key), fields)}"
            )
        kind = fields[key]
        is_section, is_table = _is_section(kind), get_origin(kind) is dict
        if not is_section and not is_table:
            continue
        if not isinstance(value, dict):
            raise SettingsInvalid(f"{source}: {prefix}{key}: must be a section of keys and values")
        inner = _sections(kind) if is_section else dict.fromkeys(value, get_args(kind)[-1])
        _check_keys(value, inner, source, f"{prefix}{key}.")


def _nearest(key: str, names: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(key, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"


def _override(values: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """Put the environment's settings over the file's; return the variable of each key that was set so."""
    overridden: dict[str, str] = {}
    if LOG_VARIABLE in environment:
        values["log"], overridden["log"] = environment[LOG_VARIABLE], LOG_VARIABLE
    kinds = _sections(Settings)
    sections = {name.upper(): name for name, kind in kinds.items() if _is_section(kind)}
    for variable, text in environment.items():
        if not variable.startswith(_PREFIX) or _SEPARATOR not in variable:
            continue
        section, _, key = variable.removeprefix(_PREFIX).partition(_SEPARATOR)
        if section not in sections:
            raise SettingsInvalid(f"{variable}: there is no such section{_nearest(section, sections)}")
        name, key = sections[section], key.lower()
        _check_keys({key: text}, _sections(kinds[name]), variable, f"{name}.")
        values.setdefault(name, {})[key] = _value(text, _sections(kinds[name])[key])
        overridden[f"{name}.{key}"] = variable
    return overridden


def _value(text: str, kind: Any) -> Any:
    """Return a variable's value; a list is written with commas."""
    if kind is not None and "list" in str(kind):
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(kind)


def _words(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return key and problem: msgspec says ``Expected `int`, got `str` - at `$.broker.port```."""
    problem, _, where = str(error).partition(" - at `$.")
    return where.rstrip("`"), problem


def _anchored(section: Any, folder: Path, *, but: Mapping[str, str], prefix: str = "") -> Any:
    """Return the settings with relative paths made absolute from the folder of the file, but for some keys."""
    changes: dict[str, Any] = {}
    for name in section.__struct_fields__:
        value, key = getattr(section, name), f"{prefix}{name}"
        if isinstance(value, Struct):
            changes[name] = _anchored(value, folder, but=but, prefix=f"{key}.")
        elif isinstance(value, Path) and key not in but:
            changes[name] = folder / value
    return msgspec.structs.replace(section, **changes)
