"""Decider: from a model's answers of each hop to a stable genre, or another state.

Smoothing (exponential, over the calibrated probabilities), then a decision with hysteresis: a genre
is entered when its probability reaches a threshold, kept while no other clearly leads, and given up
below a lower threshold. Speech without music, noise (neither music nor speech), and music that is
like none of the genres are decided the same way, before any genre; a hop counts for genres and tags
by its probability of being music and of not being speech. Stretches of one decision become
segments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamgenre.inference.smoothing import Smoother

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamgenre.events import State
    from streamgenre.inference.settings import DecisionSettings


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's calibrated answer for one hop."""

    genres: NDArray[np.float64]
    """Probabilities of the genres, sum 1, shape ``(labels,)``."""
    speech: float | None = None
    """Probability of speech without music; None where the model does not report it."""
    music: float | None = None
    """Probability of music of any kind; None where the model does not report it."""
    tags: NDArray[np.float64] | None = None
    """Probabilities of the tags, shape ``(tags,)``; None where the model does not report them."""
    known: float | None = None
    """Probability that the music is like one of the genres; None where the model does not report
    it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A finished stretch of one state and genre."""

    state: State
    genre: str | None
    start: float
    """Stream time in seconds."""
    end: float
    """Stream time in seconds."""
    mean_probability: float | None
    """Mean of the genre's probability over the hops; None unless the state is ``music``."""
    updates: int
    """Number of hops."""
    tags: NDArray[np.float64] | None = None
    """Mean probabilities of the tags over the hops; None where they are not known."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision after a hop."""

    state: State
    genre: str | None
    confidence: float
    """Smoothed probability of the decision (genre, speech or noise), else of the likeliest
    genre."""
    since: float
    """Stream time in seconds since when it holds."""
    probabilities: NDArray[np.float64]
    """Of this hop, in the order of the labels."""
    smoothed: NDArray[np.float64]
    """After smoothing, in the order of the labels."""
    speech: float | None
    """Smoothed probability of speech without music; None where it is not known."""
    music: float | None
    """Smoothed probability of music; None where it is not known."""
    tags: NDArray[np.float64] | None
    """Smoothed probabilities of the tags; None where they are not known."""
    finished: Stretch | None
    """The stretch that this decision ended, if it did."""
    known: float | None = None
    """Smoothed probability that the music is like one of the genres; None where not known."""


def _bounded(probability: float | None) -> float | None:
    return None if probability is None else min(1.0, probability)


