"""Writes a folder completely or not at all."""

from __future__ import annotations

import glob
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ABANDONED_S: Final = 3600.0
"""Seconds after which what a killed run has left is nobody's any more."""


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder that becomes ``out`` at the end, or is removed on any error.

    A folder that is there is replaced; it stays until the new one is complete.

    Parameters
    ----------
    out
        The folder.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(out)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name[:60]}.part-", dir=out.parent))
    old = part.with_name(part.name + "-old")
    try:
        yield part
        # Whatever the umask: another user's service may read them. mkdtemp's are the owner's alone.
        for file in part.iterdir():
            file.chmod(0o644)
        part.chmod(0o755)
        if out.exists():
            out.rename(old)
        try:
            part.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _remove_abandoned(out: Path) -> None:
    """Remove what killed runs have left beside a complete folder."""
    if not out.exists():
        return  # what they left may be all that there is
    with suppress(OSError):
        for left in out.parent.glob(f".{glob.escape(out.name[:60])}.part-*"):
            if time.time() - left.stat().st_ctime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
