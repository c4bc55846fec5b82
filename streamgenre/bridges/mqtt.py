"""Forwards events to an MQTT broker, which retains the last of each type and station."""

from __future__ import annotations

import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from streamgenre.bridges.homeassistant import discovery
from streamgenre.errors import BusError, SettingsError
from streamgenre.events import SourceChange, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.events import AnyEvent

MAX_STATIONS: Final = 1000
"""Most stations that are forwarded; events of further ones are dropped."""
KEEPALIVE_S: Final = 15


@dataclass(frozen=True, slots=True)
class Broker:
    """Address and credentials of the broker."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None = field(repr=False)
    ca: str | None = None
    """File with trusted certificates; None for the system's."""


def parse_broker(url: str, *, password: str | None, ca: str | None = None) -> Broker:
    """Return the broker of ``mqtt://[USER@]HOST[:PORT]`` or ``mqtts://``.

    Parameters
    ----------
    url
        The address; port 1883 by default, 8883 with TLS (``mqtts``).
    password
        Password of the URL's user; None for none.
    ca
        File with trusted certificates; None for the system's.

    Returns
    -------
    Broker
        Address and credentials.

    Raises
    ------
    SettingsError
        If the URL is malformed or holds a password, which other users would see, or if ``ca`` is
        not a file.
    """
    wanted = "expected mqtt://[USER@]HOST[:PORT] or mqtts://[USER@]HOST[:PORT]"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"--broker: malformed; {wanted}") from error
    if parts.password is not None:
        raise SettingsError(
            "--broker: no password here, other users of this machine could read it; give it in "
            "$STREAMGENRE_MQTT_PASSWORD or with --password-file"
        )
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path not in ("", "/"):
        raise SettingsError(f"--broker: malformed; {wanted}")
    if ca is not None and not Path(ca).is_file():
        raise SettingsError(f"--ca {ca}: no such file")
    tls = parts.scheme == "mqtts"
    return Broker(
        parts.hostname, port or (8883 if tls else 1883), tls, parts.username, password, ca
    )


