"""Parameters of the history's addresses, with their descriptions for the API's document."""

from __future__ import annotations

from typing import Final

from streamgenre.history.search import MAX_TEXT
from streamgenre.web.endpoints import Parameter

_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 100}
STATIONS: Final = Parameter(
    "station", "name of a station; may be repeated; default: all", {"type": "string"}, many=True
)
STATION: Final = Parameter(
    "station", "name of the station", {"type": "string", "minLength": 1}, required=True
)
TZ: Final = Parameter(
    "tz", "time zone of days and times, such as Europe/Berlin; default: the station's", _TEXT
)
_A_DAY: Final = "a whole day: 2026-07-01, yesterday, monday"
DAY: Final = Parameter("day", _A_DAY, _TEXT, required=True)
SPAN: Final = (
    Parameter("since", "start: 2h ago, yesterday 18:00, 2026-07-01, @1782864000", _TEXT),
    Parameter("until", "end, as since; default: now", _TEXT),
    Parameter("day", _A_DAY, _TEXT),
)
LIMIT: Final = Parameter(
    "limit",
    "most rows of the answer",
    {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 1000},
)
OFFSET: Final = Parameter(
    "offset",
    "number of rows to skip",
    {"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 0},
)
DOWNLOAD: Final = Parameter(
    "download",
    "whether a browser saves the answer as a file",
    {"type": "boolean", "default": False},
)
BY: Final = Parameter(
    "by",
    "the parts: all, hour (of the day), day, weekday or month",
    {
        "type": "string",
        "enum": ["all", "hour", "day", "weekday", "month"],
        "default": "all",
    },
)
WORDS: Final = Parameter(
    "q",
    "words of artists or titles; case and accents do not matter",
    {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
    required=True,
)
