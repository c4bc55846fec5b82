"""The body of a post: the event itself, what a known service expects, or the user's template.

A template is text with ``$NAME`` or ``${NAME}`` where a field of the event goes; it is never
executed. Titles and station names come from strangers: in JSON every value is escaped, and for
Slack and Discord what would mention people or format text is too.
"""

from __future__ import annotations

import json
import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from streamgenre.errors import SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Format: TypeAlias = Literal["json", "slack", "discord", "ntfy", "apprise"]
JSON: Final = "application/json"
PLAIN: Final = "text/plain; charset=utf-8"
MAX_TEMPLATE: Final = 64_000
_LONGEST: Final = 1500
"""Most characters of one value: Discord takes 2000 in a message, ntfy 4096 bytes."""
_FIELDS: Final = (
    *("type", "station", "state", "genre", "start", "end", "start_time", "mean_probability"),
    *("updates", "active", "seconds", "reason", "session", "seq", "time", "stream_time"),
)
NAMES: Final = ("text", "level", "json", "titles", *_FIELDS)
"""Names that a template may use; a field that an event lacks is empty."""


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """How the body of a post is made of an event."""

    template: string.Template
    content_type: str
    escape: Callable[[Any], str]
    """Makes the text that is put into the template of a value."""

    def body(self, event: Mapping[str, Any]) -> bytes:
        """Return the body of a post.

        Parameters
        ----------
        event
            The event as a JSON object.
        """
        values = {name: self.escape(event.get(name)) for name in _FIELDS}
        values["titles"] = self.escape(_titles(event.get("titles")))
        values["text"] = self.escape(sentence(event))
        values["level"] = self.escape(_level(event))
        values["json"] = json.dumps(event, ensure_ascii=False)
        return self.template.substitute(values).encode("utf-8", "replace")


def body_format(
    name: Format = "json", template: str | None = None, content_type: str | None = None
) -> BodyFormat:
    """Return how bodies are made.

    Parameters
    ----------
    name
        A known service, or ``json`` for the event as it came over the bus.
    template
        The user's own template; None for that of ``name``.
    content_type
        Value of ``Content-Type``; None for the usual one.

    Returns
    -------
    BodyFormat
        How bodies are made.

    Raises
    ------
    SettingsError
        If the template is not valid.
    """
    if template is None:
        text, kind, escape = _KNOWN[name]
        return BodyFormat(string.Template(text), content_type or kind, escape)
    kind = content_type or JSON
    is_json = re.match(r"application/([a-z0-9.+-]+\+)?json\b", kind, re.IGNORECASE) is not None
    made = BodyFormat(string.Template(template), kind, _in_json if is_json else _text)
    _check(made, is_json)
    return made


def _check(made: BodyFormat, is_json: bool) -> None:
    """Check the template with a value of every kind that an event can have."""
    text = made.template.template
    if len(text) > MAX_TEMPLATE:
        raise SettingsError(f"the template is longer than {MAX_TEMPLATE} characters")
    if not made.template.is_valid():
        raise SettingsError(
            "the template has a $ that begins no name: expected $NAME or ${NAME}, and $$ for a $"
        )
    for name in made.template.get_identifiers():
        if name not in NAMES:
            raise SettingsError(
                f"the template names ${name}: expected one of {', '.join(NAMES)}"
                f"{nearest(name, NAMES)}"
            )
    for event in _SAMPLES:
        body = made.body(event)
        if is_json:
            try:
                json.loads(body)
            except ValueError as error:
                raise SettingsError(
                    f"the template does not make valid JSON ({error}); expected texts in quotes, "
                    'such as {"text": "$text"}, or another content type'
                ) from error


def sentence(event: Mapping[str, Any]) -> str:
    """Return what an event means, in a sentence for people.

    Parameters
    ----------
    event
        The event as a JSON object.
    """
    station, kind = event.get("station", "?"), event.get("type")
    if kind == "segment":
        heard = event.get("genre") or event.get("state") or "?"
        lasted = _duration(_number(event.get("end")) - _number(event.get("start")))
        return f"{station}: {heard} for {lasted}"
    lasted = _duration(_number(event.get("seconds")))
    if kind == "dead_air":
        if event.get("active"):
            return f"{station}: dead air for {lasted}"
        return f"{station}: sound again after {lasted} of dead air"
    if event.get("active"):
        return f"{station}: no updates for {lasted} ({event.get('reason', '')})"
    return f"{station}: updates again, or the station was removed, after {lasted}"


def _titles(value: object) -> str:
    """Return the titles that were announced during a segment."""
    found = []
    for title in value if isinstance(value, list | tuple) else ():
        if isinstance(title, dict):
            parts = (title.get("artist"), title.get("title"))
            found.append(" - ".join(part for part in parts if isinstance(part, str) and part))
    return "; ".join(each for each in found if each)


def _level(event: Mapping[str, Any]) -> str:
    """Return how serious an event is, in Apprise's words."""
    if event.get("type") not in ("dead_air", "absence"):
        return "info"
    return "warning" if event.get("active") else "success"


def _number(value: object) -> float:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if ok else 0.0  # type: ignore[arg-type]


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    parts = [(hours, "h"), (minutes, "min"), (whole % 60, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def _text(value: object) -> str:
    """Return a value as text, on one line and of bounded length."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _in_json(value: object) -> str:
    """Return a value for a place between quotes in JSON; numbers and truth values without."""
    return json.dumps(_text(value), ensure_ascii=False)[1:-1]


def _for_slack(value: object) -> str:
    text = _text(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _in_json(text)


def _for_discord(value: object) -> str:
    return _in_json(re.sub(r"([\\*_~`|>\[\]()#@<:-])", r"\\\1", _text(value)))


_KNOWN: Final[dict[str, tuple[str, str, Callable[[Any], str]]]] = {
    "json": ("$json", JSON, _text),
    "slack": ('{"text": "$text"}', JSON, _for_slack),
    "discord": ('{"content": "$text", "allowed_mentions": {"parse": []}}', JSON, _for_discord),
    "ntfy": ("$text", PLAIN, _text),
    "apprise": (
        '{"title": "streamgenre", "body": "$text", "type": "$level", "format": "text"}',
        JSON,
        _in_json,
    ),
}
FORMATS: Final = tuple(_KNOWN)
_SAMPLES: Final[tuple[dict[str, Any], ...]] = (
    {
        **{"type": "segment", "station": 'a "b" \\ \n $text', "state": "music", "genre": "rock"},
        **{"start": 0.0, "end": 60.5, "start_time": 1.0, "mean_probability": 0.5, "updates": 60},
        **{"session": "s", "seq": 1, "time": 1.0, "stream_time": 60.5},
    },
    {
        **{"type": "dead_air", "station": "a", "active": True, "start": 1.0, "start_time": 2.0},
        **{"seconds": 20.0, "session": "s", "seq": 1, "time": 1.0, "stream_time": 60.5},
    },
    {
        **{"type": "absence", "station": "a", "active": False, "reason": "no updates"},
        **{"start_time": 1.0, "seconds": 30.0},
    },
)
