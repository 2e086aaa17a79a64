"""A live picture for tests, told message by message as the broker tells it."""

from collections.abc import Mapping
from typing import Any

from conche.bus.feed import News
from conche.cli.watch.live import Live, Moved
from conche.client.picture import Picture
from conche.contract import (
    GROUP_SUMMARY,
    NODE_STATUS,
    REGISTRY,
    SERVICE,
    SERVICE_INSTANCE,
    SWEEP,
    Drift,
    Maintenance,
    Message,
    NodeStatus,
    Payload,
    Sweep,
)
from tests.unit.cli.samples import NOW, ago, birth, picture, status

EPOCH = Maintenance(on=True, by="conche", reason="new epoch: look, then take it out of maintenance")


def news(kind: Message[Any], payload: Payload | None, **params: str) -> News:
    return News(kind, kind.topic(**params), params, payload)


def tell_status(live: Live, key: str, one: NodeStatus | None, *, now_s: float = 0.0) -> None:
    group, _, node = key.partition("/")
    live.take(news(NODE_STATUS, one, group=group, node=node), now_s)


def tell_birth(live: Live, name: str, state: str, *, now_s: float = 0.0) -> None:
    service, _, instance = name.partition("/")
    kind, params = (SERVICE_INSTANCE, {"instance": instance}) if instance else (SERVICE, {})
    live.take(news(kind, birth(state), service=service, **params), now_s)


def tell_sweep(live: Live, *groups: str, now_s: float) -> None:
    sweep = Sweep(
        boot="b", number=1, groups=list(groups), at=NOW, took_s=0.1, polled=1, unreachable=0,
        overrun=False, period_s=2.0,
    )  # fmt: skip
    live.take(news(SWEEP, sweep, instance="main"), now_s)


def tell(live: Live, one: Picture) -> Moved:
    """Tell everything, as at a connection, and return what has changed by it."""
    live.take(news(REGISTRY, one.registry), 0.0)
    for name, its in one.births.items():
        tell_birth(live, name, its.state)
    for group, summary in one.summaries.items():
        live.take(news(GROUP_SUMMARY, summary, group=group), 0.0)
    for group, nodes in one.statuses.items():
        for node, its_status in nodes.items():
            tell_status(live, f"{group}/{node}", its_status)
    live.on_complete(0.0)
    return live.settle(0.0)


def live_of(statuses: Mapping[str, NodeStatus], *words: str, **births: str) -> Live:
    live = Live(words)
    tell(live, picture(dict(statuses), **births))
    return live


def thousand() -> dict[str, NodeStatus]:
    """A thousand nodes in eight groups, some of them in trouble."""
    nodes = {f"cx{i // 125}/n{i}": status(since=ago(hours=1 + i % 7)) for i in range(1000)}
    nodes |= {f"cx4/n{i}": status("stopped", started=None, maintenance=EPOCH) for i in range(500, 625)}
    for i in (3, 100, 197, 876):
        refused = status("down", error=f"10.1.0.{i}:12048: refused", since=ago(minutes=i))
        nodes[f"cx{i // 125}/n{i}"] = refused
    nodes["cx0/n5"] = status(
        error="cx.j2:12: 'gain' is undefined " + "and more " * 20,
        drift=Drift(base=True, paths=["gains/count: desired 3, runs 4"]),
    )
    return nodes
