"""What the answers of InfluxDB 1, 2 and 3, and of what is none, are taken to mean."""

import json
from datetime import UTC, datetime

import pytest

from conche.influx import (
    InfluxGarbled,
    InfluxRefused,
    InfluxUnavailable,
    login_of,
    quoted_name,
    quoted_text,
)
from conche.influx.answers import Answer, failure, read_series
from conche.settings import Influx

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
ONE = login_of(Influx(url="http://one:8086"))
TWO = login_of(Influx(url="http://two:8086", org="o", bucket="b", token="t"))
CONFLICT = 'partial write: field type conflict: input field "f" on measurement "m" is type float dropped=3'


def one(words: str) -> bytes:
    return json.dumps({"error": words}).encode()


def two(words: str) -> bytes:
    return json.dumps({"code": "invalid", "message": words}).encode()


def failed(status: int, body: bytes, *, login=ONE, **headers: str):
    return failure(Answer(status=status, body=body, **headers), login=login, now=NOW)


def refused(status: int, body: bytes, *, login=ONE) -> InfluxRefused:
    error = failed(status, body, login=login)
    assert isinstance(error, InfluxRefused)
    return error


@pytest.mark.parametrize(
    ("status", "body", "login"),
    [
        (400, one(CONFLICT), ONE),
        (422, two(f"failure writing points to database: {CONFLICT}"), TWO),
        (500, two(f"unexpected error writing points to database: {CONFLICT}"), TWO),
    ],
)
def test_a_partial_write_says_how_many_points_are_not_stored(status, body, login):
    error = refused(status, body, login=login)
    assert (error.status, error.partial, error.dropped) == (status, True, 3)
    assert "field type conflict" in str(error)


def test_lines_that_influxdb_1_could_not_read_are_counted_although_it_says_none():
    words = (
        "partial write: unable to parse 'bad': missing fields\nunable to parse 'x f= 2': no value dropped=0"
    )
    error = refused(400, one(words))
    assert (error.partial, error.dropped) == (True, 2)


def test_lines_that_influxdb_2_could_not_read_are_counted_and_nothing_is_stored():
    error = refused(400, two("unable to parse 'bad': missing fields\nunable to parse 'worse': x"), login=TWO)
    assert (error.partial, error.dropped) == (False, 2)


def test_what_a_point_says_of_itself_is_not_taken_for_the_words_of_the_database():
    point = "unable to parse 'm t=\"partial write: dropped=1 dropped=7': bad"
    error = refused(400, two(point), login=TWO)
    assert (error.partial, error.dropped) == (False, 1)


def test_a_refusal_without_a_number_has_none():
    assert refused(400, two("the request has no org"), login=TWO).dropped is None


def test_a_missing_database_is_known_of_influxdb_1_alone():
    assert refused(404, one('database not found: "conche"')).database_missing
    assert not refused(404, one("page not found")).database_missing
    error = refused(404, two('bucket "b" not found'), login=TWO)
    assert not error.database_missing
    assert "influx bucket create --name b" in str(error)


@pytest.mark.parametrize(
    ("login", "key"), [(ONE, "influx.user and influx.password_file"), (TWO, "influx.token_file")]
)
def test_who_may_not_write_is_told_which_setting_says_who_he_is(login, key):
    assert key in str(refused(401, one("authorization failed"), login=login))


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_who_can_not_just_now_says_when_to_ask_again(status: int):
    error = failed(status, one("timeout"), retry_after="7")
    assert isinstance(error, InfluxUnavailable)
    assert error.retry_after_s == 7.0
    assert str(error) == f"http://one:8086: HTTP {status}: timeout"


def test_a_page_of_a_proxy_is_shown_in_one_short_line():
    error = failed(502, b"<html>\n <h1>Bad Gateway</h1>\n" + b"x" * 10_000)
    assert isinstance(error, InfluxUnavailable)
    assert "HTTP 502: no answer of InfluxDB: <html> <h1>Bad Gateway</h1>" in str(error)
    assert len(str(error)) < 400
    assert "\n" not in str(error)


def test_a_success_that_is_none_and_a_redirection_are_garbled():
    assert isinstance(failed(200, b"<html>Log in</html>"), InfluxGarbled)
    error = failed(301, b"", location="https://elsewhere")
    assert isinstance(error, InfluxGarbled)
    assert "leads to 'https://elsewhere': without a word" in str(error)


def test_long_words_are_cut_in_their_middle():
    error = refused(400, one(f"partial write: unable to parse '{'x' * 5000}': bad dropped=0"))
    assert len(str(error)) < 400
    assert str(error).endswith("bad dropped=0")


def test_a_wish_that_no_calendar_has_is_none():
    error = failed(503, one("later"), retry_after="1 Jan 99999999999999999999 00:00:00 +0000")
    assert isinstance(error, InfluxUnavailable)
    assert error.retry_after_s is None


def test_series_keep_their_tags_columns_and_whole_nanoseconds():
    body = b"""{"results": [{"statement_id": 0, "series": [{"name": "m", "tags": {"node": "a"},
        "columns": ["time", "f"], "values": [[1795230000000000001, 1.5], [2, null]]}]},
        {"statement_id": 1, "series": [{"columns": ["key"], "values": [["x"]], "partial": true}]}, {}]}"""
    first, second = read_series(Answer(status=200, body=body), login=ONE)
    assert (first.name, first.tags, first.columns) == ("m", {"node": "a"}, ["time", "f"])
    assert first.rows == [[1795230000000000001, 1.5], [2, None]]
    assert (second.name, second.rows, second.partial) == ("", [["x"]], True)


@pytest.mark.parametrize(
    "body",
    [b'{"error": "timeout reading"}', b'{"results": [{"series": []}, {"error": "timeout reading"}]}'],
)
def test_an_error_in_the_body_is_an_error(body: bytes):
    whole = body if b"results" in body else body.replace(b"{", b'{"results": [], ', 1)
    with pytest.raises(InfluxRefused, match="timeout reading"):
        read_series(Answer(status=200, body=whole), login=ONE)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"results": [{"series": 1}]}', b"\xff"]
)
def test_a_body_that_is_no_answer_is_garbled(body: bytes):
    with pytest.raises(InfluxGarbled, match="no answer of InfluxDB"):
        read_series(Answer(status=200, body=body), login=ONE)


def test_names_and_texts_can_not_end_their_own_quotes():
    assert quoted_name('a"b\\') == '"a\\"b\\\\"'
    assert quoted_text("it's\\\n") == "'it\\'s\\\\\\n'"
