"""Home Assistant's MQTT discovery: the sensors of a station and the topics of their values."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor of a station."""

    kind: str
    """Home Assistant's component."""
    key: str
    """Identifier, unique within the station."""
    name: str
    """Name shown to people."""
    event: str
    """Type of the event whose JSON has the value."""
    more: dict[str, Any]
    """Further fields of the discovery message."""


SENSORS: Final = (
    Sensor(
        "sensor",
        "genre",
        "Genre",
        "update",
        {
            "value_template": "{{ value_json.genre or value_json.state }}",
            "icon": "mdi:music",
        },
    ),
    Sensor(
        "sensor",
        "confidence",
        "Confidence",
        "update",
        {
            "value_template": "{{ (100 * value_json.confidence) | round(1) }}",
            "unit_of_measurement": "%",
            "state_class": "measurement",
        },
    ),
    Sensor(
        "sensor",
        "level",
        "Level",
        "update",
        {
            "value_template": "{{ value_json.level_dbfs }}",
            "unit_of_measurement": "dB",
            "device_class": "sound_pressure",
            "state_class": "measurement",
        },
    ),
    Sensor(
        "binary_sensor",
        "music",
        "Music",
        "update",
        {
            "value_template": "{{ 'ON' if value_json.state == 'music' else 'OFF' }}",
            "device_class": "sound",
        },
    ),
    Sensor(
        "sensor",
        "title",
        "Title",
        "title",
        {"value_template": "{{ value_json.raw[:255] }}", "icon": "mdi:playlist-music"},
    ),
)


def discovery(
    prefix: str, station: str, topic: Callable[[str, str], str], availability: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Yield topics and payloads that announce a station.

    Parameters
    ----------
    prefix
        Home Assistant's discovery prefix.
    station
        Name of the station, any text.
    topic
        Returns the topic of a station's events of a type.
    availability
        Topics that must all be ``online``.

    Yields
    ------
    tuple of str
        Topic and payload.
    """
    node = identifier(station)
    for sensor in SENSORS:
        config = {
            "name": sensor.name,
            "unique_id": f"streamgenre_{node}_{sensor.key}",
            # Home Assistant before 2025.10 reads object_id, from 2026.4 default_entity_id alone.
            "object_id": f"streamgenre_{node}_{sensor.key}",
            "default_entity_id": f"{sensor.kind}.streamgenre_{node}_{sensor.key}",
            "state_topic": topic(sensor.event, station),
            "availability": [{"topic": where} for where in availability],
            "availability_mode": "all",
            "device": {
                "identifiers": [f"streamgenre_{node}"],
                "name": station,
                "manufacturer": "streamgenre",
                "sw_version": __version__,
            },
            "origin": {"name": "streamgenre", "sw_version": __version__},
            **sensor.more,
        }
        yield _config_topic(prefix, node, sensor), json.dumps(config, ensure_ascii=False)


def discovery_topics(prefix: str, station: str) -> list[str]:
    """Return the topics on which :func:`discovery` announces a station.

    Parameters
    ----------
    prefix
        Home Assistant's discovery prefix.
    station
        Name of the station, any text.
    """
    return [_config_topic(prefix, identifier(station), sensor) for sensor in SENSORS]


def _config_topic(prefix: str, node: str, sensor: Sensor) -> str:
    return f"{prefix}/{sensor.kind}/streamgenre_{node}/{sensor.key}/config"


def identifier(station: str) -> str:
    """Return a station's name in the characters that Home Assistant allows, still unique."""
    plain = re.sub(r"[^a-zA-Z0-9]+", "_", station).strip("_").lower()
    if plain == station:
        return plain
    digest = hashlib.sha256(station.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{plain[:40]}_{digest}" if plain else digest
