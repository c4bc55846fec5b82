"""The journal of what was done to files: written before each step, so that all can be undone.

A journal is a file of JSON lines. The first names the version; each further line is a step that was
begun. Whether a step was completed shows in the file system itself, so that a crash at any moment
leaves nothing in doubt.
"""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

from streamgenre.errors import InputError
from streamgenre.paths import state_dir
from streamgenre.sources.decoding import error_text

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

VERSION: Final = 1
MAX_BYTES: Final = 1 << 30
"""Bytes of a journal that are read."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change to files."""

    kind: Literal["copy", "move", "link", "write", "tag"]
    """``write``: a new file was made from ``source``; ``tag``: its genre tag was changed."""
    source: str
    """Absolute path of the file."""
    target: str
    """Absolute path of the new file; that of the file itself for ``tag``."""
    sha256: str | None = None
    """Hash of the target after the step; None where it is not known before."""
    old: list[str] | None = None
    """Values of the genre tag before."""
    new: str | None = None
    """Value of the genre tag after."""
    link: str | None = None
    """Where the source led if it was a symbolic link."""


class Journal:
    """Writes a journal; use it as a context manager.

    Parameters
    ----------
    folder
        Folder of the journals; None for ``journals`` in the state folder.

    Raises
    ------
    InputError
        If it cannot be written: then nothing may be changed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or state_dir() / "journals"
        name = time.strftime("classify-%Y%m%d-%H%M%S") + f"-{os.getpid()}.jsonl"
        self.path = folder / name
        """The file."""
        self.steps = 0
        """Number of steps written."""
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Return the journal; the file is made with the first step."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def write(self, step: Step) -> None:
        """Write a step to the disk, before it is taken.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = self._begin()
            _append(self._file, asdict(step))
        except OSError as error:
            raise InputError(
                f"{self.path}: the journal cannot be written ({error_text(error)}), so no file is "
                "touched; free space, or set $XDG_STATE_HOME"
            ) from error
        self.steps += 1

    def _begin(self) -> BinaryIO:
        """Make the file; it gets its name with the complete first line."""
        unfinished = self.path.with_suffix(".new")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        file = os.fdopen(descriptor, "wb", buffering=0)
        try:
            _append(file, {"journal": "streamgenre classify", "version": VERSION})
            unfinished.rename(self.path)
        except OSError:
            file.close()
            unfinished.unlink(missing_ok=True)
            raise
        return file


def _append(file: BinaryIO, values: dict[str, Any]) -> None:
    """Write a line to the disk, or nothing: a part of one would spoil the next."""
    line = json.dumps(values).encode("ascii") + b"\n"  # ASCII: any file name passes
    start = file.tell()
    try:
        if file.write(line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    except OSError:
        file.seek(start)
        file.truncate()
        raise


def read_steps(path: Path) -> list[Step]:
    """Return the steps of a journal, in order; a last line that was cut short is left out.

    Parameters
    ----------
    path
        The journal.

    Raises
    ------
    InputError
        If it cannot be read or is no journal.
    """
    if path.exists() and not path.is_file():  # a pipe would wait for a writer
        raise InputError(f"{path}: is not a file; expected a journal of `streamgenre classify`")
    try:
        with path.open(encoding="ascii") as file:
            lines = file.read(MAX_BYTES).split("\n")
        header, *rest = lines[:-1] or [""]
        if json.loads(header)["version"] != VERSION:
            raise InputError(f"{path}: a journal of another version of streamgenre")
        return [Step(**json.loads(line)) for line in rest]
    except OSError as error:
        raise InputError(f"{path}: the journal cannot be read ({error_text(error)})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is not a journal of `streamgenre classify`; the end of its output names one"
        ) from error
