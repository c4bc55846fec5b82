"""The events that leave the daemon: one typed, versioned contract for every reader.

An event travels as two parts, the topic ``<type>/<station>`` and one JSON object. The JSON Schemas
in ``streamgenre/schemas`` describe the objects; the classes here are the same contract for Python.
Readers must ignore fields that they do not know.
"""

from streamgenre.events.types import (
    EVENT_CLASSES,
    RETAINED_TYPES,
    TYPES,
    VERSION,
    AnyEvent,
    DeadAir,
    Event,
    Gap,
    Segment,
    SourceChange,
    SourceState,
    State,
    Status,
    Title,
    Update,
)
from streamgenre.events.wire import (
    PROBABILITY_DIGITS,
    SEQ_MODULUS,
    Sequence,
    from_dict,
    from_json,
    rounded,
    schema,
)

__all__ = [
    "EVENT_CLASSES",
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
    "State",
    "Status",
    "Title",
    "Update",
    "from_dict",
    "from_json",
    "rounded",
    "schema",
]
