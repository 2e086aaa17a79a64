"""What `/metrics` tells of the stages of a running kotekan (`lib/core/prometheusMetrics.cpp`).

Families are sorted by name, a gauge has the time when it was set and a counter has none, the HELP line has no words, a
value is printed with six digits, and nobody escapes a label.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PORTS: Final = 2
PACKETS_PER_S: Final = 95_367.43
"""Of one port: 390,625 spectra a second, in packets of 4 and a bit."""
FRAMES: Final = 10
BUFFERS: Final = ("network_buf_0", "network_buf_1", "gpu_out_buf", "vis_buf")
FREQUENCIES: Final = (27, 283, 539)
FEEDS: Final = 4


@dataclass(frozen=True, slots=True)
class Gauge:
    """A family that tells when it was set.

    Parameters
    ----------
    name, stage
        Of the metric and of the stage that sets it.
    values
        By the labels beside that of the stage, as they are printed.
    """

    name: str
    stage: str
    values: Mapping[str, float]

    def text(self, at_ms: int) -> str:
        """Return it as kotekan prints it."""
        lines = (
            f"{_series(self, labels)} {_value(value)} {at_ms}\n" for labels, value in self.values.items()
        )
        return f"# HELP {self.name}\n# TYPE {self.name} gauge\n{''.join(lines)}"


@dataclass(frozen=True, slots=True)
class Counter:
    """A family that only counts up.

    Parameters
    ----------
    name, stage, values
        As of a `Gauge`.
    """

    name: str
    stage: str
    values: Mapping[str, int]

    def text(self, _at_ms: int) -> str:
        """Return it as kotekan prints it."""
        lines = (f"{_series(self, labels)} {value}\n" for labels, value in self.values.items())
        return f"# HELP {self.name}\n# TYPE {self.name} counter\n{''.join(lines)}"


def _series(family: Gauge | Counter, labels: str) -> str:
    return f'{family.name}{{stage_name="{family.stage}"{"," if labels else ""}{labels}}}'


def _value(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.6f}"


def stage_metrics(age_s: float) -> Sequence[Gauge | Counter]:
    """Return what the stages of a correlator tell, a time after its config was started [s]."""
    return (*_outputs(age_s), *_network(age_s), *_quality(age_s))


def _outputs(age_s: float) -> Sequence[Gauge | Counter]:
    buffers = [f'buffer_name="{name}"' for name in BUFFERS]
    full = {name: float(1 + round(2 + 2 * math.sin(age_s / 7 + i))) for i, name in enumerate(buffers)}
    return (
        Counter("kotekan_buffer_send_dropped_frame_count", "/vis_send", {"": int(age_s // 30)}),
        Gauge("kotekan_bufferstatus_frames_total", "/buffer_status", dict.fromkeys(buffers, float(FRAMES))),
        Gauge("kotekan_bufferstatus_full_frames_total", "/buffer_status", full),
    )


def _network(age_s: float) -> Sequence[Gauge]:
    ports = [f'port="{number}"' for number in range(PORTS)]
    packets = {port: float(int(age_s * PACKETS_PER_S)) for port in ports}
    lost = {port: float(int(age_s / 10) * (1 + number)) for number, port in enumerate(ports)}
    gauges = [Gauge("kotekan_dpdk_nic_link_up", "/dpdk", dict.fromkeys(ports, 1.0))]
    for name, values in (("lost_packets", lost), ("packets", packets)):
        for number, port in enumerate(ports):
            stage = f"/dpdk/handlers/{number}"
            gauges.append(Gauge(f"kotekan_dpdk_rx_{name}_total", stage, {port: values[port]}))
    return gauges


def _quality(age_s: float) -> Sequence[Gauge | Counter]:
    feeds = [f'element="{number}"' for number in range(FEEDS)]
    # A feed of which no sample was good has no spectral kurtosis.
    kurtosis = {feed: 1 + 0.01 * math.sin(age_s / 5 + i) for i, feed in enumerate(feeds)} | {
        feeds[-1]: math.nan
    }
    skipped = {f'freq_id="{number}",reason="age"': int(age_s // 60) for number in FREQUENCIES}
    return (
        Gauge("kotekan_gains_last_update_success", "/read_gain", {'type="tracking",beam_id="0"': 1.0}),
        Gauge("kotekan_rfi_sk_per_feed", "/rfi_sk_metrics", kurtosis),
        Counter("kotekan_visaccumulate_skipped_frame_total", "/vis_accumulate", skipped),
        Gauge("kotekan_writer_write_time_seconds", "/vis_writer", {"": 0.08 + 0.02 * math.sin(age_s / 11)}),
    )
