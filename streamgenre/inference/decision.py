"""Decider: from the probabilities of each hop to a stable genre, speech, silence or unknown.

Smoothing (exponential, over the calibrated probabilities), then a decision with hysteresis: a genre
is entered when its probability reaches a threshold, kept while no other clearly leads, and given up
below a lower threshold. Speech without music is decided the same way, before any genre; a hop
counts for the genres by its probability of not being speech. Stretches of one decision become
segments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from streamgenre.errors import SettingsError
from streamgenre.limits import Range, check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamgenre.events import State


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """Settings of the decision stage.

    The values for genres were chosen on recorded answers of the shipped models to programmes of
    half an hour (the margin: an hour) of artists that they had not heard: little smoothing, and
    another genre has to lead clearly. With more smoothing decisions were later, with a smaller lead
    they flipped more often.
    Those for speech were chosen there too, for the best mean over the ten genres and talk: entered
    lower, it takes more rap and solo singing for talk than it finds of talk.
    """

    smoothing_s: Annotated[float, Range(0, 3600, "seconds")] = 1.0
    """Time constant of the smoothing in seconds, 0 for none."""
    enter: Annotated[float, Range(0, 1)] = 0.3
    """A genre is decided on when its smoothed probability reaches this, 0 to 1."""
    keep: Annotated[float, Range(0, 1)] = 0.15
    """The decided genre is given up (``unknown``) below this; at most ``enter``."""
    margin: Annotated[float, Range(0, 1)] = 0.35
    """Another genre takes over when its smoothed probability leads by this."""
    speech_enter: Annotated[float, Range(0, 2)] = 0.95
    """It is speech when its smoothed probability reaches this; after music that takes three seconds
    or four. Over 1 for never."""
    speech_keep: Annotated[float, Range(0, 2)] = 0.3
    """It is no longer speech below this; at most ``speech_enter``."""
    silence_dbfs: Annotated[float, Range(-math.inf, 0, "dBFS")] = -60.0
    """Hops with an RMS level below this in dBFS are silent."""
    silence_after_s: Annotated[float, Range(0, 3600, "seconds")] = 2.0
    """Seconds of silent hops after which the state is ``silence``."""

    def __post_init__(self) -> None:
        check(self)
        for keep, enter in (("keep", "enter"), ("speech_keep", "speech_enter")):
            if getattr(self, keep) > getattr(self, enter):
                found = f"{keep} {getattr(self, keep):g}, {enter} {getattr(self, enter):g}"
                raise SettingsError(f"{found}: expected {keep} at most as large as {enter}")


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


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision after a hop."""

    state: State
    genre: str | None
    confidence: float
    """Smoothed probability of the decision (genre or speech), else of the likeliest genre."""
    since: float
    """Stream time in seconds since when it holds."""
    probabilities: NDArray[np.float64]
    """Of this hop, in the order of the labels."""
    smoothed: NDArray[np.float64]
    """After smoothing, in the order of the labels."""
    speech: float | None
    """Smoothed probability of speech without music; None where it is not known."""
    finished: Stretch | None
    """The stretch that this decision ended, if it did."""


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
        self._sum = 0.0
        self._updates = 0
        self.reset()

    def reset(self) -> None:
        """Forget the hops so far; the decision itself stands until the next one."""
        self._forget_genres()
        self._speech: float | None = None
        self._speech_s = 0.0  # seconds over which it was smoothed
        self._silent_s = 0.0

    def is_silent(self, level_dbfs: float) -> bool:
        """Whether a hop of this level is silent: such a hop is not shown to the model."""
        return level_dbfs < self.settings.silence_dbfs

    def step(
        self,
        probabilities: NDArray[np.float64] | None,
        *,
        start: float,
        end: float,
        speech: float | None = None,
    ) -> Decision:
        """Take one hop and decide.

        Parameters
        ----------
        probabilities
            Calibrated, sum 1, shape ``(labels,)``; None for a silent hop.
        start, end
            Stream time of the hop in seconds.
        speech
            Calibrated probability of speech without music; None where the model cannot tell.
        """
        hop = end - start
        if probabilities is None:
            state, choice = self._on_silence(hop)
            shown = self._uniform
        else:
            self._silent_s = 0.0
            state, choice = self._on_sound(probabilities, speech, hop)
            shown = probabilities
        finished = None
        if not self._open or (state, choice) != (self._state, self._choice):
            finished = self.close(start)
            self._state, self._choice, self._since, self._open = state, choice, start, True
        self._updates += 1
        if choice is not None:
            self._sum += float(shown[choice])
        likeliest = float(self._smoothed.max() if choice is None else self._smoothed[choice])
        confidence = self._speech if state == "speech" and self._speech is not None else likeliest
        return Decision(
            state=state,
            genre=None if choice is None else self.labels[choice],
            confidence=min(1.0, confidence),
            since=self._since,
            probabilities=shown,
            smoothed=self._smoothed.copy(),
            speech=self._speech,
            finished=finished,
        )

    def close(self, end: float) -> Stretch | None:
        """End the open stretch at a stream time and return it; None where none is open."""
        if not self._open or not self._updates:
            self._open = False
            return None
        music = self._choice is not None
        stretch = Stretch(
            state=self._state,
            genre=self.labels[self._choice] if self._choice is not None else None,
            start=self._since,
            end=end,
            mean_probability=min(1.0, self._sum / self._updates) if music else None,
            updates=self._updates,
        )
        self._open, self._sum, self._updates = False, 0.0, 0
        return stretch

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

    def _on_silence(self, hop: float) -> tuple[State, int | None]:
        self._silent_s += hop
        if not self.in_silence:
            # A pause between two tracks is short: the decision stands.
            return (self._state, self._choice) if self._open else ("unknown", None)
        self._forget_genres()
        self._speech, self._speech_s = None, 0.0
        return "silence", None

    def _on_sound(
        self, probabilities: NDArray[np.float64], speech: float | None, hop: float
    ) -> tuple[State, int | None]:
        if speech is None:
            self._speech = None
            self._smooth(probabilities, hop)
            return self._choose()
        weight = self._weight(hop, self._speech_s)
        self._speech_s = min(self._speech_s + hop, 1e6)
        before = speech if self._speech is None else self._speech
        self._speech = min(1.0, (1 - weight) * before + weight * speech)
        # The genre that a model gives for speech means nothing.
        self._smooth(probabilities, hop * (1 - speech))
        held = self._open and self._state == "speech"
        if self._speech >= (self.settings.speech_keep if held else self.settings.speech_enter):
            self._forget_genres()  # the music after it is another piece
            return "speech", None
        return self._choose()

    def _forget_genres(self) -> None:
        self._smoothed, self._heard_s = self._uniform.copy(), 0.0

    def _weight(self, hop: float, heard_s: float) -> float:
        """Return what ``hop`` seconds weigh against the ``heard_s`` seconds before."""
        # The plain mean at first, then exponential forgetting: the first hop counts in full and no
        # initial value has to fade.
        tau = self.settings.smoothing_s
        forget = 1 - math.exp(-hop / tau) if tau > 0 else 1.0
        return max(forget, hop / (heard_s + hop))

    def _smooth(self, probabilities: NDArray[np.float64], hop: float) -> None:
        if hop <= 0:
            return
        weight = self._weight(hop, self._heard_s)
        self._heard_s = min(self._heard_s + hop, 1e6)
        smoothed = (1 - weight) * self._smoothed + weight * probabilities
        self._smoothed = smoothed / smoothed.sum()

    def _choose(self) -> tuple[State, int | None]:
        top = int(np.argmax(self._smoothed))
        lead = float(self._smoothed[top])
        held = self._choice if self._open else None
        if held is not None:
            kept = float(self._smoothed[held])
            if kept >= self.settings.keep and lead - kept < self.settings.margin:
                return "music", held
        return ("music", top) if lead >= self.settings.enter else ("unknown", None)
