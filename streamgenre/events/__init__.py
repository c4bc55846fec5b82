"""The events that a daemon sends: one typed, versioned contract for every reader.

A message has two parts, the topic ``TYPE/STATION`` and one JSON object; a spectrum has a third,
binary one. The classes here define the objects; the JSON Schemas in ``streamgenre/schemas`` are
generated from them. Readers must ignore fields that they do not know.
"""

from streamgenre.events.event import VERSION, Event
from streamgenre.events.field_types import SEQ_MODULUS, SourceState, State
from streamgenre.events.status import Status
from streamgenre.events.types import (
    EVENT_CLASSES,
    ON_REQUEST_TYPES,
    RETAINED_TYPES,
    TYPES,
    AnyEvent,
    DeadAir,
    Gap,
    Segment,
    SourceChange,
    Spectrum,
    Title,
    Update,
)
from streamgenre.events.wire import (
    PROBABILITY_DIGITS,
    Sequence,
    from_dict,
    from_json,
    inlined,
    rounded,
    schema,
)

__all__ = [
    "EVENT_CLASSES",
    "ON_REQUEST_TYPES",
    "PROBABILITY_DIGITS",
    "RETAINED_TYPES",
    "SEQ_MODULUS",
    "TYPES",
    "VERSION",
    "AnyEvent",
    "DeadAir",
    "Event",
    "Gap",
    "Segment",
    "Sequence",
    "SourceChange",
    "SourceState",
    "Spectrum",
    "State",
    "Status",
    "Title",
    "Update",
    "from_dict",
    "from_json",
    "inlined",
    "rounded",
    "schema",
]
