"""The picture as an SVG page: four panels over one time axis, for one file or two side by side."""

from __future__ import annotations

import os
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.display.palette import color, ink, letters
from streamgenre.picture import image
from streamgenre.report import svg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamgenre.picture.measure import Measured
    from streamgenre.report.theme import Theme

WIDTH: Final = 800.0
"""Width of one file's picture; all sizes are in these units, so that it can be read at 800 px."""
HEIGHT: Final = 800.0
_LEFT, _RIGHT = 64.0, 70.0
_INNER: Final = WIDTH - _LEFT - _RIGHT
_PANELS: Final = {"wave": (78.0, 90.0), "mel": (202.0, 160.0), "mfcc": (396.0, 120.0),
                  "genre": (550.0, 150.0)}  # fmt: skip
_BOTTOM: Final = 700.0
_FONTS: Final = "Arial,'Liberation Sans','Noto Sans','DejaVu Sans',sans-serif"
_NICE: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)
_FREQUENCIES: Final = (100, 200, 500, 1000, 2000, 4000, 8000, 16_000)
_MEL_RANGE_DB: Final = 80.0
_APART: Final = 15.0
"""Least distance of two labels of an axis."""


def page(files: Sequence[Measured], theme: Theme) -> str:
    """Return the picture as one SVG document.

    Parameters
    ----------
    files
        One file, or several that are drawn side by side with the same scale of colours.
    theme
        The colours of background and text.
    """
    top_db = max(float(np.percentile(each.mel_db, 99.8)) for each in files)
    width = WIDTH * len(files)
    parts = [
        svg.element("style", f"text{{font-family:{_FONTS};font-size:12px}}"),
        svg.box(0, 0, width, HEIGHT, fill=theme.ground),
    ]
    for number, each in enumerate(files):
        drawn = _one(each, theme, top_db)
        parts.append(svg.element("g", drawn, transform=f"translate({number * WIDTH:g} 0)"))
    return svg.element(
        "svg", "".join(parts), xmlns="http://www.w3.org/2000/svg", width=width, height=HEIGHT,
        viewBox=f"0 0 {width:g} {HEIGHT:g}", fill=theme.ink,
    )  # fmt: skip


def _one(file: Measured, theme: Theme, top_db: float) -> str:
    name = os.fsencode(file.path.name).decode(errors="replace")
    shown = name if len(name) <= 70 else f"{name[:40]}…{name[-28:]}"
    minutes, seconds = divmod(file.seconds, 60)
    about = f"{int(minutes)}:{seconds:04.1f} · model {file.model} · {_most(file)}"
    parts = [
        svg.label(shown, _LEFT, 30, style="font-size:18px;font-weight:600"),
        svg.label(about, _LEFT, 50, style=f"font-size:13px;fill:{theme.soft}"),
        *_waveform(file, theme),
        *_mel(file, theme, top_db),
        *_mfcc(file, theme),
        *_genres(file, theme),
        *_times(file, theme),
    ]
    return "".join(parts)


def _most(file: Measured) -> str:
    """Return in words what most of the file was decided to be."""
    spans: dict[str, float] = {}
    for each in file.decisions:
        kind = each.genre or each.state
        spans[kind] = spans.get(kind, 0.0) + each.end - each.start
    if not spans:
        return "shorter than a second: no decision"
    most = max(spans, key=lambda kind: spans[kind])
    return f"{most} {spans[most] / sum(spans.values()):.0%} of the time"


def _frame(name: str, title: str, unit: str, theme: Theme) -> list[str]:
    top, height = _PANELS[name]
    box = svg.box(_LEFT, top, _INNER, height, fill="none", stroke=theme.line)
    turned = f"rotate(-90 14 {top + height / 2:g})"
    return [
        box,
        svg.label(title, _LEFT, top - 6, style="font-size:13px;font-weight:600"),
        svg.element(
            "text", svg.text_of(unit), x=14, y=top + height / 2, transform=turned,
            style=f"text-anchor:middle;fill:{theme.soft}",
        ),
    ]  # fmt: skip


