"""The parts of the single-station screen, each a function from a station to rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.dashboard import palette
from streamgenre.dashboard.bigtext import big
from streamgenre.dashboard.canvas import Paint, Row, fit
from streamgenre.dashboard.text import (
    clean,
    clock,
    duration,
    level,
    milliseconds,
    number,
    percent,
    share,
    size,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style

    from streamgenre.dashboard.view import StationView

FLOOR_DBFS: Final = -60.0
"""Left end of the level meter."""
HOT_DBFS: Final = -6.0
"""RMS level in dBFS above which the meter warns: the peaks are clipped by then."""
PEAK_UPDATES: Final = 10
"""Updates whose highest level is marked."""

SOURCE_SIGNS: Final[dict[str, tuple[str, str]]] = {
    "connecting": ("◌", palette.WARN),
    "live": ("●", palette.GOOD),
    "lost": ("▲", palette.BAD),
    "ended": ("■", palette.STATE_COLORS["unknown"]),
}
"""Sign and colour of each source state."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a part needs to know of the screen."""

    width: int
    """Cells in a row."""
    now: float
    """Seconds on the clock by which events arrived."""
    paint: Paint


def source_sign(station: StationView, paint: Paint) -> Row:
    """Return the state of a station's source as sign and word."""
    state = station.source_state
    if state is None:
        return Row().add("◌ no word yet", paint(dim=True))
    sign, color = SOURCE_SIGNS.get(state, ("◌", palette.WARN))
    return Row().add(f"{sign} {clean(state)}", paint(color, bold=True))


