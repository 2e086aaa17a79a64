"""Which renderer and which poller are there, and what of theirs counts."""

from datetime import timedelta

from msgspec import structs

from conche.contract import DesiredConfig, Observed, Reach, Registry, ServiceBirth, ServiceState, Sweep
from conche.sync.picture import Sources
from conche.sync.wanted import DesiredConfigs

from .samples import NOW, entry

RENDERER = {"service": "renderer"}


def birth(boot: str, state: ServiceState = ServiceState.ONLINE) -> ServiceBirth:
    return ServiceBirth(state=state, boot=boot, since=NOW)


def sweep(boot: str = "p1", groups: tuple[str, ...] = ("cx",)) -> Sweep:
    return Sweep(
        boot=boot,
        number=1,
        groups=list(groups),
        at=NOW,
        took_s=0.1,
        polled=1,
        unreachable=0,
        overrun=False,
        period_s=2.0,
    )


def seen_by(boot: str) -> Observed:
    return Observed(boot=boot, sweep=1, reach=Reach.OK)


# --- the renderer


def test_only_the_registry_of_a_renderer_that_is_there_counts() -> None:
    sources = Sources("cx")
    sources.on_registry(Registry(boot="r1", groups={}), heard=True)
    assert not sources.renderer_lives()
    sources.on_birth(RENDERER, birth("r0"), heard=True)
    assert not sources.renderer_lives()
    sources.on_birth(RENDERER, birth("r1"), heard=True)
    assert sources.renderer_lives()
    sources.on_birth(RENDERER, birth("r1", ServiceState.LOST), heard=True)
    assert not sources.renderer_lives()


def test_the_last_will_and_the_registry_of_a_predecessor_are_not_believed() -> None:
    sources = Sources("cx")
    sources.on_birth(RENDERER, birth("r1"), heard=True)
    sources.on_registry(Registry(boot="r1", groups={}), heard=True)
    sources.on_birth(RENDERER, birth("r2"), heard=True)
    sources.on_registry(Registry(boot="r2", groups={}), heard=True)
    sources.on_birth(RENDERER, birth("r1", ServiceState.LOST), heard=True)
    assert not sources.on_registry(Registry(boot="r1", groups={"cx": {}}), heard=True)
    assert sources.renderer_lives()


def test_what_an_old_store_of_the_broker_says_does_not_replace_a_renderer_that_is_there() -> None:
    sources = Sources("cx")
    old, new = birth("r0"), structs.replace(birth("r2"), since=NOW + timedelta(hours=1))
    sources.on_birth(RENDERER, new, heard=True)
    sources.on_registry(Registry(boot="r2", groups={}), heard=True)
    sources.on_registry(Registry(boot="r0", groups={"cx": {}}), heard=False)
    sources.on_birth(RENDERER, old, heard=False)
    assert sources.renderer_sure()
    assert sources.registry == Registry(boot="r2", groups={})
    assert sources.on_registry(Registry(boot="r2", groups={"cx": {"cx1": entry()}}), heard=True)
    assert sources.entry("cx1") is not None


def test_a_registry_that_was_found_is_shown_and_counts_from_the_heartbeat_on() -> None:
    sources = Sources("cx")
    sources.on_birth(RENDERER, birth("r1"), heard=False)
    assert sources.on_registry(Registry(boot="r1", groups={}), heard=False)
    assert sources.renderer_lives()
    assert not sources.renderer_sure()
    assert not sources.on_beat("r0")
    assert not sources.renderer_sure()
    sources.on_beat("r1")
    assert sources.renderer_sure()


def test_an_older_registry_of_the_same_renderer_that_was_found_is_not_followed() -> None:
    sources = Sources("cx")
    sources.on_birth(RENDERER, birth("r1"), heard=True)
    new, old = Registry(boot="r1", groups={"cx": {}}), Registry(boot="r1", groups={})
    sources.on_registry(new, heard=True)
    sources.on_disconnection()
    assert not sources.on_registry(old, heard=False)
    assert sources.registry is new
    sources.on_registry(new, heard=True)  # the renderer puts it right
    sources.on_beat("r1")
    assert sources.registry == new


def test_what_was_found_before_another_disconnection_is_forgotten() -> None:
    sources = Sources("cx")
    sources.on_birth(RENDERER, birth("r1"), heard=True)
    sources.on_registry(Registry(boot="r1", groups={"cx": {}}), heard=True)
    sources.on_disconnection()
    sources.on_registry(Registry(boot="r1", groups={}), heard=False)
    sources.on_disconnection()
    assert not sources.on_beat("r1")
    assert sources.registry == Registry(boot="r1", groups={"cx": {}})


