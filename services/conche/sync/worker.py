"""One group's worker: it keeps a picture of each node, decides anew whenever the picture changes, and acts."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from conche.bus import Bus
from conche.contract import (
    NODE_DESIRED,
    NODE_OBSERVED,
    NODE_STATUS,
    REGISTRY,
    SERVICE,
    SERVICE_BEAT,
    SERVICE_INSTANCE,
    SWEEP,
    Beat,
    DesiredConfig,
    Maintenance,
    Observed,
    Registry,
    Service,
    ServiceBirth,
)
from conche.happenings import TIME_OVER
from conche.kotekan.addresses import AddressMap
from conche.kotekan.revision import FingerprintCache
from conche.settings import GroupPolicy, Settings

from .batches import Batches
from .chronicle import Chronicle
from .cures import Ignored
from .decide import Action
from .epochs import enter_epoch
from .judging import GroupView, Judge
from .node import Node
from .past import Past
from .picture import Sources
from .proven import ProvenConfigs
from .push import Pusher
from .records import GroupRecord, Recorder, load
from .rejections import RefusedValues
from .slots import Slots
from .tending import Tender
from .turns import Turns
from .voice import Voice
from .wanted import DesiredConfigs
from .wishes import Wishes

logger = logging.getLogger(__name__)

WATCH_PERIOD_S: Final = 0.2
"""How often it is looked whether poller and renderer are still there [s]."""


class GroupWorker:
    """Brings each node of one group to what is desired, and says how each one is.

    Parameters
    ----------
    group
        Its group.
    settings
        Of all services.
    cache
        Fingerprints, shared between groups.
    """

    def __init__(self, group: str, settings: Settings, *, cache: FingerprintCache) -> None:
        self.group = group
        self.nodes: dict[str, Node] = {}
        self.bus = Bus(settings.broker, service=Service.SYNC, instance=group, scope={"group": group})
        self.recorder = Recorder(Path(settings.sync.run_dir) / f"sync-{group}.json", self._record)
        self.finished = asyncio.Event()
        self._settings = settings
        self._sources = Sources(group)
        self._batches = Batches()
        self._refused = RefusedValues()
        policy = settings.groups.get(group, GroupPolicy())
        self._slots = Slots(policy.max_parallel)
        self._ignored = Ignored(policy.ignore)
        self._proven = ProvenConfigs(Path(settings.sync.run_dir) / f"proven-{group}")
        self._turns = Turns(group, self.nodes, batches=self._batches, slots=self._slots, refresh=self.refresh)
        self.chronicle = Chronicle(group, self.bus)
        self._voice = Voice(group, self.bus, self.chronicle)
        self._disagreeing: set[Node] = set()
        self._desired = DesiredConfigs()
        self._observed: dict[str, Observed] = {}
        self.past = Past()
        self._begun = False
        self._wishes = Wishes(self, root=settings.broker.root)
        self._judge = self._make_judge()
        self.awaited_epoch = self._judge.awaited_epoch
        self._tender = self._make_tender(cache)
        self.look = self._tender.look

    def _make_judge(self) -> Judge:
        view = GroupView(
            sources=self._sources,
            batches=self._batches,
            slots=self._slots,
            refused=self._refused,
            proven=self._proven,
            ignored=self._ignored,
        )
        return Judge(self.bus, group=view, settle_s=self._settings.sync.settle_s)

    def _make_tender(self, cache: FingerprintCache) -> Tender:
        pusher = Pusher(
            settings=self._settings.sync,
            kotekan=self._settings.kotekan,
            addresses=AddressMap(self._settings.kotekan.addresses),
            cache=cache,
            gate=self._judge.gate,
            decide_again=partial(self._judge.decide, pushing=False, patient=False, sighted=False),
            ignored=self._ignored,
            proven_config=self._proven.get,
        )
        return Tender(
            pusher,
            judge=self._judge,
            recorder=self.recorder,
            refresh=self.refresh,
            push_begins=self._turns.push_begins,
            push_ended=self._push_ended,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        record = load(self.recorder.path)
        self.past.take_records(record.nodes)
        self._wishes.carried.restore(record, group=self.group)
        self._batches.restore(record.cleared, record.held)
        self._proven.restore()
        self._subscribe()
        try:
            async with asyncio.TaskGroup() as self.tasks:
                self.tasks.create_task(self.recorder.run(), name=f"record {self.group}")
                self.tasks.create_task(self._proven.run(), name=f"keep configs of {self.group}")
                self.tasks.create_task(self._begin(), name=f"begin {self.group}")
                self.tasks.create_task(self._watch_sources(), name=f"watch sources of {self.group}")
                self.tasks.create_task(self._voice.run(), name=f"summarise {self.group}")
                self.tasks.create_task(self.bus.run(), name=f"bus of {self.group}")
        finally:
            for node in self.nodes.values():
                if node.timer is not None:
                    node.timer.cancel()
            self._turns.close()

    def _subscribe(self) -> None:
        self.bus.subscribe(REGISTRY, self.on_registry)
        self.bus.subscribe(SERVICE, self.on_birth, service=Service.RENDERER)
        self.bus.subscribe(SERVICE_BEAT, self.on_beat, service=Service.RENDERER)
        self.bus.subscribe(SERVICE_INSTANCE, self.on_birth, service=Service.POLLER)
        self.bus.subscribe(NODE_DESIRED, self.on_desired, group=self.group)
        self.bus.subscribe(NODE_OBSERVED, self.on_observed, group=self.group)
        self.bus.subscribe(SWEEP, self.on_sweep)
        self.bus.on_connection(self.on_connection)
        self._wishes.subscribe(self.bus)

    async def _begin(self) -> None:
        """Take over what an earlier worker published; nothing is decided before the picture is complete."""
        await self.bus.picture_complete()
        statuses = self.bus.found(NODE_STATUS)
        self.past.take_statuses(statuses)
        self.chronicle.take_statuses(statuses)
        self._begun = True
        self._follow_registry()

    # --- what comes in

    def on_connection(self) -> None:
        """Take that the broker is there, or away."""
        if not self.bus.connected:
            self._sources.on_disconnection()
            self._desired.on_disconnection()
        self.refresh_all()
        self._voice.catch_up(self.nodes.values())

    def on_registry(self, _params: Mapping[str, str], registry: Registry | None) -> None:
        """Follow the registry; an absent one changes nothing."""
        if registry is not None and self._sources.on_registry(registry, heard=self.bus.connected):
            self._follow_registry()

    def on_birth(self, params: Mapping[str, str], birth: ServiceBirth | None) -> None:
        """Take that renderer or poller came or went."""
        if self._sources.on_birth(params, birth, heard=self.bus.connected):
            self._follow_registry()

    def on_beat(self, _params: Mapping[str, str], beat: Beat | None) -> None:
        """Take that the renderer is there, so that what was found on the broker is what it says."""
        if beat is None or not self.bus.connected:
            return
        was_sure = self._sources.renderer_sure()
        changed = self._sources.on_beat(beat.boot)
        for name in self._desired.on_beat(beat.boot):
            if (node := self.nodes.get(name)) is not None:
                self._desire(node)
                self.refresh(node)
        if changed or was_sure is not self._sources.renderer_sure():
            self._follow_registry()

    def on_desired(self, params: Mapping[str, str], desired: DesiredConfig | None) -> None:
        """Take what a node should run; one that is absent changes nothing, the registry tells who is gone."""
        if desired is None:
            return
        name = params["node"]
        self._desired.take(name, desired, heard=self.bus.connected)
        node = self.nodes.get(name)
        if node is not None:
            self._desire(node)
            self.refresh(node)

    def _desire(self, node: Node) -> None:
        """Have a node follow what is said of it by now."""
        before, node.desired = node.desired, self._desired.of(node.name)
        node.said = self._desired.is_said(node.name)
        if node.desired is not None and (before is None or node.desired.revision != before.revision):
            node.problem = None
            node.poke.set()

    def on_observed(self, params: Mapping[str, str], observed: Observed | None) -> None:
        """Take what the poller saw of a node: it makes the worker look, it decides nothing."""
        if observed is None:
            return
        name = params["node"]
        self._observed[name] = observed
        node = self.nodes.get(name)
        if node is not None:
            node.observed = observed
            if not node.agrees():
                node.poke.set()
            self.refresh(node)

    def on_sweep(self, params: Mapping[str, str], sweep: object) -> None:
        """Look again at each node of which the poller and the worker still see different things."""
        self._sources.on_sweep(params, sweep, asyncio.get_running_loop().time())
        for node in self._disagreeing:
            node.poke.set()

    async def _watch_sources(self) -> None:
        """Decide anew about all nodes when poller or renderer come or go."""
        loop = asyncio.get_running_loop()
        while True:
            if self._sources.changed(loop.time()):
                self._follow_registry()
                self.refresh_all()
            await asyncio.sleep(WATCH_PERIOD_S)

    # --- the nodes there are

    def _follow_registry(self) -> None:
        registry = self._sources.registry
        if not self._begun or registry is None:
            return
        entries = registry.groups.get(self.group, {})
        sure = self._sources.renderer_sure()
        for name, entry in entries.items():
            node = self.nodes.get(name) or self._admit(name)
            if sure and enter_epoch(node, entry):
                node.poke.set()
            self.refresh(node)
        if sure and registry.error is None:
            for name in self.nodes.keys() - entries.keys():
                self._dismiss(self.nodes[name])
            self._voice.clear_strangers()
            if not entries and self.group not in registry.groups:
                self._voice.fall_silent()
                self.finished.set()
        self._wishes.begin()
        self.recorder.ask()

    def _admit(self, name: str) -> Node:
        registry = self._sources.registry
        if registry is None:
            raise RuntimeError("no registry")
        node = Node(self.group, name, registry.groups[self.group][name])
        self.past.give(node, now=asyncio.get_running_loop().time(), wall=datetime.now(UTC))
        self._desire(node)
        node.observed = self._observed.get(name)
        self.nodes[name] = node
        node.task = self.tasks.create_task(self._tender.tend(node), name=f"tend {node.key}")
        node.poke.set()
        self.finished.clear()
        return node

    def _dismiss(self, node: Node) -> None:
        """Let a node go that left the registry; a push under way ends at its next write."""
        node.gone = True
        del self.nodes[node.name]
        self._disagreeing.discard(node)
        self._refused.remove(node.name)
        self._turns.leave(node)
        self._desired.forget(node.name)
        if node.timer is not None:
            node.timer.cancel()
        self._voice.forget(node)
        self.past.dismiss(node, now=asyncio.get_running_loop().time(), wall=datetime.now(UTC))
        node.tell_change()
        node.poke.set()
        logger.info("%s: left the registry", node.key)

    def _push_ended(self, node: Node) -> None:
        self._turns.push_ended(node)
        self._follow_entry(node)

    def _follow_entry(self, node: Node) -> None:
        """Bring a node into an epoch that began while it was being pushed."""
        entry = self._sources.entry(node.name)
        if entry is None or node.gone or not self._sources.renderer_sure():
            return
        if enter_epoch(node, entry):
            node.poke.set()

    # --- deciding

    def refresh_all(self) -> None:
        """Decide anew about every node."""
        for node in list(self.nodes.values()):
            self.refresh(node)

    def refresh(self, node: Node) -> None:
        """Decide anew about a node, say so, and have it tended where there is something to do."""
        if node.gone:
            return
        self._judge.learn(node)
        if self._refused.update(node):
            asyncio.get_running_loop().call_soon(self.refresh_all)
        if node.proven is not None:
            self._turns.prove(node.proven)
        decision = self._judge.decide(node)
        self._turns.queue(node, decision)
        self._voice.say(node, decision, retry_s=self._judge.retry_s(node))
        (self._disagreeing.discard if node.agrees() else self._disagreeing.add)(node)
        if decision.action is not Action.NONE or self._judge.must_look(node):
            node.poke.set()
        self._set_timer(node)
        node.tell_change()

    def is_at_rest(self, node: Node) -> bool:
        """Return whether nothing is being done about a node, nor about to be."""
        if node.gone:
            return True
        if node.push is not None or self._judge.about_to_know(node):
            return False
        decision = self._judge.decide(node)
        if decision.waits and node.forced:
            return False
        return decision.action is Action.NONE and decision.queue is None

    def lift(self, node: Node) -> None:
        """Forget why a node's desired config is not given to it."""
        node.rejected = []
        node.begin_anew()
        node.cures.forget()
        self._turns.lift(node)

    def _set_timer(self, node: Node) -> None:
        """Look at the node's picture again when time alone may change it."""
        if node.timer is not None:
            node.timer.cancel()
        due = self._judge.look_again_s(node)
        loop = asyncio.get_running_loop()
        node.timer = loop.call_later(due, self._on_timer, node) if due is not None else None

    def _on_timer(self, node: Node) -> None:
        until = node.maintenance.until
        if node.maintenance.on and until is not None and datetime.now(UTC) >= until:
            node.maintenance = Maintenance(on=False, by=node.maintenance.by, reason=TIME_OVER)
            self.recorder.ask()
        self.refresh(node)

    # --- the group

    def _record(self) -> GroupRecord:
        now, wall = asyncio.get_running_loop().time(), datetime.now(UTC)
        self._forget_old()
        return GroupRecord(
            nodes={
                **self.past.unnamed,
                **{name: node.record(now=now, wall=wall) for name, node in self.nodes.items()},
            },
            carried=self._wishes.carried.all(),
            cleared=list(self._batches.cleared),
            held=self._batches.held,
        )

    def _forget_old(self) -> None:
        if not self.nodes or not all(node.confirmed for node in self.nodes.values()):
            return  # what is of use is not known yet
        useful = {n.proven for n in self.nodes.values() if n.proven}
        self._proven.keep_only(useful)
        useful |= {n.desired.revision for n in self.nodes.values() if n.desired and n.desired.revision}
        self._batches.forget_old(useful, bound=4 * len(self.nodes) + 200)
