"""Which free music is like none of the genres of a corpus, as YAMNet and MSD_musicnn say.

Of an excerpt of free music, YAMNet's likeliest class of genre counts. It is of another genre if
that class is one of :data:`OTHERS` and no class of the ten comes near it, and if MSD_musicnn gives
it none of their tags. Some is clearly of one of the genres, by both: rock, metal, jazz ... The
rest is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.student.teachers import TAGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.student.open_windows import OpenWindows

    Floats = NDArray[np.float32]

OTHERS: Final = {
    "electronic": (234, 235, 236, 237, 238, 239, 240, 242),
    "ambient": (241, 248),
    "folk": (228, 229, 243, 244, 245, 251, 252, 255, 256, 257, 259),
    "soundtrack": (262, 263, 265, 267, 276),
}
"""YAMNet's classes by the kind of music that is like none of the ten."""
_GENRES: Final = {
    "rock": (214, 216, 217, 218, 219, 220),
    "metal": (215,),
    "pop": (211,),
    "hiphop": (212,),
    "reggae": (223,),
    "country": (224, 226),
    "jazz": (230, 225),
    "disco": (231,),
    "classical": (232, 233),
    "blues": (246,),
}
"""YAMNet's classes by genre."""
_NEAR: Final = (221, 222, 227, 247, 254, 258, 260, 268)
"""Classes that may hold either: soul, funk, gospel, ska, music for children ..."""
_TAGS: Final = {
    "rock": ("rock", "classic rock", "hard rock", "alternative rock", "indie rock", "punk"),
    "metal": ("metal", "heavy metal", "hard rock"),
    "pop": ("pop",),
    "hiphop": ("hip-hop",),
    "country": ("country",),
    "jazz": ("jazz",),
    "blues": ("blues",),
}
"""MSD_musicnn's tags of a genre; it has none of the others."""
_LEAST: Final = 0.01
"""Lowest score of YAMNet's likeliest class; its genres have low ones."""
_RIVAL: Final = 0.5
"""Highest score of a class of the ten, as a share of it."""
_VETO: Final = 0.12
"""Probability of a tag of the ten from which music is not of another genre."""
_SURE: Final = 0.1
"""Lowest score of YAMNet for free music that is of one of the ten, which its tag has to confirm
with the same."""


def kinds_of(windows: OpenWindows) -> NDArray[np.str_]:
    """Return the genre of clips and of free music that clearly has one; or what else it is.

    Parameters
    ----------
    windows
        The excerpts.

    Returns
    -------
    numpy.ndarray
        A genre, one of :data:`OTHERS`, or ``""`` where nothing is sure; shape ``(n,)``.
    """
    free = windows.folds <= 0
    groups = {**OTHERS, **_GENRES, "": _NEAR}
    names = np.array(list(groups))
    scores = np.stack([windows.yamnet[:, list(group)].max(axis=1) for group in groups.values()], 1)
    top, score = names[scores.argmax(axis=1)], scores.max(axis=1)
    rival = scores[:, len(OTHERS) : -1].max(axis=1)
    by_tags = np.stack([_best(windows.tags, _TAGS.get(str(name), ())) for name in names], 1)
    is_other = free & np.isin(top, list(OTHERS)) & (score >= _LEAST)
    is_other &= (rival < _RIVAL * score) & (by_tags.max(axis=1) < _VETO)
    tag_agrees = np.take_along_axis(by_tags, scores.argmax(axis=1)[:, None], 1)[:, 0] >= _SURE
    is_genre = free & np.isin(top, list(_GENRES)) & (score >= _SURE) & tag_agrees
    found: Any = np.where(is_other | is_genre, top, "")
    clip = np.array([source.split(".")[0] for source in windows.sources])
    return np.where(free, found, clip)


def _best(tags: Floats, names: tuple[str, ...]) -> Floats:
    if not names:
        return np.zeros(len(tags), np.float32)
    best: Floats = tags[:, [TAGS.index(name) for name in names]].max(axis=1)
    return best
