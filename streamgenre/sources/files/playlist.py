"""Files one after another as one station: a single one, a list of them, or a folder."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError
from streamgenre.logger import get_logger
from streamgenre.paths import expand
from streamgenre.sources.backoff import Backoff
from streamgenre.sources.decoding import DamageCounter, Format, split_block
from streamgenre.sources.files.file import decode, describe
from streamgenre.sources.files.listing import Listing, list_files, no_files_message
from streamgenre.sources.paced import Pace, PacedSource, Problem, Stall
from streamgenre.sources.tags import file_title
from streamgenre.sources.titles import Title, clean
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.sources.paced import Item
    from streamgenre.sources.stream_info import StreamInfo

_BLOCK_S: Final = 0.04
"""Seconds of audio in a block: short, so that real pace is even."""
_MAX_REPORTED: Final = 20
"""Troubles that are told one by one; further ones are counted."""
_BACKOFF_S: Final = (1.0, 120.0)
"""First and longest pause in seconds where nothing of a playlist can be played any more."""

_LEAST_S: Final = 0.1
"""A round that brings fewer seconds than this has played nothing."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """How often and in which order the files of a playlist are played."""

    loop: bool = False
    """Whether it begins again at its end."""
    shuffle: int | None = None
    """Seed of a new order each time; None for the order of the list."""

    def of(self, files: list[Path], round_: int) -> list[Path]:
        """Return the files in the order of a round, counted from 0."""
        if self.shuffle is None:
            return files
        return random.Random(f"{self.shuffle}/{round_}").sample(files, len(files))


def open_file(path: str | Path, *, pace: Pace = "real", order: Order | None = None) -> PacedSource:
    """Return a source that plays an audio file.

    Raises
    ------
    InputError
        If the file cannot be read or has no audio in it.
    """
    return _open(expand(path), pace, order, single=True)


def open_playlist(
    path: str | Path, *, pace: Pace = "real", order: Order | None = None
) -> PacedSource:
    """Return a source that plays the files of a folder or list without gaps between them.

    It keeps the rate and the channels of the first file; others are converted. What cannot be
    played is told and passed over.

    Raises
    ------
    InputError
        If none of the files can be played.
    """
    return _open(expand(path), pace, order, single=False)


def _open(path: Path, pace: Pace, order: Order | None, *, single: bool) -> PacedSource:
    programme = _Programme(path, order or Order(), single=single)
    items = programme.items()
    head: list[Any] = []
    # Opened and tried here, so that errors come before the daemon runs.
    while programme.format is None or isinstance(head[-1], Problem | Title):
        head.append(next(items))
    source = PacedSource(
        os.fsencode(path.name or path.resolve().name).decode(errors="replace"),
        programme.format.rate,
        head[-1].shape[1],
        chain(head, items),
        pace=pace,
        real_time=pace == "real",
        ending=programme.ending,
    )
    source.info = programme.info()
    return source


class _Programme:
    """What is played of a file or playlist, block by block."""

    def __init__(self, path: Path, order: Order, *, single: bool) -> None:
        self._path, self._order, self._single = path, order, single
        self.format: Format | None = None
        self._damage = DamageCounter()
        self._first: Path | None = None  # of the files that could be played
        self._files = 0
        self._samples = 0
        self._troubles: set[str] = set()

    def info(self) -> StreamInfo:
        """Return what the first file that can be played is, and how many there are."""
        assert self._first is not None
        info = describe(self._first)
        return info if self._single else replace(info, files=self._files, seconds=None)

    def ending(self) -> str:
        """Return how it ended."""
        return f"end of {'file' if self._single else 'playlist'}{self._damage}"

    def items(self) -> Iterator[Item]:
        """Yield everything: titles, blocks and what there is to be told.

        Raises
        ------
        InputError
            If none of the files can be played at the first time.
        """
        backoff = Backoff(*_BACKOFF_S)
        for round_ in count():
            backoff.begin()
            before = self._samples
            yield from self._round(round_)
            if not self._order.loop:
                return
            # As where a disk is away, or the whole music is one sample: never in a hurry.
            if self.format and self._samples - before < _LEAST_S * self.format.rate:
                yield Stall(0.0, "none of the files can be played now", backoff.next_s())

    def _round(self, round_: int) -> Iterator[Item]:
        """Yield what is played from the begin of the list to its end."""
        try:
            listing = Listing([self._path]) if self._single else list_files(self._path)
        except InputError as error:
            if round_ == 0:
                raise
            listing = Listing(problems=[str(error)])
        self._files = len(listing.files)
        streams = (f"passed over: {redacted(url)}: a stream among files" for url in listing.streams)
        yield from self._report([*listing.problems, *streams])
        first_error = ""
        for file in self._order.of(listing.files, round_):
            try:
                yield from self._play(file, listing.titles.get(file))
            except InputError as error:
                first_error = first_error or str(error)
                if not (self._single and self._first is None):
                    yield from self._report([f"passed over: {error}"])
        if self._first is None:
            raise InputError(first_error if self._single else self._nothing(listing, first_error))

    def _play(self, file: Path, listed: Title | None) -> Iterator[Item]:
        if not self._single and file.exists() and not file.is_file():
            raise InputError(f"{file}: is no regular file")
        title: Title | None = None
        for wanted, block in decode(file, self._damage, self.format):
            if title is None:
                self.format, self._first = wanted, self._first or file
                title = file_title(file, listed)
                yield title
            self._samples += len(block)
            yield from split_block(block, int(wanted.rate * _BLOCK_S))
        if title is None:
            raise InputError(f"{file}: no audio could be decoded; the file is empty or damaged")

    def _report(self, troubles: list[str]) -> Iterator[Problem]:
        """Yield and log what is new; after so many, that there is more."""
        for trouble in map(clean, troubles):
            if trouble in self._troubles or len(self._troubles) > _MAX_REPORTED:
                continue
            self._troubles.add(trouble)
            last = len(self._troubles) > _MAX_REPORTED
            told = "further files cannot be played either; they are not named" if last else trouble
            _log.warning("%s", told)
            yield Problem(told)

    def _nothing(self, listing: Listing, first_error: str) -> str:
        if len(listing.files) == 1:
            return f"{self._path}: its only file cannot be played: {first_error}"
        if listing.files:
            return (
                f"{self._path}: none of its {len(listing.files)} files can be played; "
                f"the first: {first_error}"
            )
        return no_files_message(self._path, listing)
