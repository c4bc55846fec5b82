"""Clips of 30 s cut into an ancestor's windows, and their splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.ancestors import input_features
from train.corpora.recordings import corpus_hash, load_recordings
from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.audio.features import MfccSpec
    from train.ancestors.ancestor import Ancestor
    from train.corpora.corpus import Clip, Corpus

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

CLIP_FRAMES: Final = 1284
"""Frames that every clip of 30 s has: the shortest of GTZAN has 1286."""
_SECONDS: Final = CLIP_FRAMES * 512 / 22_050 + 0.08
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class FullClips:
    """The full clips of a corpus as frames."""

    clips: tuple[Clip, ...]
    """Clips of 30 s."""
    frames: tuple[Floats, ...]
    """Frames of each, before the front end."""
    left_out: int
    """Number of shorter clips, left out."""
    sha256: str
    """Hash of the clips' files."""


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows of an ancestor, clip by clip."""

    frames: tuple[Floats, ...]
    """Frames of each clip after the front end."""
    clip: Ints
    """Index of a window's clip, shape ``(n,)``."""
    start: Ints
    """Its first frame."""
    target: Ints
    """Index of its genre."""
    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    length: int
    """Frames of a window."""

    def take(self, rows: Ints) -> Floats:
        """Return windows, shape ``(len(rows), length, columns)``."""
        return np.stack(
            [self.frames[self.clip[r]][self.start[r] : self.start[r] + self.length] for r in rows]
        )


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of windows."""

    name: str
    train: Ints
    validation: Ints
    test: Ints


def load_full_clips(
    corpus: Corpus, spec: MfccSpec, cache: Path, *, on_file: Callable[[], None], note: Any
) -> FullClips:
    """Compute the frames of all full clips of a corpus.

    Parameters
    ----------
    corpus
        The corpus.
    spec
        Settings of the frames.
    cache
        Folder to keep frames in.
    on_file
        Called after each file.
    note
        Called with a message for each unreadable file.

    Raises
    ------
    TrainError
        If there are none.
    """
    # One computation is enough for the 13 MFCC and the mel bands: they are the first 13 of 128.
    whole = replace(spec, numcep=spec.nfilt) if spec == input_features.MFCC else spec
    recordings, problems = load_recordings(
        [clip.path for clip in corpus.clips], whole, cache, on_file=on_file
    )
    for problem in problems:
        note(f"skipped: {problem}")
    there = [clip for clip in corpus.clips if clip.path in recordings]
    full = [clip for clip in there if recordings[clip.path].seconds >= _SECONDS]
    if not full:
        raise TrainError(
            f"none of {len(corpus.clips)} clips lasts {_SECONDS:.1f} s; the ancestors were made "
            "for clips of 30 s"
        )
    return FullClips(
        tuple(full),
        tuple(recordings[clip.path].frames[:, : spec.numcep] for clip in full),
        len(there) - len(full),
        corpus_hash(recordings[clip.path] for clip in full),
    )


def cut(ancestor: Ancestor, full: FullClips) -> Windows:
    """Cut clips into an ancestor's windows, evenly spaced from the first frame to the last.

    Parameters
    ----------
    ancestor
        The ancestor.
    full
        The full clips.
    """
    wanted = set(ancestor.genres) or {clip.genre for clip in full.clips}
    kept = [n for n, clip in enumerate(full.clips) if clip.genre in wanted]
    labels = tuple(sorted({full.clips[n].genre for n in kept}))
    if len(labels) < 2:
        raise TrainError(f"{ancestor.name}: the corpus has clips of {len(labels)} of its genres")
    front = ancestor.front(ancestor.spec) if ancestor.front else None
    frames = [
        np.asarray(front(full.frames[n])) if front else full.frames[n] for n in kept
    ]  # fmt: skip
    rows = [
        (clip, round(start))
        for clip, of_clip in enumerate(frames)
        for start in np.linspace(0, len(of_clip) - ancestor.window_frames, ancestor.windows)
    ]
    clip, start = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    clips = tuple(full.clips[n] for n in kept)
    target = np.array([labels.index(clips[c].genre) for c in clip])
    return Windows(tuple(frames), clip, start, target, labels, clips, ancestor.window_frames)


def authors_split(ancestor: Ancestor, windows: Windows) -> Split:
    """Split as the authors did: at random, whatever the artist.

    Parameters
    ----------
    ancestor
        The ancestor.
    windows
        All windows of the ancestor.
    """
    rng = np.random.default_rng(SEED)
    by_clip = ancestor.protocol.split == "clips"
    items = rng.permutation(len(windows.clips) if by_clip else len(windows.clip))
    test, rest = _parted(items, ancestor.protocol.test)
    validation, train = _parted(rest, ancestor.protocol.validation)
    if by_clip:
        of = [np.flatnonzero(np.isin(windows.clip, part)) for part in (train, validation, test)]
        return Split("authors", *of)
    return Split("authors", train, validation, test)


def artist_splits(ancestor: Ancestor, windows: Windows) -> Iterator[Split]:
    """Hold out one fold after the other; validation clips come from the other folds.

    Parameters
    ----------
    ancestor
        The ancestor.
    windows
        All windows of the ancestor.
    """
    folds = np.array([clip.fold for clip in windows.clips])
    for fold in sorted(set(folds.tolist())):
        rng = np.random.default_rng(SEED)
        others = rng.permutation(np.flatnonzero(folds != fold))
        validation, train = _parted(others, ancestor.protocol.validation)
        parts = (train, validation, np.flatnonzero(folds == fold))
        of = [np.flatnonzero(np.isin(windows.clip, part)) for part in parts]
        yield Split(f"fold {fold}", *of)


def _parted(items: Ints, share: float) -> tuple[Ints, Ints]:
    count = round(len(items) * share)
    return items[:count], items[count:]
