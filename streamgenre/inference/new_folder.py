"""Writes a folder completely or not at all."""

from __future__ import annotations

import fcntl
import glob
import os
import re
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
_MOST: Final = 60
"""Most characters of a folder's name in the names of what becomes or was it."""
_OLD: Final = re.compile(r"\.(.+)\.part-[a-z0-9_]{8}-old")


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
    put_back(out)
    _remove_abandoned(out)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name[:_MOST]}.part-", dir=out.parent))
    old = part.with_name(part.name + "-old")
    # Held until the end of this process at the latest: others see that the run is alive.
    lock = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    with suppress(OSError):  # a file system without locks
        fcntl.flock(lock, fcntl.LOCK_EX)
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
        os.close(lock)


def put_back(out: Path) -> None:
    """Put a folder back that a run moved away before it was killed.

    Parameters
    ----------
    out
        The folder. If it is there, or its run is alive, nothing happens.
    """
    if os.path.lexists(out):
        return
    with suppress(OSError):
        for old in out.parent.glob(f".{glob.escape(out.name[:_MOST])}.part-*-old"):
            part = old.with_name(old.name.removesuffix("-old"))
            if _is_alive(part):
                return
            old.rename(out)
            shutil.rmtree(part, ignore_errors=True)
            return


def put_all_back(parent: Path) -> None:
    """Put all folders back that killed runs moved away.

    Parameters
    ----------
    parent
        The folder that contains them.
    """
    with suppress(OSError):
        for path in parent.iterdir():
            found = _OLD.fullmatch(path.name)
            if found and len(found[1]) < _MOST:  # a longer name is not known in full
                put_back(parent / found[1])


def _is_alive(part: Path) -> bool:
    """Return whether the run that writes a folder is alive."""
    try:
        lock = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(lock)
    return False


def _remove_abandoned(out: Path) -> None:
    """Remove what killed runs have left beside a complete folder."""
    if not out.exists():
        return  # what they left may be all that there is
    with suppress(OSError):
        for left in out.parent.glob(f".{glob.escape(out.name[:60])}.part-*"):
            if time.time() - left.stat().st_ctime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
