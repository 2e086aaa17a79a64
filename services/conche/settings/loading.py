"""Reading the settings: one file, a section each, overridden by the environment.

``conche.yaml`` may have each section once; ``CONCHE_<SECTION>__<KEY>`` in the environment overrides it, as in
``CONCHE_POLLER__PERIOD_S=5``, and so does ``CONCHE_LOG``. A wrong or unknown key is an error that names it and the
nearest right one.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
import yaml
from msgspec import Struct

from .sections import Settings

FILE_VARIABLE: Final = "CONCHE_CONFIG"
DEFAULT_FILE: Final = Path("conche.yaml")
LOG_VARIABLE: Final = "CONCHE_LOG"
_PREFIX: Final = "CONCHE_"
_SEPARATOR: Final = "__"
_SECRETS: Final = {"broker": ("password",), "influx": ("password", "token"), "ldap": ("bind_password",)}
"""Settings that come from the environment only."""
_INSTEAD: Final = {"broker": "secrets"}
"""Settings that name where the secrets of a section are, where it is not a file for each."""


class SettingsInvalid(ValueError):
    """A setting is wrong; names the file or variable, the key, and the remedy."""


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
    _check_secrets(values, source)
    overridden = _override(values, environment)
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        key, problem = _words(error)
        raise SettingsInvalid(f"{overridden.get(key, source)}: {key}: {problem}") from None
    return settings if path is None else _anchored(settings, path.parent.resolve(), but=overridden)


def _check_secrets(values: Mapping[str, Any], source: str) -> None:
    for section, keys in _SECRETS.items():
        for key in keys:
            if key in values.get(section, {}):
                raise SettingsInvalid(
                    f"{source}: {section}.{key}: secrets don't belong in this file; name where they are in "
                    f"{section}.{_INSTEAD.get(section, f'{key}_file')} or set "
                    f"{_PREFIX}{section.upper()}{_SEPARATOR}{key.upper()}"
                )


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
    """Return a type without what is only said about it, and without the None of what may be left out."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if isinstance(kind, UnionType) and NoneType in get_args(kind):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
        return _bare(kind)
    return kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _check_keys(values: dict[Any, Any], fields: Mapping[str, Any], source: str, prefix: str) -> None:
    for key, value in values.items():
        if key not in fields:
            raise SettingsInvalid(
                f"{source}: {prefix}{key}: there is no such setting{_nearest(str(key), fields)}"
            )
        _check_value(value, fields[key], source, f"{prefix}{key}")


def _check_value(value: Any, kind: Any, source: str, key: str) -> None:
    """Check the keys within one value, of whatever kind it is to be."""
    if get_origin(kind) is list and _is_section(inner := _bare(get_args(kind)[0])):
        if not isinstance(value, list):
            raise SettingsInvalid(f"{source}: {key}: must be a list of sections")
        for number, item in enumerate(value):
            _check_value(item, inner, source, f"{key}[{number}]")
    elif _is_section(kind) or get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise SettingsInvalid(f"{source}: {key}: must be a section of keys and values")
        inner_kinds = (
            _sections(kind) if _is_section(kind) else dict.fromkeys(value, _bare(get_args(kind)[-1]))
        )
        _check_keys(value, inner_kinds, source, f"{key}.")


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
    changes = {
        name: _anchored_value(getattr(section, name), folder, but=but, key=f"{prefix}{name}")
        for name in section.__struct_fields__
    }
    return msgspec.structs.replace(section, **changes)


def _anchored_value(value: Any, folder: Path, *, but: Mapping[str, str], key: str) -> Any:
    match value:
        case Struct():
            return _anchored(value, folder, but=but, prefix=f"{key}.")
        case dict():
            return {
                name: _anchored_value(item, folder, but=but, key=f"{key}.{name}")
                for name, item in value.items()
            }
        case list():
            return [_anchored_value(item, folder, but=but, key=key) for item in value]
        case Path() if key not in but:
            return folder / value
        case _:
            return value
