"""conche itself: its services, the broker, the poller and the metrics."""

from typing import Final

from grafana_foundation_sdk.models.units import BytesPerSecondIEC, CountsPerSecond

from conche.contract.measurements import (
    BROKER,
    COMMAND,
    LATENCY,
    METRICS,
    SCRAPE,
    SERVICE,
    SWEEP,
    Measurement,
)

from .board import Board, Section, commands_marked, happenings_marked
from .colours import BAD, GOOD, SERVICES, flags, words
from .panels import (
    NOW,
    Panel,
    coloured,
    in_unit,
    lines,
    mapped,
    points,
    rows,
    shown_as,
    timeline,
    unit_of,
)
from .places import ITSELF
from .queries import MEAN, MORE, PER_SECOND, WORST, Column, newest_point, over_time
from .targets import Target

SERVICE_STATES: Final = "Services"
DROPPED: Final = "Dropped by the broker"
OVERRUN: Final = "Overrun"
SWEEPS: Final = "Sweeps"

_OF_SERVICE: Final = ("service", "instance")
_SERVICE_NAME: Final = "$tag_service/$tag_instance"


def itself() -> Board:
    """Return the dashboard."""
    return Board(
        ITSELF,
        "conche: itself",
        "conche's own services, the broker, the poller, and what the metrics service makes of it all.",
        [
            Section(None, [_services(), _services_now()]),
            Section("Services", [_lost_messages(), _restarts()]),
            Section("Broker", [_clients(), _dropped(), _messages(), _bytes(), _stored(), _memory()]),
            Section("Poller", [_sweeps(), _overrun(), _polled(), _latency()]),
            Section("Commands", [_commands()]),
            Section("Metrics", [_written(), _lost_points(), _database(), _scrape()]),
        ],
        annotations=[happenings_marked(shown=False), commands_marked()],
    )


def _over_time(measurement: Measurement, *columns: Column, fill: str = "null") -> Target:
    return Target(over_time(measurement, *columns, fill=fill), alias="$col")


def _services() -> Panel:
    query = over_time(SERVICE, Column("state"), by=_OF_SERVICE)
    return timeline(
        SERVICE_STATES,
        "Which of conche's services were online; offline: it went in good order; lost: it did not.",
        Target(query, alias=_SERVICE_NAME),
    ).mappings(words(SERVICES))


def _services_now() -> Panel:
    shown = ("state", "uptime_s", "restarts", "dropped", "invalid", "version")
    panel = rows(
        "Services now",
        "Restarts: processes that took its place since the metrics service began to look. Dropped: messages that "
        "found its inbox full; invalid: messages that were not what the contract says.",
        newest_point(SERVICE, "online", *shown, by=_OF_SERVICE),
        [*_OF_SERVICE, "online", *shown],
        hidden=["Time"],
        span=24,
    )
    panel = panel.time_from(NOW)
    panel = shown_as(panel, "state", mapped(words(SERVICES)), coloured())
    panel = shown_as(panel, "online", mapped(flags(yes="yes", no="no", yes_colour=GOOD, no_colour=BAD)))
    return shown_as(panel, "uptime_s", in_unit(unit_of(SERVICE, "uptime_s")))


def _lost_messages() -> Panel:
    columns = [Column("dropped", MORE, "dropped"), Column("invalid", MORE, "invalid")]
    query = over_time(SERVICE, *columns, by=_OF_SERVICE, fill="none")
    return lines(
        "Messages that services lost",
        "Dropped, because the inbox was full, or invalid, in each interval.",
        Target(query, alias=f"{_SERVICE_NAME} $col"),
    ).decimals(0)


def _restarts() -> Panel:
    query = over_time(SERVICE, Column("restarts"), by=_OF_SERVICE)
    return lines(
        "Restarts",
        "Processes that took a service's place since the metrics service began to look.",
        Target(query, alias=_SERVICE_NAME),
    ).decimals(0)


def _clients() -> Panel:
    return lines(
        "Clients and subscriptions",
        "Connected clients, their subscriptions, and retained messages.",
        _over_time(BROKER, Column("clients"), Column("subscriptions"), Column("retained")),
    ).decimals(0)


def _dropped() -> Panel:
    return lines(
        DROPPED,
        "Messages that the broker threw away in each interval: a client was too slow.",
        _over_time(BROKER, Column("dropped", MORE), fill="none"),
    ).decimals(0)


