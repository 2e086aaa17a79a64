"""The map of everything that is said on the broker: topic, payload, delivery, owner.

Topic strings exist nowhere else. The broker's access list, the JSON Schemas and the AsyncAPI document are
generated from this module.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, Generic, TypeVar

from . import arguments as a
from . import payloads as p
from .earth import EopStatus
from .events import Event
from .instrument import FpgaStatus
from .replies import Reply

PayloadT_co = TypeVar("PayloadT_co", bound=p.Payload, covariant=True)

SENDER: Final = "%u"
"""Owner of topics that carry the account's own name: the broker fills it in."""


class Service(StrEnum):
    """The services; each has one broker account of its name."""

    RENDERER = "renderer"
    POLLER = "poller"
    SYNC = "sync"
    JOURNAL = "journal"
    FPGA = "fpga"
    EOP = "eop"
    METRICS = "metrics"
    NOTIFIER = "notifier"
    GATEWAY = "gateway"


COMMANDED: Final = (Service.RENDERER, Service.SYNC, Service.JOURNAL, Service.FPGA, Service.EOP)
"""Services that take commands."""


class Delivery(StrEnum):
    """What kind of thing a message is; it decides retention and the drop rule of a full inbox."""

    STATE = "state"
    """Retained; describes the whole of one thing; the newest for each topic wins."""
    HEARTBEAT = "heartbeat"
    """Not retained; the newest for each topic wins."""
    COMMAND = "command"
    """Never retained; one that finds the inbox full is answered "busy"."""
    REPLY = "reply"
    """Not retained; sent once."""
    EVENT = "event"
    """Not retained; sent once; one that finds the inbox full is lost, and counted."""
    MARK = "mark"
    """Not retained; a service's word to itself."""


@dataclass(frozen=True)
class Message(Generic[PayloadT_co]):
    """One kind of message: where it stands, what it carries, who writes it.

    Parameters
    ----------
    name
        Name in the generated documents.
    address
        Topic below the root, with ``{parameters}``.
    payload
        Model of the payload.
    delivery
        What kind of thing it is.
    owners
        Accounts that may write it; `SENDER` for topics with the account's own name.
    readers
        Accounts that may read it; None for everybody with an account.
    summary
        One sentence.
    """

    name: str
    address: str
    payload: type[PayloadT_co]
    delivery: Delivery
    owners: tuple[str, ...]
    readers: tuple[str, ...] | None
    summary: str

    @property
    def retained(self) -> bool:
        """Whether the broker keeps the last one."""
        return self.delivery is Delivery.STATE

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the address."""
        return tuple(re.findall(r"{(\w+)}", self.address))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.address))

    def topic(self, **values: str) -> str:
        """Return the topic below the root for one thing."""
        return self.address.format(**values)

    def filter(self, **values: str) -> str:
        """Return the topic filter below the root; parameters that are not given match anything."""
        return self.address.format(**{name: values.get(name, "+") for name in self.parameters})

    def match(self, topic: str) -> dict[str, str] | None:
        """Return the parameters in a topic below the root, or None if it is not of this kind."""
        found = self._pattern.fullmatch(topic)
        return found.groupdict() if found else None


REGISTRY: Final = Message(
    "Registry", "registry", p.Registry, Delivery.STATE, (Service.RENDERER,), None,
    "Which groups and nodes there are, and their addresses.",
)  # fmt: skip
NODE_DESIRED: Final = Message(
    "NodeDesired", "desired/{group}/{node}", p.DesiredConfig, Delivery.STATE, (Service.RENDERER,), None,
    "What a node should run.",
)  # fmt: skip
NODE_OBSERVED: Final = Message(
    "NodeObserved", "observed/{group}/{node}", p.Observed, Delivery.STATE, (Service.POLLER,), None,
    "What a node really runs.",
)  # fmt: skip
SWEEP: Final = Message(
    "Sweep", "sweep/{instance}", p.Sweep, Delivery.HEARTBEAT, (Service.POLLER,), None,
    "A poller has asked all its nodes.",
)  # fmt: skip
LATENCY: Final = Message(
    "Latencies", "latency/{instance}", p.Latencies, Delivery.HEARTBEAT, (Service.POLLER,), None,
    "How long nodes took to answer a poller, once a minute.",
)  # fmt: skip
NODE_STATUS: Final = Message(
    "NodeStatus", "status/{group}/{node}", p.NodeStatus, Delivery.STATE, (Service.SYNC,), None,
    "Everything about a node: state, switches, drift, errors.",
)  # fmt: skip
GROUP_SUMMARY: Final = Message(
    "GroupSummary", "summary/{group}", p.GroupSummary, Delivery.STATE, (Service.SYNC,), None,
    "A group in one line.",
)  # fmt: skip
FPGA: Final = Message(
    "Fpga", "fpga", FpgaStatus, Delivery.STATE, (Service.FPGA,), None,
    "The FPGA master's health and timing.",
)  # fmt: skip
EOP: Final = Message(
    "Eop", "eop", EopStatus, Delivery.STATE, (Service.EOP,), None,
    "The Earth-orientation table, who has it, and how good it is.",
)  # fmt: skip
SERVICE: Final = Message(
    "Service", "service/{service}", p.ServiceBirth, Delivery.STATE, tuple(Service), None,
    "Birth and last will of a service of which there is one.",
)  # fmt: skip
SERVICE_INSTANCE: Final = Message(
    "ServiceInstance", "service/{service}/{instance}", p.ServiceBirth, Delivery.STATE, tuple(Service), None,
    "Birth and last will of one instance of a service.",
)  # fmt: skip
SERVICE_BEAT: Final = Message(
    "ServiceBeat", "service/{service}/{instance}/beat", p.Beat, Delivery.HEARTBEAT, tuple(Service), None,
    "A service is here now, and what stands on its topics is what it says.",
)  # fmt: skip
SERVICE_MARK: Final = Message(
    "ServiceMark", "service/{service}/{instance}/mark", p.Mark, Delivery.MARK, tuple(Service), (),
    "A service's sentinel: behind it there is nothing retained that it has not seen.",
)  # fmt: skip
CLIENT_MARK: Final = Message(
    "ClientMark", "client/{user}/{instance}/mark", p.Mark, Delivery.MARK, (SENDER,), (SENDER,),
    "The same for a client that is not a service, such as the command line.",
)  # fmt: skip
COMMAND: Final = Message(
    "Command", "command/{user}/{group}/{node}/{action}", a.Arguments, Delivery.COMMAND, (SENDER,),
    COMMANDED,
    "A wish: the account that publishes it is in the topic, and the broker vouches for it.",
)  # fmt: skip
REPLY: Final = Message(
    "Reply", "reply/{user}/{id}", Reply, Delivery.REPLY, COMMANDED, (SENDER,),
    "The answer to a command, for its sender alone.",
)  # fmt: skip
EVENT: Final = Message(
    "Event", "event/{service}/{group}/{node}", Event, Delivery.EVENT, tuple(Service), None,
    "Something happened to a node, or, with '-' for group and node, to a service.",
)  # fmt: skip

MESSAGES: Final[tuple[Message[p.Payload], ...]] = (
    REGISTRY, NODE_DESIRED, NODE_OBSERVED, SWEEP, LATENCY, NODE_STATUS, GROUP_SUMMARY, FPGA, EOP, SERVICE,
    SERVICE_INSTANCE, SERVICE_BEAT, SERVICE_MARK, CLIENT_MARK, COMMAND, REPLY, EVENT,
)  # fmt: skip

BROKER_FIGURES: Final = "$SYS/broker/#"
"""Topic filter, as it stands, of what the broker says of itself; only the metrics service may read all of it."""

BROKER_DROPPED: Final = "$SYS/broker/publish/messages/dropped"
"""The one of these figures that the notifier may read: messages thrown away since the broker's start."""

