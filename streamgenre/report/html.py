"""The report as one HTML file that needs nothing else: no script, no font, no network.

Text from stations is escaped (see ``svg.text_of``). In addition the page's content security policy
forbids it to load or run anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre import __version__
from streamgenre.display.palette import ink, letters
from streamgenre.display.text import clean, duration, percent
from streamgenre.history.airplay_log import airplay_log, clip
from streamgenre.report import charts, ribbons, svg
from streamgenre.report.data import Kind, missing
from streamgenre.report.ribbons import clock_s
from streamgenre.report.summary import confidence_note, figures, heading
from streamgenre.report.theme import chart_css, kind_color, pattern_defs

if TYPE_CHECKING:
    from streamgenre.report.data import DayData
    from streamgenre.report.theme import Theme

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_READING: Final = "Hold the pointer over a segment or a title to read it in full."
_MAX_LINES: Final = 1000
"""Most rows of a table; ``streamgenre history`` lists the rest."""


def page(data: DayData, theme: Theme) -> str:
    """Return the page.

    Parameters
    ----------
    data
        The day.
    theme
        The colours.

    Returns
    -------
    str
        An HTML document.
    """
    title = f"{clean(data.station)} · {data.day.isoformat()}"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{svg.text_of(title)}</title><style>{_style(theme)}</style>"
    )
    body = (
        f'<svg class="defs" width="0" height="0">{pattern_defs(theme)}</svg>'
        f"<header><h1>{svg.text_of(data.station)}</h1>"
        f"<p>{svg.text_of(heading(data))}</p></header>"
        + _figures(data)
        + _section("The day", _legend(data) + ribbons.overview(data, theme).inline)
    )
    if data.segments:
        body += _section("Hour by hour", ribbons.hourly(data, theme).inline, _READING)
    if data.kinds:
        body += _section("Shares by hour", charts.stacked_hours(data, theme).inline)
        body += '<div class="two">'
        body += _section(
            "Transitions", _transitions(data, theme), "How often one genre followed another."
        )
        body += _section("Shares of the day", _shares(data)) + "</div>"
        body += _section("Confidence", charts.confidence(data, theme).inline, confidence_note(data))
    body += _section("Dead air, gaps and missing stretches", _losses(data))
    body += _section("Playlist", _playlist(data))
    body += f"<footer>streamgenre {svg.text_of(__version__)}</footer>"
    return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _section(title: str, content: str, words: str = "") -> str:
    note = f'<p class="note">{svg.text_of(words)}</p>' if words else ""
    return f"<section><h2>{svg.text_of(title)}</h2>{note}{content}</section>"


def _figures(data: DayData) -> str:
    items = "".join(
        f"<div><dt>{svg.text_of(name)}</dt><dd>{svg.text_of(value)}</dd></div>"
        for name, value in figures(data)
    )
    return f"<dl>{items}</dl>"


def _legend(data: DayData) -> str:
    signs = letters(data.genres)
    items = ""
    for kind in data.kinds:
        colour = kind_color(kind)
        sign = signs.get(kind.genre, "") if kind.genre else ""
        items += (
            f'<li><i style="background:{colour};color:{ink(colour)}">{svg.text_of(sign)}</i>'
            f"{svg.text_of(kind.name)}</li>"
        )
    return f'<ul class="legend">{items}{_MARKS}</ul>'


_MARKS: Final = (
    '<li><i class="dead"></i>dead air</li><li><i class="lost"></i>gap</li>'
    '<li><i class="empty"></i>not recorded</li>'
)


def _transitions(data: DayData, theme: Theme) -> str:
    if not data.transitions:
        return "<p>None: no genre followed another.</p>"
    return f'<div class="matrix">{charts.matrix(data, theme).inline}</div>'


def _shares(data: DayData) -> str:
    rows = "".join(
        f'<tr><td><i style="background:{kind_color(kind)}"></i></td><td>{svg.text_of(kind.name)}'
        f'</td><td class="n">{percent(data.totals[kind] / data.recorded_s)}</td>'
        f'<td class="n">{duration(data.totals[kind])}</td></tr>'
        for kind in data.kinds
    )
    return f"<table>{rows}</table>"


def _losses(data: DayData) -> str:
    found = [
        (air.start, air.end, "dead air", "not over yet" if air.ending == "open" else "")
        for air in data.dead_air
    ]
    found += [
        (
            g.start,
            g.end,
            "gap",
            "not kept by the history" if g.reason == "history" else g.reason,
        )
        for g in data.gaps
    ]
    found += [(s.start, s.end, "not recorded", "") for s in missing(data)]
    cut = [s for s in data.segments if s.ending == "cut"]
    found += [(s.end, s.end, "cut", "the daemon did not shut down cleanly") for s in cut]
    if not found:
        return "<p>None. The day is complete.</p>"
    rows = "".join(
        f'<tr><td class="n">{clock_s(start, data)}</td>'
        f'<td class="n">{clock_s(end, data)}</td><td class="n">{duration(end - start)}</td>'
        f"<td>{svg.text_of(what)}</td><td>{svg.text_of(why)}</td></tr>"
        for start, end, what, why in sorted(found)[:_MAX_LINES]
    )
    return _table(("from", "to", "lasted", "what", "why"), rows, len(found))


def _playlist(data: DayData) -> str:
    lines = list(clip(airplay_log(data.titles, data.segments), data.span.start, data.span.end))
    if not lines:
        return "<p>No music was recorded.</p>"
    rows = ""
    for item in lines[:_MAX_LINES]:
        mark, sure = "", ""
        if item.genre is not None:
            mark = f'<i style="background:{kind_color(Kind("music", item.genre))}"></i>'
            sure = percent(item.confidence or 0.0)
        rows += (
            f'<tr><td class="n">{clock_s(item.start, data)}</td>'
            f'<td class="n">{clock_s(item.end, data)}</td>'
            f"<td>{svg.text_of(item.artist)}</td><td>{svg.text_of(item.title)}</td>"
            f'<td>{mark}{svg.text_of(item.genre or "")}</td><td class="n">{sure}</td></tr>'
        )
    return _table(("start", "end", "artist", "title", "genre", "confidence"), rows, len(lines))


def _table(names: tuple[str, ...], rows: str, count: int) -> str:
    heading = "".join(f"<th>{svg.text_of(name)}</th>" for name in names)
    more = f"<p>and {count - _MAX_LINES} more; <code>streamgenre history</code> lists all</p>"
    return f"<table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>" + (
        more if count > _MAX_LINES else ""
    )


def _style(theme: Theme) -> str:
    return f"""
