"""Which alerts stand, and of which nobody can tell just now: a function for each kind."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from conche.contract import (
    EopState,
    EopStatus,
    FpgaState,
    Maintenance,
    NodeState,
    NodeStatus,
    Service,
    ServiceState,
)
from conche.contract.alerts import LATE_PERIODS, RUNS_OUT_DAYS, STALE_S, AlertKind
from conche.needs import is_idle, is_unhealed

from .picture import Born, Picture
from .times import Now, duration_words, time_words

Key = tuple[AlertKind, str]
"""What tells alerts apart: kind and subject."""

BROKER: Final = "broker"
"""Subject of the alert that the broker is away; no service has this name."""

MAX_WORDS: Final = 300
"""Characters of what is said about one subject."""

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert that stands.

    Parameters
    ----------
    kind
        What it is about.
    subject
        Whom it is about: ``group/node``, a group, or a service; empty where there is only one.
    words
        What is wrong, as its owner says it.
    group
        Group of the subject, if it has one.
    since
        Since when it is so, if somebody says that.
    """

    kind: AlertKind
    subject: str
    words: str = ""
    group: str | None = None
    since: datetime | None = None

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Findings:
    """What a look at the picture brought.

    Parameters
    ----------
    standing
        What stands.
    unsure
        Tells of which alert it can't be said whether it stands: such a one stays as it was.
    ended
        Tells how things are where an alert does not stand any more; empty for nothing to be said.
    """

    standing: Mapping[Key, Standing] = field(default_factory=dict)
    unsure: Callable[[Key], bool] = lambda _: False
    ended: Callable[[Key], str] = lambda _: ""


def judge(picture: Picture, now: Now) -> Findings:
    """Return what stands; while the broker is away, or what stands there may be old, nothing else is known."""
    if picture.listening_s is None:
        away = {alert.key: alert for alert in broker_away(picture)}
        return Findings(away, unsure=lambda key: key != (AlertKind.SERVICE_LOST, BROKER))
    found = (alert for kind in CONDITIONS for alert in CONDITIONS[kind](picture, now))
    return Findings(
        {alert.key: alert for alert in found},
        unsure=lambda key: _is_unsure(picture, key, now),
        ended=lambda key: _ended(picture, key),
    )


# --- nodes


def node_down(picture: Picture, _now: Now) -> Iterator[Standing]:
    """Yield nodes that refuse connections or can't be reached."""
    for (group, node), status in _cared_for(picture):
        if status.state is NodeState.DOWN:
            yield _of_node(AlertKind.NODE_DOWN, group, node, status.error, status.since)


def node_failed(picture: Picture, _now: Now) -> Iterator[Standing]:
    """Yield nodes that are given up until somebody does something."""
    for (group, node), status in _cared_for(picture):
        if status.state is NodeState.FAILED:
            words = status.error or status.held
            yield _of_node(AlertKind.NODE_FAILED, group, node, words, status.since)


def drift_stays(picture: Picture, _now: Now) -> Iterator[Standing]:
    """Yield nodes that run something else than desired, or nothing, while nothing is being done about it."""
    for (group, node), status in _cared_for(picture):
        if is_unhealed(status):
            yield _of_node(AlertKind.DRIFT_STAYS, group, node, _drift_words(status), None)


def no_worker(picture: Picture, _now: Now) -> Iterator[Standing]:
    """Yield groups on whose nodes nobody acts, for whatever reason."""
    for group in picture.nodes:
        name = f"{Service.SYNC}/{group}"
        if picture.nodes[group] and not picture.is_online(name):
            born = picture.births.get(name)
            since = born.birth.since if born else None
            words = f"its sync service {_state_words(born)}" if born else "its sync service was never there"
            yield Standing(AlertKind.NO_WORKER, group, words, group, since)


def _cared_for(picture: Picture) -> Iterator[tuple[tuple[str, str], NodeStatus]]:
    """Yield nodes that there are and that nobody keeps in maintenance."""
    for key, status in picture.statuses.items():
        if picture.is_registered(*key) and not status.maintenance.on:
            yield key, status


def _of_node(kind: AlertKind, group: str, node: str, words: str | None, since: datetime | None) -> Standing:
    return Standing(kind, f"{group}/{node}", clean(words), group, since)


