"""How a station stands, at a glance: whether it plays, whether it should, and for how long not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from streamgenre.dashboard.canvas import Row
from streamgenre.display import palette
from streamgenre.display.text import clean, duration

if TYPE_CHECKING:
    from streamgenre.dashboard.canvas import Paint
    from streamgenre.dashboard.view import StationView

SIGNS: Final[dict[str, tuple[str, str]]] = {
    "live": ("●", palette.GOOD),
    "dead air": ("!", palette.WARN),
    "no update": ("○", palette.BAD),
    "connecting": ("◌", palette.WARN),
    "lost": ("▲", palette.BAD),
    "ended": ("■", palette.STATE_COLORS["unknown"]),
    "no word yet": ("◌", palette.STATE_TEXT),
}
"""Sign and colour of each standing; all but ``dead air`` and those without a word are states of
the source."""


class Standing(NamedTuple):
    """How a station stands."""

    word: str
    """One of ``SIGNS``, or a state that is not known here."""
    seconds: int | None
    """For how long, where that wants to be known."""

    def row(self, paint: Paint, form: Literal["sign", "word", "time"] = "time") -> Row:
        """Return it as sign, as sign and word, or with the time too where there is one."""
        sign, color = SIGNS.get(self.word, ("◌", palette.WARN))
        text = sign if form == "sign" else f"{sign} {clean(self.word)}"
        if form == "time" and self.seconds is not None:
            text += f" {duration(self.seconds)}"
        return Row().add(text, paint(color, bold=True))


def standing(station: StationView, now: float) -> Standing:
    """Return how a station stands; ``now`` by the clock by which its events arrived."""
    state = station.source_state
    if state is None:
        return Standing("no word yet", station.stale_s(now))
    away = station.away_s(now)
    if away is not None:
        return Standing(state, None if state == "ended" else int(away))
    stale = station.stale_s(now)
    if stale is not None:
        return Standing("no update", stale)
    dead = station.dead_air_s(now)
    return Standing(state, None) if dead is None else Standing("dead air", int(dead))
