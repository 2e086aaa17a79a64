"""Which alerts go where, and when: the rules of the settings, understood."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from fnmatch import fnmatchcase
from typing import Final
from zoneinfo import ZoneInfo

from conche.contract import Health
from conche.contract.alerts import ALERTS, AlertKind

from .conditions import Standing

RANK: Final[Mapping[Health, int]] = {Health.NORMAL: 0, Health.WARNING: 1, Health.ERROR: 2}


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A part of each day, which may contain midnight.

    Parameters
    ----------
    begin, end
        Local times; the end is no part of it.
    zone
        Where they are local.
    """

    begin: time
    end: time
    zone: ZoneInfo

    def contain(self, at: datetime) -> bool:
        """Return whether a time lies in them; where clocks are set they are as long as these say."""
        local = at.astimezone(self.zone).time()
        if self.begin < self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Parameters
    ----------
    channels
        Where the alerts go.
    kinds
        Which alerts.
    level
        At least so bad ones.
    groups
        Patterns of groups; empty for all alerts, also those of no group.
    quiet
        When nothing is told.
    """

    channels: frozenset[str]
    kinds: frozenset[AlertKind]
    level: Health
    groups: tuple[str, ...] = ()
    quiet: QuietHours | None = None

    def fits(self, alert: Standing) -> bool:
        """Return whether it is about an alert."""
        return (
            alert.kind in self.kinds
            and RANK[ALERTS[alert.kind].level] >= RANK[self.level]
            and (not self.groups or self._is_of_groups(alert))
        )

    def _is_of_groups(self, alert: Standing) -> bool:
        return alert.group is not None and any(fnmatchcase(alert.group, one) for one in self.groups)

    def is_quiet(self, at: datetime) -> bool:
        """Return whether it tells nothing now."""
        return self.quiet is not None and self.quiet.contain(at)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides who is told what, and when.

    Parameters
    ----------
    channels
        Their names.
    rules
        All rules.
    after_s
        So long an alert lasts before it is told, by kind [s].
    gather_s
        What is raised within this time is one message [s].
    repeat_s
        What lasts is told again after this; None for never [s].
    """

    channels: tuple[str, ...]
    rules: tuple[Rule, ...]
    after_s: Mapping[AlertKind, float]
    gather_s: float
    repeat_s: float | None

    def may_tell(self, channel: str, alert: Standing, at: datetime) -> bool:
        """Return whether an alert goes to a channel, and now."""
        return any(not rule.is_quiet(at) for rule in self._rules_for(channel, alert))

    def may_clear(self, channel: str, alert: Standing, at: datetime) -> bool:
        """Return whether the end of an alert may be told now to whom it was told, by other rules perhaps."""
        return self.may_tell(channel, alert, at) or not self._rules_for(channel, alert)

    def _rules_for(self, channel: str, alert: Standing) -> list[Rule]:
        return [rule for rule in self.rules if channel in rule.channels and rule.fits(alert)]
