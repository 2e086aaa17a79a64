"""Lets a rehearsal grow: nodes that are added to the copied ``nodes.yaml`` get a simulated kotekan.

Started by the supervisor as ``python -P -m conche.local.keeper``, in the home.
"""

import http.client
import itertools
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any, Final

from conche.renderer.files import Files
from conche.renderer.nodes import Nodes, read_nodes
from conche.runtime import set_up_logging

from .home import Home
from .ports import LOCALHOST, is_free
from .rehearsal import Simulation, extend, read, read_fpga_port, write

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.2
"""How often ``nodes.yaml`` is looked at [s]: the services should not see a node before it can be simulated."""
TIMEOUT_S: Final = 5.0


class Keeper:
    """Compares registry and simulator, and adds what is missing.

    Parameters
    ----------
    home
        Where the copy and the simulation are.
    control_port
        Of the simulator.
    """

    def __init__(self, home: Home, *, control_port: int) -> None:
        self._home = home
        self._control_port = control_port
        self._files = Files(home.configs)
        self._simulation = read(home.sim)
        self._fpga_port = read_fpga_port(home.sim)

    def run(self) -> None:
        """Look again and again."""
        done = False
        while True:
            changed = self._files.refresh().names
            if changed or not done:
                done = self._look()
            time.sleep(LOOK_EVERY_S)

    def _look(self) -> bool:
        """Add what is missing; return whether nothing is, now."""
        nodes = read_nodes(self._files)
        if nodes.error:
            return True  # somebody is editing it
        self._extend(nodes)
        try:
            present = {told["name"] for told in self._order("GET", "/nodes")}
            for node in self._simulation.values():
                if node.name not in present:
                    self._order("PUT", f"/nodes/{node.name}", {"host": LOCALHOST, "port": node.port})
                    logger.info("%s: simulated on port %d", node.name, node.port)
        except (OSError, http.client.HTTPException, _OrderRefused) as error:
            logger.debug("the simulator can't be asked yet: %s", error)
            return False
        return True

    def _extend(self, nodes: Nodes) -> None:
        taken = [self._fpga_port, *(node.port for node in self._simulation.values())]
        ports = (port for port in itertools.count(max(taken) + 1) if is_free(port))
        extended: Simulation = extend(self._simulation, nodes, ports)
        if extended != self._simulation:
            self._simulation = extended
            write(extended, self._home.sim, fpga_port=self._fpga_port)

    def _order(self, method: str, path: str, value: Any = None) -> Any:
        connection = http.client.HTTPConnection(LOCALHOST, self._control_port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, None if value is None else json.dumps(value))
            response = connection.getresponse()
            told = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise _OrderRefused(str(told))
        return told


class _OrderRefused(Exception):
    """What the simulator would not do."""


if __name__ == "__main__":
    set_up_logging("info")
    Keeper(Home(Path.cwd()), control_port=int(sys.argv[1])).run()