BIRTHS: Final = (SERVICE, SERVICE_INSTANCE)
PER_SERVICE: Final = (SERVICE, SERVICE_INSTANCE, SERVICE_BEAT, SERVICE_MARK, EVENT)
"""Messages whose topic begins with the service's own name: each service owns its own only."""

Actions = Mapping[str, type[a.Arguments]]

SYNC_ACTIONS: Final[Actions] = {
    "set_started": a.SetStarted,
    "set_maintenance": a.SetMaintenance,
    "resync": a.Resync,
    "ping": a.Ping,
    "inspect": a.Inspect,
}
"""Actions on nodes and their arguments, carried out by ``sync``."""

CONFIG_ACTIONS: Final[Actions] = {
    "base_config": a.BaseConfig,
    "updatable_config": a.UpdatableConfig,
    "set_nodes": a.SetNodes,
    "plan": a.Plan,
}
"""Actions on nodes that concern their configs, carried out by ``renderer``."""

NODE_ACTIONS: Final[Actions] = {**SYNC_ACTIONS, **CONFIG_ACTIONS}

SERVICE_ACTIONS: Final[Mapping[Service, Actions]] = {
    Service.RENDERER: {
        "set_files": a.SetFiles,
        "rollback": a.Rollback,
        "set_directory": a.SetFiles,
        "rollback_directory": a.Rollback,
        "plan": a.Plan,
        "log": a.Log,
        "show": a.Show,
        "read_files": a.ReadFiles,
    },
    Service.JOURNAL: {"events": a.Events},
    Service.FPGA: {"refresh": a.Refresh},
    Service.EOP: {"run": a.RunEop},
}
"""Actions of a service as such: its name stands in the place of the node, and '-' in that of the group."""

EDIT_ACTIONS: Final[Mapping[a.EditAction, type[a.Edit]]] = {
    a.EditAction.BASE_CONFIG: a.BaseConfig,
    a.EditAction.UPDATABLE_CONFIG: a.UpdatableConfig,
    a.EditAction.SET_NODES: a.SetNodes,
    a.EditAction.SET_FILES: a.SetFiles,
    a.EditAction.ROLLBACK: a.Rollback,
    a.EditAction.SET_DIRECTORY: a.SetFiles,
    a.EditAction.ROLLBACK_DIRECTORY: a.Rollback,
}
"""Actions that change the config directory."""


def arguments_of_all() -> dict[str, type[a.Arguments]]:
    """Return the arguments of each action that there is."""
    return {
        **NODE_ACTIONS,
        **{name: m for actions in SERVICE_ACTIONS.values() for name, m in actions.items()},
    }


def owned_by(account: str) -> Iterator[tuple[Message[p.Payload], str]]:
    """Yield each message that a service owns, with its topic filter below the root."""
    for message in MESSAGES:
        if account in message.owners:
            yield message, message.filter(service=account)
