"""A corpus: its files with genre and artist, and the folds that keep artists apart.

Two layouts are read:

* a folder with ``clips.csv`` (columns ``clip`` and ``genre``; ``artist`` and ``fold`` where known):
  a clip's audio is the file ``…/GENRE/CLIP.*`` anywhere below the folder;
* a folder of genre sub-folders with audio files in them.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.teach.folds import make_folds
from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

AUDIO_SUFFIXES: Final = frozenset(
    {".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav", ".aiff", ".aif", ".au", ".m4a", ".aac"}
)
CSV_NAME: Final = "clips.csv"
N_FOLDS: Final = 3


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording of the corpus."""

    name: str
    """Name, unique in the corpus."""
    path: Path
    """The audio file."""
    genre: str
    """Its label."""
    artist: str
    """Artist; empty where unknown."""
    fold: int
    """The fold that holds it out, from 1 on."""
    variants: tuple[Path, ...] = ()
    """Further recordings of the same clip (``CLIP-….*``, such as over the air): measured with the
    fold of the clip, never trained on."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus."""

    clips: tuple[Clip, ...]
    """All clips, sorted by name."""
    labels: tuple[str, ...]
    """Genres, sorted."""
    folds_by: str
    """How the folds were made: ``clips.csv``, ``artist``, ``file`` or ``split`` (a split file)."""
    faults: tuple[str, ...] = ()
    """Problems of the corpus itself."""
    doubts: tuple[str, ...] = ()
    """Problems of the folds where artists are unknown."""
    held_out: tuple[int, ...] = ()
    """Folds that are measured on, such as a published test list; empty for all."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems that affect figures from this corpus."""
        return (*self.faults, *self.doubts)

    @property
    def measured(self) -> tuple[int, ...]:
        """Numbers of the folds that are held out and measured in turn."""
        return self.held_out or self.folds

    @property
    def folds(self) -> tuple[int, ...]:
        """Numbers of the folds."""
        return tuple(sorted({clip.fold for clip in self.clips}))


def read_corpus(folder: Path) -> Corpus:
    """Read a corpus folder.

    Raises
    ------
    TrainError
        If the corpus is unusable: no audio, fewer than two genres, a table that does not match.
    """
    if not folder.is_dir():
        raise TrainError(f"no corpus at {folder}: expected a folder of genre sub-folders")
    table = folder / CSV_NAME
    corpus = _from_table(folder, table) if table.is_file() else _from_folders(folder)
    if len(corpus.labels) < 2:
        raise TrainError(
            f"{folder}: {len(corpus.clips)} clips of {len(corpus.labels)} genre; training needs at "
            "least two genres, each a sub-folder of audio files"
        )
    return corpus


def audio_files(folder: Path) -> list[Path]:
    """Return the audio files in a folder and in those below it, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()
    )


def _corpus(
    clips: Sequence[Clip], folds_by: str, faults: Sequence[str], doubts: Sequence[str]
) -> Corpus:
    return Corpus(
        tuple(sorted(clips, key=lambda clip: clip.name)),
        tuple(sorted({clip.genre for clip in clips})),
        folds_by,
        (*faults, *_leaks(clips)),
        tuple(doubts),
    )


def _from_table(folder: Path, table: Path) -> Corpus:
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainError(f"{table}: cannot be read as CSV in UTF-8: {error}") from error
    if not rows or not {"clip", "genre"} <= set(rows[0]):
        raise TrainError(f"{table}: expected a header with the columns clip and genre, and rows")
    files: dict[tuple[str, str], Path] = {}
    variants: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in audio_files(folder):
        files.setdefault((path.parent.name, path.stem), path)
        if "-" in path.stem:
            variants[path.parent.name, path.stem.split("-")[0]].append(path)
    known = [row for row in rows if (row["genre"], row["clip"]) in files]
    names = Counter(row["clip"] for row in known)
    if names and (twice := names.most_common(1)[0])[1] > 1:
        raise TrainError(f"{table}: clip {twice[0]} is listed {twice[1]} times")
    faults = []
    if len(known) < len(rows):
        missing = next(r["clip"] for r in rows if (r["genre"], r["clip"]) not in files)
        faults.append(
            f"{len(rows) - len(known)} clips of {table.name} have no audio file "
            f"(the first: {missing})"
        )
    if not known:
        raise TrainError(f"{table}: none of its {len(rows)} clips has a file GENRE/CLIP.* below it")
    folds, folds_by, doubts = _folds_of_rows(table, known)
    clips = [
        Clip(
            row["clip"],
            files[row["genre"], row["clip"]],
            row["genre"],
            (row.get("artist") or "").strip(),
            fold,
            tuple(variants[row["genre"], row["clip"]]),
        )
        for row, fold in zip(known, folds, strict=True)
    ]
    return _corpus(clips, folds_by, faults, doubts)


def _folds_of_rows(table: Path, rows: Sequence[dict[str, str]]) -> tuple[list[int], str, list[str]]:
    """Return the folds, how they were made, and their problems."""
    if "fold" in rows[0]:
        try:
            return [int(row["fold"]) for row in rows], table.name, []
        except (TypeError, ValueError) as error:
            raise TrainError(
                f"{table}: every clip needs a whole number in the column fold ({error}); "
                "fill it in, or drop the column to have folds made"
            ) from error
    artists = [(row.get("artist") or "").strip() for row in rows]
    unknown = artists.count("")
    if unknown == len(rows):
        folds = make_folds([r["genre"] for r in rows], [r["clip"] for r in rows])
        return folds, "file", [_NO_ARTISTS]
    doubts = []
    if unknown:
        doubts.append(
            f"{unknown} clips have no artist: each was treated as an artist of its own, so one "
            "artist may be on both sides of a fold"
        )
    groups = [
        f"artist:{a.casefold()}" if a else f"clip:{row['clip']}"
        for a, row in zip(artists, rows, strict=True)
    ]
    return make_folds([row["genre"] for row in rows], groups), "artist", doubts


_NO_ARTISTS: Final = (
    f"no {CSV_NAME} names the artists: the folds were made by file, so that the same artist may be "
    "in training and in testing; the figures may be far too good"
)


def _from_folders(folder: Path) -> Corpus:
    found = [
        (path, genre.name)
        for genre in sorted(folder.iterdir())
        if genre.is_dir()
        for path in audio_files(genre)
    ]
    if not found:
        raise TrainError(
            f"{folder}: no audio files; expected sub-folders named after genres with "
            f"{', '.join(sorted(AUDIO_SUFFIXES))} files in them"
        )
    names = [path.relative_to(folder).as_posix() for path, _ in found]
    folds = make_folds([genre for _, genre in found], names)
    clips = [
        Clip(name, path, genre, "", fold)
        for name, (path, genre), fold in zip(names, found, folds, strict=True)
    ]
    return _corpus(clips, "file", [], [_NO_ARTISTS])


def _leaks(clips: Iterable[Clip]) -> list[str]:
    folds: dict[str, set[int]] = defaultdict(set)
    for clip in clips:
        if clip.artist:
            folds[clip.artist.casefold()].add(clip.fold)
    leaking = sorted(artist for artist, where in folds.items() if len(where) > 1)
    if not leaking:
        return []
    return [f"{len(leaking)} artists are in more than one fold (the first: {leaking[0]})"]
