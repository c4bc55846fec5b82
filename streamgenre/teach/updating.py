"""Teaches a model once more with labelled clips, and compares it with what it was."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.errors import InputError
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model
from streamgenre.library.hearing import file_hash
from streamgenre.teach.fitting import LEAST_RECORDINGS, of_recordings
from streamgenre.teach.lesson import missing
from streamgenre.teach.recordings import Recording, by_genre
from streamgenre.teach.teaching import teach

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamgenre.clips.clip import Clip
    from streamgenre.teach.fitting import Fitted
    from streamgenre.teach.lesson import Lesson
    from streamgenre.teach.teaching import Progress, Taught

LEAST_NEW: Final = 5
"""Fewest labels that were not learnt yet; with fewer the model stays as it is."""


class TooFewError(InputError):
    """There are too few labels to learn from."""


@dataclass(frozen=True, slots=True)
class Change:
    """How well a genre of the old material is recognised by models that were fitted without it."""

    genre: str
    before: float
    """Mean share of a recording's windows that were right, 0 to 1, without the clips."""
    after: float
    """The same with the clips."""


@dataclass(frozen=True, slots=True)
class Update:
    """A model that was taught with clips, not yet written, and how it compares."""

    taught: Taught
    recordings: int
    """Recordings that it was taught on before."""
    clips: int
    """Labelled clips that it was taught on now, all together."""
    new_clips: int
    """Those of them that it had not learnt before."""
    right_before: int
    """New clips whose genre the model recognised before."""
    right_after: int
    """New clips whose genre is recognised now, by a model that was fitted without them."""
    changes: tuple[Change, ...]
    new_genres: tuple[str, ...]
    notes: tuple[str, ...]

    def verdict(self, most_points: float) -> str:
        """Return why the old model is better, in words; "" if it is not.

        Parameters
        ----------
        most_points
            Percentage points that a genre may lose on the old material.
        """
        lost = [
            f"{each.genre} lost {100 * (each.before - each.after):.1f} points"
            for each in self.changes
            if 100 * (each.before - each.after) > most_points + 1e-9
        ]
        if lost:
            return f"{', '.join(lost)} on the old recordings; at most {most_points:g} are allowed"
        if self.right_after < self.right_before:
            return (
                f"of {self.new_clips} new labels {self.right_after} are right, before "
                f"{self.right_before}"
            )
        return ""

    def as_dict(self) -> dict[str, Any]:
        """Return all for JSON."""
        return {
            "recordings": self.recordings,
            "clips": self.clips,
            "new_clips": self.new_clips,
            "right_before": self.right_before,
            "right_after": self.right_after,
            "genres": {
                each.genre: {"before": round(each.before, 4), "after": round(each.after, 4)}
                for each in self.changes
            },
            "new_genres": list(self.new_genres),
            "notes": list(self.notes),
        }


def update(
    lesson: Lesson, clips: Sequence[Clip], folder: Path, *, progress: Progress | None = None
) -> Update:
    """Teach a model on what it was taught on and on labelled clips; write nothing.

    Both the model with the clips and one without them are fitted, and measured on recordings that
    the fit did not see.

    Parameters
    ----------
    lesson
        What it was taught on.
    clips
        Clips with the label of a genre.
    folder
        Their folder.
    progress
        Shows how far the work is.

    Raises
    ------
    TooFewError
        If too few labels are new.
    InputError
        If the old recordings are gone, or no longer enough.
    """
    notes = _replaced(lesson)
    gone = set(missing(lesson.recordings))
    lost = [each for each in gone if each.path.parent != folder]
    notes += [f"no longer there: {each.path}" for each in lost]
    old = [each for each in lesson.recordings if each not in gone]
    if lesson.recordings and len(lost) == len(lesson.recordings):
        raise InputError(
            f"none of the {len(lost)} files that the model was taught on is there now, such as "
            f"{lost[0].path}; the model stays as it is"
        )
    learnt = {(each.sha256, each.genre) for each in old}
    spelling = {each.genre.casefold(): each.genre for each in old}
    if lesson.keep:
        kept = parse_manifest(find_model(lesson.base)).labels
        spelling = {label.casefold(): label for label in kept} | spelling
    known = set(spelling.values())
    labelled, unread = _recordings(clips, folder, spelling)
    notes += unread
    labelled, few = _without_few(labelled, known)
    notes += few
    new = [each for each in labelled if (each.sha256, each.genre) not in learnt]
    if len(new) < LEAST_NEW:
        raise TooFewError(
            f"{len(new)} new labels; expected at least {LEAST_NEW}. Label more with `streamgenre "
            f"label`{''.join(f'; {note}' for note in few)}"
        )
    own = [each for each in old if each.path.parent != folder]
    before = teach(old, lesson.base, keep=lesson.keep, progress=progress)
    after = teach([*own, *labelled], lesson.base, keep=lesson.keep, notes=notes, progress=progress)
    right_before, right_after, counted = _on_new_clips(before, after, {r.sha256 for r in new})
    return Update(
        taught=after,
        recordings=len(own),
        clips=len(labelled),
        new_clips=counted,
        right_before=right_before,
        right_after=right_after,
        changes=_changes(before.fitted, after.fitted),
        new_genres=tuple(
            label
            for label in after.fitted.material.labels
            if label not in before.fitted.material.labels
        ),
        notes=(*after.notes, *after.gathered.unreadable),
    )


