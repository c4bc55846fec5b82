"""What is done with each classified file besides the listing: tags, sorting, pieces, playlists."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streamgenre.errors import InputError
from streamgenre.library import placing, tagging
from streamgenre.library.sorting import How, Sorter, folder_of, only_run
from streamgenre.library.splitting import split
from streamgenre.sources.decoding import error_text

if TYPE_CHECKING:
    from streamgenre.library.journal import Journal
    from streamgenre.library.results import FileResult


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    sort_into: Path | None = None
    """Folder of the genres' folders; None to leave files where they are."""
    how: How = "copy"
    """How files come there."""
    split_s: float | None = None
    """Length of pieces in seconds that are written there instead; None for whole files."""
    tags: bool = False
    """Whether genres are written into tags: those of the copies, else of the files."""
    playlists: Path | None = None
    """Folder of the playlists, one a genre; None for none."""


@dataclass(slots=True)
class Outcome:
    """What was done with one file."""

    path: Path
    """Where it is now, or its copy or link."""
    pieces: list[Path] = field(default_factory=list)
    """Pieces that were written."""
    tagged: bool = False
    """Whether the genre was written into its tags."""
    problems: list[str] = field(default_factory=list)
    """What could not be done, in words."""


class Actions:
    """Does what is planned with each result; use it as a context manager.

    Parameters
    ----------
    plan
        What is to be done.
    journal
        Takes every step before it is taken.

    Raises
    ------
    InputError
        If another run sorts into the same folder, or it cannot be written.
    """

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._plan = plan
        self._journal = journal
        self._stack = ExitStack()
        self._sorter: Sorter | None = None
        self._lists: defaultdict[str, list[str]] = defaultdict(list)

    def __enter__(self) -> Self:
        """Keep other runs out of the target."""
        plan = self._plan
        if plan.sort_into is not None:
            if plan.how != "dry-run":
                self._stack.enter_context(only_run(plan.sort_into))
            self._sorter = Sorter(plan.sort_into, plan.how, self._journal, tags=plan.tags)
        return self

    def __exit__(self, *error: object) -> None:
        """Write the playlists."""
        with self._stack:
            self._write_playlists()

    def take(self, result: FileResult) -> Outcome:
        """Do what is planned with one file; files without a result are left alone.

        Parameters
        ----------
        result
            What was heard in it.
        """
        outcome = Outcome(result.path)
        if result.problem is not None:
            return outcome
        for act in (self._tag, self._sort):
            try:
                act(result, outcome)
            except InputError as error:
                outcome.problems.append(str(error))
        if result.genre is not None and self._plan.playlists is not None:
            self._lists[result.genre].append(self._entry(result, outcome.path))
        return outcome

    def _tag(self, result: FileResult, outcome: Outcome) -> None:
        plan = self._plan
        on_copies = plan.sort_into is not None and (plan.how == "copy" or plan.split_s is not None)
        if plan.tags and not on_copies and plan.how != "dry-run" and result.genre is not None:
            outcome.tagged = tagging.write_genre(result.path, result.genre, self._journal)

    def _sort(self, result: FileResult, outcome: Outcome) -> None:
        plan = self._plan
        if self._sorter is None or plan.sort_into is None:
            return
        if plan.split_s is not None:
            outcome.pieces = split(result, plan.sort_into, plan.split_s, self._journal)
        else:
            outcome.path = self._sorter.sort(result)

    def _entry(self, result: FileResult, path: Path) -> str:
        assert self._plan.playlists is not None
        folder = os.path.abspath(self._plan.playlists)  # noqa: PTH100 - without following links
        place = os.path.abspath(path)  # noqa: PTH100
        if "\n" in place or "\r" in place:  # a line in the list
            place = Path(place).as_uri()
        elif place.startswith(f"{folder}{os.sep}"):
            place = place[len(folder) + 1 :]
        title = " - ".join(part for part in (result.artist, result.title) if part) or path.stem
        shown = " ".join(os.fsencode(title).decode(errors="replace").split())
        return f"#EXTINF:{round(result.seconds)},{shown}\n{place}\n"

    def _write_playlists(self) -> None:
        folder = self._plan.playlists
        if folder is None or self._plan.how == "dry-run":
            return
        try:
            for genre, entries in self._lists.items():
                folder.mkdir(parents=True, exist_ok=True)
                temporary = folder / f"{placing.PART}{os.getpid()}.m3u8"
                temporary.write_bytes(os.fsencode("#EXTM3U\n" + "".join(entries)))
                temporary.replace(folder / f"{folder_of(genre)}.m3u8")
        except OSError as error:
            raise InputError(
                f"{folder}: the playlists cannot be written ({error_text(error)})"
            ) from error