def _drift_words(status: NodeStatus) -> str:
    idle = "it is idle and should run" if is_idle(status) else ""
    paths = ", ".join(status.drift.paths[:3] or status.drift.endpoints[:3])
    tried = f"{status.attempts} attempts" if status.attempts > 1 else ""
    return "; ".join(part for part in (idle, status.error or status.held, paths, tried) if part)


# --- services


def service_lost(picture: Picture, now: Now) -> Iterator[Standing]:
    """Yield services that ended without saying so, and pollers that say that they are there and do not sweep.

    A worker is told of by its group: one of a group that is gone is nobody's loss.
    """
    for name, born in picture.births.items():
        if name.partition("/")[0] == Service.SYNC:
            continue
        if born.birth.state is ServiceState.LOST:
            yield Standing(AlertKind.SERVICE_LOST, name, _state_words(born), since=born.birth.since)
        elif late_s := _silence_s(picture, name, born, now):
            words = f"it says that it is online, but has not swept for {duration_words(late_s)}"
            yield Standing(AlertKind.SERVICE_LOST, name, words, since=now.at - timedelta(seconds=late_s))


def _silence_s(picture: Picture, name: str, born: Born, now: Now) -> float:
    """Return for how long a poller that should sweep has not [s], or 0."""
    service, _, instance = name.partition("/")
    if service != Service.POLLER or not picture.is_online(name) or not any(picture.nodes.values()):
        return 0.0
    sweeps = picture.sweeps.get(instance)
    swept = sweeps.last if sweeps else None
    period_s = max(swept.sweep.period_s, swept.sweep.took_s) if swept else picture.period_s
    last_s = max(born.heard_s, picture.listening_s or now.s, swept.heard_s if swept else 0.0)
    late_s = now.s - last_s
    return late_s if late_s > LATE_PERIODS * period_s else 0.0


def broker_away(picture: Picture) -> Iterator[Standing]:
    """Yield that nobody hears anything."""
    if picture.away is not None:
        yield Standing(AlertKind.SERVICE_LOST, BROKER, clean(picture.away))


def poller_overrun(picture: Picture, now: Now) -> Iterator[Standing]:
    """Yield pollers that do not get round their nodes in their period, often enough."""
    for instance, sweeps in picture.sweeps.items():
        sweep = sweeps.overrun(now.s)
        if sweep is not None and picture.is_online(f"{Service.POLLER}/{instance}"):
            words = f"{sweep.polled} nodes in {sweep.took_s:.1f} s, where the period is {sweep.period_s:g} s"
            yield Standing(AlertKind.POLLER_OVERRUN, instance, words)


def broker_drops(picture: Picture, now: Now) -> Iterator[Standing]:
    """Yield that the broker threw messages away a short while ago."""
    drops = picture.drops
    if drops is not None and drops.lasts(now.s):
        yield Standing(AlertKind.BROKER_DROPS, "", f"{drops.count - drops.before} messages so far")


def _state_words(born: Born) -> str:
    birth = born.birth
    where = f"; it ran on {clean(birth.host)}" if birth.host else ""
    words = {
        ServiceState.LOST: f"is lost{where}",
        ServiceState.OFFLINE: f"was stopped{where}",
        ServiceState.ONLINE: "is online",
    }
    return words[birth.state]


# --- timing


def fpga_timing(picture: Picture, _now: Now) -> Iterator[Standing]:
    """Yield that the FPGA master is not good; one that is not configured needs nobody."""
    status = picture.fpga
    if status is None or not picture.is_online(Service.FPGA):
        return
    if status.state in (FpgaState.DEGRADED, FpgaState.DOWN):
        words = f"{status.state}: {status.error}" if status.error else status.state
        yield Standing(AlertKind.FPGA_TIMING, "", clean(words), since=status.since)


def eop_stale(picture: Picture, now: Now) -> Iterator[Standing]:
    """Yield that the table is old, that the last run failed, or that none has succeeded although frames are timed.

    Without an FPGA master a table that was never made is nobody's.
    """
    status = picture.eop
    if status is None:
        return
    old = status.last_success_at is not None and now.at - status.last_success_at > timedelta(seconds=STALE_S)
    timed = picture.fpga is not None and picture.fpga.state is not FpgaState.UNCONFIGURED
    never = status.state is EopState.NEVER and timed
    if old or never or status.state in (EopState.STALE, EopState.FAILED):
        last = _last_success(status)
        words = f"{last}; {status.error}" if status.error else last
        yield Standing(AlertKind.EOP_STALE, "", clean(words))


