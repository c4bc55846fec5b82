"""Settings of the daemon, from TOML files, environment variables and flags."""

from streamgenre.bus.settings import BusSettings
from streamgenre.config.settings import (
    Config,
    MetricsSettings,
    StationSettings,
)
from streamgenre.engine.settings import EngineSettings

__all__ = [
    "BusSettings",
    "Config",
    "EngineSettings",
    "MetricsSettings",
    "StationSettings",
]
