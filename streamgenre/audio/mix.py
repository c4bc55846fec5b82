"""Mixes the channels of a stream to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SILENT: Final = 1e-4
"""A channel of surround sound is in use once a sample exceeds this: -80 dBFS."""


class ChannelMixer:
    """Mixes channels to their mean.

    Of three and more channels, only those that are in use count: stereo in a file with surround
    channels that are silent is as loud as stereo alone. A channel stays in use from its first
    sample that is not silent.

    Parameters
    ----------
    channels
        Number of channels.
    """

    def __init__(self, channels: int) -> None:
        self._used = np.full(channels, channels <= 2)
        self._set_share()

    def mix(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of the channels, shape ``(n,)``.

        The result does not depend on how the signal was cut into blocks.

        Parameters
        ----------
        block
            Samples, shape ``(n, channels)``.
        """
        if len(self._used) == 1:
            return block[:, 0].copy()
        mono: NDArray[np.float32] = block[:, 0] + block[:, 1]
        # Column by column: NumPy's mean over such a short axis costs twenty times as much.
        for column in block.T[2:]:
            mono += column
        start = 0
        for at, channel in self._first_uses(block):
            mono[start:at] *= self._share
            self._used[channel] = True
            self._set_share()
            start = at
        mono[start:] *= self._share
        return mono

    def _set_share(self) -> None:
        used = int(self._used.sum())
        self._share = np.float32(1 / (used or len(self._used)))
        self._all_used = used == len(self._used)

    def _first_uses(self, block: NDArray[np.float32]) -> list[tuple[int, int]]:
        """Return where each channel that was not in use is used first, in their order."""
        if self._all_used:
            return []
        found = []
        for channel in np.flatnonzero(~self._used):
            loud = np.abs(block[:, channel]) > _SILENT
            if loud.any():
                found.append((int(loud.argmax()), int(channel)))
        return sorted(found)
