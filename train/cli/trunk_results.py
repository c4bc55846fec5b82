"""``train trunk measure`` and ``export``: what became of a student."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from train.errors import TrainError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from train.corpora.corpus import Corpus
    from train.progress import Progress
    from train.student.students import Separable
    from train.student.trunk_figures import Trained
    from train.trunk.embedded_corpus import EmbeddedCorpus


def measure(options: argparse.Namespace, progress: Progress) -> None:
    """Run ``train trunk measure``.

    Parameters
    ----------
    options
        The parsed command line.
    progress
        Shows how far the work is.

    Raises
    ------
    TrainError
        If a student or the corpus cannot be read.
    """
    from rich.console import Console
    from rich.table import Table

    from train.corpora.corpus import read_corpus
    from train.student import trunk_figures
    from train.student.lessons import read_lessons
    from train.student.students import separable
    from train.student.tag_figures import tag_figures

    chosen = separable(options.student)
    corpus = read_corpus(options.corpus)
    trained = _by_fold(options.folder, chosen, corpus.folds, progress)
    heard = _heard(options, chosen, trained, corpus, progress)
    result = trunk_figures.figures(heard).result
    one = next(iter(trained.values()))
    result["tags"] = tag_figures(one, read_lessons(options.folder))
    result["cost"] = trunk_figures.cost(one.graph(chosen), options.yamnet)
    path = options.folder / "figures" / f"{chosen.name}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise TrainError(f"{path}: cannot be written: {error.strerror}") from error
    if options.json:
        print(json.dumps(result, indent=2))
        return
    table = Table("folds by artist, balanced", chosen.name, box=None, pad_edge=False)
    for row in trunk_figures.rows(result):
        table.add_row(*row)
    Console(highlight=False).print(table)


def _by_fold(
    folder: Path, chosen: Separable, folds: tuple[int, ...], progress: Progress
) -> dict[int, Trained]:
    """Return by fold a student that was trained without it."""
    from train.student.fit_student import load
    from train.student.trunk_figures import Trained

    names = "-".join(map(str, folds))
    common = folder / "students" / f"{chosen.name}-without-{names}.npz"
    found: dict[int, Trained] = {}
    of_free_music: Trained | None = None
    for fold in folds:
        path = folder / "students" / f"{chosen.name}-without-{fold}.npz"
        if path.is_file():
            found[fold] = Trained(*load(chosen, path))
            continue
        if of_free_music is None:
            if not common.is_file() and (len(found) or fold != folds[-1]):
                progress.note(f"{path.name} is missing: fold {fold} is not measured")
                continue
            of_free_music = Trained(*load(chosen, common))
        progress.note(f"{path.name} is missing: {common.name} takes its place")
        found[fold] = of_free_music
    return found


def _heard(
    options: argparse.Namespace,
    chosen: Separable,
    trained: dict[int, Trained],
    corpus: Corpus,
    progress: Progress,
) -> dict[int, EmbeddedCorpus]:
    """Return what each student hears of the corpus."""
    from train.corpora.talk_files import read_talk
    from train.student import trunk_figures

    return trunk_figures.hear(
        chosen,
        trained,
        corpus,
        read_talk(options.corpus, corpus.folds),
        options.folder / "embeddings",
        processes=options.processes,
        on_job=lambda done, total: progress.note(f"embedded: {done} of {total}"),
    )


def export(options: argparse.Namespace, progress: Progress) -> None:
    """Run ``train trunk export``.

    Parameters
    ----------
    options
        The parsed command line.
    progress
        Shows how far the work is.

    Raises
    ------
    StreamgenreError
        If something cannot be read, or the folder cannot be written.
    """
    from streamgenre.inference.models import load_model
    from train import model_folder
    from train.cli.inputs import read_note
    from train.corpora.corpus import read_corpus
    from train.manifest_writer import method_of
    from train.student import trunk_figures
    from train.student.fit_student import load
    from train.student.lessons import read_lessons
    from train.student.students import separable
    from train.student.tag_figures import tag_figures
    from train.student.trunk_export import Calibration, Export, model_of
    from train.trunk import head_training

    model_folder.check_out(options.out, replace=options.replace)
    chosen, note = separable(options.student), read_note(options.note)
    corpus = read_corpus(options.corpus)
    path = options.folder / "students" / f"{chosen.name}.npz"
    whole = trunk_figures.Trained(*load(chosen, path))
    trained = _by_fold(options.folder, chosen, corpus.folds, progress) | {_ALL: whole}
    heard = _heard(options, chosen, trained, corpus, progress)
    heard_whole = heard.pop(_ALL)
    measured = trunk_figures.figures(heard)
    tags = tag_figures(next(iter(trained.values())), read_lessons(options.folder))
    command = (
        f"python -m train trunk export --folder SET --student {chosen.name} --corpus DIR "
        f"--out models/{options.out.name}"
    )
    described = Export(chosen, options.out.name, command, note)

    def calibration(without: int | None = None) -> Calibration:
        found = measured.outcomes.temperatures(without=without)
        return Calibration(
            found["logits"], found.get("speech", 1.0), measured.music_temperature,
            tags.get("temperature", 1.0),
        )  # fmt: skip

    for fold, fitted in measured.heads.items() if options.fold_models else ():
        manifest, graph = model_of(described, trained[fold], heard[fold], fitted, calibration(fold))
        model_folder.write_fold_model(options.fold_models, fold, manifest, graph)
    recipe = head_training.RECIPES["cnn"]
    fitted = head_training.fit(heard_whole, recipe, recipe.defaults, corpus.folds)
    manifest, graph = model_of(described, whole, heard_whole, fitted, calibration())
    method = method_of(corpus).replace("as exported ONNX over", "over")
    manifest["evaluation"] = {
        "method": f"{method} {_METHOD}", **measured.result, **({"tags": tags} if tags else {}),
    }  # fmt: skip
    with model_folder.new_folder(options.out, replace=options.replace) as folder:
        model_folder.write_folder(folder, manifest, graph, with_card=True)
        load_model(str(folder), trusted=True)  # a model that the daemon refuses is not written
    print(f"{options.out}: {chosen.name}, {len(graph) / 1e6:.1f} MB")


_ALL: Final = 0
"""Stands for the student that was trained on all folds."""
_METHOD: Final = (
    "In detail: the student, trained without the fold that is measured, was run as ONNX, second by "
    "second as the daemon runs it; the linear heads were run in NumPy on the result. A 3 s window "
    "is the third second of a stretch of a clip."
)