class MqttBridge:
    """One connection to a broker, maintained by paho's thread.

    While the broker cannot be reached, only the last event of each topic is kept, and sent later.

    Parameters
    ----------
    broker
        The broker.
    prefix
        First part of every topic.
    discovery_prefix
        Prefix of Home Assistant's discovery; empty for none.
    warn
        Called with each line for the user.
    """

    def __init__(
        self, broker: Broker, prefix: str, discovery_prefix: str, warn: Callable[[str], None]
    ) -> None:
        for flag, value in (("--prefix", prefix), ("--discovery", discovery_prefix)):
            if (
                set(value) & set("+#\0")
                or value.startswith("$")
                or (flag == "--prefix" and not value)
            ):
                raise SettingsError(f"{flag} {value!r}: expected an MQTT topic without + and #")
        self._broker = broker
        self._prefix = prefix.strip("/")
        self._discovery = discovery_prefix.strip("/")
        self._warn = warn
        self._lock = threading.Lock()
        self._stations: dict[str, set[str]] = {}  # their retained topics
        self._last: dict[str, str] = {}  # retained payloads by topic
        self._connected = False
        self._reported = ""
        self.availability = f"{self._prefix}/bridge/availability"
        """Topic that is ``online`` while bridge and daemon are running."""
        self._client = paho.Client(CallbackAPIVersion.VERSION2, clean_session=True)
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            self._client.tls_set_context(ssl.create_default_context(cafile=broker.ca))
        self._client.will_set(self.availability, "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(1, 60)
        self._client.max_queued_messages_set(10 * MAX_STATIONS)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_connect_fail = self._on_connect_fail

    def start(self) -> None:
        """Start connecting; returns at once and retries until the broker can be reached.

        Raises
        ------
        BusError
            If the host name is invalid.
        """
        try:
            self._client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_S)
        except ValueError as error:
            raise BusError(f"--broker {self._broker.host}: {error}") from error
        self._client.loop_start()

    def take(self, event: AnyEvent, text: str) -> None:
        """Forward an event; never waits for the broker.

        All topics of a station that its daemon has removed are deleted at the broker.

        Parameters
        ----------
        event
            The event.
        text
            The same as JSON, which is published.
        """
        if isinstance(event, Status) and event.removed:
            self._delete(self._stations.pop(event.station, set()))
            return
        if event.station not in self._stations:
            if len(self._stations) >= MAX_STATIONS:
                return
            self._stations[event.station] = set()
            self._announce(event.station)
        if isinstance(event, SourceChange):
            self._set_available(event.station, event.state)
        elif isinstance(event, Status):
            self._set_available(event.station, event.source_state)
        topic = self.topic(event.TYPE, event.station)
        if event.TYPE == "gap":
            self._publish(topic, text, retain=False)
        else:
            self._retain(event.station, topic, text)

    def daemon_is(self, there: bool) -> None:
        """Publish whether the daemon is running."""
        self._publish(self.availability, "online" if there else "offline", retain=True)

    def close(self) -> None:
        """Publish that the bridge is offline, and disconnect."""
        if self._connected:
            sent = self._client.publish(self.availability, "offline", qos=1, retain=True)
            with suppress(RuntimeError):  # the connection broke: the broker publishes the last will
                sent.wait_for_publish(timeout=2)
        self._client.disconnect()
        self._client.loop_stop()

    def topic(self, kind: str, station: str) -> str:
        """Return the MQTT topic of a station's events of a type.

        The station's name is percent-encoded: ``/``, ``+`` and ``#`` mean something to MQTT.

        Parameters
        ----------
        kind
            Type of the events, as in their field ``type``.
        station
            Name of the station.

        Returns
        -------
        str
            ``PREFIX/STATION/KIND``.
        """
        return f"{self._prefix}/{quote(station, safe=' ')}/{kind}"

    def _set_available(self, station: str, source_state: str) -> None:
        live = source_state in ("live", "connecting")
        self._retain(station, self.topic("availability", station), "online" if live else "offline")

    def _announce(self, station: str) -> None:
        if self._discovery:
            both = (self.availability, self.topic("availability", station))
            for topic, payload in discovery(self._discovery, station, self.topic, both):
                self._retain(station, topic, payload)

    def _retain(self, station: str, topic: str, payload: str) -> None:
        self._stations[station].add(topic)
        self._publish(topic, payload, retain=True)

    def _delete(self, topics: set[str]) -> None:
        """Delete retained topics: an empty payload makes the broker drop the retained one."""
        for topic in sorted(topics):
            self._publish(topic, "", retain=True)

    def _publish(self, topic: str, payload: str, *, retain: bool) -> None:
        with self._lock:
            known = self._last.get(topic)
            if retain:
                self._last[topic] = payload
            if not self._connected or (known == payload and topic.endswith("availability")):
                return
            if not payload:
                self._last.pop(topic)
        self._client.publish(topic, payload, qos=0, retain=retain)

    def _on_connect(self, client: paho.Client, _u: Any, _f: Any, code: Any, _p: Any) -> None:
        if code.is_failure:
            self._report(f"the broker {self._place()} refuses: {code}; retrying")
            return
        with self._lock:
            self._connected = True
            last = dict(self._last)
            self._last = {topic: payload for topic, payload in last.items() if payload}
        self._report(f"connected to the broker {self._place()}")
        for topic, payload in last.items():
            client.publish(topic, payload, qos=0, retain=True)

    def _on_disconnect(self, _c: Any, _u: Any, _f: Any, code: Any, _p: Any) -> None:
        with self._lock:
            self._connected = False
        if code.is_failure:
            self._report(f"lost the broker {self._place()}: {code}; retrying")

    def _on_connect_fail(self, _c: Any, _u: Any) -> None:
        self._report(f"cannot reach the broker {self._place()}; retrying")

    def _report(self, line: str) -> None:
        if line != self._reported:
            self._reported = line
            self._warn(line)

    def _place(self) -> str:
        return f"{self._broker.host}:{self._broker.port}"
