"""Settings of the daemon and its bridges, from TOML files, environment variables and flags.

The names below are imported at their first use: a bridge needs no part of the daemon.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamgenre.bus.settings import BusSettings
    from streamgenre.config.settings import (
        Config,
        MetricsSettings,
        StationSettings,
    )
    from streamgenre.engine.settings import EngineSettings

_MODULES = {
    "BusSettings": "streamgenre.bus.settings",
    "EngineSettings": "streamgenre.engine.settings",
    **dict.fromkeys(
        ("Config", "MetricsSettings", "StationSettings"), "streamgenre.config.settings"
    ),
}

__all__ = [
    "BusSettings",
    "Config",
    "EngineSettings",
    "MetricsSettings",
    "StationSettings",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
