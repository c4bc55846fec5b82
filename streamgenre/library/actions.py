"""What is done with each classified file besides the listing: tags, sorting, pieces, playlists."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from streamgenre.errors import InputError
from streamgenre.library import tagging
from streamgenre.library.locking import only_run
from streamgenre.library.placing import remove_unfinished
from streamgenre.library.playlists import Playlists
from streamgenre.library.sorting import How, Sorter
from streamgenre.library.splitting import split

if TYPE_CHECKING:
    from pathlib import Path

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
    """Folder of the playlists of genres and tags; None for none."""


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
        self._playlists: Playlists | None = None
        if plan.playlists is not None and plan.how != "dry-run":
            self._playlists = Playlists(plan.playlists, journal)

    def __enter__(self) -> Self:
        """Keep other runs out of the target."""
        plan = self._plan
        if plan.sort_into is not None:
            if plan.how != "dry-run":
                self._stack.enter_context(only_run(plan.sort_into))
                remove_unfinished(plan.sort_into)
            self._sorter = Sorter(plan.sort_into, plan.how, self._journal, tags=plan.tags)
        return self

    def __exit__(self, *error: object) -> None:
        """Write the playlists."""
        with self._stack:
            if self._playlists is not None:
                self._playlists.write()

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
        if self._playlists is not None:
            self._playlists.add(result, outcome.path)
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
