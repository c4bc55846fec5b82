"""What a student is taught: rows of frames and targets from shards and their copies.

Music is matched with both teachers, the rest with YAMNet. Two more outputs are taught from what the
files are: music, and speech without music. Where the clean sound disagrees with that (a game's
ambience with a melody in it, a silent start of a piece), nothing is taught.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from train.errors import TrainError
from train.student import shards
from train.student.excerpts import CHECK
from train.student.frame_kinds import MEL_64
from train.student.mel_rooms import changed, masked, mixed_styles
from train.student.renditions import LOWEST, SYNTHESISED, copy_path, to_energies
from train.student.teachers import CLASSES, EMBEDDING, WINDOWS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from train.student.frame_kinds import FrameKind

    Floats = NDArray[np.float32]
    Bytes = NDArray[np.uint8]

MASKS: Final = 4
"""Columns after the targets: whether the embedding, the classes, music and speech are taught."""
_MUSIC_CLASS: Final = 132
_SURELY: Final = 0.3
"""YAMNet's score of music above which music is there."""
_HARDLY: Final = 0.1
"""And below which it is not."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a student hears in training."""

    shares: Mapping[str, float]
    """Parts of an epoch by group; those without rows are left out."""
    clean: float
    """Share of the excerpts that are heard as they are; :attr:`far` and ``render`` change the
    rest."""
    far: float
    """Share that a room, a microphone and noise change in the mel domain."""
    masks: bool = True
    """Whether bands are left out, and spectra mixed."""


EVERYTHING: Final = Mixture(
    {
        "corpus": 0.35,
        "music": 0.33,
        "speech": 0.13,
        "ambience": 0.07,
        "effects": 0.06,
        SYNTHESISED: 0.06,
    },
    clean=0.0,
    far=0.6,
)
"""For students that begin from nothing."""
MUSIC_ALONE: Final = Mixture({"corpus": 0.5, "music": 0.5}, clean=0.4, far=0.7, masks=False)
"""For those that begin as the teacher, and are not to forget how clean music sounds."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """All rows of a training set; a row is an excerpt of six seconds."""

    copies: tuple[tuple[Bytes, ...], ...]
    """Frames by block (shard), then by copy, shape ``(n, frames, bands)`` each, on disk."""
    blocks: NDArray[np.int64]
    """Block of each row, shape ``(rows,)``."""
    places: NDArray[np.int64]
    """Place in its block."""
    groups: NDArray[np.str_]
    """``corpus``, or the role."""
    folds: NDArray[np.int64]
    embedding: NDArray[np.float16]
    """Shape ``(rows, 2, 1756)``, standardised; 0 of what is no music."""
    classes: NDArray[np.float16]
    """Shape ``(rows, 2, 521)``."""
    kinds: Floats
    """Music, and speech without music: shape ``(rows, 2, 2)``."""
    masks: Floats
    """Shape ``(rows, 2, 4)``."""
    mean: Floats
    """Mean of the embedding of free music, shape ``(1756,)``."""
    spread: Floats
    """Its standard deviation."""
    kind: FrameKind = MEL_64
    mixture: Mixture = EVERYTHING

    def rows(self, without: Collection[int], rng: np.random.Generator, count: int) -> list[int]:
        """Draw rows for an epoch.

        Parameters
        ----------
        without
            Folds that are not used.
        rng
            Source of everything drawn.
        count
            Number of rows.

        Raises
        ------
        TrainError
            If none are left.
        """
        usable, shares = ~np.isin(self.folds, [CHECK, *without]), self.mixture.shares
        found: list[NDArray[np.int64]] = []
        of_group = {name: np.flatnonzero(usable & (self.groups == name)) for name in shares}
        total = sum(share for name, share in shares.items() if len(of_group[name]))
        for name, share in shares.items():
            mine = of_group[name]
            if len(mine):
                wanted = round(count * share / total)
                repeated = [rng.permutation(mine) for _ in range(-(-wanted // len(mine)))]
                found.append(np.concatenate(repeated)[:wanted])
        if not found:
            raise TrainError("no excerpts are left to train on; leave fewer folds out")
        drawn = np.concatenate(found)
        rng.shuffle(drawn)
        rows: list[int] = drawn.tolist()
        return rows

    def frames(self, rows: Collection[int], copy: int | None, rng: np.random.Generator) -> Floats:
        """Return log-mel energies of rows in nats, shape ``(n, frames, bands)``.

        Parameters
        ----------
        rows
            The rows.
        copy
            Which copy; None for any of them.
        rng
            Draws copies.
        """
        found = []
        for row in rows:
            there = self.copies[self.blocks[row]]
            at = int(rng.integers(len(there))) if copy is None else min(copy, len(there) - 1)
            found.append(there[at][self.places[row]])
        return to_energies(np.stack(found))

    def targets(self, rows: Collection[int]) -> Floats:
        """Return targets and masks, shape ``(n, 2, 2283)``."""
        at = np.array(list(rows))
        parts = (self.embedding[at], self.classes[at], self.kinds[at], self.masks[at])
        return np.concatenate([part.astype(np.float32) for part in parts], axis=-1)

    def batch(self, rows: Collection[int], rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return a batch as the student hears it, and its targets.

        Parameters
        ----------
        rows
            The rows.
        rng
            Source of everything drawn.
        """
        mixture = self.mixture
        energies = self.frames(rows, None, rng)
        clean = rng.random(len(energies)) < mixture.clean
        if clean.any():
            energies[clean] = self.frames(np.array(list(rows))[clean].tolist(), 0, rng)
        noisy = np.flatnonzero(np.isin(self.groups, ["ambience", "effects", SYNTHESISED]))
        noises = np.full_like(energies, LOWEST)
        if len(noisy):
            noises = self.frames(rng.choice(noisy, len(energies)).tolist(), None, rng)
        babble = np.flatnonzero((self.groups == "speech") & (self.folds == 0))
        music = np.isin(self.groups[list(rows)], ["corpus", "music"])
        for row in np.flatnonzero(music & (rng.random(len(energies)) < 0.2)):
            if len(babble):
                voices = self.frames(rng.choice(babble, 4).tolist(), 0, rng)
                noises[row] = np.log(np.exp(voices).sum(axis=0))
        far = ~clean & (rng.random(len(energies)) < mixture.far)
        if far.any():
            energies[far] = changed(energies[far], noises[far], rng, self.kind)
        if mixture.masks:
            energies = masked(mixed_styles(energies, rng), rng)
        return energies, self.targets(rows)


