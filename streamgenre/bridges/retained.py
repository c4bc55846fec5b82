"""Which retained topics at a broker are a bridge's own.

Each bridge retains the names of its stations in ``PREFIX/bridge/INSTANCE/stations``. After a
restart it reads them back, so that it can delete the topics of stations that no longer exist, and
those alone: other bridges and programs may use the same broker, even the same prefix. Stations that
no bridge lists were published by a version without such a list.
"""

from __future__ import annotations

import hashlib
import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_STATIONS: Final = 1000
"""Most stations that are forwarded; events of further ones are dropped."""
_EVENTS: Final = ("update", "status", "source")
"""Types of retained events by which a station of an old version is recognised."""


def instance_of(parts: Iterable[str]) -> str:
    """Return an identifier of this bridge that is the same after a restart.

    Parameters
    ----------
    parts
        What tells this bridge from others of this machine, such as the daemon's endpoint.
    """
    machine = socket.gethostname()
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with suppress(OSError, UnicodeDecodeError):
            machine = Path(path).read_text("ascii").strip() or machine
            break
    return hashlib.sha256("\0".join((machine, *parts)).encode("utf-8", "replace")).hexdigest()[:12]


def station_topic(prefix: str, station: str, kind: str) -> str:
    """Return ``PREFIX/STATION/KIND`` with the station's name percent-encoded.

    Parameters
    ----------
    prefix
        First part of every topic.
    station
        Name of the station; ``/``, ``+`` and ``#`` in it would mean something to MQTT.
    kind
        Type of the events.
    """
    name = quote(station, safe=" ", errors="replace")
    if name == "bridge":  # PREFIX/bridge has the topics of the bridges themselves
        name = "%62ridge"
    return f"{prefix}/{name}/{kind}"


def list_topic(prefix: str, instance: str) -> str:
    """Return the topic of the list of a bridge's stations.

    Parameters
    ----------
    prefix
        First part of every topic.
    instance
        Identifier of the bridge.
    """
    return f"{prefix}/bridge/{instance}/stations"


def filters(prefix: str) -> tuple[str, ...]:
    """Return the MQTT filters of all topics that :func:`read_back` needs."""
    return (
        list_topic(prefix, "+"),
        *(f"{prefix}/+/{kind}" for kind in _EVENTS),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What an earlier run left at the broker."""

    stations: frozenset[str]
    """Its stations."""
    discovery: str
    """Its prefix of Home Assistant's discovery; empty for none."""


def listing(stations: Iterable[str], discovery: str) -> str:
    """Return the list of a bridge's stations as it is retained.

    Parameters
    ----------
    stations
        Their names.
    discovery
        Prefix of Home Assistant's discovery.
    """
    return json.dumps({"v": 1, "stations": sorted(stations), "discovery": discovery})


def read_back(messages: Mapping[str, bytes], prefix: str, instance: str, discovery: str) -> Found:
    """Return the stations that this bridge, or a version without a list, left at the broker.

    Parameters
    ----------
    messages
        Retained messages by topic.
    prefix, instance
        As for :func:`list_topic`.
    discovery
        Prefix of Home Assistant's discovery now.

    Returns
    -------
    Found
        What was left.
    """
    listed: dict[str, Found] = {}
    for topic, payload in messages.items():
        parts = topic.removeprefix(f"{prefix}/").split("/")
        if len(parts) == 3 and parts[0] == "bridge" and parts[2] == "stations":
            listed[parts[1]] = _parsed(payload, discovery)
    ours = listed.get(instance, Found(frozenset(), discovery))
    owned = frozenset().union(*(each.stations for each in listed.values()))
    unowned = {
        station
        for topic, payload in messages.items()
        for station in [_station_of(topic, payload, prefix)]
        if station is not None and station not in owned
    }
    names = sorted(ours.stations | unowned)[:MAX_STATIONS]
    return Found(frozenset(names), ours.discovery)


def _parsed(payload: bytes, discovery: str) -> Found:
    value = _json(payload)
    if not isinstance(value, dict):
        return Found(frozenset(), discovery)
    stations, before = value.get("stations"), value.get("discovery")
    if not isinstance(stations, list):
        stations = []
    if not isinstance(before, str) or set(before) & set("+#\0") or before.startswith("$"):
        before = discovery
    return Found(frozenset(name for name in stations if isinstance(name, str)), before)


def _station_of(topic: str, payload: bytes, prefix: str) -> str | None:
    """Return the station if a message is an event that a bridge has published, else None."""
    parts = topic.removeprefix(f"{prefix}/").split("/")
    if len(parts) != 2 or parts[1] not in _EVENTS:
        return None
    event = _json(payload)
    if not isinstance(event, dict) or (event.get("type"), event.get("v")) != (parts[1], 1):
        return None
    station = unquote(parts[0])
    return station if event.get("station") == station else None


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None
