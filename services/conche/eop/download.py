"""A download in a process of its own, which can be ended at any time: ``python -m conche.eop.download URL FILE``.

It imports nothing of ours: it begins in no time.
"""

import http.client
import sys
import urllib.request
from pathlib import Path
from typing import Final

STANDSTILL_S: Final = 30.0
"""One that stands still for so long is given up [s]."""

MAX_BYTES: Final = 50_000_000
"""Of a file; finals2000A.all has 4 MB."""


class DownloadCut(OSError):
    """Less came than was announced, or more than is taken; says so."""


def download(url: str, to: Path) -> None:
    """Write what an address holds, the whole of it, into a file.

    Raises
    ------
    OSError, HTTPException, ValueError
        It can't be had.
    """
    with urllib.request.urlopen(url, timeout=STANDSTILL_S) as answer:
        data = answer.read(MAX_BYTES + 1)
        announced = answer.headers.get("Content-Length")
    if len(data) > MAX_BYTES:
        raise DownloadCut(f"more than {MAX_BYTES} bytes")
    if announced is not None and len(data) != int(announced):
        raise DownloadCut(f"the answer ends after {len(data)} of {announced} bytes")
    to.write_bytes(data)


def main(url: str, to: str) -> int:
    """Download; return the exit code, with the reason on standard error."""
    try:
        download(url, Path(to))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:3]))
