"""Formats of raw PCM: samples without a header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from streamgenre.errors import SettingsError
from streamgenre.limits import Range, check
from streamgenre.sources.conversion import MAX_CHANNELS, MAX_RATE, MIN_RATE

FORMATS: Final[dict[str, tuple[str, float]]] = {
    "s16le": ("<i2", 2.0**15),
    "s16be": (">i2", 2.0**15),
    "s32le": ("<i4", 2.0**31),
    "s32be": (">i4", 2.0**31),
    "f32le": ("<f4", 1.0),
    "f32be": (">f4", 1.0),
}
"""NumPy type and full scale of each sample format; the names are FFmpeg's."""


@dataclass(frozen=True, slots=True)
class RawFormat:
    """Rate, channels and sample format of raw PCM."""

    rate: Annotated[int, Range(MIN_RATE, MAX_RATE, "Hz")] = 44_100
    """Sample rate in Hz."""
    channels: Annotated[int, Range(1, MAX_CHANNELS, "channels")] = 2
    """Number of interleaved channels."""
    format: Literal["s16le", "s16be", "s32le", "s32be", "f32le", "f32be"] = "s16le"
    """FFmpeg's name of the sample format."""

    def __post_init__(self) -> None:
        check(self)
        if self.format not in FORMATS:
            raise SettingsError(f"format {self.format}: expected one of {', '.join(FORMATS)}")
