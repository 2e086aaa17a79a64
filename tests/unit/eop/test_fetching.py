"""IERS data as the settings want them; a download that fails leaves what there is, with words."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from astropy.utils import iers as astropy_iers

from conche.eop.fetching import DOWNLOADED, read_as_set
from conche.eop.iers import IersUnreadable, read_bundled
from conche.settings import Eop, IersFrom

BUNDLED = Path(astropy_iers.IERS_A_FILE)


class Mirror:
    """An HTTP server with one file."""

    def __init__(self) -> None:
        self.status, self.content, self.asked = 200, b"", 0
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked += 1
                self.send_response(mirror.status)
                self.end_headers()
                self.wfile.write(mirror.content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/finals2000A.all"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    mirror = Mirror()
    thread = threading.Thread(target=mirror.server.serve_forever)
    thread.start()
    yield mirror
    mirror.server.shutdown()
    thread.join()
    mirror.server.server_close()


@pytest.fixture
def settings(mirror: Mirror, tmp_path: Path) -> Eop:
    return Eop(iers=IersFrom.DOWNLOAD, iers_url=mirror.url, state_file=tmp_path / "eop.json")


def shorter(days: int) -> bytes:
    """The bundled data of some days ago, as far as they were measured."""
    lines = BUNDLED.read_bytes().splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if line[16:17] == b"P")
    return b"".join([*lines[first - 400 : first], *lines[first : first + 60]][: 460 - days])


def test_bundled_data_ask_nobody(mirror: Mirror, tmp_path: Path):
    iers, trouble = read_as_set(Eop(iers_url=mirror.url, state_file=tmp_path / "eop.json"))
    assert iers.source.startswith("finals2000A of astropy-iers-data")
    assert trouble is None
    assert mirror.asked == 0


def test_what_is_as_new_as_the_bundled_data_is_used_and_kept(mirror: Mirror, settings: Eop, tmp_path: Path):
    mirror.content = shorter(0)
    iers, trouble = read_as_set(settings)
    assert (iers.source, trouble) == (str(tmp_path / DOWNLOADED), None)
    mirror.status = 503
    iers, trouble = read_as_set(settings)
    assert iers.source == str(tmp_path / DOWNLOADED)
    assert trouble is not None
    assert "no new IERS data: Service Unavailable" in trouble


@pytest.mark.parametrize("content", [b"", b"<html>sign in to the guest network</html>"])
def test_what_is_no_iers_data_is_not_kept(mirror: Mirror, settings: Eop, tmp_path: Path, content: bytes):
    mirror.content = content
    iers, trouble = read_as_set(settings)
    assert iers.source == read_bundled().source
    assert trouble is not None
    assert "no new IERS data" in trouble
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_leaves_what_is_bundled_with_words(settings: Eop, mirror: Mirror, tmp_path: Path):
    away = Eop(iers=IersFrom.DOWNLOAD, iers_url="http://127.0.0.1:9/x", state_file=tmp_path / "eop.json")
    iers, trouble = read_as_set(away)
    assert iers.source == read_bundled().source
    assert "http://127.0.0.1:9/x: no new IERS data: " in (trouble or "")


def test_a_file_is_read_and_one_that_is_not_named_is_told(tmp_path: Path):
    iers, _ = read_as_set(Eop(iers=IersFrom.FILE, iers_file=BUNDLED))
    assert iers.source == str(BUNDLED)
    with pytest.raises(IersUnreadable, match="iers_file names none"):
        read_as_set(Eop(iers=IersFrom.FILE))
