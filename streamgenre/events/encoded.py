"""An event that another process has encoded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamgenre.events.event import FIELDS
from streamgenre.events.json_text import encodable
from streamgenre.events.types import EVENT_CLASSES

if TYPE_CHECKING:
    from streamgenre.events.types import AnyEvent


@dataclass(slots=True)
class Encoded:
    """An event of a process of ours: forwarded as it is, and decoded once, where a field is needed.

    Parameters
    ----------
    type
        Type of the event.
    station
        Name of the station.
    body
        The JSON object, UTF-8.
    binary
        The binary part; empty if there is none.
    """

    type: str
    station: str
    body: bytes
    binary: bytes = b""
    _event: AnyEvent | None = field(default=None, repr=False)

    @classmethod
    def of(cls, event: AnyEvent) -> Encoded:
        """Return an event of this process, encoded."""
        parts = event.parts()
        return cls(event.TYPE, event.station, parts[1], b"".join(parts[2:]), event)

    def parts(self) -> tuple[bytes, ...]:
        """Return the message on the wire: topic, JSON object, and the binary part if any."""
        topic = encodable(f"{self.type}/{self.station}").encode()
        return (topic, self.body, self.binary) if self.binary else (topic, self.body)

    @property
    def event(self) -> AnyEvent:
        """The event.

        Raises
        ------
        ValueError
            If it is not one.
        """
        if self._event is None:
            try:
                data: dict[str, Any] = json.loads(self.body)
                cls = EVENT_CLASSES[self.type]
                values = {name: data[name] for name in FIELDS[cls] if name in data}
                if self.binary:
                    values["levels"] = self.binary
                self._event = cls(**values)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"not a {self.type} event: {error}") from error
        return self._event
