"""streamgenre: a live music-genre classifier.

Programs that read the events of a daemon need only :class:`Subscriber`::

    from streamgenre import Subscriber

    for event in Subscriber(types=["update"]):
        print(event.station, event.genre, event.confidence)

Everything listed in ``__all__`` is public and loaded on first use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamgenre.client.subscriber import Subscriber
    from streamgenre.errors import (
        BusError,
        ClipError,
        ControlError,
        HistoryError,
        InputError,
        KeysError,
        ModelError,
        SettingsError,
        StreamgenreError,
    )
    from streamgenre.events import (
        AnyEvent,
        DeadAir,
        Event,
        Gap,
        Segment,
        SourceChange,
        Spectrum,
        Status,
        Title,
        Update,
    )
    from streamgenre.library.classify import classify
    from streamgenre.library.results import FileResult, Stretch

__version__ = "0.1.0"
# Before anything loads onnxruntime, in this process or one that it starts: version 1.32 would store
# an identifier of the machine in the cache folder and send its maker what runs here.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "AnyEvent",
    "BusError",
    "ClipError",
    "ControlError",
    "DeadAir",
    "Event",
    "FileResult",
    "Gap",
    "HistoryError",
    "InputError",
    "KeysError",
    "ModelError",
    "Segment",
    "SettingsError",
    "SourceChange",
    "Spectrum",
    "Status",
    "StreamgenreError",
    "Stretch",
    "Subscriber",
    "Title",
    "Update",
    "__version__",
    "classify",
]
_ELSEWHERE = {
    "Subscriber": "streamgenre.client.subscriber",
    "classify": "streamgenre.library.classify",
    "FileResult": "streamgenre.library.results",
    "Stretch": "streamgenre.library.results",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Loaded on first use: `streamgenre --help` must not wait for ZeroMQ.
    from importlib import import_module

    module = _ELSEWHERE.get(
        name, "streamgenre.errors" if name.endswith("Error") else "streamgenre.events"
    )
    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
