"""What needs a person: the alerts, with what to do about each.

One catalogue for Grafana's alert rules and for the notifier; ``docs/alerts.md`` is generated from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .payloads import Health


class AlertKind(StrEnum):
    """What an alert is about."""

    NODE_DOWN = "node-down"
    NODE_FAILED = "node-failed"
    DRIFT_STAYS = "drift-stays"
    NO_WORKER = "no-worker"
    POLLER_OVERRUN = "poller-overrun"
    FPGA_TIMING = "fpga-timing"
    EOP_STALE = "eop-stale"
    EOP_RUNS_OUT = "eop-runs-out"
    SERVICE_LOST = "service-lost"
    BROKER_DROPS = "broker-drops"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Parameters
    ----------
    level
        Warning, or error where data are being lost.
    after_s
        It is told once it has lasted so long [s]: what mends itself is nobody's business.
    title
        In a few words.
    meaning
        When it is raised, in a sentence.
    remedy
        What to do.
    """

    level: Health
    after_s: float
    title: str
    meaning: str
    remedy: str


RUNS_OUT_DAYS: Final = 1.0
"""A table whose last entry is nearer than this runs out [d]."""

STALE_S: Final = 25 * 3600.0
"""An older table is stale, also where its service is not there to say so: a day, and an hour for the run itself [s]."""

LATE_PERIODS: Final = 3
"""A poller that has not swept for so many periods does not sweep; one that is merely slow is overrun."""

OVERRUN_SHARE: Final = 0.25
"""Where more of a poller's sweeps than this are overrun, it does not get round; a guess."""

OVERRUN_OVER_S: Final = 300
"""The sweeps of this time are looked at [s]: an overrun now and then is seen too."""

ALERTS: Final[Mapping[AlertKind, Alert]] = {
    AlertKind.NODE_DOWN: Alert(
        Health.ERROR, 60.0, "node down",
        "A node that is not in maintenance refuses connections or can't be reached.",
        "Look at the host (power, network) and at kotekan's unit on it (systemctl status kotekan). If it is to stay "
        "away, put it in maintenance with a reason: conche maintenance GROUP/NODE on --reason '…'.",
    ),
    AlertKind.NODE_FAILED: Alert(
        Health.ERROR, 10.0, "node failed",
        "A node is idle because its kotekan rejected the desired config, or that config is held.",
        "conche status GROUP/NODE says why. Mend the config and apply it, or go back: conche log, conche rollback. "
        "conche resync GROUP/NODE tries the same config once more.",
    ),
    AlertKind.DRIFT_STAYS: Alert(
        Health.WARNING, 300.0, "drift that does not heal",
        "A node runs something else than desired, or is idle and should run, for five minutes; nothing is being done "
        "about it, it is not in maintenance, and the path is not one to be ignored.",
        "conche status GROUP/NODE says why, conche diff GROUP/NODE shows the difference. If kotekan rewrites that "
        "path itself, name it under groups: GROUP: ignore: in conche.yaml; else conche resync GROUP/NODE.",
    ),
    AlertKind.NO_WORKER: Alert(
        Health.ERROR, 30.0, "group without worker",
        "A group of the registry has no worker online, for whatever reason: nobody acts on its nodes, and commands are "
        "not carried out.",
        "Look at the log of the group's sync service and start it again; nodes go on with what they run.",
    ),
    AlertKind.POLLER_OVERRUN: Alert(
        Health.WARNING, 60.0, "poller overrun",
        "A poller does not get round its nodes in its period: more than a quarter of its sweeps within five minutes.",
        "Look at the load of its machine and at hung nodes; set a longer poller: period_s, or share the groups "
        "among several pollers.",
    ),
    AlertKind.FPGA_TIMING: Alert(
        Health.ERROR, 90.0, "FPGA timing",
        "The FPGA master does not answer, or what it says of frame0 can't be read or believed.",
        "conche fpga says what it answered. Until it is good no new Earth-orientation table is made; nodes go on "
        "with the one that they have.",
    ),
    AlertKind.EOP_STALE: Alert(
        Health.WARNING, 60.0, "Earth-orientation table stale",
        "The last run that succeeded is more than 25 h old, or the last run failed, or none has succeeded yet "
        "although there is an FPGA master.",
        "conche eop says why; conche eop run tries again.",
    ),
    AlertKind.EOP_RUNS_OUT: Alert(
        Health.ERROR, 60.0, "Earth-orientation table runs out",
        "The last entry of the table that nodes have is less than a day ahead.",
        "conche eop says why no run succeeded; conche eop run tries again. Where the IERS data have run out, "
        "install newer ones (pip install -U astropy-iers-data) or name a file in eop: iers_file.",
    ),
    AlertKind.SERVICE_LOST: Alert(
        Health.ERROR, 30.0, "service lost",
        "A service of conche ended without saying so and has not come back, a poller says that it is online and has "
        "not swept for three periods, or the broker can't be reached. A service that was stopped is no alert.",
        "Look at its log and start it again; it loses nothing by that. Where a service is gone for good, clear its "
        "retained topic conche/service/NAME.",
    ),
    AlertKind.BROKER_DROPS: Alert(
        Health.WARNING, 0.0, "broker drops messages",
        "The broker threw messages away within the last five minutes: a client reads too slowly.",
        "conche itself repeats what matters. Look for a slow client (mosquitto's log, the dashboard on conche itself) "
        "and raise max_queued_messages in mosquitto.conf if it must be so slow.",
    ),
}  # fmt: skip
