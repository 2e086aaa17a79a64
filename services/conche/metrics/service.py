"""The metrics service: messages become readings, and readings go to the database and to Prometheus."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Final, Protocol, TypeVar

from prometheus_client import CollectorRegistry

from conche.bus.intake import Handler, TakeText
from conche.contract import (
    BROKER_FIGURES,
    EOP,
    EVENT,
    FPGA,
    GROUP_SUMMARY,
    LATENCY,
    NODE_OBSERVED,
    NODE_STATUS,
    REGISTRY,
    SERVICE,
    SERVICE_INSTANCE,
    SWEEP,
    EopStatus,
    Event,
    FpgaStatus,
    GroupSummary,
    Latencies,
    Message,
    NodeStatus,
    Observed,
    Payload,
    Registry,
    Service,
    ServiceBirth,
    Sweep,
)
from conche.contract import measurements as m
from conche.contract.measurements import Shape
from conche.kotekan.connection import Address
from conche.settings import Kotekan, Metrics

from .board import Moment, Recent
from .brokerfigures import BrokerFigures
from .cluster import Key
from .exposition import Counted, Standing
from .happened import Happened
from .news import Told
from .nodes import latency_readings
from .picture import Picture
from .readings import Reading, line_of
from .scraping import Scraper
from .services import sweep_reading

logger = logging.getLogger(__name__)

PayloadT = TypeVar("PayloadT", bound=Payload)

TICK_S: Final = 1.0
"""What is due is looked for so often [s]: refreshed states are spread over their period in steps of this."""

FIGURES_S: Final = 10.0
"""Period of the broker's figures, which is its own ``sys_interval``, and of those of the service itself [s]."""

MINUTE_S: Final = 60.0
"""Period of a poller's latencies; that of a broker's figures is no longer [s]."""


class Broker(Protocol):
    """What the service needs of the bus."""

    @property
    def birth(self) -> ServiceBirth:
        """What this process says of itself."""

    @property
    def connected(self) -> bool:
        """Whether the picture is complete."""

    async def run(self) -> None:
        """Stay connected."""

    def subscribe(self, message: Message[PayloadT], handler: Handler[PayloadT], **only: str) -> None:
        """Read a kind of message."""

    def listen(self, topic_filter: str, handler: TakeText) -> None:
        """Read text outside the root."""

    def on_connection(self, handler: Told) -> None:
        """Have somebody told of connections."""


class Sink(Protocol):
    """Where points go, and what has become of them."""

    written: int
    rejected: int
    write_s: float | None

    @property
    def dropped(self) -> int:
        """Points that found no room."""

    @property
    def buffered(self) -> int:
        """Points that wait."""

    @property
    def away_s(self) -> float:
        """Since the database last answered, while it is away [s]; else 0."""

    def put(self, lines: Iterable[str]) -> None:
        """Have points written."""

    async def run(self) -> None:
        """Write them."""


