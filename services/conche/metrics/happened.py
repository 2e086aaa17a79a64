"""Events as readings: each is a happening, and some are pushes or answered commands besides."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final

from conche.contract import ACCOUNT_NAME, NODE_ACTIONS, SERVICE_ACTIONS, Event, EventKind
from conche.contract import measurements as m
from conche.contract.roles import LONGEST_ACCOUNT

from .readings import Reading, time_ns

REMEMBERED: Final = 10_000
"""Commands that were taken and not answered, of which is remembered who wished them and why; a guess."""

LATEST_NS: Final = 1_000_000
"""An event is moved by so much at most to be told apart from others [ns]."""

ACTIONS: Final = frozenset(NODE_ACTIONS).union(*SERVICE_ACTIONS.values())

OTHER: Final = "other"
"""Stands for an action that there is not, or a name that no account has: whatever is said would be a series."""


class Happened:
    """Makes readings of events.

    A reply says less than the event of the command that was taken: who wished it, through whom, and why are taken
    from there, by the command's id.
    """

    def __init__(self) -> None:
        self._last_ns: dict[str, int] = {}
        """Of each service, the time that its last event was given."""
        self._taken: OrderedDict[tuple[str, str, str, str], Event] = OrderedDict()

    def readings(self, params: Mapping[str, str], event: Event) -> Iterator[Reading]:
        """Yield the readings of an event.

        Parameters
        ----------
        params
            Of its topic: service, group, node.
        event
            What was told.
        """
        at_ns = self._own_time_ns(params["service"], event)
        yield _happening(params, event, at_ns)
        match event.kind:
            case EventKind.PUSH:
                yield _push(params, event, at_ns)
            case EventKind.COMMAND:
                self._take(params, event)
            case EventKind.REPLY:
                yield self._answered(params, event, at_ns)

    def _own_time_ns(self, service: str, event: Event) -> int:
        """Return a time that no other event of a service has: two of one series at one time would be one point."""
        at_ns = time_ns(event.at)
        last_ns = self._last_ns.get(service, 0)
        if at_ns <= last_ns < at_ns + LATEST_NS:
            at_ns = last_ns + 1
        self._last_ns[service] = at_ns
        return at_ns

    def _take(self, params: Mapping[str, str], event: Event) -> None:
        if event.command is None:
            return
        self._taken[self._key(params, event)] = event
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)

    def _answered(self, params: Mapping[str, str], reply: Event, at_ns: int) -> Reading:
        taken = self._taken.pop(self._key(params, reply), None)
        told = taken if taken is not None else reply
        tags = {
            "group": params["group"],
            "action": _action(reply.action),
            "user": _account(reply.via or told.via or told.user),
            "service": params["service"],
        }
        fields = {
            "took_s": reply.took_s,
            "ok": reply.ok,
            "person": told.user,
            "reason": reply.reason or told.reason,
            "text": reply.text,
        }
        return Reading(m.COMMAND, tags, fields, at_ns)

    @staticmethod
    def _key(params: Mapping[str, str], event: Event) -> tuple[str, str, str, str]:
        return params["service"], params["group"], params["node"], event.command or ""


def _action(action: str | None) -> str:
    """Return what was wished for, if it can be."""
    return action or "" if not action or action in ACTIONS else OTHER


def _account(name: str | None) -> str:
    """Return an account's name; a person for whom one acts may be called anything."""
    if name is None or (len(name) <= LONGEST_ACCOUNT and ACCOUNT_NAME.fullmatch(name)):
        return name or ""
    return OTHER


def _happening(params: Mapping[str, str], event: Event, at_ns: int) -> Reading:
    tags = {name: params[name] for name in ("service", "group", "node")} | {"kind": event.kind}
    return Reading(m.HAPPENING, tags, {"text": event.text, "user": event.user, "ok": event.ok}, at_ns)


def _push(params: Mapping[str, str], event: Event, at_ns: int) -> Reading:
    tags = {"group": params["group"], "node": params["node"], "kind": event.action or ""}
    fields = {"took_s": event.took_s, "ok": event.ok, "revision": event.after, "text": event.text}
    return Reading(m.PUSH, tags, fields, at_ns)