def _last_success(status: EopStatus) -> str:
    if status.last_success_at is None:
        return "no run has succeeded yet"
    return f"the last run that succeeded was at {time_words(status.last_success_at)}"


def eop_runs_out(picture: Picture, now: Now) -> Iterator[Standing]:
    """Yield that the table ends soon; it does so also while its service is away."""
    status = picture.eop
    if status is None or status.last is None:
        return
    if status.last - now.at < timedelta(days=RUNS_OUT_DAYS):
        word = "ended" if status.last <= now.at else "ends"
        yield Standing(AlertKind.EOP_RUNS_OUT, "", f"the table {word} at {time_words(status.last)}")


CONDITIONS: Final[Mapping[AlertKind, Callable[[Picture, Now], Iterator[Standing]]]] = {
    AlertKind.NODE_DOWN: node_down,
    AlertKind.NODE_FAILED: node_failed,
    AlertKind.DRIFT_STAYS: drift_stays,
    AlertKind.NO_WORKER: no_worker,
    AlertKind.POLLER_OVERRUN: poller_overrun,
    AlertKind.FPGA_TIMING: fpga_timing,
    AlertKind.EOP_STALE: eop_stale,
    AlertKind.EOP_RUNS_OUT: eop_runs_out,
    AlertKind.SERVICE_LOST: service_lost,
    AlertKind.BROKER_DROPS: broker_drops,
}


# --- what can't be told


_IN_BETWEEN: Final[Mapping[AlertKind, tuple[NodeState, ...]]] = {
    AlertKind.NODE_DOWN: (NodeState.UNKNOWN,),
    AlertKind.NODE_FAILED: (NodeState.UNKNOWN, NodeState.SYNCING, NodeState.DOWN),
    AlertKind.DRIFT_STAYS: (NodeState.UNKNOWN, NodeState.SYNCING, NodeState.DOWN),
}
"""States of a node that say nothing about an alert: it may be so again in a moment."""


def _is_unsure(picture: Picture, key: Key, now: Now) -> bool:
    kind, subject = key
    if kind in _IN_BETWEEN:
        return _is_node_unsure(picture, kind, subject)
    if kind is AlertKind.NO_WORKER:
        return picture.registry is None
    if kind is AlertKind.POLLER_OVERRUN:
        return _is_poller_unsure(picture, subject, now)
    if kind is AlertKind.FPGA_TIMING:
        return picture.fpga is None or not picture.is_online(Service.FPGA)
    if kind in (AlertKind.EOP_STALE, AlertKind.EOP_RUNS_OUT):
        return picture.eop is None
    return False


def _is_node_unsure(picture: Picture, kind: AlertKind, subject: str) -> bool:
    group, _, node = subject.partition("/")
    if picture.registry is None:
        return True
    if not picture.is_registered(group, node):
        return False
    status = picture.statuses.get((group, node))
    if status is None or not picture.has_worker(group):
        return True
    tried = kind is not AlertKind.NODE_DOWN and status.pending
    return not status.maintenance.on and (status.state in _IN_BETWEEN[kind] or tried)


def _is_poller_unsure(picture: Picture, instance: str, now: Now) -> bool:
    name = f"{Service.POLLER}/{instance}"
    if name not in picture.births:  # gone for good
        return False
    sweeps = picture.sweeps.get(instance)
    return not picture.is_online(name) or sweeps is None or not sweeps.lately(now.s)


def _ended(picture: Picture, key: Key) -> str:
    kind, subject = key
    if kind not in _IN_BETWEEN:
        return ""
    group, _, node = subject.partition("/")
    status = picture.statuses.get((group, node))
    if not picture.is_registered(group, node) or status is None:
        return "it is not in the registry any more"
    return _maintenance_words(status.maintenance) if status.maintenance.on else f"it is {status.state}"


def _maintenance_words(maintenance: Maintenance) -> str:
    by = f" by {clean(maintenance.by)}" if maintenance.by else ""
    why = f": {clean(maintenance.reason)}" if maintenance.reason else ""
    return f"it is in maintenance{by}{why}"


def clean(words: str | None) -> str:
    """Return somebody else's words as one line of bounded length."""
    line = _UNPRINTABLE.sub(" ", words or "").strip()
    return line if len(line) <= MAX_WORDS else f"{line[: MAX_WORDS - 1]}…"
