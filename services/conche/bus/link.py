"""One MQTT 5 connection. The only module that knows the MQTT library.

paho-mqtt keeps messages over a reconnect and may send them twice; here a lost connection is over, every
unacknowledged publish fails, and whoever owns a state publishes it again on the next connection.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from .errors import BusDenied, BusTakenOver, BusUnavailable, PublishDenied
from .tls import tls_context

logger = logging.getLogger(__name__)

QOS: Final = 1
WINDOW: Final = 1000
"""Messages that the broker may have under way to us; mosquitto's default of 20 makes bursts wait for round trips."""

OUT_WINDOW: Final = 100
"""Publishes of ours under way at once: at each acknowledgement paho looks through all of them."""

CONNECT_TIMEOUT_S: Final = 5.0
WILL_DELAY_S: Final = 3
"""Longer than a usual reconnect, so that a short break does not flap."""

SESSION_EXPIRY_S: Final = 5
"""Longer than the will delay: by the standard a will goes out when the session ends."""

_NOT_AUTHORISED: Final = frozenset({0x86, 0x87, 0x8C})
_TAKEN_OVER: Final = 0x8E
_FAILURE: Final = 0x80


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach the broker and who is calling."""

    host: str
    port: int
    account: str
    password: str | None
    client_id: str
    keepalive_s: int
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says when the connection is lost."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as it came."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter and how it is asked for."""

    filter: str
    retained_too: bool = True
    """Whether what is retained is wanted; commands are not, and keep their retain flag so it can be refused."""


@dataclass(slots=True)
class _Pending:
    publishes: dict[int, tuple[asyncio.Future[bool], str]] = field(default_factory=dict)
    subscribes: dict[int, tuple[asyncio.Future[None], list[str]]] = field(default_factory=dict)