def _replaced(lesson: Lesson) -> list[str]:
    """Return a note where the base model is another one than the model was taught on."""
    if parse_manifest(find_model(lesson.base)).graph_sha256 == lesson.graph_sha256:
        return []
    return [
        f"the base model {lesson.base} was replaced by another version: all recordings are heard "
        "again with that one"
    ]


def _recordings(
    clips: Sequence[Clip], folder: Path, spelling: dict[str, str]
) -> tuple[list[Recording], list[str]]:
    """Return clips as recordings, and a note where some are no longer there."""
    found: list[Recording] = []
    gone = 0
    for clip in clips:
        label = clip.label or ""
        path = folder / clip.name
        try:
            sha256 = file_hash(path)
        except OSError:
            gone += 1
            continue
        genre = spelling.setdefault(label.casefold(), label)
        found.append(Recording(path, genre, clip.facts.artist or "", sha256))
    return found, [f"{gone} labelled clips are no longer there"] if gone else []


def _without_few(labelled: list[Recording], known: set[str]) -> tuple[list[Recording], list[str]]:
    """Leave out new genres with too few clips; return the others, and a note for each."""
    few = {
        genre: len(of)
        for genre, of in by_genre(labelled).items()
        if genre not in known and len(of) < LEAST_RECORDINGS
    }
    kept = [each for each in labelled if each.genre not in few]
    return kept, [
        f"{genre}: {count} labels; a new genre needs {LEAST_RECORDINGS}"
        for genre, count in few.items()
    ]


def _changes(before: Fitted, after: Fitted) -> tuple[Change, ...]:
    """Compare how well the material of before is recognised, genre by genre."""
    old, now = _right(before), _right(after)
    shares: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for key, (genre, share) in old.items():
        if key in now:
            shares[genre].append((share, now[key][1]))
    return tuple(
        Change(genre, *(float(each) for each in np.mean(pairs, axis=0)))
        for genre, pairs in sorted(shares.items())
    )


def _right(fitted: Fitted) -> dict[str, tuple[str, float]]:
    """Return genre and share of right windows of each recording, by a fit without it."""
    material = fitted.material
    count = len(material.recordings)
    hits = fitted.held_out.argmax(axis=1) == material.row_targets
    rows = np.bincount(material.of, minlength=count)
    shares = np.bincount(material.of, weights=hits, minlength=count) / np.maximum(1, rows)
    found = {}
    rehearsal = 0
    for recording, share in zip(material.recordings, shares.tolist(), strict=True):
        rehearsal += not recording.sha256
        key = f"{recording.sha256 or rehearsal} {recording.genre}"
        found[key] = (recording.genre, share)
    return found


def _on_new_clips(before: Taught, after: Taught, new: set[str]) -> tuple[int, int, int]:
    """Return how many new clips were right before, how many now are, and how many there are."""
    fitted, old = after.fitted, before.fitted
    material = fitted.material
    count = len(material.recordings)
    chosen = [i for i, each in enumerate(material.recordings) if each.sha256 in new]
    now = of_recordings(fitted.held_out, fitted.temperature, material.of, count).argmax(axis=1)
    rows = np.isin(material.of, chosen)
    logits = np.zeros((len(material.rows), len(old.material.labels)), np.float32)
    logits[rows] = old.head.logits(material.rows[rows])
    then = of_recordings(logits, old.temperature, material.of, count).argmax(axis=1)
    labels, old_labels = material.labels, old.material.labels
    genres = [material.recordings[i].genre for i in chosen]
    right_before = sum(old_labels[then[i]] == g for i, g in zip(chosen, genres, strict=True))
    right_after = sum(labels[now[i]] == g for i, g in zip(chosen, genres, strict=True))
    return right_before, right_after, len(chosen)
