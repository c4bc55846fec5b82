"""What the daemon is asked to do: one TOML file, the environment, flags."""

from streamgenre.config.settings import (
    BusSettings,
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
