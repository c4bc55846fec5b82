"""Puts files in place, so that a crash at any moment neither loses nor damages one.

A file gets its name only when it is complete on the disk, and never takes the name of another one.
What is moved is deleted only after its copy has been read back.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.library.hearing import file_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

PART: Final = ".streamgenre-"
"""Beginning of the names of unfinished files."""
_NO_LINKS: Final = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EOPNOTSUPP, errno.EXDEV}
)
"""Errors of file systems that cannot link to the file."""


def free_name(folder: Path, name: str, taken: set[Path]) -> Path:
    """Return a path in a folder that no file has: ``name (2).ext`` where ``name.ext`` is taken.

    Parameters
    ----------
    folder
        The folder.
    name
        Wanted name.
    taken
        Paths that are planned already.
    """
    path, number = folder / name, 1
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - of a name, not a path
    while path in taken or os.path.lexists(path):
        number += 1
        path = folder / f"{stem} ({number}){suffix}"
    return path


def place(temporary: Path, target: Path) -> None:
    """Give a complete file its name, unless another file has it.

    Parameters
    ----------
    temporary
        The file, in the same folder.
    target
        The name.

    Raises
    ------
    FileExistsError
        If there is such a file.
    """
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without links: an empty file keeps the name until the complete one replaces it.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        temporary.replace(target)
    else:
        temporary.unlink()
    _sync_folder(target.parent)


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yield the path of a file to write that is put in place at the end, if there is no error.

    Parameters
    ----------
    target
        Its name at the end.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=PART, suffix=target.suffix, dir=target.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        place(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def copy_to(temporary: Path, source: Path, sha256: str) -> None:
    """Copy a file with its times and mode into an unfinished one, and compare them.

    Parameters
    ----------
    temporary
        The unfinished file.
    source
        The file.
    sha256
        Hash of the file.

    Raises
    ------
    InputError
        If the copy differs: the source has changed, or the disk is at fault.
    OSError
        If it cannot be copied.
    """
    shutil.copyfile(source, temporary)
    shutil.copystat(source, temporary)
    if file_hash(temporary) != sha256:
        raise InputError(f"{source}: changed while it was copied; run it again")


def move(source: Path, target: Path, sha256: str) -> None:
    """Move a file; across file systems, delete it only when the copy is compared and on the disk.

    Parameters
    ----------
    source, target
        The file and its new path.
    sha256
        Hash of the file.

    Raises
    ------
    InputError
        If a copy differs from the source.
    OSError
        If it cannot be moved.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.is_symlink():
            raise OSError(errno.EXDEV, "the link stays, its file is copied")
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with unfinished(target) as temporary:
            copy_to(temporary, source, sha256)
    _sync_folder(target.parent)
    source.unlink()
    _sync_folder(source.parent)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
