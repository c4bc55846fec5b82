"""Sorts files into a folder per genre, and undoes it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from streamgenre.errors import InputError
from streamgenre.library import placing, tagging
from streamgenre.library.hearing import file_hash
from streamgenre.library.journal import Journal, Step, read_steps
from streamgenre.sources.decoding import error_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.library.results import FileResult

How: TypeAlias = Literal["copy", "move", "link", "dry-run"]
UNKNOWN: Final = "unknown"
"""Folder of files without a genre."""


def folder_of(name: str) -> str:
    """Return the name of a genre's or state's folder: a user's own genre may have any name."""
    name = name.replace("/", "_").replace("\0", "_").lstrip(".")
    return placing.shortened(name[:100], ".m3u8").removesuffix(".m3u8") or UNKNOWN


class Sorter:
    """Copies, moves or links classified files into a folder per genre.

    Parameters
    ----------
    target
        The folder of the genres' folders.
    how
        What is done; ``dry-run`` only says where files would go.
    journal
        Takes every step before it is taken.
    tags
        Whether the genre is written into the tags of copies.
    """

    def __init__(self, target: Path, how: How, journal: Journal, *, tags: bool = False) -> None:
        self._tags = tags
        self._target = target.absolute()
        self._how = how
        self._journal = journal
        self._planned: set[Path] = set()  # by a dry run

    def sort(self, result: FileResult) -> Path:
        """Put a file in its place; return its new path, or its own where it is there already.

        Parameters
        ----------
        result
            What was heard in the file.

        Raises
        ------
        InputError
            If the file cannot be copied, moved or linked; then it is where it was.
        """
        source = result.path.absolute()
        folder = self._target / folder_of(result.genre or result.state or UNKNOWN)
        if source.parent.resolve() == folder.resolve():
            return source
        try:
            sha256 = file_hash(source)
            there = self._there(folder, source)
            if there is not None:
                return there
            target = placing.free_name(folder, source.name, self._planned)
            if self._how == "dry-run":
                self._planned.add(target)
                return target
            return self._place(source, target, sha256, result.genre if self._tags else None)
        except OSError as error:
            raise InputError(f"{source}: not sorted ({error_text(error)})") from error

    def _there(self, folder: Path, source: Path) -> Path | None:
        """Return the copy or link that an earlier run made of the file."""
        if self._how == "link":
            return placing.find(
                folder, source.name, lambda path: path.is_symlink() and path.readlink() == source
            )
        return None if self._how == "move" else placing.same_content(folder, source.name, source)

    def _place(self, source: Path, target: Path, sha256: str, genre: str | None) -> Path:
        if self._how == "copy":
            with placing.unfinished(target, mode=0o600) as temporary:
                placing.copy_to(temporary, source, sha256)
                if genre is not None:
                    tagging.set_genres(temporary, [genre], source)
                    sha256 = file_hash(temporary)
                    there = placing.same_content(target.parent, source.name, temporary)
                    if there is not None:
                        temporary.unlink()
                        return there
                self._journal.write(Step("copy", os.fspath(source), os.fspath(target), sha256))
        elif self._how == "move":
            link = os.readlink(source) if source.is_symlink() else None  # noqa: PTH115 - as text
            step = Step("move", os.fspath(source), os.fspath(target), sha256, link=link)
            self._journal.write(step)
            placing.move(source, target, sha256)
        else:
            self._journal.write(Step("link", os.fspath(source), os.fspath(target)))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
        return target


def undo(path: Path) -> Iterator[tuple[Step, str | None]]:
    """Reverse the steps of a journal, the last first; yield each with a problem or None.

    A step that was not completed, or was undone already, is no problem. A file that has changed
    since is left as it is.

    Parameters
    ----------
    path
        The journal.

    Raises
    ------
    InputError
        If the journal cannot be read.
    """
    folders: set[Path] = set()
    for step in reversed(read_steps(path)):
        try:
            problem = _undo(step)
        except OSError as error:
            problem = error_text(error)
        except InputError as error:
            problem = str(error)
        if step.kind != "tag":
            folders.add(Path(step.target).parent)
        yield step, problem
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()  # only if it is empty


def _undo(step: Step) -> str | None:
    source, target = Path(step.source), Path(step.target)
    if step.kind == "tag":
        return tagging.restore(target, step.old or [], step.new)
    if not os.path.lexists(target):
        lost = step.kind == "move" and not os.path.lexists(source)
        return f"is neither there nor at {source}" if lost else None
    if step.kind == "link":
        if not target.is_symlink() or target.readlink() != source:
            return "is no longer the link that was made"
        target.unlink()
        return None
    if step.sha256 is not None and file_hash(target) != step.sha256:
        return "has changed since; it is left there"
    if step.kind != "move":
        target.unlink()
        return None
    if os.path.lexists(source):
        if not source.is_file() or file_hash(source) != step.sha256:
            return f"cannot go back: another file is at {source}"
        target.unlink()  # the move was interrupted after the copy
        return None
    if step.link is not None:
        source.symlink_to(step.link)
        with suppress(OSError):
            if file_hash(source) == step.sha256:
                target.unlink()
                return None
        source.unlink()  # the file that it led to is gone: the copy takes its place
    placing.move(target, source, file_hash(target))
    return None
