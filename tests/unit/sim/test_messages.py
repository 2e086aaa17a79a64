from conche.sim.messages import EMPTY, Request, error_reply, html_reply, json_reply, render

GET = Request("GET", "/status", "1.1", keep_alive=True)


def lines(data: bytes) -> list[str]:
    head = data.partition(b"\r\n\r\n")[0].decode()
    return [line for line in head.split("\r\n") if not line.startswith("Date: ")]


def test_headers_come_in_the_order_of_evhttp() -> None:
    assert lines(render(EMPTY, GET)) == [
        "HTTP/1.1 200 OK",
        "Content-Length: 0",
        "Content-Type: text/html; charset=ISO-8859-1",
    ]
    assert lines(render(json_reply({}), GET)) == [
        "HTTP/1.1 200 OK",
        "Content-Type: Application/JSON",
        "Content-Length: 2",
    ]


def test_reason_phrase_of_an_html_error_is_one_line() -> None:
    assert lines(render(html_reply(400, "a\r\nb: c"), GET))[:3] == [
        "HTTP/1.1 400 a b: c",
        "Content-Type: text/html",
        "Connection: close",
    ]


def test_messages_of_json_errors_are_compact() -> None:
    assert error_reply(402, 'say "no"').body == b'{"code":402,"message":"say \\"no\\""}'