class MetricsService:
    """Makes readings of what is said on the bus.

    Parameters
    ----------
    bus
        The broker.
    writer
        Where points go; None where there is no database.
    settings
        Of this service.
    kotekan
        How nodes are reached.
    poll_s
        Period of the pollers, as far as the settings tell [s].
    """

    def __init__(
        self, bus: Broker, writer: Sink | None, *, settings: Metrics, kotekan: Kotekan, poll_s: float
    ) -> None:
        self._bus = bus
        self._writer = writer
        self._scrape_s = settings.scrape_s
        self._picture = Picture(refresh_s=settings.refresh_s, poll_s=poll_s)
        self._happened = Happened()
        self._recent = Recent()
        self._figures = BrokerFigures()
        self._scraper = Scraper(settings, kotekan, may_ask=self._may_ask, take=self._write)
        self.registry = CollectorRegistry()
        self._standing = Standing()
        self.registry.register(self._standing)
        self._counted = Counted(self.registry)

    async def run(self) -> None:
        """Stay connected, write what is due, and ask the nodes for their own metrics."""
        # The bus outlasts the others: what the writer could not write at the end is told on it.
        async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as tasks:
            outer.create_task(self._bus.run(), name="bus")
            tasks.create_task(self._tick(), name="write what is due")
            tasks.create_task(self._tell_figures(), name="tell figures")
            tasks.create_task(self._scraper.run(), name="scrape nodes")
            if self._writer is not None:
                tasks.create_task(self._writer.run(), name="write points")

    def subscribe(self) -> None:
        """Set up what is read."""
        bus = self._bus
        bus.subscribe(REGISTRY, self.on_registry)
        bus.subscribe(NODE_STATUS, self.on_status)
        bus.subscribe(NODE_OBSERVED, self.on_observed)
        bus.subscribe(GROUP_SUMMARY, self.on_summary)
        bus.subscribe(SWEEP, self.on_sweep)
        bus.subscribe(LATENCY, self.on_latencies)
        bus.subscribe(FPGA, self.on_fpga)
        bus.subscribe(EOP, self.on_eop)
        bus.subscribe(SERVICE, self.on_birth)
        bus.subscribe(SERVICE_INSTANCE, self.on_birth)
        bus.subscribe(EVENT, self.on_event)
        bus.listen(BROKER_FIGURES, self._figures.take)
        bus.on_connection(self.on_connection)

    # --- for Prometheus

    def prepare(self) -> None:
        """Take down what is known now, for a collector that runs in another thread."""
        at = Moment.now()
        self._standing.readings = [*self._picture.readings(at), *self._recent.readings(at)]

    # --- what is heard

    def on_connection(self) -> None:
        """Take that the broker is there, with all that it holds, or is away."""
        if self._bus.connected:
            self._write(self._picture.listen(Moment.now()))
        else:
            self._picture.deafen()
            self._figures.forget()

    def on_registry(self, _params: Mapping[str, str], registry: Registry | None) -> None:
        """Take which nodes there are; a registry that is absent or broken changes nothing."""
        self._write(self._picture.on_registry(registry, Moment.now()))
        if registry is not None and registry.error is None:
            self._scraper.follow(
                {
                    (group, name): Address(node.host, node.port)
                    for group, nodes in registry.groups.items()
                    for name, node in nodes.items()
                }
            )

    def on_status(self, params: Mapping[str, str], status: NodeStatus | None) -> None:
        """Take a node's status."""
        self._write(self._picture.on_status(_key(params), status, Moment.now()))

    def on_observed(self, params: Mapping[str, str], observed: Observed | None) -> None:
        """Take what the poller saw."""
        self._write(self._picture.on_observed(_key(params), observed, Moment.now()))

    def on_summary(self, params: Mapping[str, str], summary: GroupSummary | None) -> None:
        """Take a group in one line."""
        self._write(self._picture.on_summary(params["group"], summary, Moment.now()))

    def on_sweep(self, params: Mapping[str, str], sweep: Sweep | None) -> None:
        """Take a poller's heartbeat."""
        if sweep is not None:
            self._picture.on_sweep(sweep, Moment.now())
            self._write([sweep_reading(sweep, instance=params["instance"])])

    def on_latencies(self, _params: Mapping[str, str], latencies: Latencies | None) -> None:
        """Take how long nodes took to answer."""
        if latencies is not None:
            self._write(latency_readings(latencies))

    def on_birth(self, params: Mapping[str, str], birth: ServiceBirth | None) -> None:
        """Take that a service came or went."""
        self._write(self._picture.on_birth(params, birth, Moment.now()))

    def on_fpga(self, _params: Mapping[str, str], status: FpgaStatus | None) -> None:
        """Take how the FPGA master is."""
        self._write(self._picture.on_fpga(status, Moment.now()))

    def on_eop(self, _params: Mapping[str, str], status: EopStatus | None) -> None:
        """Take how the Earth-orientation table is."""
        self._write(self._picture.on_eop(status, Moment.now()))

    def on_event(self, params: Mapping[str, str], event: Event | None) -> None:
        """Take that something happened."""
        if event is not None:
            self._write(self._happened.readings(params, event))

    # --- as time goes by

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._bus.connected:
                # Its own birth is not handed out to it.
                self.on_birth({"service": Service.METRICS}, self._bus.birth)
                self._write(self._picture.due(Moment.now()))

    async def _tell_figures(self) -> None:
        """Tell what the broker says of itself, and how the service itself does."""
        while True:
            await asyncio.sleep(FIGURES_S)
            at_ns = time.time_ns()
            told = self._figures.reading(at_ns), self._own_figures(at_ns)
            self._write([reading for reading in told if reading is not None])

    def _own_figures(self, at_ns: int) -> Reading | None:
        writer = self._writer
        if writer is None:
            return None
        fields = {
            "written": writer.written,
            "dropped": writer.dropped,
            "rejected": writer.rejected,
            "buffered": writer.buffered,
            "write_s": writer.write_s,
            "away_s": writer.away_s,
        }
        return Reading(m.METRICS, {}, fields, at_ns)

    def _may_ask(self, key: Key) -> bool:
        return self._bus.connected and self._picture.cluster.answers(key, Moment.now().clock)

    # --- what becomes of readings

    def _write(self, readings: Iterable[Reading]) -> None:
        lines = []
        for reading in readings:
            self._show(reading)
            if self._writer is not None:
                lines.append(line_of(reading))
        if self._writer is not None and lines:
            self._writer.put(lines)

    def _show(self, reading: Reading) -> None:
        """Keep a reading for Prometheus; states are kept by the picture, and kotekan's it asks for itself."""
        if reading.measurement.shape is Shape.EVENT:
            self._counted.count(reading)
        elif reading.measurement.shape is Shape.SAMPLE and reading.measurement is not m.KOTEKAN:
            self._recent.put(reading, Moment.now(), period_s=self._period_s(reading))

    def _period_s(self, reading: Reading) -> float:
        """Return in which time the next sample of a series comes [s]."""
        match reading.measurement.name:
            case m.SWEEP.name:
                return float(reading.fields["period_s"] or 0.0)
            case m.SCRAPE.name:
                return self._scrape_s or 0.0
        return MINUTE_S


def _key(params: Mapping[str, str]) -> Key:
    return params["group"], params["node"]
