"""The notifier on a real broker, with a webhook and a mail server that are real too."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec import structs
from msgspec.json import decode

from conche.contract import EVENT, Drift, Event, EventKind, Maintenance
from conche.contract.alerts import ALERTS, AlertKind
from conche.notifier import main, outbox, picture, service
from conche.notifier.times import Now, read_clocks
from conche.settings import Notifier
from conche.settings.notifying import Slack, Webhook

from .bus_support import listening, until
from .harness import Mosquitto, free_port
from .notifier_support import (
    Observatory,
    email,
    hook,
    mail_server,
    notifier_settings,
    notifying,
    observatory,
    told,
    webhook,
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "OWNERS_S", 1.0)
    monkeypatch.setattr(service, "LOOK_S", 0.05)
    monkeypatch.setattr(outbox, "RETRY_S", (0.1, 0.5))


@pytest.fixture
async def cluster(mosquitto: Mosquitto) -> AsyncIterator[Observatory]:
    async with observatory(mosquitto) as one:
        yield one


Act = Callable[[Observatory], Awaitable[None]]


def doing(act: Callable[[Observatory], Any]) -> Act:
    async def done(one: Observatory) -> None:
        act(one)

    return done


async def overrun(one: Observatory) -> None:
    await one.swept(overrun=True)


async def not_overrun(one: Observatory) -> None:
    for _ in range(4):  # of which a single one that is overrun is few enough
        await one.swept(overrun=False)


DRIFTS = {"drift": Drift(base=True, paths=["log_level: 'info' -> 'debug'"]), "error": "held: no such stage"}
CASES: dict[AlertKind, tuple[Act, Act, str]] = {
    AlertKind.NODE_DOWN: (
        doing(lambda one: one.node("cx2", "down", error="refused")),
        doing(lambda one: one.node("cx2", "started")),
        "ERROR cx: node cx2 down (refused)",
    ),
    AlertKind.NODE_FAILED: (
        doing(lambda one: one.node("cx2", "failed", held="rejected: no such stage")),
        doing(lambda one: one.node("cx2", "started")),
        "ERROR cx: node cx2 failed (rejected: no such stage)",
    ),
    AlertKind.DRIFT_STAYS: (
        doing(lambda one: one.node("cx2", "started", **DRIFTS)),
        doing(lambda one: one.node("cx2", "started")),
        "WARNING cx: node cx2 is not as desired (held: no such stage; log_level: 'info' -> 'debug')",
    ),
    AlertKind.NO_WORKER: (
        doing(lambda one: one.lose_worker("cy")),
        doing(lambda one: one.birth("sync/cy", "online", of="sync")),
        "ERROR group cy without worker (its sync service is lost; it ran on vm)",
    ),
    AlertKind.POLLER_OVERRUN: (
        overrun,
        not_overrun,
        "WARNING poller main overrun (3 nodes in 0.1 s, where the period is 60 s)",
    ),
    AlertKind.FPGA_TIMING: (
        doing(lambda one: one.fpga("down", error="GET /status: refused")),
        doing(lambda one: one.fpga("good")),
        "ERROR FPGA timing (down: GET /status: refused)",
    ),
    AlertKind.EOP_STALE: (
        doing(lambda one: one.eop("failed", error="no frame0")),
        doing(lambda one: one.eop()),
        "WARNING Earth-orientation table stale (the last run that succeeded was at ",
    ),
    AlertKind.EOP_RUNS_OUT: (
        doing(lambda one: one.eop(left_h=20.0)),
        doing(lambda one: one.eop()),
        "ERROR Earth-orientation table runs out (the table ends at ",
    ),
    AlertKind.SERVICE_LOST: (
        doing(lambda one: one.birth("journal", "lost", of="journal")),
        doing(lambda one: one.birth("journal", "online", of="journal")),
        "ERROR service journal lost (is lost; it ran on vm)",
    ),
}


def test_every_alert_has_a_test():
    assert set(AlertKind) == {*CASES, AlertKind.BROKER_DROPS}


@pytest.mark.parametrize("kind", CASES)
async def test_each_alert_reaches_webhook_and_mail_and_so_does_its_end(
    kind: AlertKind, cluster: Observatory, tmp_path: Path
):
    break_it, mend_it, title = CASES[kind]
    async with hook() as server, mail_server() as box:
        settings = notifier_settings(cluster.broker, tmp_path, ops=webhook(server), mail=email(box))
        async with notifying(settings):
            await break_it(cluster)
            await told(lambda: server.bodies and box.mails)
            (first,) = server.told
            assert first.title.startswith(title)
            (alert,) = first.raised
            assert (alert.kind, alert.level, first.level) == (kind, ALERTS[kind].level, ALERTS[kind].level)
            assert box.subjects == [first.title]
            text = box.mails[0].get_content().replace("\r\n", "\n")
            assert text.startswith(f"{first.title}\n\nsince 20")
            assert "What to do: " in text
            await mend_it(cluster)
            await told(lambda: len(server.bodies) == len(box.mails) == 2)
            assert [one.kind for one in server.told[1].cleared] == [kind]
            assert box.subjects[1].startswith("CLEARED ")


async def test_messages_that_the_broker_really_drops_are_told_and_so_is_their_end(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(picture, "DROPS_LAST_S", 3.0)
    mosquitto.stop()
    with (mosquitto.folder / "mosquitto.conf").open("a") as conf:
        conf.write("\nmax_queued_messages 5\nsys_interval 1\n")
    await mosquitto.start()
    slow = ["mosquitto_sub", *mosquitto.client_arguments(), "-t", "conche/event/#", "-q", "1"]
    session = ["-c", "-i", "slow", "-x", "3600", "-E"]
    left = await asyncio.create_subprocess_exec(*slow, *session)
    assert await left.wait() == 0
    async with (
        observatory(mosquitto) as cluster,
        hook() as server,
        mail_server() as box,
        notifying(notifier_settings(mosquitto, tmp_path, ops=webhook(server), mail=email(box))),
    ):
        await asyncio.sleep(2.5)  # the broker has told its figure: what was dropped before is no news
        event = Event(at=datetime.now(UTC), kind=EventKind.SERVICE, text="x")
        for _ in range(50):
            cluster.buses["poller"].tell(EVENT, event, service="poller", group="-", node="-")
        await told(lambda: len(server.bodies) == len(box.mails) == 2)
        assert server.titles[0].startswith("WARNING the broker drops messages (")
        assert [one.kind for one in server.told[1].cleared] == [AlertKind.BROKER_DROPS]
        assert box.subjects == server.titles


async def test_a_cluster_that_is_well_needs_nobody(cluster: Observatory, tmp_path: Path):
    async with hook() as server:
        async with notifying(notifier_settings(cluster.broker, tmp_path, ops=webhook(server))):
            await asyncio.sleep(4)
        assert server.tried == 0


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the notifier's clocks run ten times as fast."""
    begin = read_clocks()

    def fast() -> Now:
        s = 10 * (read_clocks().s - begin.s)
        return Now(begin.at + timedelta(seconds=s), begin.s + s)

    monkeypatch.setattr(main, "read_clocks", fast)


