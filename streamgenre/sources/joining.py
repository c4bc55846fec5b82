"""Joins decoded frames, so that several are converted at the cost of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamgenre.audio.ring import Gap, GapReason
from streamgenre.sources.conversion import Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.sources.conversion import Converter
    from streamgenre.sources.damage import DamageCounter


_MOST_VALUES: Final = 192_000
"""Samples of all channels that wait together; a second of eight channels at 768 kHz is 25 MB."""


class JoinedFrames:
    """Decoded frames of one format that are converted together.

    Parameters
    ----------
    converter
        Converts them.
    damage
        Counts the damaged packets.
    loudest
        Largest sample that can be audio, where 1 is full scale; None for no limit.
    rate
        Rate of the blocks in Hz.
    """

    def __init__(
        self, converter: Converter, damage: DamageCounter, loudest: float | None, rate: int
    ) -> None:
        self.lost_s = 0.0
        """Seconds that are missing before the next samples."""
        self._seconds, self._values = 0.0, 0  # length of the frames that wait
        self._converter, self._damage, self._loudest = converter, damage, loudest
        self._rate = rate
        self._started = False
        self._waiting: list[tuple[Any, Any]] = []  # packets and frames
        self._format: tuple[Any, ...] = ()  # of those

    def add(self, packet: Any, frame: Any) -> bool:
        """Add a frame; return False where those before it have another format.

        Parameters
        ----------
        packet, frame
            PyAV's packet and a frame that was decoded from it.
        """
        if (frame.sample_rate, frame.layout.nb_channels, frame.format.name) != self._format:
            return False
        self._waiting.append((packet, frame))
        self._seconds += frame.samples / self._format[0]
        self._values += frame.samples * self._format[1]
        return True

    def full(self, seconds: float) -> bool:
        """Return whether so many seconds wait, or as much as memory allows."""
        return self._seconds >= seconds or self._values >= _MOST_VALUES

    def begin(self, packet: Any, frame: Any) -> None:
        """Begin with a frame of another format; an implausible one counts as damaged.

        Parameters
        ----------
        packet, frame
            PyAV's packet and a frame that was decoded from it.
        """
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        if Format(rate, channels).plausible:
            self._format = (rate, channels, frame.format.name)
            self.add(packet, frame)
        else:
            self._format = ()
            self.lost_s += self._damage.count(packet, f"{rate} Hz")

    def convert(self) -> Iterator[NDArray[np.float32] | Gap]:
        """Yield the samples of the frames that wait, and the gap before them."""
        import av

        waiting, self._waiting, self._seconds, self._values = self._waiting, [], 0.0, 0
        if not waiting:
            return
        try:
            yield from self._converted([frame for _, frame in waiting])
        except (av.FFmpegError, ValueError) as error:
            if len(waiting) == 1:
                self.lost_s += self._damage.count(waiting[0][0], error)
                return
            for one in waiting:
                self._damage.last = False
                self._waiting = [one]
                yield from self.convert()

    def _converted(self, frames: list[Any]) -> Iterator[NDArray[np.float32] | Gap]:
        for block in self._converter.convert(frames, self._loudest):
            if self.lost_s and self._started:
                yield Gap(round(self.lost_s * self._rate), GapReason.SOURCE)
            self.lost_s, self._started = 0.0, True
            yield block

    def end(self) -> Iterator[NDArray[np.float32]]:
        """Yield what the converter held back at the end."""
        yield from self._converter.flush()
