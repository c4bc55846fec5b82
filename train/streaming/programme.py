"""A programme of hours: pieces of music, changes of every kind, talk, silence, losses.

A piece is 20 to 240 s of one genre: different clips of that genre follow each other, as in an hour
of blues on the radio. No clip is looped; when all clips of a genre have been played, they return in
another order. The same seed gives the same programme.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from streamgenre.audio.ring import Gap, GapReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE: Final = 16_000
Kind = Literal["music", "talk", "silence", "gap"]
_JOIN_S: Final = 0.5
"""Crossfade between two recordings of one piece."""
_LEVEL_STEP: Final = 0.3
"""Share of the recordings within a piece at another level than the previous one."""
_BLOCK: Final = RATE


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a programme; times in seconds, shares of all changes."""

    seconds: float = 3600.0
    """Length of the programme."""
    piece: tuple[float, float] = (20.0, 240.0)
    """Length of a piece; drawn evenly on a logarithmic scale."""
    crossfade: float = 0.30
    """Share of the changes that are a crossfade."""
    crossfade_s: tuple[float, float] = (1.0, 6.0)
    """Length of a crossfade."""
    silence: float = 0.08
    """Share of the changes with digital silence between the pieces."""
    silence_s: tuple[float, float] = (1.0, 6.0)
    """Length of the silence."""
    gap: float = 0.05
    """Share of the changes at which samples are lost."""
    gap_s: tuple[float, float] = (0.5, 5.0)
    """Length of the loss."""
    talk: float = 0.12
    """Share of the changes with speech, without music, between the pieces."""
    talk_s: tuple[float, float] = (8.0, 28.0)
    """Length of the speech."""
    level_db: tuple[float, float] = (-20.0, 0.0)
    """Level of a piece relative to the recording."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording that may be played."""

    number: int
    """Its number in the corpus."""
    genre: int
    """Index of its genre."""
    samples: Samples
    """Mono at 16 kHz, shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the programme and its truth."""

    start: float
    """Stream time in seconds, lost samples included."""
    end: float
    """Stream time in seconds."""
    kind: Kind
    """Kind of sound."""
    genre: int = -1
    """Index of the genre; -1 unless there is music."""
    clip: int = -1
    """Number of the clip; -1 unless there is music."""
    piece: int = -1
    """Number of the piece; -1 unless there is music."""


