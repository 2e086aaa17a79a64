"""The Earth-orientation table in one line, for the headers of `conche status` and for `conche eop`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.text import Text

from conche.bus.client import Client
from conche.client.picture import absence, is_online
from conche.contract import EOP, EopState, EopStatus, EopTarget, Health, Outcome, Service, ServiceBirth

from .output import HEALTH_STYLES, count, moment, plain, span

_HEALTH: Final = {
    EopState.FRESH: Health.NORMAL,
    EopState.STALE: Health.WARNING,
    EopState.FAILED: Health.ERROR,
    EopState.NEVER: Health.WARNING,
}


@dataclass(frozen=True, slots=True)
class EopView:
    """What is shown of the table.

    Parameters
    ----------
    status
        As the service said it last.
    absence
        None where the service is there, else why not, in words.
    """

    status: EopStatus
    absence: str | None = None

    @property
    def needed(self) -> dict[str, EopTarget]:
        """Nodes whose config has the block, and what became of the last run there."""
        return {key: target for key, target in self.status.targets.items() if target.concerned}

    @property
    def health(self) -> Health:
        """The table in one word; where no node has the block it is nobody's trouble."""
        if not self.needed:
            return Health.NORMAL
        health = _HEALTH[self.status.state]
        doubtful = self.absence is not None or self.status.warning is not None
        return Health.WARNING if health is Health.NORMAL and doubtful else health

    def words(self, now: datetime) -> Text:
        """Return one line; dim where no node needs a table."""
        status, needed = self.status, self.needed
        line = Text.assemble(self.state_words(), f"  {self.age_words(now)}")
        if needed:
            ok = sum(target.outcome is Outcome.OK for target in needed.values())
            line.append(f", at {ok} of {count(len(needed), 'node')}")
        if status.error:
            line.append(f"; {plain(status.error)}", HEALTH_STYLES[Health.ERROR])
        if status.warning:
            line.append(f"; {plain(status.warning)}", HEALTH_STYLES[Health.WARNING])
        return line if needed else Text(line.plain, "dim")

    def state_words(self) -> Text:
        """Return the state; where the service is away, how it was last."""
        state = self.status.state
        if self.absence is not None:
            return Text(f"{plain(self.absence)}; last it was {state}", HEALTH_STYLES[Health.ERROR])
        return Text(state.value, HEALTH_STYLES[_HEALTH[state]])

    def age_words(self, now: datetime) -> str:
        """Return how old the table is, and how far it reaches."""
        status = self.status
        if status.last_success_at is None or status.last is None:
            return "none was pushed yet"
        return f"built {span(now - status.last_success_at)} ago, reaches {moment(status.last, now)}"


def eop_view(status: EopStatus | None, birth: ServiceBirth | None) -> EopView | None:
    """Return what is shown; None where the service has never said anything."""
    if status is None:
        return None
    return EopView(status, None if is_online(birth) else absence(Service.EOP, birth))


async def read_eop(client: Client) -> EopStatus | None:
    """Return what the eop service said last, or None."""
    return next((status for _, status in await client.read(EOP)), None)
