"""A clip, with what was known when it was kept, and its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_MUSIC: Final = ""
"""The label of a clip without music."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was known of a clip when it was kept."""

    station: str
    start: float
    """UNIX seconds."""
    end: float
    """UNIX seconds."""
    artist: str | None
    title: str | None
    uncertainty: float
    """1 minus the lead of the likeliest genre over the second, 0 to 1."""
    probabilities: dict[str, float]
    """Mean probability of every genre of the station's model, in the model's order."""
    tags: dict[str, float] | None
    """Mean probabilities of the likeliest tags; None where the model has none."""
    model: str
    """Name of the model."""
    model_sha256: str
    """SHA-256 of its weights."""

    @property
    def top(self) -> list[tuple[str, float]]:
        """The three likeliest genres with their probabilities, the likeliest first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:3]


@dataclass(frozen=True, slots=True)
class NewClip:
    """A clip that is to be kept."""

    name: str
    """Name of its file."""
    facts: Facts
    samples: NDArray[np.int16]
    """Mono, shape ``(n,)``."""
    rate: int
    """Sample rate in Hz."""
    replaces: str | None = None
    """Name of a clip, less uncertain, in whose place it is kept."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that is kept."""

    id: int
    name: str
    """Name of its file in the folder of the clips."""
    facts: Facts
    bytes: int
    """Size of the file."""
    label: str | None
    """Genre; :data:`NO_MUSIC`; or None where it has no label."""
    labelled: float | None
    """UNIX seconds at which it was labelled."""
    by: str | None
    """How it was labelled: ``person``, or ``history`` by a correction there."""


def clip_json(clip: Clip) -> dict[str, Any]:
    """Return a clip as a JSON object."""
    facts = clip.facts
    return {
        "id": clip.id,
        "station": facts.station,
        "start": facts.start,
        "end": facts.end,
        "artist": facts.artist,
        "title": facts.title,
        "uncertainty": facts.uncertainty,
        "top": [{"genre": name, "probability": p} for name, p in facts.top],
        "genres": list(facts.probabilities),
        "tags": facts.tags,
        "model": facts.model,
        "model_sha256": facts.model_sha256,
        "bytes": clip.bytes,
        "label": clip.label or None,
        "no_music": clip.label == NO_MUSIC,
        "labelled": clip.labelled,
        "labelled_by": clip.by,
    }
