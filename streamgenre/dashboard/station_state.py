"""The state of a station in one word: whether it plays, and if not, for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from streamgenre.dashboard.canvas import Row
from streamgenre.display import palette
from streamgenre.display.text import clean, duration

if TYPE_CHECKING:
    from streamgenre.dashboard.canvas import Paint
    from streamgenre.dashboard.view import StationView


class StationState(NamedTuple):
    """The state of a station."""

    word: str
    """A key of ``SOURCE_SIGNS``, or a state of the source that is unknown here."""
    seconds: int | None
    """How long it has lasted; None if that does not matter."""

    def row(self, paint: Paint, form: Literal["sign", "word", "time"] = "time") -> Row:
        """Return the state as text.

        Parameters
        ----------
        paint
            Makes styles.
        form
            ``sign`` alone; sign and ``word``; or with the ``time`` too, if there is one.

        Returns
        -------
        Row
            A new row.
        """
        sign, color = palette.SOURCE_SIGNS.get(self.word, ("◌", palette.WARN))
        text = sign if form == "sign" else f"{sign} {clean(self.word)}"
        if form == "time" and self.seconds is not None:
            text += f" {duration(self.seconds)}"
        return Row().add(text, paint(color, bold=True))


def station_state(station: StationView, now: float) -> StationState:
    """Return the state of a station.

    Parameters
    ----------
    station
        What is known of it.
    now
        Seconds on the clock by which its events arrived.

    Returns
    -------
    StationState
        Its state.
    """
    state = station.source_state
    if state is None:
        return StationState("no word yet", station.stale_s(now))
    away = station.away_s(now)
    if away is not None:
        return StationState(state, None if state == "ended" else int(away))
    stale = station.stale_s(now)
    if stale is not None:
        return StationState("no update", stale)
    dead = station.dead_air_s(now)
    return StationState(state, None) if dead is None else StationState("dead air", int(dead))
