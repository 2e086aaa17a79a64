"""What the bus may say, a clock that a test sets, and a ledger in it."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from conche.contract import (
    Drift,
    Maintenance,
    NodeState,
    NodeStatus,
    RegisteredNode,
    Registry,
    ServiceBirth,
    ServiceState,
    Sweep,
)
from conche.contract.alerts import ALERTS, AlertKind
from conche.contract.payloads import Health
from conche.notifier.conditions import Findings, Key, Standing
from conche.notifier.picture import Picture
from conche.notifier.raising import Ledger
from conche.notifier.records import Notice
from conche.notifier.rules import Plan, QuietHours, Rule
from conche.notifier.times import Now

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
EVERY_KIND = frozenset(AlertKind)


def at(seconds: float) -> Now:
    """Both clocks, so long after the beginning of the test [s]."""
    return Now(AT + timedelta(seconds=seconds), 1000.0 + seconds)


def status(state: str = "started", **fields: Any) -> NodeStatus:
    defaults: dict[str, Any] = {"started": True, "maintenance": Maintenance(on=False), "epoch": "e1"}
    return NodeStatus(state=NodeState(state), **defaults | fields)


def drifting(**fields: Any) -> NodeStatus:
    return status(
        **{"drift": Drift(base=True, paths=["log_level: 'info' -> 'debug'"]), "error": "held"} | fields
    )


def birth(state: str = "online", boot: str = "one", **fields: Any) -> ServiceBirth:
    return ServiceBirth(state=ServiceState(state), boot=boot, since=AT, **{"host": "vm"} | fields)


def registry(groups: dict[str, int]) -> Registry:
    return Registry(
        boot="b",
        groups={
            group: {f"{group}{i}": RegisteredNode(host="h", port=1, epoch="e") for i in range(1, count + 1)}
            for group, count in groups.items()
        },
    )


def sweep(**fields: Any) -> Sweep:
    defaults: dict[str, Any] = {
        "boot": "b", "number": 1, "groups": ["cx"], "at": AT, "took_s": 1.0, "polled": 3, "unreachable": 0,
        "overrun": False, "period_s": 2.0,
    }  # fmt: skip
    return Sweep(**defaults | fields)


def picture(nodes: int = 3, **fields: Any) -> Picture:
    """A cluster that is well."""
    well = Picture(2.0, registry=registry({"cx": nodes}), listening_s=at(0).s)
    for name in ("sync/cx", "poller/main", "renderer", "fpga", "eop"):
        well.take_birth(name, birth(), now_s=at(0).s)
    for i in range(1, nodes + 1):
        well.statuses["cx", f"cx{i}"] = status()
    for name, value in fields.items():
        setattr(well, name, value)
    return well


def down(node: str = "cx/cx1", *, kind: AlertKind = AlertKind.NODE_DOWN, words: str = "refused") -> Standing:
    return Standing(kind, node, words, node.partition("/")[0])


def rule(*channels: str, **fields: Any) -> Rule:
    defaults: dict[str, Any] = {"kinds": EVERY_KIND, "level": Health.WARNING}
    return Rule(frozenset(channels or ("ops",)), **defaults | fields)


def quiet(begin: str, end: str, zone: str = "UTC") -> QuietHours:
    return QuietHours(time.fromisoformat(begin), time.fromisoformat(end), ZoneInfo(zone))


def plan(*rules: Rule, **fields: Any) -> Plan:
    """Two channels, of which the rules name the first unless they say otherwise."""
    defaults: dict[str, Any] = {
        "after_s": {kind: ALERTS[kind].after_s for kind in AlertKind},
        "gather_s": 10.0,
        "repeat_s": 14_400.0,
    }
    return Plan(("ops", "night"), rules or (rule(),), **defaults | fields)


class Course:
    """A ledger, what stands, and channels that take what they are told at once, second by second.

    Parameters
    ----------
    ledger
        To be tested.
    """

    def __init__(self, ledger: Ledger, *, begin_s: int = 0) -> None:
        self.ledger = ledger
        self.standing: dict[Key, Standing] = {}
        self.unsure: set[Key] = set()
        self.second = begin_s
        self.away: set[str] = set()
        self.told: list[tuple[int, Notice]] = []

    def set(self, *alerts: Standing) -> None:
        self.standing = {alert.key: alert for alert in alerts}

    def run(self, seconds: int) -> list[Notice]:
        """Let time pass; return what was told in it."""
        before = len(self.told)
        for _ in range(seconds):
            self.second += 1
            now = at(self.second)
            ended = Findings(self.standing, unsure=self.unsure.__contains__, ended=lambda _: "it is started")
            self.ledger.step(ended, now)
            for channel in ("ops", "night"):
                self._serve(channel, now)
        return [notice for _, notice in self.told[before:]]

    def _serve(self, channel: str, now: Now) -> None:
        if not self.ledger.is_due(channel, now) or (notice := self.ledger.begin(channel, now)) is None:
            return
        if channel in self.away:
            self.ledger.failed(notice)
            return
        self.ledger.arrived(notice, now)
        self.told.append((self.second, notice))


def course(*rules: Rule, **fields: Any) -> Course:
    return Course(Ledger(plan(*rules, **fields)))


def subjects(notice: Notice, part: str = "raised") -> list[str]:
    return [line.alert.subject for line in getattr(notice, part)]


def shapes(notices: Iterable[Notice]) -> list[tuple[int, int, int]]:
    """How many alerts of each sort each notice tells of."""
    return [(len(one.raised), len(one.still), len(one.cleared)) for one in notices]
