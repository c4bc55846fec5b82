"""A connection to an MQTT broker that is made again and again."""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

from streamgenre.bridges.mqtt_client import new_client
from streamgenre.bridges.tls import failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.bridges.broker import Broker

KEEPALIVE_S: Final = 15
ANSWER_S: Final = 10.0
"""Seconds for the broker's answer to the request to connect."""
FIRST_PAUSE_S: Final = 1.0
"""Pause before the second attempt; it doubles up to :data:`LONGEST_PAUSE_S`."""
LONGEST_PAUSE_S: Final = 60.0
FAREWELL_S: Final = 0.8
"""Seconds for the last messages when the bridge ends."""
MAX_READ: Final = 16 << 20
"""Most bytes of retained messages that are read at the start."""
_ROUND_S: Final = 0.1
_QUIET_S: Final = 1.0
"""Seconds without a retained message after which all of them have been received."""
_LONGEST_READ_S: Final = 5.0
_MAX_PASSING: Final = 1000


class BrokerConnection:
    """Publishes in a thread of its own, which connects again whenever the connection breaks.

    While there is no connection, only the last message of each retained topic is kept. At the first
    connection the retained messages of some topics are read before anything is published.

    Parameters
    ----------
    broker
        The broker.
    will
        Topic on which the broker publishes ``offline`` once the connection breaks.
    warn
        Called with each line for the user.
    filters
        MQTT filters of the topics to read at the first connection.
    on_read
        Called once, in this object's thread, with the retained messages of those topics.
    watched
        MQTT filter of topics to receive all the time.
    on_watched
        Called, in this object's thread, with topic and content of each message there.
    """

    def __init__(
        self,
        broker: Broker,
        will: str,
        warn: Callable[[str], None],
        *,
        filters: tuple[str, ...] = (),
        on_read: Callable[[dict[str, bytes]], None] = lambda messages: None,
        watched: str = "",
        on_watched: Callable[[str, bytes], None] = lambda topic, payload: None,
    ) -> None:
        self._broker = broker
        self._will = will
        self._warn = warn
        self._filters = filters
        self._on_read = on_read
        self._watched = watched
        self._on_watched = on_watched
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}  # retained payloads by topic
        self._unsent: dict[str, None] = {}  # topics of _last, in order
        self._passing: deque[tuple[str, str]] = deque(maxlen=_MAX_PASSING)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._reported = ""
        self._place = f"{broker.host}:{broker.port}"
        # State of the present connection.
        self._answer: Any = None
        self._read: dict[str, bytes] | None = {} if filters else None
        self._read_bytes = 0
        self._quiet_at: float | None = None
        self._read_ends = 0.0

    def start(self) -> None:
        """Start connecting; returns at once."""
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def publish(self, topic: str, payload: str, *, retain: bool) -> None:
        """Publish soon; never waits for the broker.

        Parameters
        ----------
        topic
            The topic.
        payload
            The message; an empty one deletes what the broker retains.
        retain
            Whether the broker keeps the message. If not, it is only sent while connected.
        """
        with self._lock:
            if not retain:
                self._passing.append((topic, payload))
                return
            if self._last.get(topic) == payload and topic.endswith("availability"):
                return
            self._last[topic] = payload
            self._unsent[topic] = None

    def close(self) -> None:
        """Send what is left and ``offline``, and disconnect; takes a second at most."""
        self.publish(self._will, "offline", retain=True)
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(FAREWELL_S + 0.2)

    # ---- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._answer = None
            try:
                why = self._connection()
            except Exception as error:  # noqa: BLE001 - paho raises many kinds on odd bytes
                why = self._words(error)
            if self._stopping.is_set():
                return
            if self._connected:
                pause = FIRST_PAUSE_S
            self._report(f"{why}; retrying")
            self._stopping.wait(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE_S)

    @property
    def _connected(self) -> bool:
        return self._answer is not None and not self._answer.is_failure

    def _connection(self) -> str:
        """Connect and publish until the connection breaks; return why it did."""
        client = self._new_client()
        try:
            client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)
            ends = time.monotonic() + ANSWER_S
            greeted = False
            while True:
                code = client.loop(_ROUND_S)
                if self._answer is not None and self._answer.is_failure:
                    return self._refusal()
                if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return self._broken(code)
                if self._connected:
                    if not greeted:
                        greeted = True
                        self._greet(client)
                    if self._stopping.is_set():
                        self._farewell(client)
                        return ""
                    if self._have_read(client):
                        self._send(client)
                elif self._stopping.is_set():
                    return ""
                elif time.monotonic() > ends:
                    return (
                        f"the broker {self._place} does not answer; is it an MQTT broker"
                        f"{'' if self._broker.tls else ', or does it expect TLS (mqtts://)'}?"
                    )
        finally:
            client.on_disconnect = None
            client.disconnect()
            # Else the socket stays open until the garbage is collected.
            client._sock_close()

    def _new_client(self) -> paho.Client:
        client = new_client(self._broker, self._will)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _greet(self, client: paho.Client) -> None:
        self._report(f"connected to the broker {self._place}")
        with self._lock:
            self._unsent = dict.fromkeys((*self._unsent, *self._last))
            self._passing.clear()
        if self._read is not None:
            self._read, self._read_bytes = {}, 0
            self._quiet_at = time.monotonic() + _LONGEST_READ_S
            self._read_ends = self._quiet_at
            client.subscribe([(each, 0) for each in self._filters])
        elif self._watched:
            client.subscribe(self._watched, 0)

    def _have_read(self, client: paho.Client) -> bool:
        """Whether the retained messages have been read; hands them on when they have."""
        if self._read is None:
            return True
        if self._quiet_at is not None and time.monotonic() < min(self._quiet_at, self._read_ends):
            return False
        found, self._read = self._read, None
        client.unsubscribe([each for each in self._filters if each != self._watched])
        self._on_read(found)
        return True

    def _send(self, client: paho.Client) -> None:
        while not client.want_write():
            with self._lock:
                if self._unsent:
                    topic = next(iter(self._unsent))
                    del self._unsent[topic]
                    payload, retain = self._last[topic], True
                    if not payload:
                        del self._last[topic]
                elif self._passing:
                    (topic, payload), retain = self._passing.popleft(), False
                else:
                    return
            client.publish(topic, payload.encode("utf-8", "replace"), qos=0, retain=retain)

    def _farewell(self, client: paho.Client) -> None:
        ends = time.monotonic() + FAREWELL_S
        if self._read is None:
            self._send(client)
        sent = client.publish(self._will, "offline", qos=1, retain=True)
        while not sent.is_published() and time.monotonic() < ends:
            if client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return

    def _on_connect(self, _c: paho.Client, _u: Any, _f: Any, code: Any, _p: Any) -> None:
        self._answer = code

    def _on_subscribe(self, *_: Any) -> None:
        self._quiet_at = time.monotonic() + _QUIET_S

    def _on_message(self, _c: paho.Client, _u: Any, message: paho.MQTTMessage) -> None:
        # A broker may send a topic that is not UTF-8; reading it raises.
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        size = len(topic) + len(message.payload)
        if message.retain and self._read is not None and self._read_bytes + size <= MAX_READ:
            self._read[topic] = bytes(message.payload)
            self._read_bytes += size
            self._quiet_at = time.monotonic() + _QUIET_S
        elif self._read is None and self._watched and paho.topic_matches_sub(self._watched, topic):
            self._on_watched(topic, bytes(message.payload))

    # ---- words ----------------------------------------------------------------------------------

    def _words(self, error: Exception) -> str:
        if isinstance(error, OSError | UnicodeError):
            verb = "lost" if self._connected else "cannot reach"
            if self._broker.tls and verb != "lost" and isinstance(error, ConnectionResetError):
                error = ssl.SSLEOFError()  # some close a plain port in this way
            return f"{verb} the broker {self._place}: {failure(error)}"
        return (
            f"the broker {self._place} sent what is not MQTT ({type(error).__name__}); "
            "is it an MQTT broker?"
        )

    def _refusal(self) -> str:
        why = str(self._answer)
        if "user" in why or "authorized" in why:
            why += (
                "; check the user in --broker, and the password in $STREAMGENRE_MQTT_PASSWORD or "
                "--password-file"
            )
        return f"the broker {self._place} refuses: {why}"

    def _broken(self, code: MQTTErrorCode) -> str:
        if code == MQTTErrorCode.MQTT_ERR_PROTOCOL:
            return f"the broker {self._place} sent what is not MQTT; is it an MQTT broker?"
        if self._connected:
            return f"lost the broker {self._place}: the connection broke"
        tls = "" if self._broker.tls else ", or does it expect TLS (mqtts://)"
        return (
            f"the broker {self._place} closed the connection without an answer; "
            f"is it an MQTT broker{tls}?"
        )

    def _report(self, line: str) -> None:
        if line != self._reported:
            self._reported = line
            self._warn(line)
