"""The last ``nodes.yaml`` that could be understood, kept for a start at which it can't be."""

import logging
from pathlib import Path
from typing import Final

from conche.storage import write_atomic

from .nodes import Nodes, parse_nodes

logger = logging.getLogger(__name__)

FILE: Final = "nodes.last-good.yaml"


class LastGood:
    """Keeps it in the run directory, which lives as long as the stack.

    Parameters
    ----------
    run_dir
        That directory.
    """

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / FILE
        self._kept: str | None = None

    def keep(self, nodes: Nodes) -> None:
        """Keep the text of a file that was understood; no copy at all rather than an old one."""
        if nodes.text is None or nodes.text == self._kept:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, nodes.text.encode())
            self._kept = nodes.text
        except OSError as error:
            logger.warning("%s: can't be written: %s", self._path, error.strerror)
            self._remove()

    def _remove(self) -> None:
        self._kept = None
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s: can't be removed, and is out of date: %s", self._path, error.strerror)

    def load(self) -> Nodes | None:
        """Return what was kept, or None where nothing was."""
        try:
            nodes = parse_nodes(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            logger.warning("%s: can't be read: %s", self._path, error)
            return None
        return nodes if nodes.error is None else None
