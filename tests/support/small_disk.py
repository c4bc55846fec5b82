"""A disk of two megabytes that tests can fill."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _as_root(*command: str) -> bool:
    full = command if os.geteuid() == 0 else ("sudo", "-n", *command)
    if shutil.which(full[0]) is None:
        return False
    return subprocess.run(full, capture_output=True, check=False).returncode == 0


class Disk:
    """A file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, leave: int = 0) -> None:
        """Fill the disk up to a number of free bytes."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        if leave:
            os.truncate(self._ballast, max(0, self._ballast.stat().st_size - leave))

    def free(self) -> None:
        """Free the space again."""
        self._ballast.unlink()

    def writable(self, *, yes: bool) -> None:
        """Forbid writing to the whole disk, or allow it again."""
        assert _as_root("mount", "-o", f"remount,{'rw' if yes else 'ro'}", str(self.folder))


@contextmanager
def small_disk(folder: Path, size: str = "2m") -> Iterator[Disk]:
    """Mount the disk at a folder; skip where mounting is not allowed."""
    folder.mkdir()
    options = f"size={size},uid={os.getuid()}"
    if not _as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)):
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield Disk(folder)
    finally:
        assert _as_root("umount", "-l", str(folder))
