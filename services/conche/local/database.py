"""The database of the local mode: Debian's InfluxDB, for this machine alone."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from conche.storage import write_atomic

from .ports import LOCALHOST
from .supervisor import PATH

PROGRAM: Final = "influxd"
_GENERATION: Final = "InfluxDB v1."
_PATIENCE_S: Final = 10.0

_CONFIG: Final = """\
# Written by conche up at every start.
reporting-disabled = true
bind-address = "{host}:{rpc_port}"

[meta]
  dir = "{folder}/meta"

[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false

[monitor]
  store-enabled = false

[http]
  bind-address = "{host}:{port}"
  log-enabled = false

[logging]
  level = "warn"
"""


def is_there() -> bool:
    """Tell whether the program is installed, and is InfluxDB 1: that of InfluxDB 2 has the same name."""
    program = shutil.which(PROGRAM, path=PATH)
    if program is None:
        return False
    try:
        done = subprocess.run([program, "version"], capture_output=True, text=True, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.startswith(_GENERATION)


def lay_out(folder: Path, *, port: int, rehearsal: bool) -> None:
    """Write the database's configuration; a rehearsal has data of its own.

    Parameters
    ----------
    folder
        Where it runs.
    port
        On which it is asked; it takes the next one for itself, too.
    rehearsal
        Whether the nodes are simulated.
    """
    folder.mkdir(exist_ok=True)
    data = "rehearsal" if rehearsal else "real"
    config = _CONFIG.format(host=LOCALHOST, port=port, rpc_port=port + 1, folder=data)
    write_atomic(folder / "influxd.conf", config.encode())
