import asyncio
from typing import Annotated

import msgspec
import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from conche.gateway.bodies import MAX_FIELDS, decoded, query_of, read
from conche.gateway.endpoint import Endpoint
from conche.gateway.problems import BadRequest, Invalid, Problem, TooLarge, TooSlow, TypeUnsupported


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    count: Annotated[int, msgspec.Meta(ge=0)]
    name: str = "x"


async def nothing(_):
    raise NotImplementedError


def endpoint(**more) -> Endpoint:
    return Endpoint(
        method="POST", path="/x", least=None, handler=nothing, summary="", **{"takes": Wish, **more}
    )


def request(content_type: str | None = "application/json", query: str = "", **headers: str):
    sent = dict(headers)
    if content_type is not None:
        sent["Content-Type"] = content_type
    return make_mocked_request("POST", f"/x{query}", headers=sent)


def test_json_becomes_the_model():
    assert decoded(request(), b'{"count": 3}', endpoint()) == Wish(3)
    assert decoded(request("application/json; charset=utf-8"), b'{"count": 3}', endpoint()) == Wish(3)


def test_a_form_becomes_the_model_where_it_may():
    form = "application/x-www-form-urlencoded"
    assert decoded(request(form), b"count=3&name=%C3%A4+b", endpoint(form=True)) == Wish(3, "ä b")
    with pytest.raises(TypeUnsupported):
        decoded(request(form), b"count=3", endpoint())


def test_no_body_is_an_empty_one():
    with pytest.raises(Invalid, match="count"):
        decoded(request(None), b"", endpoint())


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", BadRequest, "not JSON"),
        (b"{", BadRequest, "not JSON"),
        (b"\xff", BadRequest, "not JSON"),
        (b'{"count": "3"}', Invalid, "count: Expected `int`, got `str`"),
        (b'{"count": -1}', Invalid, "count: Expected `int` >= 0"),
        (b'{"count": 1e400}', Problem, ""),
        (b'{"count": 1, "more": 2}', Invalid, "more"),
        (b"[]", Invalid, "Expected `object`"),
        (b"[" * 100_000, Problem, ""),
        (b'{"count": 1, "name": "\\ud800"}', Problem, ""),
    ],
)
def test_a_body_that_is_wrong_is_told_where(body, kind, words):
    with pytest.raises(kind) as caught:
        decoded(request(), body, endpoint())
    assert words in caught.value.detail


def test_a_query_becomes_the_model_and_what_is_wrong_in_it_is_told():
    one = endpoint(query=Wish)
    assert query_of(request(query="?count=3"), one) == Wish(3)
    with pytest.raises(Invalid, match="count"):
        query_of(request(query="?count=x"), one)
    with pytest.raises(BadRequest, match="fields"):
        query_of(request(query="?" + "a&" * (MAX_FIELDS + 1)), one)


async def reading(*parts: bytes, end: bool = True, **more):
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    stream = StreamReader(protocol, 2**16, loop=loop)
    for part in parts:
        stream.feed_data(part)
    if end:
        stream.feed_eof()
    return await read(make_mocked_request("POST", "/", payload=stream, **more), most=10, within_s=0.05)


async def test_a_body_is_read_whole_and_bounded():
    assert await reading(b"12345", b"67890") == b"1234567890"
    with pytest.raises(TooLarge):
        await reading(b"12345", b"678901")
    with pytest.raises(TooLarge, match="a body of 11 bytes"):
        await reading(headers={"Content-Length": "11"})


async def test_a_body_that_does_not_end_is_given_up():
    with pytest.raises(TooSlow):
        await reading(b"1", end=False)


async def test_a_compressed_body_is_not_read():
    with pytest.raises(TypeUnsupported):
        await reading(b"1", headers={"Content-Encoding": "gzip"})
