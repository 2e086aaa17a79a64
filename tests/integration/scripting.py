"""Plain clients for tests: MQTT 3.1.1 and MQTT 5, with paho alone, against every service; and a good command for each
action of the contract.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from conche.contract import NODE_ACTIONS, SERVICE_ACTIONS, Service
from conche.sim.launch import simulated_fpga

from .dataplane import SERVICES, DataPlane, running_data_plane

QUICK = {"poller": {"period_s": 0.5}, "sync": {"settle_s": 1.0}}
VERSIONS = {"3.1.1": paho.MQTTv311, "5": paho.MQTTv5}
START_TIME = 1772838439000002880
VALUES = {"coeff": 2.0, "start_time": START_TIME}
BASE = "type: config\nlog_level: info\ncpu_affinity: [0]\ndepth: 4\n"


TARGETS = {
    **dict.fromkeys(NODE_ACTIONS, "cx/cx1"),
    **dict.fromkeys(SERVICE_ACTIONS[Service.RENDERER], "-/renderer"),
    **dict.fromkeys(SERVICE_ACTIONS[Service.EOP], "-/eop"),
    **dict.fromkeys(SERVICE_ACTIONS[Service.FPGA], "-/fpga"),
    **dict.fromkeys(SERVICE_ACTIONS[Service.JOURNAL], "-/journal"),
    "plan": "cx/cx1",
    "set_nodes": "all/all",
}
ACTIONS = list(TARGETS)
GOOD: dict[str, dict[str, Any]] = {
    "set_started": {"started": True},
    "set_maintenance": {"maintenance": True},
    "base_config": {"config_content": BASE},
    "updatable_config": {"endpoint": "gains", "values": VALUES},
    "set_nodes": {"groups": {}},
    "plan": {"action": "updatable_config", "arguments": {"endpoint": "gains", "values": VALUES}},
    "set_files": {"files": {"vars.yaml": ""}},
    "rollback": {"commit": "HEAD"},
    "set_directory": {"files": {"vars.yaml": ""}},
    "rollback_directory": {"commit": "HEAD"},
    "show": {"commit": "HEAD"},
    "read_files": {"files": ["vars.yaml"]},
}


class Plain:
    """A script: it publishes, and hears what is said on its reply topics."""

    def __init__(self, stack: DataPlane, version: str, account: str = "operator") -> None:
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[tuple[str, dict[str, Any], bytes | None]] = asyncio.Queue()
        self._account = account
        self.version = version
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=VERSIONS[version])
        self._client.username_pw_set(account, stack.mosquitto.password(account))
        self._client.on_message = self._on_message
        self._stack = stack

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        if "/cli-" in message.topic:
            return  # to what the test itself asked for, by conche's own client
        properties = getattr(message, "properties", None)
        correlation = getattr(properties, "CorrelationData", None)
        heard = (message.topic, json.loads(message.payload), correlation)
        self._loop.call_soon_threadsafe(self._heard.put_nowait, heard)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Plain"]:
        ready = asyncio.Event()
        self._client.on_subscribe = lambda *_: self._loop.call_soon_threadsafe(ready.set)
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._stack.mosquitto.port)
        self._client.loop_start()
        while not self._client.is_connected():
            await asyncio.sleep(0.01)
        self._client.subscribe(f"conche/reply/{self._account}/+", 1)
        await ready.wait()
        try:
            yield self
        finally:
            self._client.disconnect()
            await asyncio.to_thread(self._client.loop_stop)

    def send(
        self,
        target: str,
        payload: Any,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Publish a command: ``group/node/action``."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        properties = None
        if response_topic is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ResponseTopic = response_topic
            if correlation is not None:
                properties.CorrelationData = correlation
        topic = f"conche/command/{self._account}/{target}"
        self._client.publish(topic, data, 1, retain, properties)

    async def reply(self, timeout: float = 20) -> dict[str, Any]:
        async with asyncio.timeout(timeout):
            self.topic, self.said, self.correlation = await self._heard.get()
        return self.said

    async def ask(self, target: str, payload: Any, *, timeout: float = 20, **more: Any) -> dict[str, Any]:
        self.send(target, payload, **more)
        return await self.reply(timeout)

    async def hears_nothing_more(self) -> None:
        await asyncio.sleep(0.5)
        assert self._heard.empty(), self._heard.get_nowait()


@asynccontextmanager
async def everything_running(folder: Path) -> AsyncIterator[DataPlane]:
    """Every service that takes commands, and an FPGA master; all nodes run."""
    services = (*SERVICES, "journal", "fpga", "eop")
    async with simulated_fpga() as (master, url):
        master.order({"frame0_ns": START_TIME, "start_ctime": START_TIME / 1e9})
        sizes, settings = {"cx": 2, "recv": 1}, {**QUICK, "fpga": {"url": url}}
        async with running_data_plane(folder, sizes, speed=3, services=services, **settings) as running:
            await running.start_all()
            await running.until_online(*services)
            yield running


def an_id(script: Plain, stem: str) -> str:
    return f"{stem}-{script.version}"


def of(reply: dict[str, Any]) -> dict[str, str]:
    return {key: result["outcome"] for key, result in reply["results"].items()}
