"""The pages of the measurements and of the alerts, generated from their catalogues."""

from collections.abc import Iterator
from typing import Final

from .alerts import ALERTS, Alert, AlertKind
from .measurements import MEASUREMENTS, Field, Measurement, Shape

_METRICS_HEAD: Final = """\
# Measurements

Generated from the contract by `conche contract write`; a test compares. Do not edit.

What the metrics service keeps in InfluxDB. A field is never written in two kinds: a flag is an integer, 0 or 1, and a
float is one also where it is whole. Prometheus gets the same figures at `/metrics` (`metrics: listen_port` in
conche.yaml), as `conche_<measurement>_<field>`; times in s and in ns are seconds there, and called so, other units are
as here. What only counts up ends in `_total`. Texts that say a state are one figure a state there, and other texts are
left out. Prometheus' figures are floats: of when frame 0 was, in seconds, that loses 0.2 µs; InfluxDB has it to the
nanosecond.
"""
_SHAPES: Final = {
    Shape.STATE: "at each change, and again once in `metrics: refresh_s`",
    Shape.SAMPLE: "as often as it is measured",
    Shape.EVENT: "one for each",
}
_ALERTS_HEAD: Final = """\
# Alerts

Generated from the contract by `conche contract write`; a test compares. Do not edit.

Grafana's alert rules and the notifier raise the same alerts; the notifier works with Grafana and the database away.
An alert is told once it has lasted for the time given: what mends itself is nobody's business.
"""


def metrics_page() -> str:
    """Return the page of the measurements, in Markdown."""
    parts = [_METRICS_HEAD]
    for measurement in MEASUREMENTS:
        parts += ["", *_measurement(measurement)]
    return "\n".join(parts) + "\n"


def _measurement(measurement: Measurement) -> Iterator[str]:
    yield f"## `{measurement.name}`"
    yield ""
    yield f"{measurement.text} Points: {_SHAPES[measurement.shape]}. Worth keeping: {measurement.keep}."
    yield ""
    if measurement.tags:
        yield "| tag | meaning |"
        yield "|---|---|"
        yield from (f"| `{name}` | {text} |" for name, text in measurement.tags.items())
        yield ""
    yield "| field | kind | meaning |"
    yield "|---|---|---|"
    yield from (f"| `{field.name}` | {field.kind} | {_meaning(field)} |" for field in measurement.fields)


def _meaning(field: Field) -> str:
    return field.text if field.unit is None else f"{field.text} [{field.unit}]"


def alerts_page() -> str:
    """Return the page of the alerts, in Markdown; each has an anchor of its name."""
    parts = [_ALERTS_HEAD]
    for kind, alert in ALERTS.items():
        parts += ["", *_alert(kind, alert)]
    return "\n".join(parts) + "\n"


def _alert(kind: AlertKind, alert: Alert) -> Iterator[str]:
    yield f"## {kind}"
    yield ""
    yield f"*{alert.title.capitalize()}*: {alert.level}, after {alert.after_s:.0f} s."
    yield ""
    yield alert.meaning
    yield ""
    yield f"What to do: {alert.remedy}"
