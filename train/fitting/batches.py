"""Batches for training: windows for the CNN, endless programmes for the LSTM.

Genres are drawn evenly; within a genre an artist counts by the square root of the number of clips,
so that neither an artist with thirty clips nor one with a single excerpt dominates.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from train.augmentation.log_mel import Augmentation, augment, crop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Energies = NDArray[np.float32]

RAMP_FRAMES: Final = 38
"""After a change of the music the loss fades in over 1.5 s: a genre needs time to recognise."""
MIX_PROBABILITY: Final = 0.5
_NOISE_PROBABILITY: Final = 0.1
"""Share of segments that are noise without music, if there is any."""
_SHORTEST: Final = 50
_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class Material:
    """Training material: one entry per clip."""

    energies: tuple[Energies, ...]
    """Log-mel energies, each of shape ``(n, bands)``."""
    targets: tuple[int, ...]
    """Index of the genre."""
    artists: tuple[str, ...]
    """Artist; a unique name where unknown."""
    n_labels: int
    """Number of genres."""
    noises: tuple[Energies, ...] = ()
    """Log-mel energies of noise without music, for which all genres shall be equally likely."""


class Sampler:
    """Draws augmented segments with soft labels.

    Parameters
    ----------
    material
        The clips to draw from.
    rng
        Source of everything drawn.
    settings
        Strength of the augmentation; None for the defaults.
    mix_probability
        Share of segments that are mixed from two clips, 0 to 1.
    """

    def __init__(
        self,
        material: Material,
        rng: np.random.Generator,
        settings: Augmentation | None = None,
        *,
        mix_probability: float = MIX_PROBABILITY,
    ) -> None:
        self.material = material
        self.rng = rng
        self._settings = settings or Augmentation()
        self._mix_probability = mix_probability
        self._of_genre: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        for genre in sorted(set(material.targets)):
            clips = np.array([i for i, t in enumerate(material.targets) if t == genre])
            self._of_genre.append((clips, self._weights(clips)))

    def _weights(self, clips: NDArray[np.int64]) -> NDArray[np.float64]:
        of_artist: dict[str, float] = defaultdict(float)
        lengths = np.sqrt([len(self.material.energies[i]) for i in clips])
        names = [self.material.artists[i] for i in clips]
        for name, length in zip(names, lengths, strict=True):
            of_artist[name] += length
        weights = np.array(
            [length / np.sqrt(of_artist[n]) for n, length in zip(names, lengths, strict=True)]
        )
        normalised: NDArray[np.float64] = weights / weights.sum()
        return normalised

    def clip(self) -> int:
        """Draw a clip's index."""
        clips, weights = self._of_genre[int(self.rng.integers(len(self._of_genre)))]
        return int(self.rng.choice(clips, p=weights))

    def segment(self, length: int) -> tuple[Energies, NDArray[np.float32]]:
        """Draw a segment of ``length`` frames, shape ``(length, bands)``, and its label."""
        if self._is_noise():
            return self._noise(length)
        return self._mixed(self.clip(), length)

    def programme_item(self) -> tuple[Energies, NDArray[np.float32]]:
        """Draw a segment of random length: what a station plays next."""
        if self._is_noise():
            return self._noise(int(self.rng.integers(_SHORTEST, _LONGEST)))
        clip = self.clip()
        longest = min(_LONGEST, max(len(self.material.energies[clip]), _SHORTEST))
        length = int(np.exp(self.rng.uniform(np.log(_SHORTEST), np.log(longest + 1))))
        return self._mixed(clip, length)

    def _is_noise(self) -> bool:
        return bool(self.material.noises) and self.rng.random() < _NOISE_PROBABILITY

    def _noise(self, length: int) -> tuple[Energies, NDArray[np.float32]]:
        noise = self.material.noises[int(self.rng.integers(len(self.material.noises)))]
        alike = np.full(self.material.n_labels, 1 / self.material.n_labels, np.float32)
        return augment(crop(noise, length, self.rng), self.rng, self._settings), alike

    def _mixed(self, clip: int, length: int) -> tuple[Energies, NDArray[np.float32]]:
        segment = self._augmented(clip, length)
        label = np.zeros(self.material.n_labels, np.float32)
        label[self.material.targets[clip]] = 1
        if self.rng.random() < self._mix_probability:
            other = self.clip()
            share = np.float32(self.rng.beta(0.5, 0.5))
            segment = share * segment + (1 - share) * self._augmented(other, length)
            label *= share
            label[self.material.targets[other]] += 1 - share
        return segment, label

    def _augmented(self, clip: int, length: int) -> Energies:
        energies = self.material.energies[clip]
        segment = crop(energies, length, self.rng, stretch=self._settings.stretch)
        return augment(segment, self.rng, self._settings)