:root{{color-scheme:{"dark" if theme.ink > theme.ground else "light"}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;padding:32px 28px;max-width:1240px;background:{theme.ground};color:{theme.ink};
font:14px/1.45 system-ui,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}}
h1{{font-size:26px;font-weight:600;margin:0;overflow-wrap:anywhere}}
h2{{font-size:15px;font-weight:600;margin:0 0 10px}}
header p,.note,dt,footer,th{{color:{theme.soft}}}header p{{margin:2px 0 0}}
section{{margin-top:34px}}.note{{margin:-8px 0 10px;font-size:13px}}
dl{{display:flex;flex-wrap:wrap;gap:10px 40px;margin:22px 0 0}}dt{{font-size:12px}}
dd{{margin:0;font-size:18px}}
svg{{display:block;width:100%;height:auto}}svg.defs{{position:absolute;width:0;height:0}}
text{{font-family:inherit}}{chart_css(theme)}
.legend{{list-style:none;display:flex;flex-wrap:wrap;gap:6px 18px;padding:0;margin:0 0 12px;
font-size:13px}}
.legend i{{display:inline-block;width:18px;height:18px;line-height:18px;margin-right:6px;
text-align:center;font:600 11px/18px system-ui,Arial,sans-serif;vertical-align:middle;
border-radius:2px;outline:1px solid {theme.line}}}
i.dead{{background:{theme.bad};height:5px!important}}
i.lost{{background:repeating-linear-gradient(45deg,{theme.lost} 0 3px,{theme.ground} 3px 6px)}}
i.empty{{background:repeating-linear-gradient(45deg,{theme.line} 0 1px,{theme.empty} 1px 5px)}}
.two{{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:0 48px}}
.matrix{{max-width:600px}}
table{{border-collapse:collapse;width:100%;font-size:13px}}
th{{text-align:left;font-weight:400;font-size:12px}}
td,th{{padding:4px 12px 4px 0;border-bottom:1px solid {theme.line};vertical-align:top;
overflow-wrap:anywhere}}
td.n{{white-space:nowrap}}
td i{{display:inline-block;width:11px;height:11px;margin-right:7px;border-radius:2px;
outline:1px solid {theme.line}}}
footer{{margin-top:40px;font-size:12px}}
@media(max-width:800px){{.two{{grid-template-columns:1fr}}}}
@media print{{body{{padding:0;-webkit-print-color-adjust:exact;print-color-adjust:exact}}
section{{break-inside:avoid}}section:last-of-type{{break-inside:auto}}}}
"""
