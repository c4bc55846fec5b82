"""The streaming graph against the network in Keras, on frames cut into calls of many lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import FRAMES
from train.corpora.recordings import cepstra
from train.recipes.recipe import NEXT
from train.student.renditions import FRAMES as EXCERPT_FRAMES
from train.student.renditions import SPEC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from train.student.students import Separable
    from train.student.trunk_figures import Trained

    Floats = NDArray[np.float32]

HOPS: Final = (48, 50, 2, 50, 4, 46, 24, 76)
"""Frames per call in the check."""


def run(session: Any, hops: Sequence[Floats], output: str = "pooled") -> Floats:
    """Return an output after the last of several calls from a fresh state.

    Parameters
    ----------
    session
        A session of a streaming graph.
    hops
        Frames of each call, shape ``(batch, time, 64)``.
    output
        Name of the output.
    """
    states = {
        given.name: np.zeros((len(hops[0]), *given.shape[1:]), np.float32)
        for given in session.get_inputs()
        if given.name != FRAMES
    }
    found: Any = None
    for hop in hops:
        wanted = [output, *(name + NEXT for name in states)]
        found, *after = session.run(wanted, states | {FRAMES: hop})
        states = dict(zip(states, after, strict=True))
    row: Floats = found[:, -1]
    return row


def differs_by(trained: Trained, student: Separable) -> float:
    """Return the largest difference of an embedding between Keras and the streaming graph.

    It is relative to the largest value, over random frames of two stations.

    Parameters
    ----------
    trained
        The trained student.
    student
        Its widths.
    """
    import keras
    import onnxruntime

    rng = np.random.default_rng(0)
    energies = rng.normal(-6, 2, (2, EXCERPT_FRAMES, SPEC.nfilt)) + rng.normal(size=(2, 300, 1))
    frames: Floats = energies.astype(np.float32)
    layer = trained.model.get_layer("embedding")
    expected = np.asarray(keras.Model(trained.model.input, layer.output)(frames, training=False))
    session = onnxruntime.InferenceSession(
        trained.graph(student), providers=["CPUExecutionProvider"]
    )
    hops = np.split(cepstra(frames, SPEC), np.cumsum(HOPS)[:-1], axis=1)
    found = run(session, hops)[:, : student.embedding]
    return float(np.abs(found - expected[:, -1]).max() / np.abs(expected).max())