def read_lessons(folder: Path, kind: FrameKind = MEL_64, mixture: Mixture = EVERYTHING) -> Lessons:
    """Read what ``prepare`` and ``render`` have made so far.

    Parameters
    ----------
    folder
        Folder of the training set.
    kind
        The kind of frames.
    mixture
        What the student hears.

    Raises
    ------
    TrainError
        If there is nothing, or something is damaged.
    """
    copies: list[tuple[Bytes, ...]] = []
    groups: list[str] = []
    blocks, places, folds = [], [], []
    embedding, classes, kinds, masks = [], [], [], []
    for path in shards.paths(folder):
        there = _copies(folder, path.stem, kind)
        if not there:
            continue
        shard = shards.read(path)
        n = len(shard.folds)
        music = shard.role == "music"
        groups += ["corpus" if music and fold > 0 else shard.role for fold in shard.folds]
        folds.append(shard.folds)
        blocks.append(np.full(n, len(copies)))
        places.append(np.arange(n))
        copies.append(there)
        embedding.append(
            np.zeros((n, WINDOWS, EMBEDDING), np.float16)
            if shard.embedding is None
            else shard.embedding
        )
        classes.append(shard.yamnet)
        kinds.append(np.zeros((n, WINDOWS, 2), np.float32))
        kinds[-1][:, :, 0], kinds[-1][:, :, 1] = music, shard.role == "speech"
        score = shard.yamnet[:, :, _MUSIC_CLASS].astype(np.float32)
        sure = score > _SURELY if music else score < _HARDLY
        masks.append(np.stack([np.full_like(score, music), np.ones_like(score), sure, sure], -1))
    if not copies:
        raise TrainError(f"{folder}: no frames; run `python -m train trunk render` first")
    if noise := _copies(folder, SYNTHESISED, kind):
        n = len(noise[0])
        groups += [SYNTHESISED] * n
        folds.append(np.zeros(n, np.int64))
        blocks.append(np.full(n, len(copies)))
        places.append(np.arange(n))
        copies.append(noise)
        embedding.append(np.zeros((n, WINDOWS, EMBEDDING), np.float16))
        classes.append(np.zeros((n, WINDOWS, CLASSES), np.float16))
        kinds.append(np.zeros((n, WINDOWS, 2), np.float32))
        masks.append(np.tile(np.array([0, 0, 1, 1], np.float32), (n, WINDOWS, 1)))
    whole = np.concatenate(embedding)
    of_music = np.concatenate(masks)[:, :, 0] > 0
    of_free = of_music & (np.array(groups) == "music")[:, None]
    known = whole[of_free if of_free.any() else of_music].astype(np.float32)
    if not len(known):
        raise TrainError(f"{folder}: no music with frames; run `python -m train trunk render`")
    mean, spread = known.mean(axis=0), known.std(axis=0) + 1e-3
    for block in range(0, len(whole), 512):
        rows = slice(block, block + 512)
        apart = (whole[rows].astype(np.float32) - mean) / spread
        whole[rows] = np.clip(apart, -20, 20) * of_music[rows, :, None]
    return Lessons(
        tuple(copies), np.concatenate(blocks), np.concatenate(places), np.array(groups),
        np.concatenate(folds), whole, np.concatenate(classes), np.concatenate(kinds),
        np.concatenate(masks), mean, spread, kind, mixture,
    )  # fmt: skip


def _copies(folder: Path, name: str, kind: FrameKind) -> tuple[Bytes, ...]:
    """Return a shard's copies, on disk, as far as they are there."""
    pattern = f"{name}-*.npy"
    found = sorted(
        (folder / kind.name).glob(pattern), key=lambda path: int(path.stem.rsplit("-", 1)[1])
    )
    try:
        return tuple(np.load(path, mmap_mode="r", allow_pickle=False) for path in found)
    except (OSError, ValueError) as error:
        raise TrainError(
            f"{copy_path(folder, name, 0, kind).parent}: a file is damaged: {error}; delete it "
            "and run `python -m train trunk render` again"
        ) from error
