"""The notifier's settings, checked as a whole: what can't be meant so ends the process, with the key and the remedy."""

import difflib
import logging
import re
from collections.abc import Iterable
from datetime import time
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from conche.contract import Health
from conche.contract.alerts import ALERTS, AlertKind
from conche.errors import FatalError
from conche.settings import Notifier
from conche.settings import Rule as RuleSettings
from conche.settings.notifying import Channel

from .rules import RANK, Plan, QuietHours, Rule

logger = logging.getLogger(__name__)

OF_GROUPS: Final = frozenset(
    {AlertKind.NODE_DOWN, AlertKind.NODE_FAILED, AlertKind.DRIFT_STAYS, AlertKind.NO_WORKER}
)
"""Alerts that concern a group; a rule with groups is about no others."""

_GROUP_PATTERN: Final = re.compile(r"[A-Za-z0-9*?][A-Za-z0-9_.*?-]*")


def plan_of(settings: Notifier) -> Plan:
    """Return the settings, understood.

    Raises
    ------
    FatalError
        Names the key and the remedy.
    """
    for name, channel in settings.channels.items():
        _check_channel(name, channel)
    rules = tuple(_rule(f"notifier.rules[{i}]", one, settings) for i, one in enumerate(settings.rules))
    _warn_of_silence(settings)
    return Plan(
        channels=tuple(settings.channels),
        rules=rules,
        after_s={kind: settings.after_s.get(kind, ALERTS[kind].after_s) for kind in AlertKind},
        gather_s=settings.gather_s,
        repeat_s=settings.repeat_s,
    )


def _check_channel(name: str, channel: Channel) -> None:
    key = f"notifier.channels.{name}"
    if not name or not name.isprintable():
        raise FatalError(f"{key}: this can't be a name: give it printable characters")
    given = [way for way in ("slack", "email", "webhook") if getattr(channel, way) is not None]
    if not given:
        raise FatalError(f"{key}: says no way: give it one of slack, email and webhook")
    if len(given) > 1:
        raise FatalError(f"{key}: says {' and '.join(given)}: give each a channel of its own")


def _rule(key: str, rule: RuleSettings, settings: Notifier) -> Rule:
    for name in rule.channels:
        if name not in settings.channels:
            hint = nearest(name, settings.channels)
            raise FatalError(f"{key}.channels: there is no channel {name!r} in notifier.channels{hint}")
    kinds = frozenset(rule.alerts) or frozenset(AlertKind)
    for pattern in rule.groups:
        if not _GROUP_PATTERN.fullmatch(pattern):
            raise FatalError(
                f"{key}.groups: {pattern!r} fits no group: names of groups have letters, digits, '_', '.' and '-'; "
                "* and ? stand for any of them"
            )
    if rule.groups:
        kinds &= OF_GROUPS
        if not kinds:
            raise FatalError(f"{key}.groups: none of its alerts is about a group: leave groups out")
    kinds = frozenset(kind for kind in kinds if RANK[ALERTS[kind].level] >= RANK[rule.level])
    if not kinds:
        raise FatalError(f"{key}.level: none of its alerts is an {Health.ERROR}: leave level out")
    return Rule(
        channels=frozenset(rule.channels),
        kinds=kinds,
        level=rule.level,
        groups=tuple(rule.groups),
        quiet=_quiet(key, rule),
    )


def _quiet(key: str, rule: RuleSettings) -> QuietHours | None:
    zone = _zone(key, rule.timezone)
    if rule.quiet is None:
        return None
    begin, end = (time.fromisoformat(part) for part in rule.quiet.split("-"))
    if begin == end:
        raise FatalError(
            f"{key}.quiet: {rule.quiet} begins and ends at once: for a whole day of silence leave the rule out"
        )
    return QuietHours(begin, end, zone)


def _zone(key: str, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # ValueError for a path, OSError for a folder
        known = available_timezones()
        hint = nearest(name, known) if known else "; this machine knows none: install tzdata"
        raise FatalError(f"{key}.timezone: there is no time zone {name!r}{hint}") from None


def _warn_of_silence(settings: Notifier) -> None:
    used = {name for rule in settings.rules for name in rule.channels}
    for name in settings.channels.keys() - used:
        logger.warning("notifier.channels.%s: no rule names it: nothing is told there", name)
    if not settings.rules:
        logger.warning("notifier.rules: there are none: nobody is told anything")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return which name may have been meant, or all where they are few."""
    there = sorted(names)
    close = difflib.get_close_matches(name, there, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there are {', '.join(there)}" if 0 < len(there) <= 20 else ""
