"""Defaults that several packages share. This module imports nothing of streamgenre."""

from __future__ import annotations

from typing import Final

ENDPOINT: Final = "tcp://127.0.0.1:5757"
"""ZeroMQ endpoint on which a daemon publishes its events."""
CONTROL_ENDPOINT: Final = "tcp://127.0.0.1:5758"
"""ZeroMQ endpoint on which a daemon takes requests, where it takes any."""
MODEL: Final = "lstm"
"""Name of the shipped model that is used where none is named."""
INPUT: Final = "default"
"""Input that means the default input device, whatever that is called."""
BROKER: Final = "mqtt://127.0.0.1:1883"
"""MQTT broker to which the bridge publishes."""
