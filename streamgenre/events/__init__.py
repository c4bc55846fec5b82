"""The events that a daemon sends: one typed, versioned contract for every reader.

A message has two parts, the topic ``TYPE/STATION`` and one JSON object; a spectrum has a third,
binary one. The classes here define the objects; the JSON Schemas in ``streamgenre/schemas`` are
generated from them. Readers must ignore fields that they do not know.
"""

from streamgenre.events.types import (
    EVENT_CLASSES,
    ON_REQUEST_TYPES,
    RETAINED_TYPES,
    SEQ_MODULUS,
    TYPES,
    VERSION,
    AnyEvent,
    DeadAir,
    Event,
    Gap,
    Segment,
    SourceChange,
    SourceState,
    Spectrum,
    State,
    Status,
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
