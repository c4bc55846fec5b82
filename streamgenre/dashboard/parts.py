"""Parts of the single-station screen: header, decision and footer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.dashboard.bigtext import big
from streamgenre.dashboard.canvas import Paint, Row, fit, wrapped
from streamgenre.dashboard.station_state import StationState, station_state
from streamgenre.display import palette
from streamgenre.display.text import (
    clean,
    clock,
    duration,
    milliseconds,
    number,
    percent,
    share,
    size,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamgenre.dashboard.view import StationView
    from streamgenre.events import Update

CLIPPED_DBFS: Final = -0.1
"""Largest sample in dBFS above which it has probably been clipped."""


@dataclass(frozen=True, slots=True)
class ScreenContext:
    """What a part needs to know about the screen."""

    width: int
    """Cells in a row."""
    now: float
    """Seconds on the clock by which events arrived."""
    paint: Paint


def header(station: StationView, frame: ScreenContext) -> Row:
    """Return station, state and input; at the right the time of the newest update.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.

    Returns
    -------
    Row
        A row as wide as the screen, less a margin of one cell.
    """
    paint = frame.paint
    state = station_state(station, frame.now)
    right = Row()
    if state.word in ("no update", "no word yet") and state.seconds is not None:
        right.add(f"no update for {duration(state.seconds)}", paint(palette.BAD, bold=True))
    elif station.update is not None:
        right.add(clock(station.update.time), paint(dim=True))
    # The name may be long; what follows it must stay visible.
    name = fit(clean(station.name), max(8, frame.width // 3))
    row = Row().add(" ").add(name, paint(bold=True)).add("   ")
    word = StationState(station.source_state or state.word, None)
    row.extend((word if state.word == "no update" else state).row(paint, "word"))
    playing = station.title.raw if station.title is not None and not station.reason else ""
    rest = clean(playing or station.input)
    room = frame.width - row.width - 3 - right.width - 3
    if rest and room >= 6:
        row.add("   ").add(fit(rest, room), paint(dim=True))
    return row.to(frame.width - right.width - 1).extend(right)


def decision_word(station: StationView) -> str:
    """Return the genre, or the state if there is none."""
    update = station.update
    if update is None:
        return "waiting"
    return clean(update.genre) if update.genre is not None else clean(update.state)


def sureness(update: Update) -> str:
    """Return the probability of the decision; empty if it has none."""
    if update.state == "speech":
        return "" if update.speech is None else percent(update.speech)
    if update.state == "noise":
        return percent(update.confidence)
    return percent(update.confidence) if update.genre is not None else ""


def absence(station: StationView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return since when and why a station does not play, in one row or in three.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    rows
        Rows available: three rows are used from 3 on, otherwise one.
    """
    paint = frame.paint
    ended = station.source_state == "ended"
    if ended:
        when = f"since {clock(station.source.time)}" if station.source else ""
    else:
        when = f"for {duration(station.away_s(frame.now) or 0.0)}"
    why = clean(station.reason) or "reason unknown"
    if rows < 3:
        # The header has the word.
        return [Row().add(f" {when}: {why}", paint(palette.WARN)).cut(frame.width)]
    what = Row().add(" ").extend(station_state(station, frame.now).row(paint, "word"))
    what.add(f"   {when}")
    lines = wrapped(why, frame.width - 2)
    if len(lines) > 2:
        lines = [lines[0], fit(" ".join(lines[1:]), frame.width - 2)]
    rows_of_why = [Row().add(f" {line}", paint(palette.WARN)) for line in lines]
    if len(rows_of_why) == 1:
        after = "nothing more will come" if ended else "reconnecting"
        rows_of_why.append(Row().add(f" {after}", paint(dim=True)))
    return [what.cut(frame.width), *rows_of_why]


def decision(station: StationView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return the decision and its duration, in one row or with large letters in three.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    rows
        Rows available: three rows are used from 3 on, otherwise one.

    Returns
    -------
    list[Row]
        One or three rows; those of :func:`absence` while the source does not play.
    """
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
    tags = Row().add(clean(", ".join(update.tags or {})), paint(dim=True))
    letters = big(word) if rows >= 3 else None
    # The words beside the letters take up to 26 cells.
    if letters is None or len(letters[0]) + 30 > frame.width:
        short = Row().add(" ").add(fit(word.upper(), frame.width // 3), style)
        for part in (sure, held, since, tags):
            if part.width and short.width + 3 + part.width <= frame.width:
                short.add("   ").extend(part)
        return [short] if rows < 3 else [Row(), short, Row()]
    if tags.width:
        held, since = held.add("   ").extend(since), tags
    return [
        Row().add(" ").add(line, style).add("   ").extend(beside).cut(frame.width)
        for line, beside in zip(letters, (sure, held, since), strict=True)
    ]


def footer(station: StationView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return losses and the daemon's own figures, the most important first.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    rows
        Most rows, at least 1; fields that do not fit are left out.
    """
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
        if status.worker is not None:
            restarts = status.worker_restarts or 0
            replaced = f", replaced {restarts}×" if restarts else ""
            fields.append(("worker", f"{fit(clean(status.worker), 16)}{replaced}", restarts > 0))
        if status.samples_replaced:
            fields.append(("replaced", f"{number(status.samples_replaced)} samples", True))
    # Counted by the newest update: a status may be 10 s old.
    updates = station.update.seq + 1 if station.update else 0
    fields.append(("updates", number(updates), False))
    if status is not None:
        fields.append(("model", fit(clean(status.model), 32), False))
    if station.source is not None and station.source.rate is not None:
        channels = f" × {station.source.channels}" if station.source.channels else ""
        fields.append(("input", f"{station.source.rate / 1000:g} kHz{channels}", False))
    return _flow(fields, frame, rows)


def _flow(fields: Sequence[tuple[str, str, bool]], frame: ScreenContext, rows: int) -> list[Row]:
    """Return fields side by side in at most ``rows`` rows; fields that do not fit are left out."""
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
