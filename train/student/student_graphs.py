"""Whole graphs of a student: its embedding alone, and all answers of a model folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre.inference import manifest
from streamgenre.inference.manifest import FRAMES, LOGITS, MUSIC, SPEECH
from train.export.embedding_output import add_embedding
from train.student.streaming_graph import StreamingGraph
from train.student.students import KINDS
from train.trunk.musicnn import TAGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.recipes.recipe import State
    from train.student.students import Separable
    from train.trunk.heads import Linear

    Floats = NDArray[np.float32]


def embedding_graph(model: Any, student: Separable, mean: Floats, spread: Floats) -> bytes:
    """Return a student without genres, serialised.

    Its output ``pooled``, shape ``(batch, 1, embedding + 52)``, holds the embedding, the logits of
    the teacher's 50 tags, and those of music and of speech without music.

    Parameters
    ----------
    model
        The network in Keras.
    student
        Its widths.
    mean, spread
        Of the teacher's embedding, shape ``(1756,)``.
    """
    graph = StreamingGraph(model, student)
    b = graph.builder
    tags, kinds = graph.answers(mean, spread)
    everything = b.add("Concat", graph.embedding, tags, kinds, axis=1)
    b.add("Unsqueeze", everything, b.whole(1), to="pooled")
    width = student.embedding + TAGS + KINDS
    serialised: bytes = graph.assembled({"pooled": (1, width)}).SerializeToString()
    return serialised


def model_graph(
    model: Any,
    student: Separable,
    mean: Floats,
    spread: Floats,
    genres: Linear,
    speech: Linear | None = None,
) -> tuple[bytes, tuple[State, ...]]:
    """Return the graph of a model folder, serialised, and its states.

    Its outputs have one row per call, after the last frame: ``logits`` of the genres, ``speech``
    without music, ``music``, and the teacher's 50 ``tags``, all as logits; and the ``embedding``
    that the head of the genres takes.

    Parameters
    ----------
    model
        The network in Keras.
    student
        Its widths.
    mean, spread
        Of the teacher's embedding, shape ``(1756,)``.
    genres
        The head of the genres, on the embedding, the tags and the kinds.
    speech
        The head of speech, on the same; None for the student's own answer.
    """
    graph = StreamingGraph(model, student)
    b = graph.builder
    tags, kinds = graph.answers(mean, spread)
    everything = b.add("Concat", graph.embedding, tags, kinds, axis=1)

    def linear(head: Linear) -> str:
        product = b.add("MatMul", everything, b.constant(head.kernel))
        return b.add("Add", product, b.constant(head.bias))

    logits = linear(genres)
    music = b.add("Slice", kinds, b.whole(0), b.whole(1), b.whole(1))
    talk = b.add("Slice", kinds, b.whole(1), b.whole(2), b.whole(1))
    if speech is not None:
        talk = linear(speech)
    # The contract requires an open time axis, but onnxruntime would infer a length of 1: so an
    # empty slice whose length it cannot infer is added.
    newest = b.add("Slice", FRAMES, b.whole(-1, 0), b.constant([2**62, 1], np.int64), b.whole(1, 2))
    nothing = b.add("Mul", newest, b.constant(0))
    outputs: dict[str, tuple[int | str, ...]] = {}
    for name, row, width in (
        (LOGITS, logits, len(genres.bias)), (SPEECH, talk, 1), (MUSIC, music, 1),
        (manifest.TAGS, tags, TAGS),
    ):  # fmt: skip
        b.add("Add", b.add("Unsqueeze", row, b.whole(1)), nothing, to=name)
        outputs[name] = ("steps", width)
    whole = graph.assembled(outputs)
    add_embedding(whole)
    return whole.SerializeToString(), tuple(graph.states)
