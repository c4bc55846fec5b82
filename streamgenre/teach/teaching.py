"""Teaches a model: from recordings to a head, its figures, and a model folder."""

from __future__ import annotations

import random
from dataclasses import dataclass
from dataclasses import replace as with_changes
from typing import TYPE_CHECKING, Any, Final, Protocol

from streamgenre import __version__
from streamgenre.errors import InputError
from streamgenre.inference.genre_names import check_genres
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model
from streamgenre.inference.taught import write_taught
from streamgenre.teach import fitting
from streamgenre.teach.cache import EmbeddingCache
from streamgenre.teach.ear import Ear
from streamgenre.teach.figures import figures_of
from streamgenre.teach.lesson import Lesson, write_lesson
from streamgenre.teach.material import Gathered, gather
from streamgenre.teach.recordings import by_genre, identified
from streamgenre.teach.rehearsal import read_rehearsal, with_rehearsal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streamgenre.inference.manifest import Manifest
    from streamgenre.teach.figures import Figures
    from streamgenre.teach.fitting import Fitted
    from streamgenre.teach.recordings import Recording

TRIED: Final = 20
"""Recordings of a genre that are heard to try what accuracy to expect."""
MOST_RECORDINGS: Final = 200
"""Most recordings of a genre: their rows are in memory at once."""


class Progress(Protocol):
    """Shows how far the work is."""

    def begin(self, title: str, total: int) -> None:
        """Start a part of the work, of ``total`` steps."""

    def step(self) -> None:
        """Count one more finished step."""


class Quiet:
    """Shows nothing."""

    def begin(self, title: str, total: int) -> None:
        """See :meth:`Progress.begin`."""

    def step(self) -> None:
        """See :meth:`Progress.step`."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A head that was fitted, and how good it is."""

    base: Manifest
    """Manifest of the base model."""
    gathered: Gathered
    """The user's recordings, without those of the base model's own genres."""
    fitted: Fitted
    figures: Figures
    kept: tuple[str, ...]
    """The base model's own genres, where they were kept; else empty."""
    notes: tuple[str, ...]
    """What was left out and what is doubtful, in words."""

    @property
    def few(self) -> dict[str, int]:
        """The user's genres with few recordings, and their number."""
        counts = {g: len(of) for g, of in by_genre(self.gathered.material.recordings).items()}
        return {g: n for g, n in counts.items() if n < fitting.FEW_RECORDINGS}

    def as_dict(self) -> dict[str, Any]:
        """Return all for JSON."""
        return {
            "base": {"name": self.base.name, "sha256": self.base.graph_sha256},
            "recordings": len(self.gathered.material.recordings),
            "seconds": round(sum(self.gathered.material.seconds), 1),
            "kept": list(self.kept),
            "strength": self.fitted.strength,
            "temperature": self.fitted.temperature,
            **self.figures.as_dict(),
            "few_recordings": self.few,
            "unreadable": list(self.gathered.unreadable),
            "notes": list(self.notes),
        }


