"""Plays files as one station: a single file, a playlist or a folder."""

from __future__ import annotations

import math
import os
import random
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.ring import Gap
from streamgenre.errors import InputError
from streamgenre.logger import get_logger
from streamgenre.paths import expand
from streamgenre.sources.backoff import Backoff
from streamgenre.sources.damage import DamageCounter
from streamgenre.sources.decoding import split_block
from streamgenre.sources.faults import as_input_error
from streamgenre.sources.files.file import FilePlayer, describe
from streamgenre.sources.files.listing import list_files, no_files_message
from streamgenre.sources.files.tracks import Listing
from streamgenre.sources.paced import Pace, PacedSource, Problem, Stall
from streamgenre.sources.tags import file_title
from streamgenre.sources.titles import Title, clean
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from streamgenre.sources.conversion import Format
    from streamgenre.sources.files.tracks import Track
    from streamgenre.sources.paced import Item
    from streamgenre.sources.stream_info import StreamInfo

_BLOCK_S: Final = 0.04
"""Length of a block in seconds: short, so that real-time pace is even."""
_MAX_REPORTED: Final = 20
"""Problems that are reported one by one; further ones only as a summary."""
_BACKOFF_S: Final = (1.0, 120.0)
"""First and longest pause in seconds after a pass in which no file could be played."""
_LEAST_S: Final = 0.1
"""A pass with less audio than this, in seconds, counts as one without audio."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """How often and in which order the files of a playlist are played."""

    loop: bool = False
    """Whether the list is repeated."""
    shuffle: int | None = None
    """Seed of a random order, reshuffled each pass; None for the order of the list."""

    def of(self, tracks: Sequence[Track], pass_: int) -> Iterator[Track]:
        """Yield the files in the order of one pass, counted from 0.

        Parameters
        ----------
        tracks
            The files in the order of the list.
        pass_
            Number of the pass, from 0.
        """
        order: Sequence[int] = range(len(tracks))
        if self.shuffle is not None:
            order = random.Random(f"{self.shuffle}/{pass_}").sample(order, len(tracks))
        return (tracks[number] for number in order)


def open_file(
    path: str | Path, *, pace: Pace = "real", order: Order | None = None, threaded: bool = True
) -> PacedSource:
    """Return a source that plays an audio file.

    Parameters
    ----------
    path
        The file; ``~`` is expanded.
    pace
        ``real`` plays in real time, ``fast`` as quickly as the samples are read.
    order
        Whether the file is repeated; None for once.
    threaded
        Whether a thread of its own decodes the file; else the engine's thread does, which must
        have no other station that could be kept waiting by a slow disk.

    Raises
    ------
    InputError
        If the file cannot be read or contains no audio.
    """
    return _open(expand(path), pace, order, single=True, threaded=threaded)


def open_playlist(
    path: str | Path, *, pace: Pace = "real", order: Order | None = None
) -> PacedSource:
    """Return a source that plays the files of a folder or playlist without gaps.

    The first file sets the rate and the channels; other files are converted. Unplayable entries,
    including stream URLs, are reported once and skipped.

    Parameters
    ----------
    path
        The folder or playlist; ``~`` is expanded.
    pace
        ``real`` plays in real time, ``fast`` as quickly as the samples are read.
    order
        How often and in which order the files are played; None for once, in the order of the list.

    Raises
    ------
    InputError
        If none of the files can be played.
    """
    return _open(expand(path), pace, order, single=False)


def _open(
    path: Path, pace: Pace, order: Order | None, *, single: bool, threaded: bool = True
) -> PacedSource:
    block_s = _BLOCK_S if pace == "real" else math.inf
    playlist = _Playlist(path, order or Order(), single=single, block_s=block_s)
    items = playlist.items()
    head: list[Any] = []
    # The first block is decoded here, so that errors are raised before the daemon runs.
    while playlist.format is None or not isinstance(head[-1], np.ndarray):
        head.append(next(items))
    source = PacedSource(
        os.fsencode(path.name or path.resolve().name).decode(errors="replace"),
        playlist.format.rate,
        playlist.format.channels,
        chain(head, items),
        pace=pace,
        real_time=pace == "real",
        ending=playlist.ending,
        threaded=threaded,
    )
    source.info = playlist.info()
    return source


class _Playlist:
    """The items of a file or playlist: titles, blocks and problems."""

    def __init__(
        self, path: Path, order: Order, *, single: bool, block_s: float = math.inf
    ) -> None:
        self._path, self._order, self._single, self._block_s = path, order, single, block_s
        self.format: Format | None = None
        self._damage = DamageCounter()
        self._first: Path | None = None  # first file that could be played
        self._files = 0
        self._samples = 0
        self._reported: set[str] = set()
        self._shortfall = ""  # how a single file ended before its end

    def info(self) -> StreamInfo:
        """Return the properties of the first playable file, and the number of files."""
        assert self._first is not None
        info = describe(self._first)
        return info if self._single else replace(info, files=self._files, seconds=None)

    def ending(self) -> str:
        """Return the detail of the state ``ended``."""
        what = self._shortfall or f"end of {'file' if self._single else 'playlist'}"
        return f"{what}{self._damage}"

    def items(self) -> Iterator[Item]:
        """Yield titles, blocks, stalls and problems.

        Raises
        ------
        InputError
            If no file can be played in the first pass.
        """
        backoff = Backoff(*_BACKOFF_S)
        for pass_ in count():
            backoff.begin()
            before = self._samples
            yield from self._pass(pass_)
            if not self._order.loop:
                return
            # A missing disk, or files without audio, must not make this a busy loop.
            if self.format and self._samples - before < _LEAST_S * self.format.rate:
                yield Stall(0.0, "none of the files can be played now", backoff.next_s())

    def _listing(self) -> Listing:
        if not self._single:
            return list_files(self._path)
        listing = Listing()
        listing.tracks.add(self._path)
        return listing

    def _pass(self, pass_: int) -> Iterator[Item]:
        """Yield the items of one pass over the list."""
        try:
            listing = self._listing()
        except InputError as error:
            if pass_ == 0:
                raise
            listing = Listing(problems=[str(error)])
        self._files = len(listing.tracks)
        if not listing.tracks and self._first is None:
            raise InputError(no_files_message(self._path, listing))
        streams = (f"skipped a stream among files: {redacted(url)}" for url in listing.streams)
        yield from self._report([*listing.problems, *streams])
        first_error = ""
        for file, title in self._order.of(listing.tracks, pass_):
            try:
                yield from self._play(file, title)
            except ModuleNotFoundError:
                raise  # the command says what to install
            except Exception as error:  # noqa: BLE001 - the other files are played
                reason = str(as_input_error(error, str(file)))
                first_error = first_error or reason
                if not (self._single and self._first is None):
                    yield from self._report([f"skipped: {reason}"])
        if self._first is None:
            raise InputError(
                first_error if self._single else self._nothing_playable(listing, first_error)
            )

    def _play(self, file: Path, listed: Title | None) -> Iterator[Item]:
        if not self._single and file.exists() and not file.is_file():
            raise InputError(f"{file}: is not a regular file")
        player = FilePlayer(file, self._damage, self.format)
        heard = False
        self._shortfall = ""
        for item in player.items():
            if isinstance(item, Title | Gap):
                if heard:
                    yield item
                continue
            assert player.format is not None
            if not heard:
                heard = True
                self.format, self._first = player.format, self._first or file
                yield file_title(file, listed)
            self._samples += len(item)
            if self._block_s < math.inf:
                yield from split_block(item, int(player.format.rate * self._block_s))
            else:
                yield item
        if not heard:
            raise InputError(f"{file}: no audio could be decoded; the file is empty or damaged")
        problem = str(player.error or "") or (
            f"{file}: {player.shortfall}" if player.shortfall else ""
        )
        if self._single:
            self._shortfall = problem.removeprefix(f"{file}: ")
        elif problem:
            yield from self._report([problem])

    def _report(self, problems: list[str]) -> Iterator[Problem]:
        """Yield and log new problems; beyond :data:`_MAX_REPORTED`, one summary."""
        for problem in map(clean, problems):
            if problem in self._reported or len(self._reported) > _MAX_REPORTED:
                continue
            self._reported.add(problem)
            last = len(self._reported) > _MAX_REPORTED
            detail = "further unplayable files are not reported" if last else problem
            _log.warning("%s", detail)
            yield Problem(detail)

    def _nothing_playable(self, listing: Listing, first_error: str) -> str:
        if len(listing.tracks) == 1:
            return f"{self._path}: its only file cannot be played: {first_error}"
        if listing.tracks:
            return (
                f"{self._path}: none of its {len(listing.tracks)} files can be played; "
                f"the first error: {first_error}"
            )
        return no_files_message(self._path, listing)