@dataclass(slots=True)
class Programme:
    """A programme; iterate :meth:`blocks` once, then :attr:`parts` is complete.

    Parameters
    ----------
    clips
        Recordings to play, of at least two genres.
    talks
        Recordings of speech; may be empty: then there is no speech.
    seed
        Seed of everything drawn.
    settings
        Settings of the programme.
    """

    clips: Sequence[Clip]
    talks: Sequence[Samples]
    seed: int = 0
    settings: Settings = field(default_factory=Settings)
    parts: list[Part] = field(default_factory=list)

    def blocks(self) -> Iterator[Samples | Gap]:
        """Yield blocks of shape ``(n, 1)`` and losses, as a source does."""
        rng = np.random.default_rng(self.seed)
        s = self.settings
        end = int(s.seconds * RATE)
        tape = _Tape(self.parts)
        for number, (genre, clips) in enumerate(self._pieces(rng)):
            change = "start" if number == 0 else self._change(rng)
            if change == "talk":
                talk = self.talks[int(rng.integers(len(self.talks)))]
                talk = talk[: int(rng.uniform(*s.talk_s) * RATE)]
                tape.add(talk * _gain(rng, s.level_db), "talk")
            elif change == "silence":
                tape.add(np.zeros(int(rng.uniform(*s.silence_s) * RATE), np.float32), "silence")
            elif change == "gap":
                yield from tape.take(0)
                yield tape.lose(int(rng.uniform(*s.gap_s) * RATE))
            fade = rng.uniform(*s.crossfade_s) if change == "crossfade" else 0.0
            gain = _gain(rng, s.level_db)
            for clip in clips:
                tape.add(
                    clip.samples * gain, "music", genre, clip.number, number, fade=int(fade * RATE)
                )
                fade = _JOIN_S
                if rng.random() < _LEVEL_STEP:
                    gain = _gain(rng, s.level_db)
            yield from tape.take(int(s.crossfade_s[1] * RATE))
            if tape.position >= end:
                break
        yield from tape.take(0)

    def _change(self, rng: np.random.Generator) -> str:
        s = self.settings
        shares = {"crossfade": s.crossfade, "silence": s.silence, "gap": s.gap}
        if self.talks:
            shares["talk"] = s.talk
        shares["cut"] = 1 - sum(shares.values())
        return str(rng.choice(list(shares), p=list(shares.values())))

    def _pieces(self, rng: np.random.Generator) -> Iterator[tuple[int, list[Clip]]]:
        """Yield genres with the clips of a piece, the last of them cut to its length."""
        of_genre: dict[int, list[Clip]] = {}
        for clip in self.clips:
            of_genre.setdefault(clip.genre, []).append(clip)
        waiting: dict[int, list[Clip]] = {genre: [] for genre in of_genre}
        before = -1
        while True:
            # Every genre once per round, so that all are equally frequent.
            order = [int(genre) for genre in rng.permutation(sorted(of_genre))]
            if order[0] == before:
                order = [*order[1:], order[0]]
            for genre in order:
                missing = int(np.exp(rng.uniform(*np.log(self.settings.piece))) * RATE)
                piece: list[Clip] = []
                while missing > 0:
                    if not waiting[genre]:
                        shuffled = rng.permutation(len(of_genre[genre]))
                        waiting[genre] = [of_genre[genre][i] for i in shuffled]
                    # Not the same clip twice in a row.
                    again = bool(piece) and waiting[genre][-1].number == piece[-1].number
                    clip = waiting[genre].pop(0 if again else -1)
                    taken = clip.samples[:missing]
                    # A remainder too short to recognise is left out.
                    if piece and len(taken) < 5 * RATE:
                        break
                    piece.append(Clip(clip.number, genre, taken))
                    missing -= len(taken) - int(_JOIN_S * RATE)
                yield genre, piece
                before = genre


class _Tape:
    """Sound that was not yielded yet, with its truth."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self._sound = np.zeros(0, np.float32)
        self.position = 0
        """Samples so far, lost ones included."""

    def add(
        self, sound: Samples, kind: Kind, genre: int = -1, clip: int = -1, piece: int = -1, *,
        fade: int = 0,
    ) -> None:  # fmt: skip
        """Append sound; its first ``fade`` samples are mixed with the current end."""
        fade = min(fade, len(sound) // 2, len(self._sound))
        if fade:
            up = np.linspace(0, 1, fade, dtype=np.float32)
            sound = sound.copy()
            sound[:fade] = sound[:fade] * np.sqrt(up) + self._sound[-fade:] * np.sqrt(1 - up)
            self._sound = self._sound[:-fade]
            self.position -= fade
        # In a crossfade the new one counts from where it is louder.
        start = (self.position + fade // 2) / RATE
        self._sound = np.concatenate([self._sound, sound])
        self.position += len(sound)
        if fade:
            last = self._parts[-1]
            self._parts[-1] = Part(last.start, start, last.kind, last.genre, last.clip, last.piece)
        self._parts.append(Part(start, self.position / RATE, kind, genre, clip, piece))

    def lose(self, samples: int) -> Gap:
        """Lose samples here."""
        start = self.position / RATE
        self.position += samples
        self._parts.append(Part(start, self.position / RATE, "gap"))
        return Gap(samples, GapReason.SOURCE)

    def take(self, kept: int) -> Iterator[Samples]:
        """Yield all sound except the last ``kept`` samples."""
        ready = np.clip(self._sound[: max(0, len(self._sound) - kept)], -1, 1)
        self._sound = self._sound[len(ready) :]
        for start in range(0, len(ready), _BLOCK):
            yield ready[start : start + _BLOCK, None]


def _gain(rng: np.random.Generator, decibels: tuple[float, float]) -> np.float32:
    return np.float32(10 ** (rng.uniform(*decibels) / 20))