def teach(
    recordings: Sequence[Recording],
    base: str,
    *,
    keep: bool = False,
    few: bool = False,
    notes: Sequence[str] = (),
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Taught:
    """Fit a head on recordings; nothing is written but the cache.

    Parameters
    ----------
    recordings
        The recordings with their genres.
    base
        Name or folder of the model on whose embedding the head is fitted.
    keep
        Whether to keep the base model's own genres.
    few
        Whether to hear only a sample of the recordings, and little of each.
    notes
        What was left out before.
    cache_folder
        Where embeddings are kept; None for the default.
    progress
        Shows how far the work is.

    Raises
    ------
    InputError
        If there are too few recordings, or the same file is in two genres.
    ModelError
        If the base model cannot be used, or has no rows of its own genres to keep.
    """
    progress = progress or Quiet()
    manifest = parse_manifest(find_model(base))
    rehearsal = read_rehearsal(manifest) if keep else None
    if rehearsal is not None:
        spelling = {label.casefold(): label for label in rehearsal.labels}
        recordings = [
            with_changes(each, genre=spelling.get(each.genre.casefold(), each.genre))
            for each in recordings
        ]
    check_genres(tuple(by_genre(recordings)))
    total = {genre: len(of) for genre, of in by_genre(recordings).items()}
    most = TRIED if few else MOST_RECORDINGS
    recordings = sample(recordings, most)
    drawn = [
        f"{genre}: {most} of {count} recordings drawn at random"
        for genre, count in total.items()
        if count > most and not few
    ]
    genres = tuple(by_genre(recordings))
    check_counts(recordings, genres)
    progress.begin("reading", len(recordings))
    unique, more_notes = identified(recordings, progress.step)
    gathered = embed(unique, base, few=few, cache_folder=cache_folder, progress=progress)
    material = gathered.material
    check_counts(material.recordings, genres, unusable=len(gathered.unreadable))
    kept: tuple[str, ...] = ()
    if rehearsal is not None:
        material = with_rehearsal(material, rehearsal)
        kept = rehearsal.labels
    progress.begin("fitting", fitting.MOST_FOLDS + 1)
    fitted = fitting.fit(material, on_fit=progress.step)
    return Taught(
        manifest,
        gathered,
        fitted,
        figures_of(fitted),
        kept,
        (*notes, *drawn, *more_notes, *gathered.notes),
    )


def embed(
    recordings: Sequence[Recording],
    base: str,
    *,
    few: bool = False,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Gathered:
    """Hear recordings with a model, or take what was heard from the cache.

    Parameters
    ----------
    recordings
        Recordings with their hashes, as from :func:`~streamgenre.teach.recordings.identified`.
    base
        Name or folder of the model.
    few
        Whether to hear only a few stretches of each.
    cache_folder
        Where embeddings are kept; None for the default.
    progress
        Shows how far the work is.

    Raises
    ------
    InputError
        If none of the recordings can be used.
    ModelError
        If the model cannot be loaded, or has no embedding.
    """
    progress = progress or Quiet()
    progress.begin("hearing", len(recordings))
    manifest = parse_manifest(find_model(base))
    cache = EmbeddingCache(manifest.graph_sha256, cache_folder)
    with Ear(base) as ear:
        return gather(recordings, ear, cache, few=few, on_file=progress.step)


def write(
    out: Path,
    taught: Taught,
    base: str,
    *,
    command: str,
    replace: bool = False,
    more: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write the model folder, and the list of what it was taught from.

    Parameters
    ----------
    out
        The model folder; its name is the model's.
    taught
        What was fitted.
    base
        Name or folder of the base model, as given to :func:`teach`.
    command
        The command that taught it, for the record.
    replace
        Whether to replace a model of that name.
    more
        Further facts for the manifest.

    Raises
    ------
    ModelError
        If there is a model of that name, or the folder cannot be written.
    """
    figures = taught.figures.as_dict()
    material = taught.gathered.material
    genres = {
        genre: {
            "recordings": len(of),
            "seconds": round(
                sum(
                    length
                    for each, length in zip(material.recordings, material.seconds, strict=True)
                    if each.genre == genre
                ),
                1,
            ),
        }
        for genre, of in by_genre(material.recordings).items()
    }
    manifest = write_taught(
        out,
        base,
        labels=taught.fitted.material.labels,
        head=taught.fitted.head,
        temperature=taught.fitted.temperature,
        taught={
            "genres": genres,
            "groups": "artist and recording",
            "folds": figures["folds"],
            "accuracy": figures["accuracy"],
            "accuracy_of_windows": figures["accuracy_of_windows"],
            "confusion": figures["confusion"],
            "strength": taught.fitted.strength,
            "keeps": bool(taught.kept),
            "streamgenre": __version__,
            **(more or {}),
        },
        command=command,
        seed=0,
        replace=replace,
    )
    write_lesson(
        out.name,
        Lesson(base, taught.base.graph_sha256, bool(taught.kept), material.recordings),
    )
    return manifest


def sample(recordings: Sequence[Recording], most: int, seed: int = 0) -> list[Recording]:
    """Return up to ``most`` recordings of each genre, drawn at random.

    Parameters
    ----------
    recordings
        The recordings.
    most
        Most of a genre.
    seed
        Seed of the draw.
    """
    found: list[Recording] = []
    for of in by_genre(recordings).values():
        found += random.Random(seed).sample(of, most) if len(of) > most else of
    return found


def check_counts(
    recordings: Sequence[Recording], genres: Sequence[str], *, unusable: int = 0
) -> None:
    """Check that there are enough recordings, before and after they are heard.

    Parameters
    ----------
    recordings
        The recordings.
    genres
        All genres that are to be taught.
    unusable
        Number of further files that cannot be used, for the message.

    Raises
    ------
    InputError
        If a genre has too few; all such genres are named.
    """
    counts = dict.fromkeys(genres, 0) | {g: len(of) for g, of in by_genre(recordings).items()}
    few = [f"{genre} ({n})" for genre, n in counts.items() if n < fitting.LEAST_RECORDINGS]
    if few:
        also = f"; {unusable} files cannot be used" if unusable else ""
        raise InputError(
            f"too few recordings: {', '.join(few)}; expected at least {fitting.LEAST_RECORDINGS} "
            f"of each genre, better {fitting.FEW_RECORDINGS}{also}"
        )
