"""The sections of the settings: each setting with its type, default, unit and consequence."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from .base import Section, doc
from .gateway import Gateway, Ldap
from .notifying import Notifier


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


class RegistryChange(StrEnum):
    """Whom a change of nodes or addresses in nodes.yaml sends into maintenance."""

    ALL = "all"
    CHANGED = "changed"


class Broker(Section, frozen=True, kw_only=True):
    """Where the broker is and how to log in; the account is the service's own name."""

    host: Annotated[str, doc("name or address of the MQTT 5 broker")] = "127.0.0.1"
    port: Annotated[int, doc("its port", ge=1, le=65535)] = 1883
    root: Annotated[
        str, doc("first level of every topic; mosquitto/acl must name the same", pattern=r"^[\w-]+$")
    ] = "conche"
    secrets: Annotated[
        Path | None, doc("folder with one file per account, named as it, holding its password")
    ] = None
    password: Annotated[str | None, doc("password of this process's account; from the environment only")] = (
        None
    )
    password_file: Annotated[
        Path | None, doc("file that holds the password of this process's account; it comes before secrets")
    ] = None
    ca_file: Annotated[Path | None, doc("certificate authority of the broker; given means TLS")] = None
    keepalive_s: Annotated[
        int, doc("a frozen service is reported lost after one and a half of these", ge=2)
    ] = 5


class Kotekan(Section, frozen=True, kw_only=True):
    """How to talk to every kotekan."""

    connect_timeout_s: Annotated[float, doc("no answer to the connection: unreachable", gt=0)] = 1.0
    answer_timeout_s: Annotated[float, doc("no answer to a request: busy", gt=0)] = 2.0
    addresses: Annotated[
        Path | None,
        doc(
            'JSON file {"host:port": "host:port"} of addresses to use instead, for a rehearsal on simulated nodes'
        ),
    ] = None


class Renderer(Section, frozen=True, kw_only=True):
    """The config directory and what becomes of it."""

    configs: Annotated[Path, doc("config directory: nodes.yaml, vars.yaml, a folder per group")] = Path(
        "configs"
    )
    run_dir: Annotated[Path, doc("lives as long as the stack; where it holds no epoch, a new one begins")] = (
        Path("run")
    )
    history: Annotated[
        bool, doc("keep the config directory's history in git, in a repository of its own")
    ] = True
    on_registry_change: Annotated[
        RegistryChange, doc("who goes into maintenance when nodes.yaml changes nodes or addresses")
    ] = RegistryChange.ALL


class Poller(Section, frozen=True, kw_only=True):
    """How nodes are asked what they run."""

    instance: Annotated[
        str, doc("name of this poller; each of several needs its own", pattern=r"^[\w.-]+$")
    ] = "main"
    groups: Annotated[list[str], doc("groups to poll; none named: all")] = field(default_factory=list)
    period_s: Annotated[float, doc("each node is asked once in this time", gt=0)] = 2.0
    refresh_s: Annotated[float, doc("an unchanged observation is published again after this", gt=0)] = 60.0


class Sync(Section, frozen=True, kw_only=True):
    """How nodes are brought to what is desired."""

    groups: Annotated[list[str], doc("groups to work for; none named: all")] = field(default_factory=list)
    run_dir: Annotated[Path, doc("one small file per group; lives as long as the stack")] = Path("run")
    start_timeout_s: Annotated[float, doc("a /start that allocates large buffers takes this long", gt=0)] = (
        60.0
    )
    settle_s: Annotated[
        float, doc("a process that lives this long after /start has taken its config", gt=0)
    ] = 3.0
    restart_timeout_s: Annotated[
        float, doc("after a kotekan is gone its service must have started the next within this", gt=0)
    ] = 20.0
    exit_timeout_s: Annotated[
        float,
        doc("a killed kotekan that joins slow stages is gone after this: 60 s a stage by default", gt=0),
    ] = 90.0


