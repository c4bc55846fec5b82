"""Chooses the stretches of a station's music that its model was least sure of."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.clips.clip import Facts, NewClip
from streamgenre.clips.flac import to_int16
from streamgenre.inference.tags import likeliest
from streamgenre.system.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from streamgenre.clips.settings import ClipSettings
    from streamgenre.inference.decision import Decision
    from streamgenre.inference.manifest import Manifest

MUSIC: Final = 0.5
"""A hop counts as music from this probability of music on, and below this one of speech."""


def uncertainty(probabilities: NDArray[np.float64]) -> float:
    """Return how uncertain probabilities are: 1 minus the lead of the largest; 1 is a tie."""
    if len(probabilities) < 2:
        return 0.0
    second, first = np.partition(probabilities, -2)[-2:]
    return float(1 - (first - second))


class Chooser:
    """Divides the music of one station into clips and offers the least certain ones.

    A clip never contains a gap, a change of the title, or what the decision takes for silence,
    speech or noise.

    Parameters
    ----------
    station
        Name of the station.
    settings
        Length of a clip, and how uncertain it must be.
    offer
        Takes the clips, some of which replace others.
    named
        Whether the user named the station, so that what may be a microphone is kept too.
    """

    def __init__(
        self,
        station: str,
        settings: ClipSettings,
        offer: Callable[[NewClip], None],
        *,
        named: bool = False,
    ) -> None:
        self.named = named
        """Whether what may be a microphone is kept too."""
        self._station = station
        self._settings = settings
        self._offer = offer
        self._artist: str | None = None
        self._title: str | None = None
        self._heard = 0.0  # seconds of audio in the present period
        self._best: tuple[float, str] | None = None  # uncertainty and name in that period
        self.break_off()

    def break_off(self) -> None:
        """Begin another clip: what comes does not follow what was heard."""
        self._parts: list[NDArray[np.int16]] = []
        self._samples = 0
        self._hops = 0
        self._sum: NDArray[np.float64] | None = None
        self._tags: NDArray[np.float64] | None = None

    def title(self, artist: str | None, title: str | None) -> None:
        """Note what the station announces, without the secrets of a URL in it.

        Parameters
        ----------
        artist, title
            Texts; None or empty where there is none.
        """
        self._artist, self._title = _without_secrets(artist), _without_secrets(title)
        self.break_off()

    def hop(
        self, samples: NDArray[np.float32], decision: Decision, wall: float, manifest: Manifest
    ) -> None:
        """Take the audio of one hop.

        Parameters
        ----------
        samples
            Mono, at the rate of the model, shape ``(n,)``.
        decision
            The decision after it.
        wall
            UNIX seconds of its end.
        manifest
            The manifest of the model.
        """
        rate = manifest.features.samplerate
        self._count(len(samples) / rate)
        if not _is_music(decision):
            self.break_off()
            return
        if self._sum is not None and len(self._sum) != len(decision.probabilities):
            self.break_off()  # another model
        self._parts.append(to_int16(samples))
        self._samples += len(samples)
        self._hops += 1
        added = decision.probabilities
        self._sum = added.copy() if self._sum is None else self._sum + added
        self._tags = decision.tags  # smoothed over seconds already
        if self._samples >= round(self._settings.seconds * rate):
            self._close(wall, manifest)

    def _count(self, seconds: float) -> None:
        self._heard += seconds
        if self._heard >= self._settings.every_s:
            self._heard, self._best = 0.0, None

    def _close(self, wall: float, manifest: Manifest) -> None:
        """End a clip, and offer it if it is uncertain enough."""
        assert self._sum is not None
        rate = manifest.features.samplerate
        length = round(self._settings.seconds * rate)
        mean, tags = self._sum / self._hops, self._tags
        samples = np.concatenate(self._parts)[-length:]
        self.break_off()
        found = uncertainty(mean)
        least = self._settings.uncertainty if self._best is None else self._best[0]
        if found < least or (self._best is not None and found <= least):
            return
        facts = Facts(
            station=self._station,
            start=round(wall - length / rate, 3),
            end=round(wall, 3),
            artist=self._artist,
            title=self._title,
            uncertainty=round(found, 4),
            probabilities={
                name: round(p, 4) for name, p in zip(manifest.labels, mean.tolist(), strict=True)
            },
            tags=None if tags is None else likeliest(manifest.tags, tags),
            model=manifest.name,
            model_sha256=manifest.sha256,
        )
        name = f"clip-{wall:.0f}-{secrets.token_hex(4)}.flac"
        replaced = None if self._best is None else self._best[1]
        self._best = (found, name)
        self._offer(NewClip(name, facts, samples, rate, replaced))


def _without_secrets(text: str | None) -> str | None:
    return redact(text) if text and "://" in text else text or None


def _is_music(decision: Decision) -> bool:
    return (
        decision.state in ("music", "unknown")
        and (decision.music is None or decision.music >= MUSIC)
        and (decision.speech is None or decision.speech < MUSIC)
    )
