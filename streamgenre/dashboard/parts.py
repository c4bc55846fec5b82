"""The parts of the single-station screen, each a function from a station to rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.dashboard.bigtext import big
from streamgenre.dashboard.canvas import Paint, Row, fit, wrapped
from streamgenre.dashboard.standing import Standing, standing
from streamgenre.display import palette
from streamgenre.display.text import (
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
    from streamgenre.events import Update

FLOOR_DBFS: Final = -60.0
"""Left end of the level meter."""
HOT_DBFS: Final = -6.0
"""RMS level in dBFS above which the meter warns: the peaks are clipped by then."""
CLIPPED_DBFS: Final = -0.1
"""Largest sample in dBFS from which on it has probably been clipped."""
PEAK_UPDATES: Final = 10
"""Updates whose highest level is marked."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a part needs to know of the screen."""

    width: int
    """Cells in a row."""
    now: float
    """Seconds on the clock by which events arrived."""
    paint: Paint


def header(station: StationView, frame: Frame) -> Row:
    """Return station, how it stands and its input, and at the right the time of what is shown."""
    paint = frame.paint
    stands = standing(station, frame.now)
    right = Row()
    if stands.word in ("no update", "no word yet") and stands.seconds is not None:
        right.add(f"no update for {duration(stands.seconds)}", paint(palette.BAD, bold=True))
    elif station.update is not None:
        right.add(clock(station.update.time), paint(dim=True))
    # The name may be long; what follows it must still be seen.
    name = fit(clean(station.name), max(8, frame.width // 3))
    row = Row().add(" ").add(name, paint(bold=True)).add("   ")
    word = Standing(station.source_state or stands.word, None)
    row.extend((word if stands.word == "no update" else stands).row(paint, "word"))
    playing = station.title.raw if station.title is not None and not station.reason else ""
    rest = clean(playing or station.input)
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


def sureness(update: Update) -> str:
    """Return the probability of what was decided; empty where there is none."""
    if update.state == "speech":
        return "" if update.speech is None else percent(update.speech)
    return percent(update.confidence) if update.genre is not None else ""


def absence(station: StationView, frame: Frame, *, rows: int) -> list[Row]:
    """Return that a station does not play, since when and why, in one row or in three."""
    paint = frame.paint
    ended = station.source_state == "ended"
    if ended:
        when = f"since {clock(station.source.time)}" if station.source else ""
    else:
        when = f"for {duration(station.away_s(frame.now) or 0.0)}"
    why = clean(station.reason) or "no reason is known"
    if rows < 3:
        # The header has the word.
        return [Row().add(f" {when}: {why}", paint(palette.WARN)).cut(frame.width)]
    what = Row().add(" ").extend(standing(station, frame.now).row(paint, "word"))
    what.add(f"   {when}")
    lines = wrapped(why, frame.width - 2)
    if len(lines) > 2:
        lines = [lines[0], fit(" ".join(lines[1:]), frame.width - 2)]
    told = [Row().add(f" {line}", paint(palette.WARN)) for line in lines]
    if len(told) == 1:
        after = "nothing more is to come" if ended else "it is tried again"
        told.append(Row().add(f" {after}", paint(dim=True)))
    return [what.cut(frame.width), *told]


def decision(station: StationView, frame: Frame, *, rows: int) -> list[Row]:
    """Return what is on since when, in one row or with large letters in three."""
    paint = frame.paint
    update = station.update
    if station.away_s(frame.now) is not None:
        return absence(station, frame, rows=rows)
    if update is None:
        words = Row().add(" waiting for the first update", paint(dim=True))
        return [words] if rows < 3 else [Row(), words, Row()]
    stale = station.stale_s(frame.now) is not None
    word = decision_word(station)
    color = palette.text_color(update.genre)
    style = paint(color, bold=True, dim=stale)
    if sureness(update):
        sure = Row().add(sureness(update), paint(bold=True))
    else:
        likeliest = max(update.smoothed, key=lambda g: share(update.smoothed[g]), default="")
        sure = Row().add(f"likeliest {clean(likeliest)} {percent(update.confidence)}")
        if update.state == "silence":
            sure = Row().add("nothing heard", paint(dim=True))
        dead = station.dead_air_s(frame.now)
        if dead is not None:
            sure = Row().add(f"dead air for {duration(dead)}", paint(palette.WARN, bold=True))
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
    room = (rows + 1) // 2 if spaced else rows
    genres = shown_genres(update.smoothed, room - (update.speech is not None))
    # 26 cells go to everything but name and bar.
    names = {genre: fit(clean(genre), max(4, (frame.width - 26) // 2)) for genre in genres}
    least = 0 if update.speech is None else len("speech")
    name_width = max((Row().add(name).width for name in names.values()), default=0)
    name_width = max(name_width, least)
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
    if update.speech is not None:
        chosen = update.state == "speech"
        color = palette.STATE_COLORS["speech"]
        sign = palette.STATE_GLYPHS["speech"]
        row = Row().add("▸" if chosen else " ", paint(color, bold=True))
        row.add(f" {sign} ", paint(palette.ink(color), bg=color, bold=True))
        row.add(" ").add(fit("speech", name_width), paint(bold=chosen)).to(6 + name_width)
        row.extend(gauge(update.speech, None, bar_width, paint(color, bold=True), paint))
        row.add(f" {percent(update.speech):>6}", paint(bold=chosen))
        lines += [Row(), row] if spaced and lines else [row]
    return lines


def meter(station: StationView, frame: Frame, *, scale: bool) -> list[Row]:
    """Return the level with its highest of late; below a scale in dBFS, peak and loudness."""
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
    update = station.update
    lufs = update.loudness_lufs if update else None
    for tick in range(int(FLOOR_DBFS), 1, 10):
        at = 7 + min(width - 1, int(width * place(tick)))
        label = str(tick)
        start = at if tick == FLOOR_DBFS else at - len(label) + 1
        if start > ticks.width or tick == FLOOR_DBFS:
            ticks.to(start).add(label, paint(dim=True))
    if lufs is not None and math.isfinite(lufs):
        ticks.to(7 + width).add(f"  {f'{lufs:.1f} LUFS':>15}")
    return [row, ticks]


def footer(station: StationView, frame: Frame, *, rows: int) -> list[Row]:
    """Return losses and what the daemon says of itself, the weightiest first."""
    status = station.status
    fields: list[tuple[str, str, bool]] = []
    fields.append(("lost", f"{number(station.samples_lost)} samples", station.samples_lost > 0))
    peak = station.update.peak_dbfs if station.update else None
    if peak is not None and math.isfinite(peak):
        fields.append(("peak", f"{peak:.1f} dBFS", peak >= CLIPPED_DBFS))
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
