"""From the settings to a database: what contradicts itself is said, with the remedy."""

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from conche.errors import FatalError
from conche.influx import Generation, InfluxMisconfigured, login_of, open_session
from conche.settings import Influx

URL = "http://influx:8086"
TWO: dict[str, Any] = {"org": "o", "bucket": "b", "token": "t"}


def login(**settings: Any):
    return login_of(Influx(**{"url": URL, **settings}))


def test_a_url_alone_means_influxdb_1_and_the_database_conche():
    found = login(url=f"{URL}/prefix/")
    assert (found.generation, found.database) == (Generation.ONE, "conche")
    assert (found.url, found.write_path) == (f"{URL}/prefix", "/write")
    assert found.write_params == {"db": "conche", "precision": "ns"}
    assert found.authorization is None


def test_a_bucket_means_influxdb_2():
    found = login(**TWO)
    assert (found.generation, found.database, found.write_path) == (Generation.TWO, "b", "/api/v2/write")
    assert found.write_params == {"org": "o", "bucket": "b", "precision": "ns"}
    assert found.authorization == "Token t"


def test_user_and_password_are_sent_in_utf_8():
    header = login(user="bob", password="pä:ss").authorization
    assert b64decode(header.removeprefix("Basic ")).decode() == "bob:pä:ss"


@pytest.mark.parametrize("what", ["token", "password"])
def test_a_secret_is_read_from_a_file_without_the_line_end(tmp_path: Path, what: str):
    (tmp_path / "secret").write_text("s3cret\n")
    from_file = {f"{what}_file": tmp_path / "secret"}
    two = {"org": "o", "bucket": "b"}
    header = login(**(two if what == "token" else {"user": "bob"}), **from_file).authorization
    assert "s3cret" in (header if what == "token" else b64decode(header.removeprefix("Basic ")).decode())


def test_a_secret_from_the_environment_comes_before_its_file(tmp_path: Path):
    assert login(**TWO, token_file=tmp_path / "absent").authorization == "Token t"


def test_secrets_are_in_no_text_of_a_login():
    assert "s3cret" not in repr(login(**{**TWO, "token": "s3cret"}))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": None}, "influx.url is not set"),
        ({**TWO, "org": None}, "influx.org is not"),
        ({**TWO, "token": None}, "influx.token_file names the file"),
        ({**TWO, "user": "bob"}, "influx.bucket and influx.user contradict each other"),
        ({**TWO, "password": "p"}, "influx.bucket and influx.password contradict each other"),
        ({**TWO, "password_file": Path("p")}, "influx.bucket and influx.password_file contradict"),
        ({**TWO, "database": "other"}, "influx.bucket and influx.database contradict each other"),
        ({**TWO, "keep_days": 9}, "influx.bucket and influx.keep_days contradict each other"),
        ({"org": "o"}, "influx.org is set and influx.bucket is not"),
        ({"token": "t"}, "influx.token is set and influx.bucket is not"),
        ({"token_file": Path("t")}, "influx.token_file is set and influx.bucket is not"),
        ({"user": "bob"}, "influx.password_file names the file"),
        ({"password": "p"}, "influx.user is not set"),
        ({"user": "b:b", "password": "p"}, "has a colon"),
        ({**TWO, "token": " \n"}, "CONCHE_INFLUX__TOKEN: the token of the database is empty"),
        ({**TWO, "token": "t\nx"}, "CONCHE_INFLUX__TOKEN: that is no token"),
        ({**TWO, "token": "tökën"}, "CONCHE_INFLUX__TOKEN: that is no token"),
    ],
)
def test_settings_that_can_not_be_followed_are_named_with_a_remedy(settings: dict[str, Any], words: str):
    with pytest.raises(FatalError) as caught:
        login(**settings)
    assert isinstance(caught.value, InfluxMisconfigured)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "can't be read: No such file or directory; CONCHE_INFLUX__TOKEN_FILE names"),
        (b"", "is empty"),
        (b"\xff\xfe", "it is not text"),
        (b"one\ntwo\n", "more than one line"),
    ],
)
def test_a_file_that_holds_no_secret_is_named(tmp_path: Path, content: bytes | None, words: str):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InfluxMisconfigured) as caught:
        login(org="o", bucket="b", token_file=path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


async def test_an_authority_that_is_none_is_said(tmp_path: Path):
    (tmp_path / "ca.pem").write_text("nothing\n")
    for path in (tmp_path / "ca.pem", tmp_path / "absent"):
        with pytest.raises(FatalError, match=r"influx\.ca_file"):
            open_session(path)
