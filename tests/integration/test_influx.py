"""The database's client with a real InfluxDB 1, and through a front that makes an InfluxDB 2 of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from influxdb_client import Point

from conche.influx import (
    Database,
    InfluxGarbled,
    InfluxMisconfigured,
    InfluxRefused,
    InfluxTimeout,
    InfluxUnavailable,
    InfluxUnreachable,
    quoted_name,
    quoted_text,
)
from conche.influx.client import MAX_COMPLAINT
from conche.settings import Influx

from .harness import free_port
from .influx_support import Fault, Front, Influxd, database_of, influxdb2, running_influxd
from .raw import answering, reply
from .test_bus_tls import make_ca, make_certificate

HOUR_NS = 3600 * 10**9


@pytest.fixture
async def influxd(tmp_path: Path) -> AsyncIterator[Influxd]:
    async with running_influxd(tmp_path / "influxd") as one:
        yield one


@pytest.fixture
async def front(influxd: Influxd) -> AsyncIterator[Front]:
    async with influxdb2(influxd) as one:
        yield one


def lines(*numbers: int, value: str = "1.0") -> list[bytes]:
    return [f"m,node=a f={value} {number}".encode() for number in numbers]


async def refusal(database: Database, points: list[bytes]) -> InfluxRefused:
    with pytest.raises(InfluxRefused) as caught:
        await database.write(points)
    return caught.value


# --- in and out


async def test_points_are_read_back_from_influxdb_1_to_the_nanosecond(influxd: Influxd):
    now = time.time_ns()
    async with database_of(influxd.settings()) as database:
        await database.create_database()
        await database.create_database()
        await database.write(
            [f'm,node=a f=1.5,i=3i,s="x" {now}'.encode(), f"m,node=b f=2.5 {now + 1}".encode()]
        )
        first, second = await database.query("SELECT f, i, s FROM m GROUP BY node")
    assert (first.name, first.tags, first.columns) == ("m", {"node": "a"}, ["time", "f", "i", "s"])
    assert (first.rows, second.rows) == ([[now, 1.5, 3, "x"]], [[now + 1, 2.5, None, None]])


async def test_points_are_read_back_from_influxdb_2(front: Front):
    async with database_of(front.settings()) as database:
        await database.write(lines(1, 2, 3))
        (series,) = await database.query("SELECT f FROM m")
    assert series.rows == [[1, 1], [2, 1], [3, 1]]
    assert await front.influxd.count() == 3


@pytest.mark.parametrize(
    "text",
    [
        "two words",
        "a,b",
        "a=b",
        'say "it"',
        "it's",
        "a\\b",
        "\\,",
        "ünïcödé ☃",
        " edge",
        "#x",
        "%s;--",
        "/a/",
    ],
)
@pytest.mark.parametrize("generation", [1, 2])
async def test_any_text_comes_back_as_it_went_in(front: Front, text: str, generation: int):
    settings = front.settings() if generation == 2 else front.influxd.settings()
    said = f"{text}\nand a line"
    point = Point("m").tag("t", text).tag("u", "v").field("s", said).field("f", 1.0).time(7)
    async with database_of(settings) as database:
        await database.write([point.to_line_protocol().encode()])
        where = f'WHERE "t" = {quoted_text(text)} AND "s" = {quoted_text(said)}'
        (series,) = await database.query(f'SELECT "t", "u", "s" FROM "m" {where}')
    assert series.rows == [[7, text, "v", said]]


async def test_odd_names_come_back_as_they_went_in(influxd: Influxd):
    measurement, tag, field = 'a m,x="y"', 't a,g=1"', 'f i,e="l"d'
    point = Point(measurement).tag(tag, "v").field(field, 1.5).time(7)
    async with database_of(influxd.settings()) as database:
        await database.create_database()
        await database.write([point.to_line_protocol().encode()])
        names = f"{quoted_name(tag)}, {quoted_name(field)}"
        (series,) = await database.query(f"SELECT {names} FROM {quoted_name(measurement)}")
    assert (series.name, series.columns) == (measurement, ["time", tag, field])
    assert series.rows == [[7, "v", 1.5]]


async def test_points_without_an_end_to_their_batch_are_many_lines(influxd: Influxd):
    async with database_of(influxd.settings()) as database:
        await database.create_database()
        await database.write(lines(*range(50_000)))
        (series,) = await database.query("SELECT f FROM m")
    assert len(series.rows) == 50_000


async def test_there_is_one_request_at_a_time(front: Front):
    async with database_of(front.settings()) as database:
        await asyncio.gather(*(database.write(lines(n)) for n in range(10)))
    assert (len(front.requests), front.most_at_once) == (10, 1)


# --- what is refused


async def test_a_missing_database_is_known_and_can_be_made(influxd: Influxd):
    async with database_of(influxd.settings(database='od"d')) as database:
        assert database.can_be_made
        error = await refusal(database, lines(1))
        assert (error.status, error.database_missing) == (404, True)
        with pytest.raises(InfluxRefused, match="database not found"):
            await database.query("SELECT f FROM m")
        await database.create_database()
        await database.write(lines(1))
    assert await influxd.count(database='od"d') == 1


@pytest.mark.parametrize(("days", "kept"), [(90, "2160h0m0s"), (None, "0s")])
async def test_a_database_that_is_made_keeps_points_as_long_as_it_should(
    influxd: Influxd, days: int | None, kept: str
):
    async with database_of(influxd.settings(keep_days=days)) as database:
        await database.create_database()
        await database.create_database()
        await database.write(lines(time.time_ns()))
    (policies,) = await influxd.ask("SHOW RETENTION POLICIES ON conche")
    assert policies["columns"][:2] == ["name", "duration"]
    assert [row[:2] for row in policies["values"]] == [["autogen", kept]]
    assert await influxd.count() == 1


async def test_the_retention_of_a_database_that_is_there_is_left_alone(influxd: Influxd):
    await influxd.ask("CREATE DATABASE conche WITH DURATION 1d")
    async with database_of(influxd.settings(keep_days=90)) as database:
        with pytest.raises(InfluxRefused, match="retention policy conflicts"):
            await database.create_database()
    (policies,) = await influxd.ask("SHOW RETENTION POLICIES ON conche")
    assert [row[1] for row in policies["values"]] == ["24h0m0s"]


async def test_a_missing_bucket_is_for_the_site_to_make(front: Front):
    async with database_of(front.settings(bucket="lost")) as database:
        assert not database.can_be_made
        error = await refusal(database, lines(1))
        assert (error.status, error.database_missing) == (404, False)
        assert 'bucket "lost" not found; make the bucket (influx bucket create --name lost' in str(error)
        with pytest.raises(InfluxMisconfigured, match="has to be made by hand"):
            await database.create_database()


async def test_another_organisation_and_another_token_are_refused(front: Front):
    async with database_of(front.settings(org="others")) as database:
        assert 'organization name "others" not found' in str(await refusal(database, lines(1)))
    async with database_of(front.settings(token="stale")) as database:
        error = await refusal(database, lines(1))
        assert error.status == 401
        assert "unauthorized access; influx.token_file must be of somebody who may use 'conche'" in str(error)
        with pytest.raises(InfluxRefused, match="unauthorized access"):
            await database.query("SHOW MEASUREMENTS")


async def test_users_of_influxdb_1_need_their_password(tmp_path: Path):
    password = "pä:ss"
    async with running_influxd(tmp_path / "influxd", auth=True) as influxd:
        await influxd.ask(f"CREATE DATABASE conche; CREATE USER bob WITH PASSWORD '{password}'")
        (tmp_path / "password").write_text(f"{password}\n")
        account: dict[str, Any] = {"user": "bob", "password_file": tmp_path / "password"}
        async with database_of(influxd.settings(**account)) as database:
            assert (await refusal(database, lines(1))).status == 403
            await influxd.ask("GRANT ALL ON conche TO bob")
            await database.write(lines(1))
            assert len(await database.query("SELECT f FROM m")) == 1
        async with database_of(influxd.settings(**account, database="other")) as database:
            with pytest.raises(InfluxRefused, match="admin privilege"):
                await database.create_database()
        for wrong in ({}, {"user": "bob", "password": "wrong"}):
            async with database_of(influxd.settings(**wrong)) as database:
                error = await refusal(database, lines(2))
                assert error.status == 401
                assert "influx.user and influx.password_file" in str(error)
        assert await influxd.count() == 1


@pytest.mark.parametrize("generation", [1, 2])
async def test_a_field_of_another_kind_costs_its_points_alone(front: Front, generation: int):
    settings = front.settings() if generation == 2 else front.influxd.settings()
    async with database_of(settings) as database:
        await database.write(lines(1))
        error = await refusal(database, [*lines(2, 3), *lines(4, 5, value="180i")])
    assert (error.status, error.partial, error.dropped) == (422 if generation == 2 else 400, True, 2)
    assert 'input field "f" on measurement "m" is type integer, already exists as type float' in str(error)
    assert await front.influxd.count() == 3


async def test_points_older_than_the_retention_are_counted(influxd: Influxd):
    await influxd.ask("CREATE DATABASE conche WITH DURATION 1h")
    now = time.time_ns()
    async with database_of(influxd.settings()) as database:
        error = await refusal(database, lines(now, now - 2 * HOUR_NS, now - 3 * HOUR_NS))
    assert (error.partial, error.dropped) == (True, 2)
    assert "points beyond retention policy" in str(error)
    assert await influxd.count() == 1


async def test_a_bad_line_costs_itself_in_influxdb_1_and_the_batch_in_influxdb_2(front: Front):
    points = [*lines(1), b"bad", b"m f= 2", *lines(3)]
    async with database_of(front.influxd.settings()) as database:
        error = await refusal(database, points)
        assert (error.partial, error.dropped) == (True, 2)
        assert await front.influxd.count() == 2
    await front.influxd.ask("DROP MEASUREMENT m")
    async with database_of(front.settings()) as database:
        error = await refusal(database, points)
        assert (error.partial, error.dropped) == (False, 2)
    assert await front.influxd.ask("SELECT f FROM m") == []


@pytest.mark.parametrize("question", ["SELEC", "SELECT meen(f) FROM m", "SELECT f FROM m; SELECT f FROM"])
async def test_a_question_that_is_none_is_refused(influxd: Influxd, question: str):
    async with database_of(influxd.settings()) as database:
        await database.create_database()
        await database.write(lines(1))
        with pytest.raises(InfluxRefused):
            await database.query(question)


# --- what is away, slow, or something else


async def test_nobody_there_is_unreachable(tmp_path: Path):
    async with database_of(Influx(url=f"http://127.0.0.1:{free_port()}")) as database:
        with pytest.raises(InfluxUnreachable, match="refused: nobody listens there"):
            await database.write(lines(1))
        with pytest.raises(InfluxUnreachable):
            await database.query("SELECT f FROM m")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://no-such-host.invalid:8086", "nobody knows the name of its host"),
        ("http://a..b:8086", "influx.url is no address"),
        ("http://127.0.0.1:99999", "influx.url is no address"),
    ],
)
async def test_an_address_that_is_none_is_unreachable(url: str, words: str):
    async with database_of(Influx(url=url)) as database:
        with pytest.raises(InfluxUnreachable, match=words):
            await database.write(lines(1))


async def test_tls_where_there_is_none_is_said(influxd: Influxd):
    async with database_of(Influx(url=influxd.url.replace("http", "https"))) as database:
        with pytest.raises(InfluxUnreachable, match="no TLS connection: is it http:// there"):
            await database.write(lines(1))


async def test_a_certificate_is_verified_and_one_that_nobody_vouches_for_is_refused(tmp_path: Path):
    ca_file = make_ca(tmp_path, "ca")
    make_certificate(tmp_path, "ca", "127.0.0.1")
    async with running_influxd(tmp_path / "influxd", certificate=tmp_path) as influxd:
        async with database_of(influxd.settings(ca_file=ca_file)) as database:
            await database.create_database()
            await database.write(lines(1))
            assert len(await database.query("SELECT f FROM m")) == 1
        async with database_of(influxd.settings()) as database:
            with pytest.raises(InfluxUnreachable, match=r"certificate is not trusted: .*influx\.ca_file"):
                await database.write(lines(1))


async def test_what_speaks_no_http_is_garbled():
    async with (
        answering(b"SSH-2.0-OpenSSH_9.2\r\n") as server,
        database_of(Influx(url=f"http://{server.address}")) as database,
    ):
        with pytest.raises(InfluxGarbled, match="does not speak HTTP"):
            await database.write(lines(1))


async def test_a_refusal_without_an_end_is_a_refusal():
    endless = reply(b"x" * (MAX_COMPLAINT + 1), status="400 Bad Request")
    async with answering(endless) as server, database_of(Influx(url=f"http://{server.address}")) as database:
        error = await refusal(database, lines(1))
    assert error.status == 400
    assert "HTTP 400: an answer of more than 1024 KiB" in str(error)


async def test_a_redirection_is_not_followed():
    moved = b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere/\r\nContent-Length: 0\r\n\r\n"
    async with (
        answering(moved) as server,
        database_of(Influx(url=f"http://{server.address}/prefix/")) as database,
    ):
        with pytest.raises(InfluxGarbled, match="HTTP 301, leads to 'https://elsewhere/'"):
            await database.write(lines(1))
    assert server.paths == ["/prefix/write?db=conche&precision=ns"]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault.SLOW, InfluxTimeout, "no whole answer within 0.3 s"),
        (Fault.UNAVAILABLE, InfluxUnavailable, "HTTP 503: no answer of InfluxDB: <html><h1>503</h1></html>"),
        (Fault.BUSY, InfluxUnavailable, "HTTP 429: write rate over its limit"),
        (Fault.FULL, InfluxUnavailable, "HTTP 500: engine: write wal: no space left on device"),
        (Fault.GONE, InfluxUnreachable, "closed before there was an answer"),
        (Fault.HALF, InfluxGarbled, "the answer ends in the middle"),
        (Fault.PAGE, InfluxGarbled, "<h1>Log in</h1></html>"),
        (Fault.FLOOD, InfluxGarbled, "KiB, of which none is used"),
    ],
)
async def test_each_fault_has_an_error_of_its_own_and_is_over_when_it_is_over(
    front: Front, fault: Fault, kind: type[Exception], words: str
):
    async with database_of(front.settings(timeout_s=0.3 if fault is Fault.SLOW else 10.0)) as database:
        front.fault = fault
        for asked in (database.write(lines(1)), database.query("SHOW MEASUREMENTS")):
            with pytest.raises(kind) as caught:
                await asked
            assert type(caught.value) is kind
            assert words in str(caught.value)
        front.fault = None
        await database.write(lines(1))
    assert await front.influxd.count() == 1


async def test_an_answer_that_is_lost_says_nothing_of_the_points(front: Front):
    front.fault = Fault.CUT
    async with database_of(front.settings()) as database:
        with pytest.raises(InfluxUnreachable):
            await database.write(lines(1, 2))
    assert len(front.requests) == 1
    assert await front.influxd.count() == 2


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, None), ("soon", None)])
async def test_when_to_ask_again_is_read(front: Front, header: str | None, seconds: float | None):
    front.fault, front.retry_after = Fault.UNAVAILABLE, header
    async with database_of(front.settings()) as database:
        with pytest.raises(InfluxUnavailable) as caught:
            await database.write(lines(1))
    assert caught.value.retry_after_s == seconds


async def test_a_batch_that_is_too_long_is_refused(front: Front):
    front.most = 1000
    async with database_of(front.settings()) as database:
        error = await refusal(database, lines(*range(1000)))
    assert error.status == 413
    assert "413 Request Entity Too Large" in str(error)


async def test_a_database_that_is_killed_has_all_that_it_acknowledged(influxd: Influxd):
    async with database_of(influxd.settings()) as database:
        await database.create_database()
        for begin in range(0, 5000, 1000):
            await database.write(lines(*range(begin, begin + 1000)))
        influxd.kill()
        with pytest.raises(InfluxUnreachable):
            await database.write(lines(1))
        await influxd.start()
        assert await influxd.count() == 5000
        await database.write(lines(5000))
