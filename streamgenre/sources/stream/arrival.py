"""How fast the audio of a stream arrives: one too fast is slowed down, one too slow is lost."""

from __future__ import annotations

import time
from typing import Final

from streamgenre.errors import InputError

WINDOW_S: Final = 30.0
"""Seconds over which a stream must deliver at least two thirds as much audio."""
AHEAD_S: Final = 30.0
"""Seconds of audio that may arrive early: the initial burst of a server, segments of HLS."""


class Arrival:
    """Compares the audio that was received with the time that has passed.

    Parameters
    ----------
    name
        Name of the input, for errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.newest_at: float | None = None
        """Monotonic seconds of the newest audio; None before the first."""
        self.received_s = 0.0
        """Seconds of audio since the stream was last live."""
        self._live_since = 0.0  # monotonic seconds
        self._window: tuple[float, float] = (0.0, 0.0)  # its start, seconds of audio in it

    def connected(self) -> None:
        """Start measuring the speed of a new connection."""
        self._window = (0.0, 0.0)

    def live(self, now: float) -> None:
        """Note that the stream is live from now on, in monotonic seconds."""
        self._live_since, self.received_s = now, 0.0

    def plausible_s(self, missing_s: float) -> float:
        """Return seconds of missing audio, no more than can have passed: a server may lie."""
        passed_s = 0.0 if self.newest_at is None else time.monotonic() - self.newest_at
        return min(missing_s, passed_s + AHEAD_S)

    def early_s(self, seconds: float) -> float:
        """Take some seconds of audio; return how many seconds too early they come, or less than 0.

        A server starts with a burst; one that keeps sending faster than real time is slowed.
        """
        self.received_s += seconds
        return self.received_s - (time.monotonic() - self._live_since) - AHEAD_S

    def check_speed(self, began: float, seconds: float) -> None:
        """Note some seconds of audio, and that they were received just now.

        Parameters
        ----------
        began
            Monotonic seconds at which they came.
        seconds
            Their length.

        Raises
        ------
        InputError
            If too little has come within the window.
        """
        self.newest_at = time.monotonic()
        start, received_s = self._window
        start = start or began
        self._window = (start, received_s + seconds)
        if began - start > WINDOW_S:
            self._window = (began, 0.0)
            if received_s < 2 / 3 * WINDOW_S:
                raise InputError(
                    f"{self._name}: only {received_s:.0f} s of audio in {began - start:.0f} s"
                )