class Journal(Section, frozen=True, kw_only=True):
    """How what happened is remembered."""

    database: Annotated[Path, doc("SQLite file; it should outlive the stack")] = Path("journal.db")
    max_entries: Annotated[
        int, doc("the oldest go when there are more; a million take about half a gigabyte", ge=1)
    ] = 1_000_000
    max_age_days: Annotated[
        Annotated[float, Meta(gt=0)] | None, doc("older entries go; none: only their number counts")
    ] = None


class Fpga(Section, frozen=True, kw_only=True):
    """Where the FPGA master is, and how it is asked."""

    url: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^\s@?#]+$")] | None,
        doc("http://host:port of the FPGA master, without account and query; none: there is none"),
    ] = None
    ca_file: Annotated[
        Path | None, doc("certificate authority of an https:// one; none: those that the system trusts")
    ] = None
    period_s: Annotated[float, doc("it is asked once in this time", gt=0)] = 30.0
    timeout_s: Annotated[float, doc("no whole answer to a request by then: down", gt=0)] = 5.0
    max_off_s: Annotated[
        float, doc("frame0 may be so far from the start of the F-engine by its computer's clock", gt=0)
    ] = 600.0  # a guess: a start takes minutes, and the least error of a time zone is a quarter of an hour


class IersFrom(StrEnum):
    """Where data about the Earth's rotation come from; only a download asks the network."""

    BUNDLED = "bundled"
    FILE = "file"
    DOWNLOAD = "download"