class Decider:
    """Decides for one station, hop by hop.

    Parameters
    ----------
    labels
        Genres, in the order of the probabilities.
    settings
        Thresholds and times.
    """

    def __init__(self, labels: Sequence[str], settings: DecisionSettings) -> None:
        self.labels = tuple(labels)
        self.settings = settings
        self._uniform = np.full(len(self.labels), 1 / len(self.labels))
        self._state: State = "unknown"
        self._choice: int | None = None
        self._since = 0.0
        self._open = False
        self._sum = 0.0  # of the genre's probability in the open stretch
        self._updates = 0
        self._genres: Smoother[NDArray[np.float64]] = Smoother(settings.smoothing_s)
        self._speech: Smoother[float] = Smoother(settings.smoothing_s)
        self._music: Smoother[float] = Smoother(settings.smoothing_s)
        self._known: Smoother[float] = Smoother(settings.known_smoothing_s)
        self._tags: Smoother[NDArray[np.float64]] = Smoother(settings.tags_smoothing_s)
        self._mean_tags: Smoother[NDArray[np.float64]] = Smoother(math.inf)
        self.reset()

    def reset(self) -> None:
        """Forget the hops so far; the decision itself stands until the next one."""
        self._forget_music()
        self._speech.reset()
        self._music.reset()
        self._silent_s = 0.0

    def is_silent(self, level_dbfs: float) -> bool:
        """Whether a hop of this level is silent: such a hop is not shown to the model."""
        return level_dbfs < self.settings.silence_dbfs

    def step(self, answer: Answer | None, *, start: float, end: float) -> Decision:
        """Take one hop and decide.

        Parameters
        ----------
        answer
            The model's answer; None for a silent hop.
        start, end
            Stream time of the hop in seconds.
        """
        hop = end - start
        if answer is None:
            state, choice = self._on_silence(hop)
        else:
            self._silent_s = 0.0
            state, choice = self._on_sound(answer, hop)
        finished = None
        if not self._open or (state, choice) != (self._state, self._choice):
            finished = self.close(start)
            self._state, self._choice, self._since, self._open = state, choice, start, True
        shown = self._uniform if answer is None else answer.genres
        self._updates += 1
        if choice is not None:
            self._sum += float(shown[choice])
            if answer is not None and answer.tags is not None:
                self._mean_tags.add(answer.tags, hop)
        return Decision(
            state=state,
            genre=None if choice is None else self.labels[choice],
            confidence=min(1.0, self._confidence()),
            since=self._since,
            probabilities=shown,
            smoothed=self._smoothed.copy(),
            speech=_bounded(self._speech.value),
            music=_bounded(self._music.value),
            tags=self._tags.value,
            finished=finished,
            known=_bounded(self._known.value),
        )

    def close(self, end: float) -> Stretch | None:
        """End the open stretch at a stream time and return it; None where none is open."""
        stretch = self.so_far(end)
        if stretch is None:
            self._open = False
            return None
        self._open, self._sum, self._updates = False, 0.0, 0
        self._mean_tags.reset()
        return stretch

    def so_far(self, end: float) -> Stretch | None:
        """Return the open stretch as it would be if it ended at a stream time; None for none."""
        if not self._open or not self._updates:
            return None
        music = self._choice is not None
        return Stretch(
            state=self._state,
            genre=self.labels[self._choice] if self._choice is not None else None,
            start=self._since,
            end=end,
            mean_probability=min(1.0, self._sum / self._updates) if music else None,
            updates=self._updates,
            tags=self._mean_tags.value,
        )

    def divide(self, at: float) -> Stretch | None:
        """End the open stretch at a stream time and return it; the decision goes on in a new one.

        None where none is open.
        """
        was_open = self._open
        stretch = self.close(at)
        self._open, self._since = was_open, at if stretch is not None else self._since
        return stretch

    @property
    def in_silence(self) -> bool:
        """Whether silence has lasted long enough that the next sound is a new piece."""
        return self._silent_s > 0 and self._silent_s >= self.settings.silence_after_s

    @property
    def _smoothed(self) -> NDArray[np.float64]:
        return self._uniform if self._genres.value is None else self._genres.value

    def _confidence(self) -> float:
        if self._state == "speech" and self._speech.value is not None:
            return self._speech.value
        if self._state == "noise":
            return 1 - self._heard()
        return float(self._smoothed.max() if self._choice is None else self._smoothed[self._choice])

    def _heard(self) -> float:
        """Return the smoothed probability of music or of speech, whichever is larger."""
        return max(self._music.value or 0.0, self._speech.value or 0.0)

    def _on_silence(self, hop: float) -> tuple[State, int | None]:
        self._silent_s += hop
        if not self.in_silence:
            # A pause between two tracks is short: the decision stands.
            return (self._state, self._choice) if self._open else ("unknown", None)
        self._forget_music()
        self._speech.reset()
        self._music.reset()
        return "silence", None

    def _on_sound(self, answer: Answer, hop: float) -> tuple[State, int | None]:
        # What a model says about the music of speech or noise means nothing.
        counts = hop
        for known, smoother in ((answer.speech, self._speech), (answer.music, self._music)):
            if known is None:
                smoother.reset()
            else:
                smoother.add(known, hop)
        counts *= 1 - (answer.speech or 0.0)
        counts *= 1.0 if answer.music is None else answer.music
        self._genres.add(answer.genres, counts)
        if answer.tags is not None:
            self._tags.add(answer.tags, counts)
        if answer.known is not None:
            self._known.add(answer.known, counts)
        settings, held = self.settings, self._state if self._open else None
        speech, music = self._speech.value, self._music.value
        if speech is not None and speech >= (
            settings.speech_keep if held == "speech" else settings.speech_enter
        ):
            self._forget_music()  # the music after it is another piece
            return "speech", None
        if music is not None:
            least = settings.music_keep if held in ("music", "unknown") else settings.music_enter
            if self._heard() < least:
                self._forget_music()
                return "noise", None
            if music < least:
                return "unknown", None
        return self._choose()

    def _forget_music(self) -> None:
        self._genres.reset()
        self._known.reset()
        self._tags.reset()

    def _choose(self) -> tuple[State, int | None]:
        smoothed = self._smoothed
        top = int(np.argmax(smoothed))
        lead = float(smoothed[top])
        held = self._choice if self._open else None
        known, settings = self._known.value, self.settings
        least = settings.known_enter if held is None else settings.known_keep
        if known is not None and known < least:
            return "unknown", None
        if held is not None:
            kept = float(smoothed[held])
            if kept >= self.settings.keep and lead - kept < self.settings.margin:
                return "music", held
        return ("music", top) if lead >= self.settings.enter else ("unknown", None)
