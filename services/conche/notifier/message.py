"""What a channel is given: a line, a text, and the same as an object for programs."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, field

from conche.contract import Health, Payload, Time
from conche.contract.alerts import AlertKind


class NotifiedAlert(Payload, frozen=True, kw_only=True):
    """One alert, as a generic webhook is told of it."""

    kind: AlertKind
    level: Health
    subject: Annotated[str, Meta(description="group/node, group, or service; empty where there is only one")]
    group: str | None = None
    words: Annotated[str, Meta(description="what is wrong, as its owner says it")] = ""
    remedy: Annotated[str, Meta(description="what to do")] = ""
    since: Time
    lasted_s: Annotated[float, Meta(description="for how long it lasts, or lasted")]
    ended: Annotated[str, Meta(description="of one that is cleared: how things are now")] = ""


class Notification(Payload, frozen=True, kw_only=True):
    """What a generic webhook is sent; fields may be added, none goes or changes its meaning within a version."""

    version: int = 1
    at: Time
    level: Annotated[Health, Meta(description="the worst of what stands; normal where all of it has ended")]
    title: str
    text: Annotated[str, Meta(description="all of it for people")]
    raised: list[NotifiedAlert] = field(default_factory=list)
    still: Annotated[list[NotifiedAlert], Meta(description="told before, and it lasts")] = field(
        default_factory=list
    )
    cleared: list[NotifiedAlert] = field(default_factory=list)
    left_out: Annotated[
        int, Meta(description="alerts that are not in these lists because there are too many")
    ] = 0
    missed: Annotated[
        int, Meta(description="alerts that came and went while this channel could not be reached")
    ] = 0
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Parameters
    ----------
    title
        One line.
    body
        What follows it.
    notification
        The same for programs.
    """

    title: str
    body: str
    notification: Notification

    @property
    def text(self) -> str:
        """The whole of it."""
        return f"{self.title}\n\n{self.body}" if self.body else self.title
