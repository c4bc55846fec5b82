"""Plays clips on the default output device, if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamgenre.clips.flac import decode

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class Player:
    """Plays one clip at a time, in the background; as a context manager it stops at the end.

    Parameters
    ----------
    silent
        Whether to play nothing.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self._sound: Any = None
        if not silent:
            self._sound = _sound()

    @property
    def plays(self) -> bool:
        """Whether there is an output device."""
        return self._sound is not None

    def play(self, path: Path) -> None:
        """Play a clip, instead of what plays; return at once.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        samples, rate = decode(path)
        self.stop()
        if self._sound is None:
            return
        try:
            wanted = int(self._sound.query_devices(kind="output")["default_samplerate"])
            self._sound.play(_resampled(samples, rate, wanted), wanted, latency="high")
        except (self._sound.PortAudioError, ValueError):
            self._sound = None  # unplugged, or it takes no such audio

    def stop(self) -> None:
        """Stop what plays."""
        if self._sound is not None:
            self._sound.stop(ignore_errors=True)

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _sound() -> Any:
    """Return the module sounddevice if it has an output device, else None."""
    try:
        import sounddevice
    except (ImportError, OSError):  # PortAudio is missing
        return None
    try:
        sounddevice.query_devices(kind="output")
    except (sounddevice.PortAudioError, ValueError):
        return None
    return sounddevice


def _resampled(samples: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """Return samples at the rate of the device: many take no 16 kHz."""
    import soxr

    found: NDArray[np.float32] = soxr.resample(samples, rate, wanted)
    return found