def header(station: StationView, frame: Frame) -> Row:
    """Return station, source and input, and at the right the time, or that it stands still."""
    paint = frame.paint
    stale = station.stale_s(frame.now)
    right = Row()
    if stale is not None:
        right.add(f"no update for {duration(stale)}", paint(palette.BAD, bold=True))
    elif station.update is not None:
        right.add(clock(station.update.time), paint(dim=True))
    # The name may be long; what follows it must still be seen.
    name = fit(clean(station.name), max(8, frame.width // 3))
    row = Row().add(" ").add(name, paint(bold=True))
    row.add("   ").extend(source_sign(station, paint))
    lost = station.source is not None and station.source_state == "lost" and station.source.detail
    playing = station.title.raw if station.title is not None else ""
    rest = clean(lost or playing or station.input)
    room = frame.width - row.width - 3 - right.width - 3
    if rest and room >= 6:
        row.add("   ").add(fit(rest, room), paint(dim=True))
    return row.to(frame.width - right.width - 1).extend(right)


def decision_word(station: StationView) -> str:
    """Return the genre, or the state where there is none."""
    update = station.update
    if update is None:
        return "waiting"
    return clean(update.genre) if update.genre is not None else clean(update.state)


def decision(station: StationView, frame: Frame, *, rows: int) -> list[Row]:
    """Return what is on since when, in one row or with large letters in three."""
    paint = frame.paint
    update = station.update
    if update is None:
        words = Row().add(" waiting for the first update", paint(dim=True))
        return [words] if rows < 3 else [Row(), words, Row()]
    stale = station.stale_s(frame.now) is not None
    word = decision_word(station)
    color = palette.text_color(update.genre)
    style = paint(color, bold=True, dim=stale)
    if update.state == "music":
        sure = Row().add(percent(update.confidence), paint(bold=True))
    else:
        likeliest = max(update.smoothed, key=lambda g: share(update.smoothed[g]), default="")
        sure = Row().add(f"likeliest {clean(likeliest)} {percent(update.confidence)}")
        if update.state == "silence":
            sure = Row().add("nothing heard", paint(dim=True))
    held = Row().add(f"for {duration(station.held_s)}")
    since = Row().add(f"since {clock(update.time - station.held_s)}", paint(dim=True))
    letters = big(word) if rows >= 3 else None
    # The words beside the letters take up to 26 cells.
    if letters is None or len(letters[0]) + 30 > frame.width:
        short = Row().add(" ").add(fit(word.upper(), frame.width // 3), style)
        for part in (sure, held, since):
            if short.width + 3 + part.width <= frame.width:
                short.add("   ").extend(part)
        return [short] if rows < 3 else [Row(), short, Row()]
    return [
        Row().add(" ").add(line, style).add("   ").extend(beside)
        for line, beside in zip(letters, (sure, held, since), strict=True)
    ]


def gauge(value: float, mark: float | None, width: int, style: Style, paint: Paint) -> Row:
    """Return a bar for ``value`` with a second value marked on it; both 0 to 1."""
    halves = round(2 * width * share(value))
    line = "━" * (halves // 2) + "╸" * (halves % 2)
    filled = len(line)
    row = Row()
    rail = paint(palette.STATE_COLORS["silence"])
    if mark is None:
        return row.add(line, style).add("─" * (width - filled), rail)
    at = min(width - 1, int(width * share(mark)))
    row.add(line[:at], style)
    if filled < at:
        row.add("─" * (at - filled), rail)
    row.add("◆", paint(bold=True))
    row.add(line[at + 1 :], style)
    return row.add("─" * (width - row.width), rail)


def shown_genres(smoothed: dict[str, float], count: int) -> list[str]:
    """Return the ``count`` likeliest genres in the order of the model."""
    if len(smoothed) <= count:
        return list(smoothed)
    likeliest = sorted(smoothed, key=lambda genre: -share(smoothed[genre]))[:count]
    return [genre for genre in smoothed if genre in set(likeliest)]


def bars(station: StationView, frame: Frame, *, rows: int, spaced: bool) -> list[Row]:
    """Return one bar a genre: the smoothed value, and ``◆`` at the value of the last hop."""
    update = station.update
    if update is None:
        return []
    paint = frame.paint
    signs = palette.letters(update.smoothed)
    genres = shown_genres(update.smoothed, (rows + 1) // 2 if spaced else rows)
    # 26 cells go to everything but name and bar.
    names = {genre: fit(clean(genre), max(4, (frame.width - 26) // 2)) for genre in genres}
    name_width = max((Row().add(name).width for name in names.values()), default=0)
    bar_width = max(0, frame.width - 26 - name_width)
    lines: list[Row] = []
    for genre in genres:
        smoothed, raw = update.smoothed[genre], update.probabilities.get(genre, 0.0)
        chosen = genre == update.genre
        color = palette.genre_color(genre)
        row = Row().add("▸" if chosen else " ", paint(color, bold=True))
        row.add(f" {signs[genre]} ", paint(palette.ink(color), bg=color, bold=True))
        row.add(" ").add(names[genre], paint(bold=chosen)).to(6 + name_width)
        row.extend(gauge(smoothed, raw, bar_width, paint(color, bold=True), paint))
        row.add(f" {percent(smoothed):>6}", paint(bold=chosen))
        row.add("   ◆ ", paint(dim=True)).add(f"{percent(raw):>5}", paint(dim=True))
        if spaced and lines:
            lines.append(Row())
        lines.append(row)
    return lines


def meter(station: StationView, frame: Frame, *, scale: bool) -> list[Row]:
    """Return the level with the peak of the last updates, and a scale in dBFS below."""
    paint = frame.paint
    width = frame.width - 26
    dbfs = station.update.level_dbfs if station.update else None
    # Levels of before a silence would be a peak of something that is over.
    recent = [one for one in list(station.levels)[-PEAK_UPDATES:] if one is not None]

    def place(value: float) -> float:
        return share((value - FLOOR_DBFS) / -FLOOR_DBFS)

    color = palette.GOOD if dbfs is None or dbfs <= HOT_DBFS else palette.WARN
    row = Row().add(" level ", paint(dim=True))
    peak = place(max(recent)) if recent and dbfs is not None else None
    row.extend(gauge(0.0 if dbfs is None else place(dbfs), peak, width, paint(color), paint))
    words = level(dbfs) if station.update else "–"
    row.add(f"  {words:>15}", paint(bold=dbfs is not None, dim=dbfs is None))
    if not scale:
        return [row]
    ticks = Row().to(7)
    for tick in range(int(FLOOR_DBFS), 1, 10):
        at = 7 + min(width - 1, int(width * place(tick)))
        label = str(tick)
        start = at if tick == FLOOR_DBFS else at - len(label) + 1
        if start > ticks.width or tick == FLOOR_DBFS:
            ticks.to(start).add(label, paint(dim=True))
    return [row, ticks]


def footer(station: StationView, frame: Frame, *, rows: int) -> list[Row]:
    """Return losses and what the daemon says of itself, the weightiest first."""
    status = station.status
    fields: list[tuple[str, str, bool]] = []
    fields.append(("lost", f"{number(station.samples_lost)} samples", station.samples_lost > 0))
    if station.missed:
        fields.append(("missed", f"{number(station.missed)} events", True))
    if status is not None:
        late = status.latency_ms
        if late is not None:
            p50, p99 = (milliseconds(late.get(key, 0.0)) for key in ("p50", "p99"))
            fields.append(("latency", f"{p50} / {p99} ms p50/p99", False))
        fields.append(("CPU", f"{100 * status.cpu_share:.1f} %", status.cpu_share >= 0.9))
        fields.append(("RSS", size(status.rss_bytes), False))
        fields.append(("up", duration(status.uptime_s), False))
        if status.samples_replaced:
            fields.append(("replaced", f"{number(status.samples_replaced)} samples", True))
    # The newest update knows its number; a status is up to 10 s old.
    updates = station.update.seq + 1 if station.update else 0
    fields.append(("updates", number(updates), False))
    if status is not None:
        fields.append(("model", fit(clean(status.model), 32), False))
    if station.source is not None and station.source.rate is not None:
        channels = f" × {station.source.channels}" if station.source.channels else ""
        fields.append(("input", f"{station.source.rate / 1000:g} kHz{channels}", False))
    return _flow(fields, frame, rows)


def _flow(fields: Sequence[tuple[str, str, bool]], frame: Frame, rows: int) -> list[Row]:
    """Return fields side by side in at most ``rows`` rows; what does not fit is left out."""
    paint = frame.paint
    lines = [Row().add(" ")]
    for label, value, alarming in fields:
        item = Row().add(f"{label} ", paint(dim=True))
        item.add(value, paint(palette.WARN, bold=True) if alarming else paint())
        between = 3 if lines[-1].width > 1 else 0
        if lines[-1].width + between + item.width > frame.width:
            if len(lines) == rows:
                continue
            lines.append(Row().add(" "))
            between = 0
        lines[-1].add(" " * between).extend(item)
    return lines
