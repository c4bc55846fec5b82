"""What all events have in common: fields, and the message that carries them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from streamgenre.events.field_types import SEQ_MODULUS, Name, Seconds
from streamgenre.events.json_text import encodable

VERSION: Final = 1
BINARY: Final = "binary"
"""Metadata of a field that is the third part of the message, and not in the JSON object."""

# Made once: json.dumps would make one for each call, a fifth of the cost of encoding.
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
FIELDS: Final[dict[type[Event], tuple[str, ...]]] = {}
"""Names of the fields of each type's JSON object, in order; computed once, in
:mod:`streamgenre.events.types`, because every event needs them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The fields of every event."""

    TYPE: ClassVar[str] = ""

    station: Name
    """Name of the station (one audio input of a daemon)."""
    session: Name
    """Identifier of this run of the station, new at each start of the daemon."""
    seq: Annotated[int, ("minimum", 0), ("maximum", SEQ_MODULUS - 1)]
    """Sequence number of the event within its type, station and session, from 0, without holes;
    after 2^53 - 1 comes 0."""
    time: Seconds
    """UNIX seconds at which the reported change happened."""
    stream_time: Seconds
    """Seconds of audio since the session began, lost audio included."""
    retained: bool = False
    """Whether this repeats the last event of its type and station for a late subscriber; others
    drop it by session and seq."""

    @property
    def topic(self) -> str:
        """First part of the message on the wire: ``TYPE/STATION``."""
        return encodable(f"{self.TYPE}/{self.station}")

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object as a dictionary."""
        values = {name: getattr(self, name) for name in FIELDS[type(self)]}
        if not self.retained:
            del values["retained"]
        return {"v": VERSION, "type": self.TYPE, **values}

    def to_json(self) -> str:
        """Return the JSON object on one line; UTF-8 can always encode it."""
        return encodable(_encode(self.as_dict()))

    def parts(self) -> tuple[bytes, ...]:
        """Return the message on the wire: topic, JSON object, and the binary part if any."""
        return self.topic.encode(), self.to_json().encode()
