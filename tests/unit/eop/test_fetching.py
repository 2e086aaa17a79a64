"""IERS data as the settings want them; a download that fails leaves what there is, with words."""

import asyncio
import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from astropy.utils import iers as astropy_iers

from conche.eop.fetching import DOWNLOADED, read_as_set, refresh
from conche.eop.iers import Iers, IersUnreadable, read_bundled
from conche.settings import Eop, IersFrom

BUNDLED = Path(astropy_iers.IERS_A_FILE)


class Mirror:
    """An HTTP server with one file, of which it can send less than it announces, or a byte now and then."""

    def __init__(self) -> None:
        self.status, self.content, self.asked = 200, b"", 0
        self.announced: int | None = None
        self.drips = threading.Event()
        """Set: it sends bytes one by one, until it is cleared."""
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked += 1
                self.send_response(mirror.status)
                if mirror.announced is not None:
                    self.send_header("Content-Length", str(mirror.announced))
                self.end_headers()
                with suppress(OSError):
                    while mirror.drips.is_set():
                        self.wfile.write(b" ")
                        self.wfile.flush()
                        ended.wait(0.02)
                    self.wfile.write(mirror.content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        ended = threading.Event()
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/finals2000A.all"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    mirror = Mirror()
    thread = threading.Thread(target=mirror.server.serve_forever)
    thread.start()
    yield mirror
    mirror.drips.clear()
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


async def read(settings: Eop) -> tuple[Iers, str]:
    """The data after a download, and why that failed."""
    trouble = await refresh(settings)
    return read_as_set(settings), trouble or ""


async def test_bundled_data_ask_nobody(mirror: Mirror, tmp_path: Path):
    iers, trouble = await read(Eop(iers_url=mirror.url, state_file=tmp_path / "eop.json"))
    assert iers.source.startswith("finals2000A of astropy-iers-data")
    assert trouble == ""
    assert mirror.asked == 0


@pytest.mark.parametrize("announced", [True, False], ids=["with a length", "without"])
async def test_what_is_as_new_as_the_bundled_data_is_used_and_kept(
    mirror: Mirror, settings: Eop, tmp_path: Path, announced: bool
):
    mirror.content = shorter(0)
    mirror.announced = len(mirror.content) if announced else None
    iers, trouble = await read(settings)
    assert (iers.source, trouble) == (str(tmp_path / DOWNLOADED), "")
    mirror.status, mirror.announced = 503, None
    iers, trouble = await read(settings)
    assert iers.source == str(tmp_path / DOWNLOADED)
    assert "no new IERS data: Service Unavailable" in trouble


CUT = shorter(0)[:-100]


@pytest.mark.parametrize(
    ("content", "announced", "words"),
    [
        (b"", None, "holds no IERS data"),
        (b"<html>sign in to the guest network</html>\n", None, "holds no IERS data"),
        (CUT, len(CUT) + 100, f"the answer ends after {len(CUT)} of {len(CUT) + 100} bytes"),
        (shorter(0), 10**6, "the answer ends after"),
        (CUT, None, "its last line is not whole"),
        (CUT, len(CUT), "its last line is not whole"),
        (gzip.compress(shorter(0))[:-50], None, "it is compressed"),
        (shorter(0).replace(b" 0.0", b" 0.9"), None, "it is damaged"),
    ],
    ids=["nothing", "page", "cut", "cut at a line", "cut, no length", "cut before", "compressed", "damaged"],
)
async def test_what_is_not_the_whole_of_iers_data_is_not_kept(
    mirror: Mirror, settings: Eop, tmp_path: Path, content: bytes, announced: int | None, words: str
):
    mirror.content, mirror.announced = content, announced
    iers, trouble = await read(settings)
    assert iers.source == read_bundled().source
    assert "no new IERS data: " in trouble
    assert words in trouble
    assert str(tmp_path) not in trouble
    assert left_in(tmp_path) == []


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_download_that_drips_for_ever_is_ended(mirror: Mirror, settings: Eop, tmp_path: Path):
    mirror.drips.set()
    began = time.monotonic()
    trouble = await refresh(settings, deadline_s=1.0)
    assert "it had not ended after 1 s" in (trouble or "")
    assert time.monotonic() - began < 10
    assert left_in(tmp_path) == []


async def test_a_service_that_ends_does_not_wait_for_its_download(
    mirror: Mirror, settings: Eop, tmp_path: Path
):
    mirror.drips.set()
    task = asyncio.create_task(refresh(settings))
    async with asyncio.timeout(20):
        while not mirror.asked:
            await asyncio.sleep(0.01)
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 5
    assert left_in(tmp_path) == []


async def test_nobody_there_leaves_what_is_bundled_with_words(tmp_path: Path):
    away = Eop(iers=IersFrom.DOWNLOAD, iers_url="http://127.0.0.1:9/x", state_file=tmp_path / "eop.json")
    iers, trouble = await read(away)
    assert iers.source == read_bundled().source
    assert "http://127.0.0.1:9/x: no new IERS data: " in trouble


async def test_a_folder_that_can_not_be_written_leaves_what_is_bundled(mirror: Mirror, tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    _, trouble = await read(Eop(iers=IersFrom.DOWNLOAD, iers_url=mirror.url, state_file=file / "eop.json"))
    assert "no new IERS data: " in trouble


def test_a_file_is_read_and_one_that_is_not_named_is_told(tmp_path: Path):
    assert read_as_set(Eop(iers=IersFrom.FILE, iers_file=BUNDLED)).source == str(BUNDLED)
    with pytest.raises(IersUnreadable, match="iers_file names none"):
        read_as_set(Eop(iers=IersFrom.FILE))