def window_batch(
    sampler: Sampler, batch: int, length: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw windows, shape ``(batch, length, bands)``, and labels, ``(batch, labels)``.

    Parameters
    ----------
    sampler
        Source of segments.
    batch
        Number of windows.
    length
        Frames per window.
    """
    segments, labels = zip(*(sampler.segment(length) for _ in range(batch)), strict=True)
    return np.stack(segments), np.stack(labels)


@dataclass(slots=True)
class Chunk:
    """The next chunk of every programme."""

    energies: NDArray[np.float32]
    """Shape ``(rows, frames, bands)``."""
    labels: NDArray[np.float32]
    """Shape ``(rows, frames, labels)``."""
    weights: NDArray[np.float32]
    """Weight of the loss, shape ``(rows, frames)``."""
    fresh: NDArray[np.bool_]
    """Rows whose state must be zero: stations that have just begun, shape ``(rows,)``."""


class Programmes:
    """Endless programmes, one per row: one piece of music after the other, as on the radio.

    The network's state is carried from chunk to chunk and across changes of the music, as the
    daemon does for hours; a row is reset only now and then.

    Parameters
    ----------
    sampler
        Draws the pieces of music.
    rows
        Number of programmes in a batch, at least 1.
    fresh_probability
        Probability, 0 to 1, that a row is reset before a chunk; the first chunk resets all.
    """

    def __init__(self, sampler: Sampler, rows: int, *, fresh_probability: float = 0.25) -> None:
        self._sampler = sampler
        self._fresh_probability = fresh_probability
        self._rest: list[list[tuple[Energies, NDArray[np.float32], int]]] = [
            [] for _ in range(rows)
        ]
        self._begun = False

    def next_chunk(self, length: int) -> Chunk:
        """Return the next ``length`` frames of every row."""
        rng = self._sampler.rng
        fresh = (
            rng.random(len(self._rest)) < self._fresh_probability
            if self._begun
            else np.ones(len(self._rest), np.bool_)
        )
        self._begun = True
        rows = [self._row(row, length, bool(new)) for row, new in enumerate(fresh)]
        energies, labels, weights = (np.stack(parts) for parts in zip(*rows, strict=True))
        return Chunk(energies, labels, weights, fresh)

    def _row(
        self, row: int, length: int, fresh: bool
    ) -> tuple[Energies, NDArray[np.float32], NDArray[np.float32]]:
        if fresh:
            self._rest[row] = []
        energies, labels, weights = [], [], []
        missing = length
        while missing:
            if not self._rest[row]:
                self._rest[row] = [(*self._sampler.programme_item(), 0)]
            segment, label, done = self._rest[row].pop()
            taken = segment[done : done + missing]
            energies.append(taken)
            labels.append(np.broadcast_to(label, (len(taken), len(label))))
            age = np.arange(done, done + len(taken), dtype=np.float32)
            weights.append(np.minimum(age / RAMP_FRAMES, 1))
            missing -= len(taken)
            if done + len(taken) < len(segment):
                self._rest[row] = [(segment, label, done + len(taken))]
        return np.concatenate(energies), np.concatenate(labels), np.concatenate(weights)


def material_of(
    energies: Sequence[Energies],
    targets: Sequence[int],
    artists: Sequence[str],
    n_labels: int,
    noises: Sequence[Energies] = (),
) -> Material:
    """Gather training material; an unknown artist gets a unique name.

    Parameters
    ----------
    energies
        Log-mel energies of each clip, shape ``(n, bands)``.
    targets
        Index of the genre of each clip.
    artists
        Artist of each clip; empty where unknown.
    n_labels
        Number of genres.
    noises
        Log-mel energies of noise without music.
    """
    return Material(
        tuple(energies),
        tuple(targets),
        tuple(artist or f"unknown {index}" for index, artist in enumerate(artists)),
        n_labels,
        tuple(noises),
    )
