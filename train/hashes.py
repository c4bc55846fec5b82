"""SHA-256 of files and of sets of files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises
    ------
    TrainError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TrainError(f"{path}: {error.strerror}") from error


def joint_hash(hashes: Iterable[str]) -> str:
    """Return the SHA-256 of hashes in hexadecimal, whatever their order."""
    digest = hashlib.sha256()
    for sha256 in sorted(hashes):
        digest.update(f"{sha256}\n".encode())
    return digest.hexdigest()
