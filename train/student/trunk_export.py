"""A student as a model folder: the genres' head on all folds, the graph and its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.manifest import MUSIC, TAGS
from train.errors import TrainError
from train.export.keras_to_onnx import TOLERANCE
from train.manifest_writer import corpus_record, manifest_of, training_record
from train.student.renditions import FRAMES, SPEC
from train.student.stream_check import differs_by
from train.student.streaming_graph import STEP_FRAMES
from train.student.student_graphs import model_graph
from train.student.teachers import TAGS as TAG_NAMES
from train.trunk import head_training

if TYPE_CHECKING:
    from train.student.students import Student
    from train.student.trunk_figures import Trained
    from train.trunk.embedded_corpus import EmbeddedCorpus

_STEPS: Final = (
    "returns one row after its last frame; it depends on all frames before, most on the last 3 s, "
    "and not on how they are cut into calls"
)


def model_of(
    student: Student, trained: Trained, heard: EmbeddedCorpus, name: str, command: str
) -> tuple[dict[str, Any], bytes]:
    """Return manifest and graph.

    Parameters
    ----------
    student
        The network.
    trained
        The student, trained on all folds.
    heard
        What it hears of the corpus.
    name
        Name of the model.
    command
        Command line for the manifest, without paths of this machine.

    Raises
    ------
    TrainError
        If the graph does not equal the network in Keras.
    """
    recipe = head_training.RECIPES["cnn"]
    fitted = head_training.fit(heard, recipe, recipe.defaults, heard.corpus.folds)
    difference = differs_by(trained, student)
    # "not <=" so that NaN is refused too.
    if not difference <= 10 * TOLERANCE:
        raise TrainError(f"the graph differs from Keras by {difference:.1e}; nothing was written")
    graph, states = model_graph(trained.model, student, trained.mean, trained.spread, fitted.window)
    manifest = manifest_of(
        name=name,
        kind="stateful",
        labels=heard.corpus.labels,
        spec=SPEC,
        weights=graph,
        training=training_record(
            command=command,
            recipe=student.name,
            description=f"a trunk of our own, distilled from MSD_musicnn: {student.description}",
            seed=1,
            packages=("keras", "onnx", "onnxruntime", "numpy", "scipy", "soxr", "av"),
            corpus=corpus_record(
                heard.corpus, heard.clips, sha256=heard.sha256, seconds=heard.seconds, note=""
            ),
            details={"parameters": trained.model.count_params(), "frames": FRAMES},
        ),
        calibration={"temperature": 1.0, "fitted": False},
        speech_temperature=1.0,
        states=states,
        steps=_STEPS,
    )
    manifest["step_frames"] = STEP_FRAMES
    manifest[MUSIC] = {"temperature": 1.0}
    manifest[TAGS] = {"labels": list(TAG_NAMES), "temperature": 1.0}
    return manifest, graph