class Link:
    """One connection: from `connect` until ``closed`` is done."""

    def __init__(
        self, login: Login, *, on_message: Callable[[Incoming], None], will: Will | None = None
    ) -> None:
        self._login = login
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._pending = _Pending()
        self._session_expiry_s = SESSION_EXPIRY_S if will is not None else 0
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._misc: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.closed.add_done_callback(_seen)
        self._client = self._make_client(will)

    def _make_client(self, will: Will | None) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self._login.client_id, protocol=mqtt.MQTTv5
        )
        client.max_inflight_messages_set(OUT_WINDOW)
        client.connect_timeout = CONNECT_TIMEOUT_S - 1
        client.username_pw_set(self._login.account, self._login.password)
        if self._login.ca_file is not None:
            client.tls_set_context(tls_context(self._login.ca_file))
        if will is not None:
            properties = Properties(PacketTypes.WILLMESSAGE)
            properties.WillDelayInterval = WILL_DELAY_S
            client.will_set(will.topic, will.payload, qos=QOS, retain=True, properties=properties)
        client.on_connect = self._paho_connect
        client.on_disconnect = self._paho_disconnect
        client.on_message = self._paho_message
        client.on_publish = self._paho_publish
        client.on_subscribe = self._paho_subscribe
        client.on_socket_open = self._socket_open
        client.on_socket_close = self._socket_close
        client.on_socket_register_write = self._register_write
        client.on_socket_unregister_write = self._unregister_write
        return client

    async def connect(self) -> None:
        """Connect and log in.

        Raises
        ------
        BusUnavailable
            Nobody answers there, or not in time.
        BusDenied
            The broker refuses the account or its password.
        """
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._session_expiry_s
        properties.ReceiveMaximum = WINDOW
        where = f"{self._login.host}:{self._login.port}"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.to_thread(
                    self._client.connect,
                    self._login.host,
                    self._login.port,
                    keepalive=self._login.keepalive_s,
                    clean_start=True,
                    properties=properties,
                )
                self._tick()
                await self._connected
        except (OSError, TimeoutError, ValueError) as error:  # ValueError: a name that can't be one
            self.give_up()
            raise BusUnavailable(f"broker {where}: {str(error) or 'no answer'}") from None
        except asyncio.CancelledError:
            self.give_up()
            raise

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> asyncio.Future[bool]:
        """Send a message; the future tells, once the broker has acknowledged, whether anybody listens.

        The future fails with `BusUnavailable` when the connection is lost first; a refusal ends the connection.
        """
        future: asyncio.Future[bool] = self._loop.create_future()
        future.add_done_callback(_seen)
        if self.closed.done():
            future.set_exception(BusUnavailable("not connected to the broker"))
            return future
        properties = Properties(PacketTypes.PUBLISH)
        if response_topic is not None:
            properties.ResponseTopic = response_topic
        if correlation is not None:
            properties.CorrelationData = correlation
        plain = response_topic is None and correlation is None
        info = self._client.publish(
            topic, payload, qos=QOS, retain=retain, properties=None if plain else properties
        )
        self._pending.publishes[info.mid] = (future, topic)
        return future

    async def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Subscribe. mosquitto grants what the access list denies, so this proves nothing."""
        wanted = [(s.filter, _options(s)) for s in subscriptions]
        if not wanted:
            return
        _, mid = self._client.subscribe(wanted)
        if mid is None:
            raise BusUnavailable("not connected to the broker")
        future: asyncio.Future[None] = self._loop.create_future()
        self._pending.subscribes[mid] = (future, [topic_filter for topic_filter, _ in wanted])
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await future
        except TimeoutError:
            raise BusUnavailable("the broker did not answer a subscription") from None

    def unsubscribe(self, filters: list[str]) -> None:
        """Unsubscribe, without waiting."""
        if filters:
            self._client.unsubscribe(filters)

    async def disconnect(self) -> None:
        """End in good order: no last will."""
        if not self.closed.done():
            self._client.disconnect()
            try:
                async with asyncio.timeout(1):
                    await asyncio.wait([self.closed])
            except TimeoutError:
                pass
        self.give_up()

    def raise_if_final(self) -> None:
        """Raise the reason for which the connection has ended if trying again would not help."""
        reason = self.closed.exception() if self.closed.done() else None
        if reason is not None and not isinstance(reason, BusUnavailable):
            raise reason

    def give_up(self) -> None:
        """Let go of the socket, whatever state it is in; the broker takes it for a lost connection."""
        self._end(BusUnavailable("the connection to the broker was given up"))
        sock = self._client.socket()
        if sock is not None:
            self._socket_close(self._client, None, sock)
            sock.close()

    def _end(self, error: Exception) -> None:
        """Fail everything that still waits, once."""
        if self._misc is not None:
            self._misc.cancel()
            self._misc = None
        for future, _ in self._pending.publishes.values():
            _fail(future, BusUnavailable("the connection to the broker was lost before it acknowledged"))
        for waiting, _ in self._pending.subscribes.values():
            _fail(waiting, BusUnavailable("the connection to the broker was lost"))
        self._pending = _Pending()
        _fail(self._connected, error)
        self._connected.add_done_callback(_seen)
        _fail(self.closed, error)

    # --- paho's callbacks; all but the socket's opening run in the loop's thread

    def _paho_connect(
        self, _client: Any, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if code.value in _NOT_AUTHORISED:
            given = self._login.password is not None
            why = "there is no such account, or its password is wrong" if given else "no password was given"
            self._end(BusDenied(f"the broker refuses the account {self._login.account!r}: {code}; {why}"))
        elif code.is_failure:
            self._end(BusUnavailable(f"the broker refuses the connection: {code}"))
        elif not self._connected.done():
            self._connected.set_result(None)

    def _paho_disconnect(
        self, _client: Any, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if code.value == _TAKEN_OVER:
            self._end(BusTakenOver(f"another process connected as {self._login.client_id!r} and took over"))
        elif code.value in _NOT_AUTHORISED and self._pending.publishes:  # as EMQX has it, instead of a PUBACK
            self._paho_publish(None, None, next(iter(self._pending.publishes)), code, None)
        else:
            self._end(BusUnavailable(f"the connection to the broker ended: {code}"))

    def _paho_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        properties = message.properties
        self._on_message(
            Incoming(
                topic=message.topic,
                payload=bytes(message.payload),
                retained=message.retain,
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation=getattr(properties, "CorrelationData", None),
            )
        )

    def _paho_publish(self, _client: Any, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        future, topic = self._pending.publishes.pop(mid, (None, ""))
        if code.value >= _FAILURE:
            error: BusDenied = PublishDenied(self._login.account, topic, code)
            if code.value not in _NOT_AUTHORISED:
                error = BusDenied(f"the broker refuses {topic} of {self._login.account!r}: {code}")
            if future is not None:
                _fail(future, error)
            self._end(error)
        elif future is not None and not future.done():
            future.set_result(code.value == 0)

    def _paho_subscribe(
        self, _client: Any, _data: Any, mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        future, filters = self._pending.subscribes.pop(mid, (None, []))
        if future is None or future.done():
            return
        refused = [f"{f}: {c}" for f, c in zip(filters, codes, strict=False) if c.value >= _FAILURE]
        if refused:
            words = f"the broker refuses what the account {self._login.account!r} subscribes to, {refused[0]}"
            future.set_exception(BusDenied(words))
        else:
            future.set_result(None)

    # --- paho's socket in asyncio's loop

    def _socket_open(self, _client: Any, _data: Any, sock: Any) -> None:
        # Else a message waits up to 40 ms for the acknowledgement of the one before it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.call_soon_threadsafe(self._add_reader, sock)

    def _add_reader(self, sock: Any) -> None:
        if self.closed.done():  # given up while the thread was still connecting
            sock.close()
        else:
            self._loop.add_reader(sock.fileno(), self._read)

    def _read(self) -> None:
        try:
            self._client.loop_read()
            sock: Any = self._client.socket()
            while sock is not None and getattr(sock, "pending", int)():  # TLS has read more than it gave
                self._client.loop_read()
                sock = self._client.socket()
            self._notice_reset(sock)
        except UnicodeDecodeError as error:
            self._end(BusUnavailable(f"the broker sent what is not MQTT: {error}"))
            self.give_up()
        except Exception as error:  # noqa: BLE001  # of a handler; for whoever waits for the end, else paho repeats it
            self._end(error)
            self.give_up()

    def _notice_reset(self, sock: Any) -> None:
        """End at once when the connection was reset: uvloop does not tell of it again."""
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if sock is not None else 0
        if error:
            self._end(BusUnavailable(f"the connection to the broker ended: {os.strerror(error)}"))
            self.give_up()

    def _socket_close(self, _client: Any, _data: Any, sock: Any) -> None:
        if (descriptor := sock.fileno()) >= 0:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)

    def _register_write(self, _client: Any, _data: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._add_writer, sock)

    def _add_writer(self, sock: Any) -> None:
        if (descriptor := sock.fileno()) >= 0:
            self._loop.add_writer(descriptor, self._client.loop_write)

    def _unregister_write(self, _client: Any, _data: Any, sock: Any) -> None:
        if (descriptor := sock.fileno()) >= 0:
            self._loop.remove_writer(descriptor)

    def _tick(self) -> None:
        """Let paho send its pings, and notice when they are not answered."""
        self._misc = self._loop.call_later(1.0, self._tick)
        self._client.loop_misc()


def _options(subscription: Subscription) -> SubscribeOptions:
    handling = (
        SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
        if subscription.retained_too
        else SubscribeOptions.RETAIN_DO_NOT_SEND
    )
    return SubscribeOptions(qos=QOS, retainAsPublished=not subscription.retained_too, retainHandling=handling)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _seen(future: asyncio.Future[Any]) -> None:
    """Mark a failure as looked at: nobody has to wait for every publish."""
    if not future.cancelled():
        future.exception()
