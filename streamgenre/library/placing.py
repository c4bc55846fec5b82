"""Puts files in place, so that a crash at any moment neither loses nor damages one.

A file gets its name only when it is complete on the disk, and never takes the name of another one.
What is moved is deleted only after its copy has been read back.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from itertools import count, takewhile
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.library.hearing import file_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PART: Final = ".streamgenre-"
"""Beginning of the names of unfinished files."""
_NEW: Final = f"{PART}new-"
_MAX_NAME: Final = 255
"""Longest file name in bytes."""
_MAX_SUFFIX: Final = 16
"""Longest suffix; what is longer is a part of the name."""
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
    return next(
        path for path in _names(folder, name) if path not in taken and not os.path.lexists(path)
    )


def find(folder: Path, name: str, is_it: Callable[[Path], bool]) -> Path | None:
    """Return the file that an earlier run put in a folder under a name or its numbered forms.

    Parameters
    ----------
    folder
        The folder.
    name
        Wanted name.
    is_it
        Whether a file that has such a name is the one.
    """
    for path in takewhile(os.path.lexists, _names(folder, name)):
        if is_it(path):
            return path
    return None


def _names(folder: Path, name: str) -> Iterator[Path]:
    yield folder / name
    suffix = _suffix(name)
    for number in count(2):
        yield folder / shortened(name.removesuffix(suffix), f" ({number}){suffix}")


def same_content(folder: Path, name: str, file: Path) -> Path | None:
    """Return the regular file that :func:`find` finds with the content of a file.

    Parameters
    ----------
    folder, name
        Where to look.
    file
        The file.
    """
    size, sha256 = file.stat().st_size, ""

    def is_it(path: Path) -> bool:
        nonlocal sha256
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return False
        sha256 = sha256 or file_hash(file)
        return file_hash(path) == sha256

    return find(folder, name, is_it)


def shortened(stem: str, ending: str) -> str:
    """Return a file name whose stem is cut so that file systems accept its length.

    Parameters
    ----------
    stem, ending
        Its parts.
    """
    room = _MAX_NAME - len(os.fsencode(ending))
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return stem + ending


def _suffix(name: str) -> str:
    suffix = os.path.splitext(name)[1]  # noqa: PTH122 - of a name, not a path
    return suffix if len(suffix) <= _MAX_SUFFIX else ""


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
def unfinished(target: Path, mode: int = 0o666) -> Iterator[Path]:
    """Yield the path of a file to write that is put in place at the end, if there is no error.

    A file that is removed before the end is not put in place.

    Parameters
    ----------
    target
        Its name at the end.
    mode
        Its mode, less the umask.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{_NEW}{secrets.token_hex(8)}{_suffix(target.name)}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        yield temporary
        if temporary.exists():
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            place(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what runs that were killed left in the sub-folders of a folder.

    Parameters
    ----------
    folder
        The folder, in which no other run works.
    """
    for each in folder.glob(f"*/{_NEW}*"):
        with suppress(OSError):
            each.unlink()


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
    keep_attributes(temporary, source)
    if file_hash(temporary) != sha256:
        raise InputError(f"{source}: changed while it was copied; run it again")


def keep_attributes(copy: Path, source: Path) -> None:
    """Give a copy the times, mode and owner of a file, as far as the file system can.

    Parameters
    ----------
    copy, source
        The copy and the file.
    """
    with suppress(OSError):
        found = source.stat()
        os.chown(copy, found.st_uid, found.st_gid)
    with suppress(OSError):  # FAT has no modes
        shutil.copystat(source, copy)


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
        before = source.stat()
        with unfinished(target, mode=0o600) as temporary:
            copy_to(temporary, source, sha256)
        if not _is_same(before, source.stat()):
            target.unlink()
            raise InputError(f"{source}: changed while it was moved; run it again") from None
    _sync_folder(target.parent)
    try:
        source.unlink()
    except OSError:
        if os.path.lexists(source):
            target.unlink()
        raise
    _sync_folder(source.parent)


def _is_same(before: os.stat_result, now: os.stat_result) -> bool:
    return (before.st_ino, before.st_size, before.st_mtime_ns) == (
        now.st_ino, now.st_size, now.st_mtime_ns,
    )  # fmt: skip


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
