"""``train trunk prepare``, ``render`` and ``fit``: the stages of training a small trunk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from train.cache import cache_folder
from train.cli import trunk_answers, trunk_open_set, trunk_results
from train.errors import TrainError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from train.job import Epoch
    from train.progress import Progress
    from train.student.agreement import Agreement

_PREPARE: Final = """\
Cut six-second excerpts out of a corpus with genres and of free music, speech and sounds,
and ask MSD_musicnn and YAMNet what they say of them. Shards of at most 60 MB go to
SET/shards: the sound as Opus, and the answers. What is there is kept.

example:
  python -m train trunk prepare --folder SET --corpus DIR --music FREE --yamnet yamnet.tflite
"""
_RENDER: Final = """\
Compute the frames of every excerpt, clean and in degraded copies: rooms, telephones, noise,
codecs, any level. They go to SET/frames: a copy of 10,000 excerpts takes 190 MB.

example:
  python -m train trunk render --folder SET --copies 2
"""
_FIT: Final = """\
Train a student to answer degraded sound as the teachers answer clean sound. The state after
every epoch is kept; the same command goes on with it. Folds of the corpus that are left out
(--without) can be measured on.

examples:
  python -m train trunk fit --folder SET --student separable
  python -m train trunk fit --folder SET --student separable --without 1 2 3 --out SET/base.npz
  python -m train trunk fit --folder SET --student separable --without 1 --start SET/base.npz \\
      --epochs 4 --learning-rate 0.0007
"""


_MEASURE: Final = """\
Measure a student on the folds of a corpus, by artist: the genres with a linear head, clean,
in a room, over the air, 20 dB quieter; speech; noise called music; CPU against YAMNet. A
fold is measured with SET/students/NAME-without-FOLD.npz, or with NAME-without-ALL-FOLDS.npz
(free music only) if that is missing. All figures go to SET/figures/NAME.json.

example:
  python -m train trunk measure --folder SET --student separable --corpus DIR
"""
_EXPORT: Final = """\
Write a student as a model folder that the daemon takes, with the figures of `measure` in its
card: the genres' head is trained on all folds. Its graph takes new frames and named states,
and also answers speech, music and tags.

example:
  python -m train trunk export --folder SET --student separable --corpus DIR --out MODEL
"""
_ANSWERS: Final = """\
Teach finished models on MSD_musicnn to answer whether there is music, and let them publish
the 50 tags of the trunk. The head is trained on the shards of `prepare`, clean and degraded,
and measured on folds and packages that it was not trained on. It is written into the model
folders, with its figures; genres and speech stay as they are.

example:
  python -m train trunk answers models/lstm models/cnn --folder SET --processes 2
