"""Splits of a corpus in which no recording and no artist is on two sides.

A split consists of folds, each held out once, or of named parts (train, validation, test).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.teach.folds import make_folds
from train.corpora.inventory import Index
from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from train.corpora.inventory import Item, Listing

PARTS: Final = ("train", "validation", "test")
_WORDS: Final = {
    "train": "train", "training": "train",
    "valid": "validation", "validation": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "eval": "test",
}  # fmt: skip
"""Names of the parts in lists and columns."""
_NAMED: Final = 5
"""Largest number of genres named in a message."""


@dataclass(frozen=True, slots=True)
class Split:
    """The side of every clip."""

    side: dict[str, str]
    """By clip: ``train``, ``validation`` or ``test``, or a fold's number."""
    left_out: dict[str, str]
    """The reason, by clip that is on no side."""
    by: str
    """How it was made, in words."""

    @property
    def folds(self) -> bool:
        """Whether it consists of folds, each held out once."""
        return not set(self.side.values()) & set(PARTS)


def by_artist(listing: Listing, n_folds: int) -> Split:
    """Assign clips to folds, keeping artists and copies together.

    Parameters
    ----------
    listing
        The corpus, file by file.
    n_folds
        Number of folds, at least 2.

    Raises
    ------
    TrainError
        If a fold would lack a genre, which could then not be measured there.
    """
    groups = _groups(listing)
    apart: dict[str, set[str]] = {genre: set() for genre in listing.corpus.labels}
    for item in listing.items:
        apart[item.genre].add(groups[item.clip])
    fewest = min(map(len, apart.values()))
    dealt = (_dealt(listing, groups, n) for n in range(min(n_folds, fewest), 1, -1))
    folds = next((folds for folds in dealt if _in_every_fold(listing, folds)), [])
    most = max(folds, default=0)
    if most < n_folds:
        raise TrainError(_too_few(listing, apart, n_folds, most))
    what = f"artist ({listing.artists_from})" if listing.artists_from else "file, artists unknown"
    return Split(
        {item.clip: str(fold) for item, fold in zip(listing.items, folds, strict=True)},
        {},
        f"{n_folds} folds made by {what}, copies of a recording together",
    )


def _dealt(listing: Listing, groups: Mapping[str, str], n_folds: int) -> list[int]:
    items = listing.items
    return make_folds(
        [item.genre for item in items], [groups[item.clip] for item in items], n_folds=n_folds
    )


def _in_every_fold(listing: Listing, folds: list[int]) -> bool:
    there = {(item.genre, fold) for item, fold in zip(listing.items, folds, strict=True)}
    return len(there) == len({genre for genre, _ in there}) * max(folds)


def _too_few(listing: Listing, apart: Mapping[str, set[str]], n_folds: int, most: int) -> str:
    """Return the message that only ``most`` folds are possible (0: none)."""
    clips = Counter(item.genre for item in listing.items)
    what = "artist" if listing.artists_from else "recording"
    scarce = sorted(apart, key=lambda genre: (len(apart[genre]), genre))
    short = [genre for genre in scarce if len(apart[genre]) < n_folds] or scarce
    named = [
        f"{genre} has {_number(clips[genre], 'clip')} of {_number(len(apart[genre]), what)}"
        for genre in short[:_NAMED]
    ]
    more = [f"{len(short) - _NAMED} more genres have too few"] if len(short) > _NAMED else []
    had = f"--folds {most} is possible" if most else "not even 2 folds are possible"
    return (
        f"{n_folds} folds with every genre in each are not possible: {', '.join(named + more)}; "
        f"{had}; for more, add clips of more {what}s"
    )


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def by_column(listing: Listing, column: str) -> Split:
    """Take the sides from a column of the table: numbers of folds, or names of parts.

    Parameters
    ----------
    listing
        The corpus, file by file.
    column
        Name of the column.

    Raises
    ------
    TrainError
        If no row has that column, or numbers and names are mixed.
    """
    if not any(column in item.row for item in listing.items):
        there = sorted({name for item in listing.items for name in item.row})
        raise TrainError(f"the table has no column {column!r}; it has {', '.join(there) or 'none'}")
    side: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for item in listing.items:
        value = (item.row.get(column) or "").strip()
        if value.isdigit():
            side[item.clip] = str(int(value))
        elif value.casefold() in _WORDS:
            side[item.clip] = _WORDS[value.casefold()]
        else:
            left_out[item.clip] = f"{column}: {value or 'empty'}"
    return _whole(Split(side, left_out, f"the column {column} of the table"))