def test_a_renderer_that_came_while_the_worker_was_away_is_found_and_believed_once_it_is_heard() -> None:
    sources = Sources("cx")
    sources.on_birth(RENDERER, birth("r1"), heard=True)
    sources.on_registry(Registry(boot="r1", groups={}), heard=True)
    sources.on_disconnection()
    newer = structs.replace(birth("r2"), since=NOW + timedelta(hours=1))
    sources.on_registry(Registry(boot="r2", groups={}), heard=False)
    sources.on_birth(RENDERER, newer, heard=False)
    assert not sources.renderer_sure()
    assert sources.on_beat("r2")
    assert sources.renderer_sure()
    assert sources.registry is not None
    assert sources.registry.boot == "r2"


# --- desired configs


def desired(boot: str, revision: str) -> DesiredConfig:
    return DesiredConfig(boot=boot, revision=revision * 32)


def test_a_desired_config_that_was_found_does_not_replace_one_that_was_heard() -> None:
    configs = DesiredConfigs()
    configs.take("cx1", desired("r1", "a"), heard=True)
    configs.take("cx1", desired("r1", "b"), heard=False)
    assert configs.of("cx1") == desired("r1", "a")
    assert configs.on_beat("r2") == set()
    assert configs.on_beat("r1") == {"cx1"}
    assert configs.of("cx1") == desired("r1", "b")


def test_a_desired_config_that_was_only_found_is_known_and_not_said() -> None:
    configs = DesiredConfigs()
    configs.take("cx1", desired("r1", "a"), heard=False)
    assert configs.of("cx1") == desired("r1", "a")
    assert not configs.is_said("cx1")
    configs.on_beat("r1")
    assert configs.is_said("cx1")


def test_what_is_heard_counts_over_what_was_found() -> None:
    configs = DesiredConfigs()
    configs.take("cx1", desired("r1", "a"), heard=False)
    configs.take("cx1", desired("r1", "b"), heard=True)
    assert configs.on_beat("r1") == set()
    assert configs.of("cx1") == desired("r1", "b")


def test_what_was_found_last_counts_even_if_it_is_what_was_heard_before() -> None:
    configs = DesiredConfigs()
    configs.take("cx1", desired("r1", "b"), heard=True)
    configs.on_disconnection()
    configs.take("cx1", desired("r1", "a"), heard=False)  # of an old store
    configs.take(
        "cx1", desired("r1", "b"), heard=False
    )  # the renderer puts it right before the picture is whole
    assert configs.on_beat("r1") == set()
    assert configs.of("cx1") == desired("r1", "b")


def test_what_was_found_at_an_earlier_connection_is_forgotten() -> None:
    configs = DesiredConfigs()
    configs.take("cx1", desired("r1", "a"), heard=True)
    configs.take("cx1", desired("r1", "b"), heard=False)
    configs.on_disconnection()
    assert configs.on_beat("r1") == set()
    configs.forget("cx1")
    assert configs.of("cx1") is None


# --- pollers


def test_observations_count_while_sweeps_come_and_for_three_periods_more() -> None:
    sources = Sources("cx")
    assert sources.blind(seen_by("p1")) is not None
    sources.on_sweep({"instance": "main"}, sweep(), 100.0)
    sources.changed(100.0)
    assert sources.blind(seen_by("p1")) is None
    assert sources.blind(None) is not None
    assert sources.blind(seen_by("p0")) is not None
    sources.changed(106.1)
    assert "away" in str(sources.blind(seen_by("p1")))


def test_sweeps_of_other_groups_say_nothing() -> None:
    sources = Sources("cx")
    sources.on_sweep({"instance": "other"}, sweep(groups=("recv",)), 100.0)
    sources.changed(100.0)
    assert sources.blind(seen_by("p1")) is not None


def test_a_poller_that_went_is_away_at_once() -> None:
    sources = Sources("cx")
    sources.on_sweep({"instance": "main"}, sweep(), 100.0)
    sources.on_birth({"service": "poller", "instance": "main"}, birth("p1", ServiceState.LOST), heard=True)
    sources.changed(100.1)
    assert "lost" in str(sources.blind(seen_by("p1")))


def test_observations_of_a_poller_that_has_just_come_up_count_before_its_first_sweep() -> None:
    sources = Sources("cx")
    sources.on_sweep({"instance": "main"}, sweep(), 100.0)
    sources.on_birth({"service": "poller", "instance": "main"}, birth("p2"), heard=True)
    sources.changed(100.1)
    assert sources.blind(seen_by("p2")) is None
