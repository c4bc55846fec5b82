"""What every genre model has: one interface for the stateful and the windowed kind.

A model takes the new frames of any number of stations at once (batch axis = stations) and returns
one row of logits per station. Each station's past is kept there by the station's name, so that hop
by hop gives the same as the whole stream at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre.errors import ModelError
from streamgenre.inference.decision import Answer
from streamgenre.inference.head import read_head
from streamgenre.inference.manifest import EMBEDDING, KNOWN, LOGITS, MUSIC, SPEECH, TAGS
from streamgenre.inference.output import Output, sigmoid, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamgenre.inference.manifest import Manifest

    Frames = NDArray[np.float32]


class Model(ABC):
    """A loaded model; make one with :func:`~streamgenre.inference.models.load_model`.

    Parameters
    ----------
    manifest
        The model's manifest: labels, features, temperature and tensors.
    session
        ONNX Runtime session of its weights.
    """

    def __init__(self, manifest: Manifest, session: Any) -> None:
        self.manifest = manifest
        self._session = session
        self._head = read_head(manifest)
        self._fetch(with_embedding=self._head is not None)

    def _fetch(self, *, with_embedding: bool) -> None:
        """Choose the outputs that are fetched; with a head, none on the genres of the base."""
        left_out = {LOGITS, KNOWN} if self._head else set()
        if not with_embedding:
            left_out.add(EMBEDDING)
        outputs = self.manifest.outputs
        fetched = {name: width for name, width in outputs.items() if name not in left_out}
        self._columns = list(fetched)
        self._ends = np.cumsum(list(fetched.values()))

    def keep_embeddings(self) -> None:
        """Have each output contain the embedding, from which one's own genres are taught.

        Raises
        ------
        ModelError
            If the model has no embedding.
        """
        if not self.manifest.embedding_width:
            raise ModelError(
                f"{self.manifest.weights}: has no embedding to teach genres on; take a shipped "
                "model, or add the output with `python -m train add-embedding`"
            )
        self._fetch(with_embedding=True)

    @abstractmethod
    def update(self, stations: Sequence[str], frames: Sequence[Frames]) -> Output:
        """Take each station's new frames and return the output after the last of them.

        Parameters
        ----------
        stations
            Names, each at most once.
        frames
            One array per station, shape ``(n_new, numcep)``; ``n_new`` ≥ 1 may differ.

        Raises
        ------
        ValueError
            If stations and frames do not fit; then no station's past has changed.
        """

    @abstractmethod
    def reset(self, station: str) -> None:
        """Forget a station's past, as at its start."""

    def probabilities(self, output: Output) -> NDArray[np.float64]:
        """Return the calibrated probabilities of the genres, shape ``(stations, labels)``.

        Raises
        ------
        ModelError
            If a logit is NaN or infinite.
        """
        if not output.finite:
            raise ModelError(
                f"{self.manifest.weights}: gives logits that are not numbers; its weights are "
                "damaged or it was badly trained: take another model"
            )
        return softmax(output.logits / self.manifest.temperature)

    def speech(self, output: Output) -> NDArray[np.float64] | None:
        """Return the calibrated probabilities of speech without music, shape ``(stations,)``."""
        return sigmoid(output.speech, self.manifest.speech_temperature)

    def music(self, output: Output) -> NDArray[np.float64] | None:
        """Return the calibrated probabilities of music, shape ``(stations,)``."""
        return sigmoid(output.music, self.manifest.music_temperature)

    def known(self, output: Output) -> NDArray[np.float64] | None:
        """Return the calibrated probabilities of music like the genres, shape ``(stations,)``.

        None for a taught model: the graph speaks of the genres of its base.
        """
        return sigmoid(output.known, self.manifest.known_temperature)

    def tags(self, output: Output) -> NDArray[np.float64] | None:
        """Return the calibrated probabilities of the tags, shape ``(stations, tags)``."""
        return sigmoid(output.tags, self.manifest.tags_temperature)

    def answer(self, output: Output) -> Answer:
        """Return the calibrated answer for one station.

        Raises
        ------
        ModelError
            If a logit is NaN or infinite.
        """
        genres = self.probabilities(output)
        tags = self.tags(output)
        speech, music, known = (
            None if found is None else float(found[0])
            for found in (self.speech(output), self.music(output), self.known(output))
        )
        return Answer(genres[0], speech, music, None if tags is None else tags[0], known)

    def _output(self, outputs: NDArray[np.float32]) -> Output:
        """Split rows that hold the columns of all outputs one after another."""
        found = dict(zip(self._columns, np.split(outputs, self._ends[:-1], axis=1), strict=True))
        speech, music, known = (
            found[name][:, 0] if name in found else None for name in (SPEECH, MUSIC, KNOWN)
        )
        embedding = found.get(EMBEDDING)
        logits = found[LOGITS] if self._head is None else self._head.logits(found[EMBEDDING])
        return Output(logits, speech, music, known, found.get(TAGS), embedding)

    def _check_batch(self, stations: Sequence[str], frames: Sequence[Frames]) -> None:
        numcep = self.manifest.features.numcep
        if len(set(stations)) != len(frames) or len(stations) != len(frames):
            raise ValueError(
                f"expected one array of frames for each of {list(stations)}, each named once; "
                f"found {len(frames)} arrays"
            )
        for station, new in zip(stations, frames, strict=True):
            if new.ndim != 2 or len(new) == 0 or new.shape[1] != numcep:
                raise ValueError(
                    f"{station}: expected frames of shape (at least 1, {numcep}), not {new.shape}"
                )