def by_lists(listing: Listing, lists: Mapping[str, Path]) -> Split:
    """Take the parts from text files with one clip per line, such as the published lists of GTZAN.

    Parameters
    ----------
    listing
        The corpus, file by file.
    lists
        Text files by name of the part.

    Raises
    ------
    TrainError
        If a list cannot be read, two lists name the same clip, or a list has no known clip.
    """
    index = Index((item.genre, item.clip) for item in listing.items)
    side: dict[str, str] = {}
    missing = 0
    for name, path in lists.items():
        part = _WORDS.get(name.casefold())
        if part is None:
            raise TrainError(f"no part {name!r}: expected train=, valid= or test= before {path}")
        try:
            lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise TrainError(f"{path}: {error}") from error
        found = [clip for line in lines if (clip := index.find(line)) is not None]
        missing += len(lines) - len(found)
        if not found:
            raise TrainError(f"{path}: none of its {len(lines)} clips is in the corpus")
        for clip in found:
            if side.get(clip, part) != part:
                raise TrainError(f"{path}: {clip} is in the list of {side[clip]}, too")
            side[clip] = part
    left_out = {item.clip: "in no list" for item in listing.items if item.clip not in side}
    names = ", ".join(f"{name}={path.name}" for name, path in lists.items())
    gone = f"; {missing} clips of the lists are not in the corpus" if missing else ""
    return _whole(Split(side, left_out, f"lists {names}{gone}"))


def conflicts(listing: Listing, split: Split) -> list[tuple[str, str, str]]:
    """Return pairs of clips that are wrongly on two sides, each with the reason.

    Parameters
    ----------
    listing
        The corpus, file by file.
    split
        The split to check.
    """
    found = [
        (copy.first, copy.second, "the same recording")
        for copy in listing.copies
        if _apart(split, copy.first, copy.second)
    ]
    by_hash: dict[str, Item] = {}
    of_artist: dict[str, Item] = {}
    for item in listing.items:
        if item.clip not in split.side:
            continue
        same = by_hash.setdefault(item.sha256, item)
        if _apart(split, same.clip, item.clip):
            found.append((same.clip, item.clip, "the same file"))
        if item.artist:
            other = of_artist.setdefault(item.artist.casefold(), item)
            if _apart(split, other.clip, item.clip):
                found.append((other.clip, item.clip, f"both by {item.artist}"))
    return found


def without_conflicts(listing: Listing, split: Split) -> Split:
    """Leave clips out until no recording and no artist is on two sides.

    The earlier side gives way: train before validation before test, and a lower
    fold before a higher one; so a published test list stays complete.

    Parameters
    ----------
    listing
        The corpus, file by file.
    split
        The split to repair.
    """
    ranks = {part: rank for rank, part in enumerate(PARTS)}
    members: dict[str, list[str]] = defaultdict(list)
    for clip, group in _groups(listing).items():
        if clip in split.side:
            members[group].append(clip)
    side, left_out = dict(split.side), dict(split.left_out)
    for clips in members.values():
        last = max((side[clip] for clip in clips), key=lambda s: (ranks.get(s, 0), s))
        for clip in clips:
            if side[clip] != last:
                left_out[clip] = f"its artist or recording is in {last}, too"
                del side[clip]
    return Split(side, left_out, split.by + ", without clips on two sides")


def _apart(split: Split, one: str, other: str) -> bool:
    return split.side.get(one, "") != split.side.get(other, "") and {one, other} <= set(split.side)


def _groups(listing: Listing) -> dict[str, str]:
    """Return the group of each clip (connected artists and copies), named by one clip."""
    group = {item.clip: item.clip for item in listing.items}

    def root(clip: str) -> str:
        while group[clip] != clip:
            clip = group[clip]
        return clip

    def join(clips: Iterable[str]) -> None:
        first, *others = sorted(root(clip) for clip in clips)
        for other in others:
            group[other] = first

    alike: dict[str, list[str]] = defaultdict(list)
    for item in listing.items:
        alike[f"file {item.sha256}"].append(item.clip)
        if item.artist:
            alike[f"artist {item.artist.casefold()}"].append(item.clip)
    for clips in alike.values():
        join(clips)
    for copy in listing.copies:
        if copy.first in group and copy.second in group:
            join((copy.first, copy.second))
    return {clip: root(clip) for clip in group}


def _whole(split: Split) -> Split:
    """Check that a split has one kind of side and at least two sides.

    Raises
    ------
    TrainError
        If it has not.
    """
    sides = sorted(set(split.side.values()))
    if len(sides) < 2:
        raise TrainError(
            f"{split.by}: all {len(split.side)} clips are on one side ({', '.join(sides)}); a "
            "split needs at least two folds, or train and test"
        )
    named = set(sides) & set(PARTS)
    if named and named != set(sides):
        raise TrainError(f"{split.by}: mixes numbers of folds and names of parts: {sides}")
    if named and not {"train", "test"} <= named:
        raise TrainError(f"{split.by}: needs train and test, found only {', '.join(sides)}")
    return split