class Eop(Section, frozen=True, kw_only=True):
    """How kotekans are told of the Earth's orientation."""

    endpoint: Annotated[str, doc("path of the updatable block that holds the table", min_length=1)] = (
        "earth_rotation_data"
    )
    key: Annotated[str, doc("of the table in that block", min_length=1)] = "earth_orientation_parameter_table"
    intervals_before: Annotated[
        int, doc("days of the table before the one that contains now", ge=0, le=1000)
    ] = 2
    intervals_after: Annotated[
        int, doc("days of the table after that one: so long nodes can do without a new table", ge=1, le=300)
    ] = 2
    run_at: Annotated[
        str, doc("time of the daily run, in UTC", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    ] = "12:00"
    state_file: Annotated[
        Path, doc("the table that was pushed last; it must outlive the stack, or values may change")
    ] = Path("eop.json")
    iers: Annotated[IersFrom, doc("bundled, file or download")] = IersFrom.BUNDLED
    iers_file: Annotated[
        Path | None, doc("with iers: file, one in the format of finals2000A.all or eopc04")
    ] = None
    iers_url: Annotated[
        str, doc("with iers: download, finals2000A.all, or a mirror of it", pattern=r"^https?://\S+$")
    ] = "https://datacenter.iers.org/data/9/finals2000A.all"
    warn_days: Annotated[int, doc("so long before the data run out there is a warning [d]", ge=0)] = 30
    frame0_ns: Annotated[
        Annotated[int, Meta(gt=0)] | None,
        doc("UNIX time of the first frame [ns], where no FPGA master tells it; it comes first"),
    ] = None


class Influx(Section, frozen=True, kw_only=True):
    """The time-series database: InfluxDB 2 by token, or InfluxDB 1 by database, user and password."""

    url: Annotated[
        Annotated[str, Meta(pattern=r"^https?://[^\s@?#]+$")] | None,
        doc("http://host:port, without account and query; none: there is no database"),
    ] = None
    ca_file: Annotated[
        Path | None, doc("certificate authority of an https:// one; none: those that the system trusts")
    ] = None
    timeout_s: Annotated[float, doc("no whole answer by then: the database is away", gt=0)] = 10.0
    org: Annotated[str | None, doc("organisation, of InfluxDB 2")] = None
    bucket: Annotated[str | None, doc("bucket, of InfluxDB 2; given means InfluxDB 2")] = None
    token: Annotated[str | None, doc("of InfluxDB 2; from the environment only")] = None
    token_file: Annotated[Path | None, doc("file that holds the token")] = None
    database: Annotated[str, doc("of InfluxDB 1")] = "conche"
    keep_days: Annotated[
        Annotated[int, Meta(ge=1, le=36_500)] | None,
        doc(
            "of InfluxDB 1: a database that conche itself makes, because it is missing, keeps points so long [d]; "
            "one that is there stays as it is; none: for ever"
        ),
    ] = None
    user: Annotated[str | None, doc("of InfluxDB 1; none: it asks for none")] = None
    password: Annotated[str | None, doc("of InfluxDB 1; from the environment only")] = None
    password_file: Annotated[Path | None, doc("file that holds the password")] = None


class Metrics(Section, frozen=True, kw_only=True):
    """What is kept of what happens on the bus."""

    refresh_s: Annotated[float, doc("an unchanged state is written again after this", gt=0)] = 60.0
    batch_points: Annotated[int, doc("at most so many points in a request", ge=1, le=100_000)] = 5_000
    flush_s: Annotated[float, doc("points wait so long for others at most", gt=0)] = 1.0
    buffer_points: Annotated[
        int, doc("points that are kept while the database is away; the oldest go first; 250 bytes each", ge=1)
    ] = 500_000
    scrape_s: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        doc(
            "each kotekan is asked for its own metrics once in this time, and less often while it does not answer; "
            "none: never"
        ),
    ] = 60.0
    scrape_timeout_s: Annotated[float, doc("no answer by then: none in this period", gt=0)] = 5.0
    families: Annotated[
        list[str], doc("metrics of kotekan that are taken, with * and ?, such as kotekan_dpdk_*")
    ] = field(
        default_factory=lambda: [
            "kotekan_running",
            "kotekan_bufferstatus_*",
            "kotekan_buffer_*",
            "kotekan_dpdk_*",
            "kotekan_gains_*",
            "kotekan_baseband_*",
            "kotekan_writer_*",
            "kotekan_viswrite*",
            "kotekan_*_dropped_*",
            "kotekan_*_skipped_*",
        ]
    )
    max_series: Annotated[
        int,
        doc(
            "of one node's metrics at most so many are taken, and none with more than 4,096 bytes of labels; "
            "the rest is counted",
            ge=1,
        ),
    ] = 1_000
    listen_host: Annotated[str, doc("address on which Prometheus may ask for /metrics")] = "127.0.0.1"
    listen_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None, doc("its port; none: no such endpoint, 0: any")
    ] = None


class GroupPolicy(Section, frozen=True, kw_only=True):
    """What holds for one group only."""

    max_parallel: Annotated[
        Annotated[int, Meta(ge=1)] | None, doc("nodes that may be restarted at once; none: all")
    ] = None
    ignore: Annotated[
        list[str], doc("paths whose drift is shown and not acted on, with * and ?, such as rfi/*/bad_inputs")
    ] = field(default_factory=list)


class Settings(Section, frozen=True, kw_only=True):
    """All sections."""

    log: Annotated[LogLevel, doc("debug, info or warning")] = LogLevel.INFO
    broker: Broker = field(default_factory=Broker)
    kotekan: Kotekan = field(default_factory=Kotekan)
    renderer: Renderer = field(default_factory=Renderer)
    poller: Poller = field(default_factory=Poller)
    sync: Sync = field(default_factory=Sync)
    journal: Journal = field(default_factory=Journal)
    fpga: Fpga = field(default_factory=Fpga)
    eop: Eop = field(default_factory=Eop)
    influx: Influx = field(default_factory=Influx)
    metrics: Metrics = field(default_factory=Metrics)
    notifier: Notifier = field(default_factory=Notifier)
    gateway: Gateway = field(default_factory=Gateway)
    ldap: Ldap = field(default_factory=Ldap)
    groups: Annotated[dict[str, GroupPolicy], doc("policy of single groups, by name")] = field(
        default_factory=dict
    )
