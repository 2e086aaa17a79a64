"""What is known now and what has happened so far, in the families of Prometheus.

The same catalogue as that of the database, by Prometheus' rules for names: ``conche_<measurement>_<field>``, seconds
written out, ``_total`` for what only counts up. A state is one series for each of its words, 0 or 1. Texts stay out.
What happened becomes counters; kotekan's own metrics stay out, because Prometheus can ask the nodes itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Summary
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from conche.contract import EopState, FpgaState, Health, NodeState, Reach, ServiceState
from conche.contract import measurements as m
from conche.contract.measurements import Field, FieldKind, Measurement, Shape

from .readings import Reading

STATES: Final[Mapping[tuple[str, str], type[StrEnum]]] = {
    (m.NODE.name, "state"): NodeState,
    (m.NODE.name, "reach"): Reach,
    (m.GROUP.name, "summary"): Health,
    (m.FPGA.name, "state"): FpgaState,
    (m.EOP.name, "state"): EopState,
    (m.SERVICE.name, "state"): ServiceState,
}
"""Texts that are one of a few words."""

COUNTERS: Final = frozenset(
    {
        *((m.SERVICE.name, field) for field in ("restarts", "dropped", "invalid")),
        *((m.METRICS.name, field) for field in ("written", "dropped", "rejected")),
        *(
            (m.BROKER.name, field)
            for field in ("received", "sent", "dropped", "received_bytes", "sent_bytes")
        ),
    }
)
"""Fields that only count up."""

_LEFT_OUT: Final = frozenset({m.KOTEKAN.name})
_SECONDS: Final = {"s": 1.0, "ns": 1e9}
"""Units that Prometheus has in seconds, with how many of them a second has."""

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily


def family_name(measurement: Measurement, field: Field) -> str:
    """Return what a field is called; the library adds ``_total`` to a counter's."""
    name = field.name
    if field.unit in _SECONDS:
        name = f"{name.removesuffix(f'_{field.unit}')}_seconds"
    return f"conche_{measurement.name}_{name}"


def families(readings: Iterable[Reading]) -> Iterator[Family]:
    """Yield the families of readings, one for each field that at least one of them knows."""
    by_name: dict[str, list[Reading]] = {}
    for reading in readings:
        by_name.setdefault(reading.measurement.name, []).append(reading)
    for measurement in m.MEASUREMENTS:
        found = by_name.get(measurement.name, [])
        if measurement.shape is not Shape.EVENT and measurement.name not in _LEFT_OUT and found:
            for field in measurement.fields:
                yield from _family(measurement, field, found)


def _family(measurement: Measurement, field: Field, readings: list[Reading]) -> Iterator[Family]:
    words = STATES.get((measurement.name, field.name))
    if field.kind is FieldKind.TEXT and words is None:
        return
    family = _states(measurement, field, readings, words) if words else _figures(measurement, field, readings)
    if family.samples:
        yield family


def _figures(measurement: Measurement, field: Field, readings: list[Reading]) -> Family:
    kind = CounterMetricFamily if (measurement.name, field.name) in COUNTERS else GaugeMetricFamily
    family = kind(
        family_name(measurement, field), f"{measurement.text} {field.text}", labels=[*measurement.tags]
    )
    units = _SECONDS.get(field.unit or "", 1.0)
    for reading in readings:
        value = reading.fields.get(field.name)
        if value is not None:
            family.add_metric([*reading.tags.values()], float(value) / units)
    return family


def _states(
    measurement: Measurement, field: Field, readings: list[Reading], words: type[StrEnum]
) -> GaugeMetricFamily:
    labels = [*measurement.tags, field.name]
    family = GaugeMetricFamily(f"conche_{measurement.name}_{field.name}", measurement.text, labels=labels)
    for reading in readings:
        state = reading.fields.get(field.name)
        if state is not None:
            for word in words:
                family.add_metric([*reading.tags.values(), word], float(word == state))
    return family


class Standing(Collector):
    """What is known; whoever asks sets it first."""

    def __init__(self) -> None:
        self.readings: Sequence[Reading] = ()

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        return families(self.readings)


class Counted:
    """What has happened since this process began.

    Parameters
    ----------
    registry
        Where the counters are shown.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "conche_event", "Events that were told.", ["service", "kind"], registry=registry
        )
        self._pushes = Counter(
            "conche_push", "Changes of nodes, and tries.", ["group", "kind", "ok"], registry=registry
        )
        self._push_s = Summary(
            "conche_push_took_seconds", "How long they took.", ["group", "kind"], registry=registry
        )
        self._commands = Counter(
            "conche_command", "Commands that were answered.", ["service", "action", "ok"], registry=registry
        )
        self._command_s = Summary(
            "conche_command_took_seconds", "How long that took.", ["service", "action"], registry=registry
        )

    def count(self, reading: Reading) -> None:
        """Count a reading of something that happened."""
        tags = reading.tags
        match reading.measurement.name:
            case m.HAPPENING.name:
                self._events.labels(tags["service"], tags["kind"]).inc()
            case m.PUSH.name:
                labels = tags["group"], tags["kind"]
                self._pushes.labels(*labels, _ok(reading)).inc()
                _observe(self._push_s, labels, reading)
            case m.COMMAND.name:
                labels = tags["service"], tags["action"]
                self._commands.labels(*labels, _ok(reading)).inc()
                _observe(self._command_s, labels, reading)


def _ok(reading: Reading) -> str:
    ok = reading.fields.get("ok")
    return "unknown" if ok is None else str(int(bool(ok)))


def _observe(summary: Summary, labels: tuple[str, ...], reading: Reading) -> None:
    took_s = reading.fields.get("took_s")
    if took_s is not None:
        summary.labels(*labels).observe(float(took_s))
