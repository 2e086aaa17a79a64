"""The FPGA master in one line, and times to the nanosecond: for every picture of the telescope."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.text import Text

from conche.bus.client import Client
from conche.client.picture import absence, is_online
from conche.contract import FPGA, FpgaState, FpgaStatus, Health, Service, ServiceBirth

from .output import ERROR_STYLE, HEALTH_STYLES, age, plain

_HEALTHS: Final = {
    FpgaState.GOOD: Health.NORMAL,
    FpgaState.DEGRADED: Health.WARNING,
    FpgaState.DOWN: Health.ERROR,
    FpgaState.UNCONFIGURED: Health.NORMAL,
}
STYLES: Final = {state: HEALTH_STYLES[health] for state, health in _HEALTHS.items()}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FpgaView:
    """The FPGA master as it is shown beside other things.

    Parameters
    ----------
    status
        What its service said last.
    away
        None where that service is there, else what has become of it.
    """

    status: FpgaStatus
    away: str | None = None

    @property
    def health(self) -> Health:
        """How bad it is: where nobody looks any more, a warning at least, if there is something to look at."""
        health = _HEALTHS[self.status.state]
        if self.status.state is FpgaState.UNCONFIGURED:
            return health
        return Health.WARNING if self.away is not None and health is Health.NORMAL else health

    def words(self, now: datetime) -> Text:
        """Return it in one line."""
        status = self.status
        told = Text.assemble((status.state.value, STYLES[status.state]), f"  {details(status, now)}")
        if self.status.state is FpgaState.UNCONFIGURED:
            told = Text(told.plain, "dim")
        if self.away is None:
            return told
        return Text.assemble((f"{plain(self.away)}; the last that it said: ", ERROR_STYLE), told)


def fpga_view(status: FpgaStatus | None, birth: ServiceBirth | None) -> FpgaView | None:
    """Return what is shown of it; None where its service has never said anything."""
    if status is None:
        return None
    return FpgaView(status, None if is_online(birth) else absence(Service.FPGA, birth))


def details(status: FpgaStatus, now: datetime) -> str:
    """Return what there is to say beside the state."""
    if status.state is FpgaState.UNCONFIGURED:
        return "no FPGA master: the setting fpga.url names it"
    parts = [plain(status.error)] if status.error else []
    if status.frame0_ns is not None:
        parts.append(f"frame0 {instant(status.frame0_ns)[:19]}Z, {ago(status.frame0_ns, now)}")
    return "; ".join(parts)


async def read_fpga(client: Client) -> FpgaStatus | None:
    """Return what the fpga service said last, or None."""
    return next((status for _, status in await client.read(FPGA)), None)


def instant(time_ns: int) -> str:
    """Return a time of the instrument in UTC, to the nanosecond."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}.{rest_ns:09d}Z"


def ago(time_ns: int, now: datetime) -> str:
    """Return how long ago a time of the instrument was."""
    return f"{age(_EPOCH + timedelta(microseconds=time_ns // 1000), now)} ago"
