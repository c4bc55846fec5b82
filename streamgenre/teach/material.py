"""The embeddings of all recordings, with genres and groups: what heads are fitted on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre.audio.fingerprint import copies
from streamgenre.errors import InputError
from streamgenre.teach.folds import joined_groups
from streamgenre.teach.recordings import Recording, by_genre

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from streamgenre.audio.fingerprint import Fingerprint
    from streamgenre.teach.cache import EmbeddingCache
    from streamgenre.teach.ear import Ear

    Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Material:
    """Rows of a model's embedding, of recordings with genres."""

    recordings: tuple[Recording, ...]
    labels: tuple[str, ...]
    """Genres."""
    rows: NDArray[np.float32]
    """Embeddings, shape ``(n, width)``."""
    of: Ints
    """The recording of each row, shape ``(n,)``."""
    targets: Ints
    """Genre of each recording, shape ``(recordings,)``."""
    groups: Ints
    """Group of each recording, shape ``(recordings,)``: recordings of one artist, and copies of a
    recording, are in one group and never on two sides of a fold."""
    seconds: tuple[float, ...] = ()
    """Length of each recording."""

    @property
    def row_targets(self) -> Ints:
        """Genre of each row, shape ``(n,)``."""
        found: Ints = self.targets[self.of]
        return found

    def weights(self) -> NDArray[np.float64]:
        """Return a weight for each row: genres count the same, and recordings within a genre."""
        rows = np.bincount(self.of, minlength=len(self.recordings))
        recordings = np.bincount(self.targets, minlength=len(self.labels))
        weights: NDArray[np.float64] = 1.0 / rows[self.of] / recordings[self.row_targets]
        return weights

    def only(self, chosen: NDArray[np.bool_]) -> Material:
        """Return the material of some recordings; the genres stay, also those without any.

        Parameters
        ----------
        chosen
            Which recordings, shape ``(recordings,)``.
        """
        kept = np.flatnonzero(chosen)
        number = np.cumsum(chosen) - 1
        rows = chosen[self.of]
        return Material(
            tuple(self.recordings[at] for at in kept), self.labels, self.rows[rows],
            number[self.of[rows]], self.targets[kept], self.groups[kept],
            tuple(self.seconds[at] for at in kept) if self.seconds else (),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gathered:
    """Material, and what was found on the way."""

    material: Material
    unreadable: tuple[str, ...]
    """A message for each recording that cannot be used."""
    notes: tuple[str, ...]
    """Doubts about the material, in words."""


def gather(
    recordings: Sequence[Recording],
    ear: Ear,
    cache: EmbeddingCache,
    *,
    few: bool = False,
    on_file: Callable[[], None] = lambda: None,
) -> Gathered:
    """Hear recordings, or take what was heard from the cache.

    Parameters
    ----------
    recordings
        Recordings with their hashes.
    ear
        Hears what has to be heard.
    cache
        Where embeddings are kept.
    few
        Whether to hear only a few stretches of each recording.
    on_file
        Called after each recording.

    Raises
    ------
    InputError
        If none of them can be used.
    """
    kept: list[Recording] = []
    rows: list[NDArray[np.float16]] = []
    prints: dict[str, Fingerprint] = {}
    seconds: list[float] = []
    unreadable: list[str] = []
    cache_grew = False
    for each in recordings:
        heard = cache.get(each.sha256, few=few)
        if heard is None:
            try:
                heard = ear.hear(each.path, few=few)
            except InputError as error:
                unreadable.append(str(error))
                on_file()
                continue
            cache.put(each.sha256, heard)
            cache_grew = True
        on_file()
        prints[str(len(kept))] = heard.print
        kept.append(each)
        rows.append(heard.rows)
        seconds.append(heard.seconds)
    if cache_grew:
        cache.prune()
    if not kept:
        raise InputError(f"none of the {len(recordings)} recordings can be used: {unreadable[0]}")
    twins = [(int(copy.first), int(copy.second)) for copy in copies(prints)]
    notes = _notes_on_copies(kept, twins)
    groups = groups_of(kept, twins)
    labels = tuple(by_genre(kept))
    return Gathered(
        Material(
            tuple(kept),
            labels,
            np.concatenate(rows).astype(np.float32),
            np.repeat(np.arange(len(kept)), [len(each) for each in rows]),
            np.array([labels.index(each.genre) for each in kept]),
            np.array(groups),
            tuple(seconds),
        ),
        tuple(unreadable),
        (*notes, *_notes_on_artists(kept)),
    )


def groups_of(recordings: Sequence[Recording], twins: Iterable[tuple[int, int]] = ()) -> list[int]:
    """Return the group of each recording: by artist and by copies.

    In a genre by one artist alone, artists cannot be kept apart: there each recording is a group.

    Parameters
    ----------
    recordings
        The recordings.
    twins
        Pairs of recordings that are copies of each other.
    """
    lone = {genre for genre, of in by_genre(recordings).items() if _is_of_one_artist(of)}
    keys = [
        [f"artist {each.artist.casefold()}"] if each.artist and each.genre not in lone else []
        for each in recordings
    ]
    for first, second in twins:
        for at in (first, second):
            keys[at].append(f"copy {first} {second}")
    return joined_groups(keys)


def _is_of_one_artist(recordings: Sequence[Recording]) -> bool:
    artists = {each.artist.casefold() for each in recordings}
    return len(recordings) > 1 and len(artists) == 1 and artists != {""}


def _notes_on_copies(
    recordings: Sequence[Recording], twins: Sequence[tuple[int, int]]
) -> list[str]:
    notes = []
    across = [
        (recordings[a], recordings[b])
        for a, b in twins
        if recordings[a].genre != recordings[b].genre
    ]
    notes += [
        f"the same recording in two genres: {a.path} ({a.genre}) and {b.path} ({b.genre})"
        for a, b in across
    ]
    if within := len(twins) - len(across):
        notes.append(
            f"{within} pair{'s' * (within != 1)} of files with the same recording: kept together "
            "in the folds"
        )
    return notes


def _notes_on_artists(recordings: Sequence[Recording]) -> list[str]:
    notes = []
    for genre, of in by_genre(recordings).items():
        if _is_of_one_artist(of):
            notes.append(
                f"{genre}: all recordings are by {of[0].artist}: the model may learn the artist "
                "instead of the genre, and the accuracy here cannot show it; add other artists"
            )
            continue
        [(artist, most), *_] = Counter(each.artist for each in of if each.artist).most_common(
            1
        ) or [("", 0)]
        if most > 3 and 2 * most > len(of):
            notes.append(f"{genre}: {most} of {len(of)} recordings are by {artist}")
    unknown = sum(not each.artist for each in recordings)
    if unknown:
        notes.append(
            f"{unknown} of {len(recordings)} recordings have no artist in their tags or names: "
            "each counts as an artist of its own, so the accuracy may be too good"
        )
    return notes
