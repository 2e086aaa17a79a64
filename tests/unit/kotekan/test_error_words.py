"""kotekan's own words about an error, from the three places where it puts them."""

import pytest

from conche.kotekan.client import error_words
from conche.kotekan.connection import Response


def words(status: int, reason: str, body: bytes) -> str:
    return error_words(Response(status=status, reason=reason, content_type="", body=body))


def page(title: str) -> bytes:
    text = f"<HTML><HEAD>\n<TITLE>{title}</TITLE>\n</HEAD><BODY>\n<H1>Oops</H1>\n</BODY></HTML>\n"
    return text.encode()


def test_message_of_a_json_body_comes_first() -> None:
    body = b'{"code":400,"message":"The buffer named X doesn\'t exist!"}'
    assert words(400, "BAD_REQUEST and more of it", body) == "The buffer named X doesn't exist!"


def test_parser_s_words_in_the_reason_phrase_come_next() -> None:
    reason = "Error Message: JSON failed to parse, error: syntax error at line 3"
    assert words(400, reason, page("400 Bad Request")) == reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "EMPTY"),
        (400, "Bad Request"),
        (500, "Internal Server Error"),
        (503, "Service Unavailable"),
        (502, ""),
    ],
)
def test_text_of_a_page_stands_where_the_reason_says_nothing(status: int, reason: str) -> None:
    assert words(status, reason, page("A &amp; B")) == "A & B Oops"


def test_reason_stands_where_there_is_nothing_else() -> None:
    assert words(500, "INTERNAL_ERROR", b"") == "INTERNAL_ERROR"
    assert words(404, " Not Found ", b"") == "Not Found"
    assert words(404, "", b"") == ""


def test_json_without_a_message_is_shown_as_it_is() -> None:
    assert words(400, "BAD_REQUEST", b'{"code": 400}') == '{"code": 400}'
    assert words(400, "BAD_REQUEST", b'{"message": 5}') == '{"message": 5}'


def test_words_are_bounded() -> None:
    assert len(words(500, "x" * 100_000, b"")) <= 500
    assert len(words(500, "", b"y" * 100_000)) <= 500
    assert len(words(500, "", b'{"message": "' + b"z" * 100_000 + b'"}')) <= 500


def test_bytes_that_are_no_text_are_no_obstacle() -> None:
    assert words(500, "", b"\xff\xfe boom") == "\ufffd\ufffd boom"


def test_page_of_opening_brackets_is_searched_in_no_time() -> None:
    assert len(words(500, "", b"<" * 2_000_000)) <= 500
