"""Forwards events to an MQTT broker, which retains the last of each type and station."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from streamgenre.bridges.broker import Broker, parse_broker
from streamgenre.bridges.connection import BrokerConnection
from streamgenre.bridges.homeassistant import discovery, discovery_topics
from streamgenre.bridges.presence import Presence
from streamgenre.bridges.retained import (
    MAX_STATIONS,
    filters,
    instance_of,
    list_topic,
    listed_elsewhere,
    listing,
    read_back,
    station_topic,
)
from streamgenre.config.bridges import discovery_problem, topic_problem
from streamgenre.errors import SettingsError
from streamgenre.events import RETAINED_TYPES, SourceChange, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamgenre.events import AnyEvent

MAX_TEXT: Final = 200_000
"""Longest event that is forwarded: brokers disconnect a client that sends too much at once."""

__all__ = ["Broker", "MqttBridge", "parse_broker"]


class MqttBridge:
    """The topics of a daemon's stations at a broker.

    While the broker cannot be reached, only the last event of each topic is kept, and sent later.
    The topics of stations that no longer exist are deleted, after a restart of the bridge too.

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
    instance
        What tells this bridge from others of this machine with the same prefix, such as the
        daemon's endpoint.
    presence
        Tells which stations are gone.

    Raises
    ------
    SettingsError
        If a prefix is not an MQTT topic.
    """

    def __init__(
        self,
        broker: Broker,
        prefix: str,
        discovery_prefix: str,
        warn: Callable[[str], None],
        *,
        instance: Iterable[str] = (),
        presence: Presence | None = None,
    ) -> None:
        if problem := topic_problem(prefix):
            raise SettingsError(f"--prefix {prefix!r}: {problem}")
        if problem := discovery_problem(discovery_prefix):
            raise SettingsError(f"--discovery {discovery_prefix!r}: {problem}")
        self._prefix = prefix.strip("/")
        self._discovery = discovery_prefix.strip("/")
        self._instance = instance_of(instance)
        self._lock = threading.Lock()
        self._stations: dict[str, set[str]] = {}  # their retained topics
        self._left: dict[str, set[str]] = {}  # those of an earlier run that were not heard of yet
        self._have_read = False
        self.presence = presence or Presence()
        """Tells which stations are gone."""
        self.availability = f"{self._prefix}/bridge/availability"
        """Topic that is ``online`` while bridge and daemon are running."""
        self._connection = BrokerConnection(
            broker,
            self.availability,
            warn,
            filters=filters(self._prefix),
            on_read=self._on_read,
            watched=list_topic(self._prefix, "+"),
            on_watched=self._on_list,
        )

    def start(self) -> None:
        """Start connecting; returns at once and retries until the broker can be reached."""
        self._connection.start()

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
        if len(text) > MAX_TEXT:
            return
        with self._lock:
            if isinstance(event, Status) and event.removed:
                self._retire(event.station)
                return
            if event.station not in self._stations:
                if len(self._stations) >= MAX_STATIONS:
                    return
                self._stations[event.station] = self._left.pop(event.station, set())
                self._list()
                self._announce(event.station)
            self.presence.heard(event.station)
            if isinstance(event, SourceChange):
                self._set_available(event.station, event.state)
            elif isinstance(event, Status):
                self._set_available(event.station, event.source_state)
            topic = self.topic(event.TYPE, event.station)
            if event.TYPE == "gap":
                self._connection.publish(topic, text, retain=False)
            else:
                self._retain(event.station, topic, text)

    def daemon_is(self, there: bool) -> None:
        """Publish whether the daemon is running."""
        self._connection.publish(self.availability, "online" if there else "offline", retain=True)

    def check_presence(self, live: bool, connections: int, now: float) -> None:
        """Delete the topics of stations that did not come back with their daemon.

        Parameters
        ----------
        live, connections, now
            As for :meth:`~streamgenre.bridges.presence.Presence.link`.
        """
        with self._lock:
            self.presence.link(live, connections, now)
            for station in self.presence.gone(now):
                self._retire(station)

    def close(self) -> None:
        """Publish that the bridge is offline, and disconnect."""
        self._connection.close()

    def topic(self, kind: str, station: str) -> str:
        """Return the MQTT topic of a station's events of a type.

        Parameters
        ----------
        kind
            Type of the events, as in their field ``type``.
        station
            Name of the station.

        Returns
        -------
        str
            ``PREFIX/STATION/KIND``, the station percent-encoded.
        """
        return station_topic(self._prefix, station, kind)

    def _on_read(self, messages: dict[str, bytes]) -> None:
        """Take what an earlier run has left at the broker; called in another thread."""
        with self._lock:
            found = read_back(messages, self._prefix, self._instance, self._discovery)
            stale = found.discovery and found.discovery != self._discovery
            for station in sorted(found.stations):
                if stale:  # announced where nobody wants it any more
                    for topic in discovery_topics(found.discovery, station):
                        self._connection.publish(topic, "", retain=True)
                topics = set(self._topics(station))
                if station in self._stations:
                    self._stations[station] |= topics
                else:
                    self._left[station] = topics
            self._have_read = True
            self.presence.expect(self._left)
            if self._left or self._stations:
                self._list()
            for topic in found.lists:
                self._connection.publish(topic, "", retain=True)

    def _on_list(self, topic: str, payload: bytes) -> None:
        """Leave stations alone that another bridge has; called in another thread."""
        with self._lock:
            others = listed_elsewhere(topic, payload, self._prefix, self._instance)
            left = sorted(others & self._left.keys())
            for station in left:
                del self._left[station]
                self.presence.forget(station)
            if left:
                self._list()

    def _topics(self, station: str) -> list[str]:
        """Return all retained topics that a station can have."""
        kinds = (*RETAINED_TYPES, "availability")
        own = discovery_topics(self._discovery, station) if self._discovery else []
        return [*own, *(self.topic(kind, station) for kind in kinds)]

    def _list(self) -> None:
        """Retain the names of the stations, before their topics are published or deleted."""
        if self._have_read:
            names = (*self._stations, *self._left)
            topic = list_topic(self._prefix, self._instance)
            self._connection.publish(topic, listing(names, self._discovery), retain=True)

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
        self._connection.publish(topic, payload, retain=True)

    def _retire(self, station: str) -> None:
        """Delete a station's topics: an empty payload makes the broker drop the retained one."""
        self.presence.forget(station)
        topics = self._stations.pop(station, set()) | self._left.pop(station, set())
        for topic in sorted(topics):
            self._connection.publish(topic, "", retain=True)
        if topics:
            self._list()