def _tick(words: str, y: float, theme: Theme) -> list[str]:
    return [
        svg.line(_LEFT - 4, y, _LEFT, y, stroke=theme.soft),
        svg.label(words, _LEFT - 7, y + 4, style=f"text-anchor:end;fill:{theme.soft}"),
    ]


def _waveform(file: Measured, theme: Theme) -> list[str]:
    top, height = _PANELS["wave"]
    middle, scale = top + height / 2, height / 2
    xs = _LEFT + (np.arange(len(file.low)) + 0.5) * _INNER / len(file.low)
    upper = [(x, middle - scale * min(1.0, v)) for x, v in zip(xs, file.high, strict=True)]
    lower = [(x, middle - scale * max(-1.0, v)) for x, v in zip(xs, file.low, strict=True)]
    parts = _frame("wave", "Waveform", "amplitude", theme)
    for value in (-1, 0, 1):
        parts += _tick(f"{value}", middle - scale * value, theme)
    parts.append(
        svg.polygon(
            [*upper, *lower[::-1]], fill=theme.scale[1], stroke=theme.scale[1], stroke_width=0.6
        )
    )
    return parts


def _mel(file: Measured, theme: Theme, top_db: float) -> list[str]:
    top, height = _PANELS["mel"]
    low_db = top_db - _MEL_RANGE_DB
    parts = _frame("mel", "Mel spectrogram", "frequency (Hz)", theme)
    parts.append(image.heat_map(file.mel_db, low_db, top_db, (_LEFT, top, _INNER, height)))
    high = file.spec.highfreq or file.spec.samplerate / 2
    least, most = _mels(file.spec.lowfreq), _mels(high)
    lowest = top + height + _APART
    for hz in _FREQUENCIES:
        y = top + height * (1 - (_mels(hz) - least) / (most - least))
        if file.spec.lowfreq <= hz <= high and lowest - y >= _APART:
            parts += _tick(f"{hz // 1000}k" if hz >= 1000 else f"{hz}", y, theme)
            lowest = y
    return parts + _bar(top, height, ("0", f"-{_MEL_RANGE_DB:g}"), "dB", theme)


def _mels(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))


