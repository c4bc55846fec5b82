"""What a gap, a lost source or a long silence ends at one station."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamgenre.audio.ring import GapReason
from streamgenre.inference.dead_air import DeadAirWatch

if TYPE_CHECKING:
    from streamgenre.engine.hops import Hop, PlacedGap
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.inference.dead_air import Silence


@dataclass(frozen=True, slots=True)
class GapEffect:
    """What a gap ends."""

    silence: Silence | None
    """Dead air that is over with it."""
    resets: bool
    """Whether the segment ends, and model and decision are reset."""
    title_unknown: bool
    """Whether the title that was playing no longer holds."""


class LossPolicy:
    """Applies the rules for losses and silence to one station.

    - A gap shorter than ``reset_gap_s`` is bridged. A longer one ends the segment and any dead
      air, and resets model and decision.
    - After a reconnect the title is unknown until the new stream announces one.
    - A lost source ends the segment at once, for it may stay away for hours. Once it has been away
      for ``reset_gap_s``, it ends dead air too: whether it is silent is not known.

    Parameters
    ----------
    settings
        Where a gap resets and when silence is dead air.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._reset_gap_s = settings.reset_gap_s
        self._dead_air = DeadAirWatch(settings.dead_air_s or None)
        self._lost_since: float | None = None  # monotonic seconds

    def hop(self, hop: Hop, *, silent: bool) -> Silence | None:
        """Take a hop; return dead air that begins or ends with it.

        Parameters
        ----------
        hop
            The hop.
        silent
            Whether the hop is silent.

        Returns
        -------
        Silence or None
            Dead air that begins or ends with the hop, if any.
        """
        return self._dead_air.step(silent, hop.start, hop.end, hop.wall)

    def gap(self, gap: PlacedGap, *, title_follows: bool) -> GapEffect:
        """Take a gap; return what it ends.

        Parameters
        ----------
        gap
            The gap.
        title_follows
            Whether a title is announced for the first sample after it.
        """
        return GapEffect(
            silence=self._dead_air.close(gap.start) if gap.resets else None,
            resets=gap.resets,
            title_unknown=gap.reason is GapReason.RECONNECT and not title_follows,
        )

    def source_lost(self, stream_time: float) -> Silence | None:
        """Note that the source is away; return the dead air that this ends.

        ``stream_time`` is the present one in seconds.
        """
        now = time.monotonic()
        if self._lost_since is None:
            self._lost_since = now
        return self.end(stream_time) if now - self._lost_since >= self._reset_gap_s else None

    def source_present(self) -> None:
        """Note that the source is not away."""
        self._lost_since = None

    def clock_was_set(self, stream_time: float, step: float) -> list[Silence]:
        """Divide dead air where the system's clock was set; return its end and new beginning.

        Parameters
        ----------
        stream_time
            Where, in seconds.
        step
            By how many seconds the clock was set.
        """
        return self._dead_air.clock_was_set(stream_time, step)

    def end(self, stream_time: float) -> Silence | None:
        """End any silence at a stream time in seconds; return it where it was dead air."""
        return self._dead_air.close(stream_time)
