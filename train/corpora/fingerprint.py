"""Fingerprints of audio files, kept in a cache (see :mod:`streamgenre.audio.fingerprint`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.audio.fingerprint import RATE, VERSION, Fingerprint, fingerprint
from train.cache import read_arrays, write_arrays
from train.corpora.recordings import decode
from train.hashes import file_hash

if TYPE_CHECKING:
    from pathlib import Path


def fingerprint_of(path: Path, cache: Path | None) -> Fingerprint:
    """Return the fingerprint of an audio file, from the cache where it is there.

    Parameters
    ----------
    path
        The audio file.
    cache
        Folder to keep fingerprints in; None to always compute them.

    Raises
    ------
    TrainError
        If the file cannot be decoded.
    """
    entry = None
    if cache is not None:
        entry = cache / f"{file_hash(path)[:32]}-fingerprint-{VERSION}.npz"
        if (kept := read_arrays(entry)) is not None and {"words", "audible"} <= kept.keys():
            return Fingerprint(kept["words"], kept["audible"])
    found = fingerprint(decode(path, RATE))
    if entry is not None:
        arrays = {"words": found.words, "audible": found.audible}
        write_arrays(entry, arrays, advice="give another folder with --cache")
    return found