def _messages() -> Panel:
    columns = [Column("received", PER_SECOND), Column("sent", PER_SECOND)]
    return lines(
        "Messages",
        "Messages that were published to the broker, and that it sent.",
        _over_time(BROKER, *columns, fill="none"),
        unit=CountsPerSecond,
    )


def _bytes() -> Panel:
    columns = [Column("received_bytes", PER_SECOND), Column("sent_bytes", PER_SECOND)]
    return lines(
        "Bytes",
        "Bytes that the broker received and sent.",
        _over_time(BROKER, *columns, fill="none"),
        unit=BytesPerSecondIEC,
    )


def _stored() -> Panel:
    return lines(
        "Messages that the broker holds",
        "Retained and queued ones.",
        _over_time(BROKER, Column("stored")),
    ).decimals(0)


def _memory() -> Panel:
    panel = lines(
        "Memory and uptime of the broker",
        "Bytes of the messages that it holds, of its memory where it tells, and the time since it began.",
        _over_time(BROKER, Column("stored_bytes"), Column("heap_bytes"), Column("uptime_s")),
        unit=unit_of(BROKER, "stored_bytes"),
    )
    return shown_as(panel, "uptime_s", in_unit(unit_of(BROKER, "uptime_s")))


def _sweeps() -> Panel:
    columns = [Column("took_s", WORST), Column("period_s", WORST)]
    return lines(
        SWEEPS,
        "How long a poller took to ask all its nodes, and the period that it has for it.",
        Target(over_time(SWEEP, *columns, by=["instance"]), alias="$tag_instance $col"),
        unit=unit_of(SWEEP, "took_s"),
    )


def _overrun() -> Panel:
    return timeline(
        OVERRUN,
        "Whether a poller did not get round its nodes in its period.",
        Target(over_time(SWEEP, Column("overrun", WORST), by=["instance"]), alias="$tag_instance"),
        span=12,
    ).mappings(flags(yes="overrun", no="in time", yes_colour=BAD, no_colour=GOOD))


def _polled() -> Panel:
    columns = [Column("polled"), Column("unreachable")]
    return lines(
        "Nodes asked",
        "Nodes that a poller asked in a sweep, and of these the ones that did not answer.",
        Target(over_time(SWEEP, *columns, by=["instance"]), alias="$tag_instance $col"),
    ).decimals(0)


def _latency() -> Panel:
    columns = [Column("median_s", MEAN), Column("worst_s", WORST)]
    return lines(
        "Latency of all nodes",
        "How long REST servers took to tell a config: the mean of the nodes' medians, and the longest.",
        Target(over_time(LATENCY, *columns, by=["group"]), alias="$tag_group $col"),
        unit=unit_of(LATENCY, "worst_s"),
    )


def _commands() -> Panel:
    query = over_time(COMMAND, Column("took_s", WORST), by=["service", "action"])
    return points(
        "How long commands took",
        "From taking a command to its reply; the longest of each kind.",
        Target(query, alias="$tag_service $tag_action"),
        unit=unit_of(COMMAND, "took_s"),
        span=24,
    )


def _written() -> Panel:
    return lines(
        "Points written",
        "Points that the database took.",
        _over_time(METRICS, Column("written", PER_SECOND), fill="none"),
        unit=CountsPerSecond,
    )


def _lost_points() -> Panel:
    columns = [Column("dropped", MORE), Column("rejected", MORE)]
    return lines(
        "Points lost",
        "Points that found the buffer full, and that the database refused, in each interval.",
        _over_time(METRICS, *columns, fill="none"),
    ).decimals(0)


def _database() -> Panel:
    panel = lines(
        "The database",
        "Points that wait for it, how long its last request took, and for how long it has been away.",
        _over_time(METRICS, Column("buffered"), Column("write_s"), Column("away_s")),
    )
    for column in ("write_s", "away_s"):
        panel = shown_as(panel, column, in_unit(unit_of(METRICS, column)))
    return panel


def _scrape() -> Panel:
    return lines(
        "kotekan's own metrics",
        "Nodes that were asked for their metrics, those that did not answer, and series that were taken.",
        _over_time(SCRAPE, Column("nodes"), Column("failed"), Column("series"), Column("left")),
    ).decimals(0)
