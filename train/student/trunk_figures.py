"""The last stage: how good a student is, on folds by artist, and what it costs.

The head of the genres is linear, trained and measured as those on MSD_musicnn are
(:mod:`train.trunk.head_training`), on folds that the student was not trained on. Whether there is
music is the student's own answer.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.features import MfccStream
from streamgenre.inference import statistics
from streamgenre.inference.manifest import FRAMES
from streamgenre.inference.output import softmax
from train.corpora.material_kinds import ALONE, OTHERS, ROOM
from train.recipes.recipe import NEXT
from train.student.renditions import SPEC
from train.student.streaming_graph import STEP_FRAMES
from train.student.student_graphs import embedding_graph
from train.student.students import KINDS
from train.student.teachers import Yamnet
from train.trunk import head_training, heads, speech_head
from train.trunk.embedded_corpus import Ears, embed_with

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from train.corpora.corpus import Corpus
    from train.corpora.talk_files import TalkFile
    from train.student.students import Separable
    from train.trunk.embedded_corpus import EmbeddedCorpus
    from train.trunk.heads import Seconds

    Floats = NDArray[np.float32]

FULL_S: Final = 3.0
"""Seconds that fill the window."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained student."""

    model: Any
    """The network in Keras."""
    mean: Floats
    """Of the teacher's embedding, shape ``(1756,)``."""
    spread: Floats

    def graph(self, student: Separable) -> bytes:
        """Return its embedding graph, serialised."""
        return embedding_graph(self.model, student, self.mean, self.spread)


def hear(
    student: Separable,
    trained: Mapping[int, Trained],
    corpus: Corpus,
    talk: Sequence[TalkFile],
    cache: Path,
    *,
    processes: int = 1,
    on_job: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, EmbeddedCorpus]:
    """Return by fold what the student that was trained without it hears.

    Parameters
    ----------
    student
        The network.
    trained
        Trained students by the fold that they were trained without; one may stand for several.
    corpus
        The corpus.
    talk
        Its files without genres.
    cache
        Folder for the embeddings.
    processes
        Processes.
    on_job
        Called with the number of jobs done and their number.
    """
    different = list({id(one): one for one in trained.values()}.values())
    graphs = tuple(one.graph(student) for one in different)
    keys = tuple(hashlib.sha256(graph).hexdigest() for graph in graphs)
    ears = Ears(graphs, keys, (_same,) * len(graphs), SPEC, STEP_FRAMES)
    heard = embed_with(
        corpus, ears, cache, talk=talk, quiet=True, processes=processes, on_job=on_job
    )
    of = {id(one): found for one, found in zip(different, heard, strict=True)}
    return {fold: of[id(one)] for fold, one in trained.items()}


def _same(pooled: NDArray[np.floating[Any]]) -> Floats:
    return pooled.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Measured:
    """A student's heads, each fold's trained without it, and their figures."""

    result: dict[str, Any]
    """The figures."""
    heads: dict[int, head_training.Fitted]
    """By the fold that was left out."""
    outcomes: head_training.Measured
    """Answers on the held-out folds, from which temperatures are fitted."""
    music_temperature: float
    """Calibration of the student's own answer whether there is music."""


def figures(heard: Mapping[int, EmbeddedCorpus]) -> Measured:
    """Train the genres' head without each fold, and measure it on the fold.

    Parameters
    ----------
    heard
        What :func:`hear` returns.
    """
    recipe = head_training.RECIPES["cnn"]
    outcomes = head_training.Measured()
    music: dict[str, list[Floats]] = {}
    fitted_without: dict[int, head_training.Fitted] = {}
    for fold, embedded in heard.items():
        others = tuple(one for one in embedded.corpus.folds if one != fold)
        fitted = head_training.fit(embedded, recipe, recipe.defaults, others)
        head_training.measure_fold(fitted, embedded, fold, outcomes)
        fitted_without[fold] = fitted
        for what, seconds in _kinds_of(embedded, fold).items():
            music.setdefault(what, []).append(seconds.embedding[:, -KINDS])
    embedded = next(iter(heard.values()))
    result = head_training.figures(outcomes, embedded)
    logits = {what: np.concatenate(found) for what, found in music.items() if sum(map(len, found))}
    temperature, result["music"] = _music(logits)
    return Measured(result, fitted_without, outcomes, temperature)


