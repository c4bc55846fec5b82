"""Dead air: a station that has been silent for longer than it should."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Silence:
    """The beginning or the end of dead air."""

    active: bool
    """Whether it begins; False where it is over."""
    start: float
    """Stream time of the first silent hop in seconds."""
    start_time: float
    """UNIX seconds of the same."""
    end: float
    """Stream time in seconds up to which it has been silent."""


class DeadAirWatch:
    """Finds dead air in the hops of one station.

    Silence is measured in stream time and includes short gaps. While a source is away for longer,
    it is not known whether it is silent: the caller then closes the silence, and silence after
    the source's return is a new one.

    Parameters
    ----------
    after_s
        Seconds of silence after which it is dead air; None for never.
    """

    def __init__(self, after_s: float | None) -> None:
        self._after_s = after_s
        self._start: tuple[float, float] | None = None  # stream and wall time
        self._reported = False

    def step(self, silent: bool, start: float, end: float, wall: float) -> Silence | None:
        """Take one hop; return dead air that begins or ends with it, else None.

        Parameters
        ----------
        silent
            Whether its level is below the threshold of silence.
        start, end
            Stream time of the hop in seconds.
        wall
            UNIX seconds of its end.
        """
        if not silent:
            return self.close(start)
        if self._start is None:
            self._start = (start, wall - (end - start))
        if self._reported or self._after_s is None or end - self._start[0] < self._after_s:
            return None
        self._reported = True
        return Silence(True, *self._start, end)

    def clock_was_set(self, at: float, step: float) -> list[Silence]:
        """Divide the silence where the system's clock was set; return its end and new beginning.

        Silence that is not dead air yet continues, with its start by the new clock.

        Parameters
        ----------
        at
            Stream time in seconds.
        step
            By how many seconds the clock was set.
        """
        if self._start is None:
            return []
        start, wall = self._start
        if not self._reported:
            self._start = start, wall + step
            return []
        at = max(at, start)
        self._start = at, wall + (at - start) + step
        return [Silence(False, start, wall, at), Silence(True, *self._start, at)]

    def close(self, end: float) -> Silence | None:
        """End the silence at a stream time; return it where it was dead air."""
        start, reported = self._start, self._reported
        self._start, self._reported = None, False
        return Silence(False, *start, max(end, start[0])) if start and reported else None
