"""Who made the music and under which licence: read from the packages' ``debian/copyright``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

UNSTRUCTURED: Final = "see its copyright file"
"""Licence of a package whose copyright file is prose."""
UNSTATED: Final = "not stated in the package"
"""Licence of a package without a copyright file."""
_WILD: Final = frozenset("*?")


@dataclass(frozen=True, slots=True, order=True)
class Credit:
    """A licence and the holders of the copyright, of some files of a package."""

    licence: str
    holders: str


def credits_of(copyright_file: Path, paths: Iterable[str]) -> list[Credit]:
    """Return the credits of files of a package, without repetitions, sorted.

    Patterns in ``debian/copyright`` refer to the source package, whose folders differ from those of
    the binary one. A file therefore belongs to the pattern of which the longest end fits.

    Parameters
    ----------
    copyright_file
        The package's ``copyright``, in the machine-readable format of Debian (DEP-5) or not.
    paths
        Paths of the files in the package.
    """
    paragraphs = _paragraphs(copyright_file)
    if not paragraphs:
        return [Credit(UNSTRUCTURED, "")]
    return sorted({_credit(paragraphs, path) for path in paths})


def _paragraphs(copyright_file: Path) -> list[Any]:
    from debian.copyright import Copyright, NotMachineReadableError

    logging.getLogger("debian").setLevel(logging.ERROR)  # small deviations are common
    try:
        with copyright_file.open(encoding="utf-8", errors="replace") as file:
            return list(Copyright(file, strict=False).all_files_paragraphs())
    except (OSError, NotMachineReadableError, ValueError):
        return []


def _credit(paragraphs: Sequence[Any], path: str) -> Credit:
    # Of two that fit equally well, the last applies, as in the format itself.
    fits = [max(_fit(pattern, path) for pattern in each.files) for each in paragraphs]
    best = max(range(len(fits)), key=lambda number: (fits[number], number))
    if fits[best] < 0:
        return Credit(UNSTRUCTURED, "")
    licence = paragraphs[best].license
    return Credit(
        (licence.synopsis if licence is not None else "") or UNSTRUCTURED,
        " ".join((paragraphs[best].copyright or "").split()),
    )


def _fit(pattern: str, path: str) -> int:
    """Return how many literal characters of a pattern's end fit a path; -1 if none does."""
    if pattern == "*":
        return 0
    parts = pattern.split("/")
    for start in range(len(parts)):
        end = "/".join(parts[start:])
        if start and start == len(parts) - 1 and _WILD & set(end):
            break  # of `sounds/*.ogg`, the end `*.ogg` says too little
        if fnmatchcase(f"/{path}", f"*/{end}"):
            return len(end) - sum(end.count(wild) for wild in _WILD)
    return -1