def _music(logits: Mapping[str, Floats]) -> tuple[float, dict[str, Any]]:
    """Return the calibration of the answer whether there is music, and its figures."""
    truth = np.concatenate(
        [np.full(len(found), what.startswith("music"), np.int64) for what, found in logits.items()]
    )
    every = np.concatenate(list(logits.values()))
    pairs = np.stack([np.zeros_like(every), every], axis=1)
    weights = statistics.genre_weights(truth)
    temperature = statistics.fit_temperature(pairs, truth, weights)
    return temperature, {
        "of": "full windows of folds held out; the recorded noise was never trained on",
        "threshold": 0.5,
        "ece": round(statistics.calibration_error(softmax(pairs / temperature), truth, weights), 4),
        "called_music": {
            what: {"share": round(float((found > 0).mean()), 4), "windows": len(found)}
            for what, found in logits.items()
        },
    }


def _kinds_of(embedded: EmbeddedCorpus, fold: int) -> dict[str, Seconds]:
    """Return full windows of a fold that are surely music, and of noise and speech that are not."""

    def full(seconds: Seconds) -> Seconds:
        return heads.subset(seconds, (seconds.folds == fold) & (seconds.ages >= FULL_S))

    names = {ALONE: "music", ROOM: "music in the room", OTHERS: "music over the air"}
    found = {names[kind]: full(embedded.kinds[kind]) for kind in names if kind in embedded.kinds}
    strays = embedded.strays
    found["noise, synthesised and recorded"] = heads.subset(strays, strays.ages >= FULL_S)
    if embedded.of_talk:
        found["noise, recorded"] = speech_head.unheard_noise(embedded, fold)
        plain = embedded.of_talk[0]
        spoken = [i for i, file in enumerate(embedded.talk) if file.kind == "speech"]
        found["speech"] = full(heads.subset(plain, np.isin(plain.clips, spoken)))
    return found


def cost(graph: bytes, yamnet: Path | None, *, rounds: int = 60) -> dict[str, float]:
    """Return medians of CPU milliseconds for a second of audio; the variants take turns.

    Parameters
    ----------
    graph
        A student's graph, serialised.
    yamnet
        YAMNet as TFLite, for comparison.
    rounds
        Rounds.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    shapes = {one.name: (1, *one.shape[1:]) for one in session.get_inputs() if one.name != FRAMES}
    states = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    wanted = [one.name for one in session.get_outputs() if not one.name.endswith(NEXT)][:1]
    wanted += [name + NEXT for name in states]
    peer = Yamnet(yamnet) if yamnet is not None else None
    stream, rng = MfccStream(SPEC), np.random.default_rng(0)
    times: dict[str, list[float]] = {"features": [], "model": [], "yamnet": []}
    for _ in range(rounds):
        second = rng.normal(0, 0.1, SPEC.samplerate).astype(np.float32)
        begun = time.process_time()
        frames = stream.push(second)
        times["features"].append(time.process_time() - begun)
        begun = time.process_time()
        _, *after = session.run(wanted, states | {FRAMES: frames[None]})
        times["model"].append(time.process_time() - begun)
        states = dict(zip(states, after, strict=True))
        if peer is not None:
            begun = time.process_time()
            peer.scores(second)
            times["yamnet"].append((time.process_time() - begun) / 0.975)
    return {name: 1e3 * float(np.median(found)) for name, found in times.items() if found}


def rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the figures that matter, as a table.

    Parameters
    ----------
    result
        The figures, and what :func:`cost` returns as ``cost``.
    """

    def figure(*path: str) -> str:
        found: Any = result
        for name in path:
            if name not in found:
                return "–"
            found = found[name]
        return f"{found:.3f}"

    table = [
        ("3 s windows, clean", figure("window", "accuracy")),
        ("whole clips, clean", figure("clip", "accuracy")),
        ("simulated room, windows", figure("room", "window", "accuracy")),
        ("over the air, windows", figure("variants", "window", "accuracy")),
        ("over the air, whole recordings", figure("variants", "clip", "accuracy")),
        ("20 dB quieter, windows", figure("quiet", "window", "accuracy")),
        ("live programme by the second", figure("programmes", "levels", "second")),
        ("speech against music", figure("speech", "against_music", "accuracy")),
        ("ECE clean", figure("calibration", "ece_cross_fitted")),
        ("ECE room", figure("room", "calibration", "ece")),
    ]
    table += [
        (f"{what}, called music", f"{found['share']:.3f}")
        for what, found in result["music"]["called_music"].items()
    ]
    if "cost" in result:
        costs = result["cost"]
        own = costs["features"] + costs["model"]
        table.append(("CPU a second of audio", f"{own:.2f} ms"))
        if "yamnet" in costs:
            table.append(("CPU against YAMNet", f"{own / costs['yamnet']:.2f} ×"))
    return table
