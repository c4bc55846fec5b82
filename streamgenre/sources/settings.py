"""The settings that choose an input and how it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from streamgenre.sources.device.source import DeviceSettings
    from streamgenre.sources.files.raw import RawFormat
    from streamgenre.sources.paced import Pace
    from streamgenre.sources.stream.settings import StreamSettings


class InputSettings(Protocol):
    """What the factory reads of a station's settings.

    A protocol, because the configuration keeps one flat table for each station and lies above the
    sources.
    """

    @property
    def input(self) -> str | None:
        """Device name or id, path, URL, ``-``, ``demo`` or ``default``; None for the default."""

    @property
    def pace(self) -> Pace:
        """How fast files and the demo are played."""

    @property
    def loop(self) -> bool:
        """Whether a file, folder or playlist is repeated."""

    @property
    def shuffle(self) -> int | None:
        """Seed of the random order of a folder or playlist; None keeps its own order."""

    @property
    def raw(self) -> RawFormat:
        """Format of raw PCM on standard input."""

    @property
    def stream(self) -> StreamSettings:
        """How a stream is requested and read."""

    @property
    def device(self) -> DeviceSettings:
        """Time limits of a sound card."""
