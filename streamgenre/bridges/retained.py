"""Which retained topics at a broker are a bridge's own.

Each bridge retains the names of its stations in ``PREFIX/bridge/INSTANCE/stations``. After a
restart it reads them back, so that it can delete the topics of stations that no longer exist, and
those alone: other bridges and programs may use the same broker, even the same prefix. It takes over
the list of another bridge of this machine whose process has ended: that one read the same daemon at
another endpoint. Stations that no bridge lists were published by a version without such a list.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
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
    return _digest(_machine(), *parts)


def _machine() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with suppress(OSError, UnicodeDecodeError):
            if found := Path(path).read_text("ascii").strip():
                return found
    return socket.gethostname()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:12]


def own_process() -> list[str]:
    """Return what identifies this process: machine, PID namespace, boot, PID and start."""
    return [*_surroundings(), str(os.getpid()), _start_of(os.getpid())]


def has_ended(process: object) -> bool:
    """Return whether a process of this machine has ended; False where that cannot be known.

    Parameters
    ----------
    process
        What :func:`own_process` returned there.
    """
    if not isinstance(process, list) or not all(isinstance(part, str) for part in process):
        return False
    here = _surroundings()
    if len(process) != len(here) + 2 or process[:2] != here[:2]:
        return False  # of another machine or container
    pid, start = process[3:]
    if process[2] != here[2]:
        return True  # before the last start of the system
    if not re.fullmatch(r"[1-9][0-9]{0,8}", pid):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # of another user
    return _start_of(int(pid)) not in ("", start)


def _surroundings() -> list[str]:
    space = boot = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - not a path
    with suppress(OSError, UnicodeDecodeError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return [_digest(_machine()), space, boot]


def _start_of(pid: int) -> str:
    """Return when a process started, in ticks since the boot; empty if that cannot be read."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
        )
    except (OSError, IndexError):
        return ""


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
    process: object = None
    """What identifies its process."""
    lists: tuple[str, ...] = ()
    """Topics of the lists of other bridges that were taken over."""


def listing(stations: Iterable[str], discovery: str) -> str:
    """Return the list of a bridge's stations as it is retained.

    Parameters
    ----------
    stations
        Their names.
    discovery
        Prefix of Home Assistant's discovery.
    """
    content = {"v": 1, "stations": sorted(stations), "discovery": discovery}
    return json.dumps({**content, "process": own_process()})


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
    ours = listed.pop(instance, Found(frozenset(), discovery))
    ended = {name: each for name, each in listed.items() if has_ended(each.process)}
    orphans = frozenset().union(*(each.stations for each in ended.values()))
    alive = [each.stations for name, each in listed.items() if name not in ended]
    owned = frozenset().union(*alive)
    unowned = {
        station
        for topic, payload in messages.items()
        for station in [_station_of(topic, payload, prefix)]
        if station is not None and station not in owned
    }
    names = sorted((ours.stations | orphans | unowned) - owned)[:MAX_STATIONS]
    topics = tuple(list_topic(prefix, name) for name in sorted(ended))
    return Found(frozenset(names), ours.discovery, lists=topics)


def listed_elsewhere(topic: str, payload: bytes, prefix: str, instance: str) -> frozenset[str]:
    """Return the stations in the list of another bridge that is running.

    Parameters
    ----------
    topic, payload
        A message.
    prefix, instance
        As for :func:`list_topic`.
    """
    if topic == list_topic(prefix, instance):
        return frozenset()
    found = _parsed(payload, "")
    return frozenset() if has_ended(found.process) else found.stations


def _parsed(payload: bytes, discovery: str) -> Found:
    value = _json(payload)
    if not isinstance(value, dict):
        return Found(frozenset(), discovery)
    stations, before = value.get("stations"), value.get("discovery")
    if not isinstance(stations, list):
        stations = []
    if not isinstance(before, str) or set(before) & set("+#\0") or before.startswith("$"):
        before = discovery
    names = frozenset(name for name in stations if isinstance(name, str))
    return Found(names, before, value.get("process"))


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
