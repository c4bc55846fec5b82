"""The state of a daemon's stations, from the last values that its bus keeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from streamgenre.client.workers import WORKER_FIELDS
from streamgenre.events import SourceChange, Status, Update

if TYPE_CHECKING:
    from streamgenre.client.subscriber import Subscriber

SNAPSHOT_TYPES: Final = ("update", "source", "status")
"""Event types that a snapshot reads."""
_AFTER_FIRST_S: Final = 0.5
"""Seconds after the first event by which all last values have arrived."""


def snapshot(subscriber: Subscriber, patience_s: float = 3.0) -> dict[str, dict[str, Any]]:
    """Return the state of each station by name; empty if no event comes in time.

    Parameters
    ----------
    subscriber
        Subscribed to :data:`SNAPSHOT_TYPES`.
    patience_s
        Seconds to wait for the first event.
    """
    stations: dict[str, dict[str, Any]] = {}
    ends = time.monotonic() + patience_s
    while (left := ends - time.monotonic()) > 0:
        event = subscriber.receive(timeout=left)
        if event is None:
            break
        if not stations:
            ends = time.monotonic() + _AFTER_FIRST_S
        station = stations.setdefault(event.station, {"station": event.station})
        if isinstance(event, Update):
            station |= {
                "state": event.state,
                "genre": event.genre,
                "last_update_age_s": round(max(0.0, time.time() - event.time), 1),
            }
        elif isinstance(event, SourceChange):
            station |= {"source_state": event.state, "detail": event.detail}
        elif isinstance(event, Status):
            station |= {name: getattr(event, name) for name in _STATUS_FIELDS}
    return stations


_STATUS_FIELDS: Final = (
    *("source_state", "input", "model", "uptime_s", "last_frame_age_s", "samples", "samples_lost"),
    *("cpu_share", "rss_bytes", "open_files", "threads", "history"),
    *WORKER_FIELDS,
)