def _mfcc(file: Measured, theme: Theme) -> list[str]:
    top, height = _PANELS["mfcc"]
    scaled = _standardised(file.mfcc)
    count = scaled.shape[1]
    every = f"every {file.spec.winstep * 1000:g} ms"
    title = f"MFCC frames as the model gets them: {count} coefficients, {every}"
    parts = _frame("mfcc", title, "coefficient", theme)
    parts.append(image.heat_map(scaled, -2.5, 2.5, (_LEFT, top, _INNER, height)))
    for number in sorted({0, count // 2, count - 1}):
        parts += _tick(f"{number}", top + height * (1 - (number + 0.5) / count), theme)
    return parts + _bar(top, height, ("+2.5", "-2.5"), "σ", theme)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each coefficient in standard deviations from its mean: they differ a hundredfold."""
    spread = values.std(axis=0)
    found: NDArray[np.float64] = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return found


def _bar(top: float, height: float, ends: tuple[str, str], unit: str, theme: Theme) -> list[str]:
    x = _LEFT + _INNER + 8
    style = f"fill:{theme.soft}"
    return [
        image.color_bar((x, top, 10, height)),
        svg.label(ends[0], x + 14, top + 10, style=style),
        svg.label(unit, x + 14, top + height / 2 + 4, style=style),
        svg.label(ends[1], x + 14, top + height, style=style),
    ]


def _genres(file: Measured, theme: Theme) -> list[str]:
    top, height = _PANELS["genre"]
    parts = _frame("genre", "Genres: probabilities, and the decision below", "probability", theme)
    for value in (0.0, 0.5, 1.0):
        parts += _tick(f"{value:g}", top + height * (1 - value), theme)
    if not file.decisions:
        return parts
    labels = list(file.decisions[0].smoothed)
    hops = _thinned(len(file.decisions))
    xs = [_x(file, file.decisions[n].end) for n in hops]
    table = np.array([[file.decisions[n].smoothed[label] for label in labels] for n in hops])
    edges = np.minimum(1.0, np.cumsum(np.insert(table, 0, 0.0, axis=1), axis=1))
    edges = np.insert(edges, 0, edges[0], axis=0)  # from the start of the first hop
    xs.insert(0, _LEFT)
    for number, label in enumerate(labels):
        lower, upper = (
            [(x, top + height * (1 - v)) for x, v in zip(xs, edges[:, number + n], strict=True)]
            for n in (0, 1)
        )
        style: dict[str, str | float] = {"stroke": theme.edge, "stroke_width": 0.4}
        corners = [*upper, *lower[::-1]]
        parts.append(svg.polygon(corners, fill=color("music", label), **style))
    return parts + _decision_strip(file, theme, labels) + _legend(table, labels, theme)


def _thinned(count: int) -> list[int]:
    """Return the numbers of the hops that are drawn: no more than the eye can tell apart."""
    step = max(1, ceil(count / 1000))
    return sorted({*range(0, count, step), count - 1})


def _decision_strip(file: Measured, theme: Theme, labels: list[str]) -> list[str]:
    signs = letters(labels)
    runs: list[tuple[float, float, str, str | None]] = []
    for each in file.decisions:
        if runs and runs[-1][2:] == (each.state, each.genre):
            runs[-1] = (runs[-1][0], each.end, each.state, each.genre)
        else:
            runs.append((each.start, each.end, each.state, each.genre))
    parts = []
    for start, end, state, genre in runs:
        x, width = _x(file, start), _x(file, end) - _x(file, start)
        fill = color(state, genre)
        parts.append(
            svg.box(
                x,
                _BOTTOM + 6,
                width,
                18,
                f"{genre or state}, {start:.0f} to {end:.0f} s",
                fill=fill,
                stroke=theme.edge,
                stroke_width=0.5,
            )
        )
        name = genre or state
        words = name if width > 7.5 * len(name) else signs.get(genre or "", "")
        if words and width > 10:
            style = f"text-anchor:middle;font-weight:600;fill:{ink(fill)}"
            parts.append(svg.label(words, x + width / 2, _BOTTOM + 19, style=style))
    return parts


def _legend(table: NDArray[np.float64], labels: list[str], theme: Theme) -> list[str]:
    """Return a box with its name for each genre that matters somewhere."""
    signs = letters(labels)
    means, peaks = table.mean(axis=0), table.max(axis=0)
    order = sorted(range(len(labels)), key=lambda n: -means[n])
    x, parts = _LEFT, []
    for number in order:
        label = labels[number]
        words = f"{label} {means[number]:.2f}"
        if peaks[number] < 0.1 or x + 36 + 7 * len(words) > WIDTH - 10:
            continue
        fill = color("music", label)
        parts.append(svg.box(x, HEIGHT - 30, 16, 16, fill=fill, stroke=theme.line))
        style = f"text-anchor:middle;font-size:11px;font-weight:600;fill:{ink(fill)}"
        parts.append(svg.label(signs[label], x + 8, HEIGHT - 18, style=style))
        parts.append(svg.label(words, x + 21, HEIGHT - 18))
        x += 36 + 7 * len(words)
    return parts


def _x(file: Measured, seconds: float) -> float:
    return _LEFT + _INNER * min(1.0, seconds / file.seconds)


def _times(file: Measured, theme: Theme) -> list[str]:
    step = next((each for each in _NICE if file.seconds / each <= 10), 28_800)
    parts = []
    for number in range(int(file.seconds // step) + 1):
        seconds = number * step
        x = _x(file, seconds)
        minutes, rest = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        words = (
            f"{hours}:{minutes:02d}:{rest:02d}" if file.seconds >= 3600 else f"{minutes}:{rest:02d}"
        )
        parts.append(svg.line(x, _BOTTOM + 24, x, _BOTTOM + 29, stroke=theme.soft))
        style = f"text-anchor:middle;fill:{theme.soft}"
        parts.append(svg.label(words, x, _BOTTOM + 42, style=style))
    unit = "time (h:min:s)" if file.seconds >= 3600 else "time (min:s)"
    style = f"text-anchor:middle;fill:{theme.soft}"
    parts.append(svg.label(unit, _LEFT + _INNER / 2, _BOTTOM + 58, style=style))
    return parts
