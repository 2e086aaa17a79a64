"""``conche notify-test``: whether channels work, without a broker."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conche.cli.notify import notify_test
from conche.notifier.trial import TITLE


@contextmanager
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server in a thread: the command has a loop of its own."""
    got: list[dict[str, Any]] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got
        server.shutdown()
        thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conche.yaml"


def run(file: Path, channels: dict[str, Any], *names: str) -> Result:
    file.write_text(json.dumps({"notifier": {"channels": channels}}))
    return CliRunner().invoke(notify_test, [*names, "--config", str(file)])


def test_each_channel_is_tried_and_said_and_one_that_fails_is_an_error(file: Path):
    with hook() as (url, got):
        ran = run(
            file, {"ops": {"webhook": {"url": url}}, "gone": {"webhook": {"url": "http://127.0.0.1:1/"}}}
        )
    assert ran.output.splitlines() == ["ops: taken", "gone: refused: nobody listens there"]
    assert ran.exit_code == 1
    (told,) = got
    assert (told["title"], told["level"], told["raised"]) == (TITLE, "normal", [])


def test_only_those_that_are_named_are_tried(file: Path):
    with hook() as (url, got):
        ran = run(file, {"ops": {"webhook": {"url": url}}, "b": {"webhook": {"url": url}}}, "ops")
    assert (ran.exit_code, ran.output, len(got)) == (0, "ops: taken\n", 1)


@pytest.mark.parametrize(
    ("channels", "names", "words"),
    [
        ({}, (), "Error: notifier.channels: there are none"),
        ({"ops": {}}, (), "Error: notifier.channels.ops: says no way"),
        ({"ops": {"webhook": {"url": "http://x"}}}, ("opz",), "there is no channel 'opz'"),
        ({"ops": {"slack": {"url_file": "none"}}}, (), "Error: notifier.channels.ops.slack.url_file: "),
    ],
)
def test_what_is_wrong_with_the_settings_is_said(
    file: Path, channels: dict[str, Any], names: tuple[str, ...], words: str
):
    ran = run(file, channels, *names)
    assert ran.exit_code == 1
    assert words in ran.output