"""


def add_parsers(parser: argparse.ArgumentParser, **settings: Any) -> None:
    """Add the stages to the parser of ``train trunk``.

    Parameters
    ----------
    parser
        That parser.
    **settings
        Passed to each stage's ``ArgumentParser``.
    """
    stages = parser.add_subparsers(dest="stage", metavar="STAGE")

    def stage(name: str, help_text: str, description: str) -> argparse.ArgumentParser:
        found: argparse.ArgumentParser = stages.add_parser(
            name, help=help_text, description=description, **settings
        )
        found.add_argument(
            "--folder", type=Path, required=True, metavar="SET", help="folder of the training set"
        )
        found.add_argument("--quiet", action="store_true", help="no progress on stderr")
        found.add_argument("--debug", action="store_true", help="show tracebacks of errors")
        return found

    one = stage("prepare", "excerpts with the teachers' answers", _PREPARE)
    one.add_argument("--corpus", type=Path, metavar="DIR", help="corpus with genres")
    one.add_argument(
        "--music", type=Path, metavar="FREE", help="folder filled by `train music fetch`"
    )
    one.add_argument("--yamnet", type=Path, required=True, metavar="FILE", help="YAMNet as TFLite")
    one.add_argument(
        "--excerpts", type=_whole, default=400, metavar="N", help="excerpts of a shard, about: 400"
    )
    two = stage("render", "frames of the excerpts, clean and degraded", _RENDER)
    two.add_argument(
        "--copies", type=_whole, default=2, metavar="N", help="degraded copies of each (default: 2)"
    )
    two.add_argument(
        "--synthesised",
        type=_whole,
        default=480,
        metavar="N",
        help="excerpts of synthesised noise in each copy (default: 480)",
    )
    for each in (one, two):
        each.add_argument(
            "--processes", type=_whole, default=1, metavar="N", help="processes (default: 1)"
        )
    two.add_argument(
        "--student", default="separable", metavar="NAME",
        help="for which network: the kinds hear different frames (default: separable)",
    )  # fmt: skip
    three = stage("fit", "train a student", _FIT)
    three.add_argument("--student", default="separable", metavar="NAME", help="which network")
    three.add_argument(
        "--out", type=Path, metavar="FILE",
        help="its state (default: SET/students/NAME[-without-FOLDS].npz)",
    )  # fmt: skip
    three.add_argument("--start", type=Path, metavar="FILE", help="state of the same to begin with")
    three.add_argument(
        "--without", type=int, nargs="+", default=[], metavar="FOLD", help="folds to leave out"
    )
    three.add_argument("--epochs", type=_whole, default=12, metavar="N", help="default: 12")
    three.add_argument(
        "--rows", type=_whole, default=6000, metavar="N", help="excerpts an epoch (default: 6000)"
    )
    three.add_argument("--batch", type=_whole, default=32, metavar="N", help="default: 32")
    three.add_argument("--learning-rate", type=float, default=2e-3, metavar="X", help="peak")
    three.add_argument("--seed", type=int, default=1, metavar="N", help="default: 1")
    three.add_argument(
        "--threads", type=_whole, metavar="N", help="threads of TensorFlow (default: all cores)"
    )

    for each in (one, three):
        each.add_argument(
            "--musicnn", type=Path, metavar="DIR",
            help="folder of MSD_musicnn (default: where `train trunk` puts it)",
        )  # fmt: skip

    four = stage("measure", "figures on folds by artist", _MEASURE)
    five = stage("export", "a model folder", _EXPORT)
    for each in (four, five):
        each.add_argument("--student", default="separable", metavar="NAME", help="which network")
        each.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="with genres")
        each.add_argument(
            "--processes", type=_whole, default=1, metavar="N", help="processes (default: 1)"
        )
    four.add_argument("--yamnet", type=Path, metavar="FILE", help="compare its CPU time")
    four.add_argument("--json", action="store_true", help="print all figures as JSON on stdout")
    five.add_argument("--out", type=Path, required=True, metavar="MODEL", help="folder to write")
    five.add_argument(
        "--fold-models", type=Path, metavar="FOLDS",
        help="also write a model without each fold into FOLDS, for `train stream-eval`",
    )  # fmt: skip
    five.add_argument("--note", type=Path, metavar="FILE", help="Markdown text for the card")
    five.add_argument("--replace", action="store_true", help="replace MODEL if it is there")

    six = stage("answers", "let finished models answer music and tags", _ANSWERS)
    six.add_argument("model", type=Path, nargs="+", metavar="MODEL", help="model folder")
    six.add_argument(
        "--processes", type=_whole, default=1, metavar="N", help="processes (default: 1)"
    )

    trunk_open_set.add_arguments(
        stage("open-set", "tell music of other genres", trunk_open_set.DESCRIPTION), _whole
    )


def _whole(text: str) -> int:
    import argparse

    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, not {text!r}")
    return int(text)


def run(options: argparse.Namespace, progress: Progress) -> None:
    """Run a stage.

    Parameters
    ----------
    options
        The parsed command line.
    progress
        Shows how far the work is.

    Raises
    ------
    TrainError
        If something is missing, damaged or cannot be written.
    """
    stages: dict[str, Callable[[argparse.Namespace, Progress], None]] = {
                "prepare": _prepare,
        "render": _render,
        "fit": _fit,
        "measure": trunk_results.measure,
        "export": trunk_results.export,
        "answers": trunk_answers.run,
        "open-set": trunk_open_set.run,
    }  # fmt: skip
    stages[options.stage](options, progress)


def _prepare(options: argparse.Namespace, progress: Progress) -> None:
    from train.corpora.corpus import read_corpus
    from train.corpora.talk_files import read_talk
    from train.student import excerpts
    from train.student.prepare import Teachers, prepare
    from train.student.teachers import Yamnet
    from train.trunk import checkpoint

    if options.corpus is None and options.music is None:
        raise TrainError("nothing to cut from: give --corpus DIR, --music FREE or both")
    teachers = Teachers(options.musicnn or cache_folder("trunk"), options.yamnet)
    checkpoint.load(teachers.musicnn)  # so that what is missing shows before the long work
    Yamnet(teachers.yamnet)
    sources = []
    if options.corpus is not None:
        corpus = read_corpus(options.corpus)
        sources += excerpts.of_corpus(corpus, read_talk(options.corpus, corpus.folds))
    if options.music is not None:
        sources += excerpts.of_free_music(options.music)

    def on_shard(path: Path, problems: list[str]) -> None:
        for problem in problems:
            progress.note(f"skipped: {problem}")
        progress.file(path.name)

    found = prepare(
        sources, teachers, options.folder, excerpts=options.excerpts, processes=options.processes,
        on_total=lambda total: progress.files_of("shards", total), on_shard=on_shard,
    )  # fmt: skip
    print(f"{options.folder}: {len(found)} shards")


def _render(options: argparse.Namespace, progress: Progress) -> None:
    from train.student.renditions import render
    from train.student.students import student

    render(
        options.folder,
        options.copies,
        kind=student(options.student).kind,
        synthesised=options.synthesised,
        processes=options.processes,
        on_total=lambda total: progress.files_of("frames", total),
        on_copy=lambda path: progress.file(path.name),
    )
    print(f"{options.folder}: clean frames and {options.copies} degraded copies")


def _fit(options: argparse.Namespace, progress: Progress) -> None:
    from train.student.lessons import read_lessons
    from train.student.students import Whole, student
    from train.trunk import checkpoint

    chosen = student(options.student)
    name = chosen.name
    if options.without:
        name += "-without-" + "-".join(map(str, sorted(options.without)))
    path = options.out or options.folder / "students" / f"{name}.npz"
    if options.threads:
        _use_threads(options.threads)
    from train.student import fit_student

    lessons = read_lessons(options.folder, chosen.kind, chosen.mixture)
    teacher = None
    if isinstance(chosen, Whole):
        teacher = checkpoint.load(options.musicnn or cache_folder("trunk"))
    settings = fit_student.Fitting(
        options.epochs, min(options.rows, len(lessons.folds)), options.batch,
        options.learning_rate, tuple(options.without), options.seed,
    )  # fmt: skip
    progress.note(f"{chosen.name}: {chosen.description}; {len(lessons.folds)} excerpts")
    progress.stage(name, settings.epochs)

    def on_epoch(epoch: Epoch, agreement: Agreement) -> None:
        progress.epoch(epoch)
        progress.note(f"unheard, degraded: {agreement}")

    fit_student.fit(
        chosen, lessons, settings, path, start=options.start, teacher=teacher, on_epoch=on_epoch
    )  # fmt: skip
    print(f"{path}: {chosen.name}, {settings.epochs} epochs")


def _use_threads(count: int) -> None:
    """Limit the threads of TensorFlow, if that is Keras's backend."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(1)
