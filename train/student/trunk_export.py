"""A student as a model folder: the genres' head on all folds, the graph and its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.manifest import MUSIC, TAGS
from train.errors import TrainError
from train.export.keras_to_onnx import TOLERANCE
from train.manifest_writer import corpus_record, manifest_of, training_record
from train.student.renditions import SPEC
from train.student.stream_check import differs_by
from train.student.streaming_graph import STEP_FRAMES
from train.student.student_graphs import model_graph
from train.student.teachers import TAGS as TAG_NAMES
from train.trunk.heads import STRENGTH

if TYPE_CHECKING:
    from train.student.students import Separable
    from train.student.trunk_figures import Trained
    from train.trunk import head_training
    from train.trunk.embedded_corpus import EmbeddedCorpus

_STEPS: Final = (
    "returns one row after its last frame; it depends on all frames before, most on the last 3 s, "
    "and not on how they are cut into calls"
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Temperatures of a model's answers."""

    genres: float = 1.0
    speech: float = 1.0
    music: float = 1.0
    tags: float = 1.0


@dataclass(frozen=True, slots=True)
class Export:
    """What all model folders of a student have in common."""

    student: Separable
    name: str
    """Name of the model."""
    command: str
    """Command line for the manifest, without paths of this machine."""
    note: str = ""
    """What the card says of the corpus."""


def model_of(
    export: Export,
    trained: Trained,
    heard: EmbeddedCorpus,
    fitted: head_training.Fitted,
    calibration: Calibration,
) -> tuple[dict[str, Any], bytes]:
    """Return manifest and graph.

    Parameters
    ----------
    export
        The student, and what its folders have in common.
    trained
        Its weights.
    heard
        What it hears of the corpus.
    fitted
        The heads of genres and speech on it.
    calibration
        Temperatures of the answers.

    Raises
    ------
    TrainError
        If the graph does not equal the network in Keras.
    """
    student = export.student
    difference = differs_by(trained, student)
    # "not <=" so that NaN is refused too.
    if not difference <= 10 * TOLERANCE:
        raise TrainError(f"the graph differs from Keras by {difference:.1e}; nothing was written")
    graph, states = model_graph(
        trained.model, student, trained.mean, trained.spread, fitted.window, fitted.speech
    )
    manifest = manifest_of(
        name=export.name,
        kind="stateful",
        labels=heard.corpus.labels,
        spec=SPEC,
        weights=graph,
        training=training_record(
            command=export.command,
            recipe=student.name,
            description=f"a trunk of our own, distilled from MSD_musicnn (Pons and Serra, 2019): "
            f"{student.description}; and a linear head on the mean and the maximum of its last 3 s",
            seed=1,
            packages=("keras", "onnx", "onnxruntime", "numpy", "scipy", "soxr", "av"),
            corpus=corpus_record(
                heard.corpus,
                heard.clips,
                sha256=heard.sha256,
                seconds=heard.seconds,
                note=export.note,
            ),
            details={"parameters": trained.model.count_params(), "strength": STRENGTH},
        ),
        calibration={"temperature": calibration.genres},
        speech_temperature=calibration.speech,
        states=states,
        steps=_STEPS,
    )
    manifest["step_frames"] = STEP_FRAMES
    manifest[MUSIC] = {"temperature": round(calibration.music, 4)}
    manifest[TAGS] = {"labels": list(TAG_NAMES), "temperature": round(calibration.tags, 4)}
    return manifest, graph