async def test_storm_of_five_hundred_nodes_is_exactly_one_message(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hasten(monkeypatch)
    async with observatory(mosquitto, nodes=500) as cluster, hook() as server, mail_server() as box:
        settings = notifier_settings(mosquitto, tmp_path, ops=webhook(server), mail=email(box))
        usual = Notifier()
        notifier = structs.replace(settings.notifier, gather_s=usual.gather_s, after_s=usual.after_s)
        async with notifying(structs.replace(settings, notifier=notifier)):
            await asyncio.sleep(1.5)
            for i in range(1, 501):
                cluster.node(f"cx{i}", "down", error="refused")
            await told(lambda: server.bodies and box.mails)
            await asyncio.sleep(5)
            (told_once,) = server.told
            assert (told_once.title, len(told_once.raised)) == (
                "ERROR cx: 500 nodes down: cx1, cx2, cx3, cx4, cx5, cx6, cx7, cx8, cx9, cx10 and 490 more",
                500,
            )
            assert box.subjects == [told_once.title]


async def test_a_node_that_is_put_in_maintenance_is_told_to_be(cluster: Observatory, tmp_path: Path):
    async with hook() as server, notifying(notifier_settings(cluster.broker, tmp_path, ops=webhook(server))):
        cluster.node("cx1", "down")
        await told(lambda: server.bodies)
        cluster.node("cx1", "down", maintenance=Maintenance(on=True, by="dvw", reason="new PSU"))
        await told(lambda: len(server.bodies) == 2)
        assert server.titles[1] == "CLEARED cx: node cx1 down (it is in maintenance by dvw: new PSU)"


async def test_a_restart_neither_repeats_nor_forgets(cluster: Observatory, tmp_path: Path):
    async with hook() as server:
        settings = notifier_settings(cluster.broker, tmp_path, ops=webhook(server))
        async with notifying(settings):
            cluster.node("cx1", "down")
            cluster.node("cx2", "down")
            await told(lambda: server.bodies)
            await until(lambda: (tmp_path / "notifier.json").read_bytes().count(b'"ops"') == 2)
        cluster.node("cx2", "started")
        await cluster.settled()
        async with notifying(settings):
            await told(lambda: len(server.bodies) == 2)
            await asyncio.sleep(2)
            first, second = server.told
            assert [one.subject for one in first.raised] == ["cx/cx1", "cx/cx2"]
            assert ([*second.raised], [one.subject for one in second.cleared]) == ([], ["cx/cx2"])


async def test_a_broker_that_is_gone_is_told_and_nothing_ends_by_that(cluster: Observatory, tmp_path: Path):
    async with hook() as server, notifying(notifier_settings(cluster.broker, tmp_path, ops=webhook(server))):
        cluster.node("cx1", "down")
        await told(lambda: server.bodies)
        cluster.broker.stop()
        await told(lambda: len(server.bodies) == 2)
        await cluster.broker.start()
        await told(lambda: len(server.bodies) >= 3)
    assert server.titles[1].startswith("ERROR the broker can't be reached")
    cleared = [one.subject for notification in server.told[2:] for one in notification.cleared]
    assert cleared == ["broker"]


async def test_a_channel_that_comes_back_is_told_what_lasts(
    cluster: Observatory, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    port = free_port()
    gone = Webhook(url=f"http://127.0.0.1:{port}/hook")
    async with (
        hook() as well,
        listening(cluster.broker.settings, "conche/event/notifier/+/+") as events,
        notifying(notifier_settings(cluster.broker, tmp_path, gone=gone, well=webhook(well))),
    ):
        cluster.node("cx1", "down")
        await told(lambda: well.bodies)
        await told(lambda: events)
        assert b"channel gone can't be reached: refused: nobody listens there" in events[0].payload
        cluster.node("cx1", "started")
        await told(lambda: len(well.bodies) == 2)
        cluster.node("cx2", "down")
        await told(lambda: len(well.bodies) == 3)
        async with hook(port=port) as back:
            await told(lambda: back.bodies)
            (only,) = back.told
            assert ([one.subject for one in only.raised], only.cleared, only.missed) == (["cx/cx2"], [], 1)
            await told(lambda: len(events) == 2)
            assert b"channel gone works again" in events[1].payload
    assert caplog.text.count("can't be reached") == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_is_busy_is_tried_again(cluster: Observatory, tmp_path: Path, status: int):
    answers = [web.Response(status=status, headers={"Retry-After": "1"}, text="later") for _ in range(2)]
    async with hook(*answers) as server:
        async with notifying(notifier_settings(cluster.broker, tmp_path, ops=webhook(server))):
            cluster.node("cx1", "down")
            await told(lambda: server.bodies)
        assert server.tried == 3


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
async def test_what_a_server_refuses_is_not_sent_again_and_said_once(
    cluster: Observatory, tmp_path: Path, status: int
):
    headers = {"Location": "http://127.0.0.1:1/"}
    answers = [web.Response(status=status, headers=headers, text="no_service") for _ in range(2)]
    async with (
        hook(*answers) as server,
        listening(cluster.broker.settings, "conche/event/notifier/#") as events,
    ):
        async with notifying(notifier_settings(cluster.broker, tmp_path, ops=webhook(server))):
            cluster.node("cx1", "down")
            await told(lambda: server.tried == 1)
            cluster.node("cx2", "down")
            await told(lambda: server.tried == 2)
            cluster.node("cx3", "down")
            await told(lambda: server.bodies)
            await told(lambda: len(events) == 2)
        assert server.tried == 3
        first, second = (decode(one.payload, type=Event) for one in events)
        assert f"channel ops refuses what it is told: HTTP {status}: no_service" in first.text
        assert "2 messages were given up so far" in second.text


async def test_slack_gets_text_and_its_address_is_in_no_log(
    cluster: Observatory, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with hook(web.Response(status=404, text="no_service")) as server:
        (tmp_path / "slack").write_text(f"{server.url}?T0KEN\n")
        settings = notifier_settings(cluster.broker, tmp_path, ops=Slack(url_file=tmp_path / "slack"))
        async with notifying(settings):
            cluster.node("cx1", "down", error="<refused> & *gone*")
            await told(lambda: server.tried == 1)
            cluster.node("cx2", "down", error="<refused> & *gone*")
            await told(lambda: server.bodies)
        text = decode(server.bodies[0])["text"]
        assert text.startswith("*ERROR cx: node cx2 down (&lt;refused&gt; &amp; ∗gone∗)*\nsince 20")
    assert "T0KEN" not in caplog.text
    assert "127.0.0.1" not in "".join(
        record.getMessage() for record in caplog.records if "channel" in record.msg
    )


@pytest.mark.parametrize("way", [Slack, Webhook])
async def test_what_a_server_says_of_its_address_is_in_no_log_and_in_no_event(
    way: type[Slack | Webhook], cluster: Observatory, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with (
        hook(web.Response(status=404, text="no such hook: POST /hook?T0KEN")) as server,
        listening(cluster.broker.settings, "conche/event/notifier/#") as events,
    ):
        (tmp_path / "url").write_text(f"{server.url}?T0KEN\n")
        settings = notifier_settings(cluster.broker, tmp_path, ops=way(url_file=tmp_path / "url"))
        async with notifying(settings):
            cluster.node("cx1", "down")
            await told(lambda: events)
    text = decode(events[0].payload, type=Event).text
    assert "HTTP 404, in words that have its address or token in them" in text
    assert "T0KEN" not in caplog.text + text


async def test_a_time_that_no_calendar_has_ends_nobody(cluster: Observatory, tmp_path: Path):
    headers = {"Retry-After": "Sat, 21 Nov 99999999999 03:00:00 GMT"}
    async with hook(web.Response(status=503, headers=headers, text="later")) as server:
        async with notifying(notifier_settings(cluster.broker, tmp_path, ops=webhook(server))):
            cluster.node("cx1", "down")
            await told(lambda: server.bodies)
        assert server.tried == 2


async def test_a_webhook_gets_its_token(cluster: Observatory, tmp_path: Path):
    async with hook() as server:
        (tmp_path / "token").write_text("s3cret\n")
        ops = webhook(server, token_file=tmp_path / "token")
        async with notifying(notifier_settings(cluster.broker, tmp_path, ops=ops)):
            cluster.node("cx1", "down")
            await told(lambda: server.bodies)
        assert server.headers[0]["Authorization"] == "Bearer s3cret"
        assert server.headers[0]["Content-Type"] == "application/json"


async def test_quiet_hours_hold_on_the_real_clock(cluster: Observatory, tmp_path: Path):
    now = datetime.now(UTC)
    begin, end = (now - timedelta(hours=1)).strftime("%H:%M"), (now + timedelta(hours=2)).strftime("%H:%M")
    async with hook() as asleep, hook() as awake:
        settings = notifier_settings(cluster.broker, tmp_path, asleep=webhook(asleep), awake=webhook(awake))
        (every,) = settings.notifier.rules
        rules = [
            structs.replace(every, channels=["asleep"], quiet=f"{begin}-{end}"),
            structs.replace(every, channels=["awake"]),
        ]
        notifier = structs.replace(settings.notifier, rules=rules)
        async with notifying(structs.replace(settings, notifier=notifier)):
            cluster.node("cx1", "down")
            await told(lambda: awake.bodies)
            await asyncio.sleep(1)
        assert asleep.tried == 0
