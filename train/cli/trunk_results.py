"""``train trunk measure`` and ``export``: what became of a student."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from train.errors import TrainError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from train.progress import Progress
    from train.student.students import Student
    from train.student.trunk_figures import Trained


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
    from train.corpora.talk_files import read_talk
    from train.student import trunk_figures
    from train.student.students import student

    chosen = student(options.student)
    corpus = read_corpus(options.corpus)
    trained = _by_fold(options.folder, chosen, corpus.folds, progress)
    heard = trunk_figures.hear(
        chosen,
        trained,
        corpus,
        read_talk(options.corpus, corpus.folds),
        options.folder / "embeddings",
        processes=options.processes,
        on_job=lambda done, total: progress.note(f"embedded: {done} of {total}"),
    )
    result = trunk_figures.figures(heard)
    graph = next(iter(trained.values())).graph(chosen)
    result["cost"] = trunk_figures.cost(graph, options.yamnet)
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
    folder: Path, chosen: Student, folds: tuple[int, ...], progress: Progress
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


def _temperature(path: Path) -> float | None:
    """Return the temperature that ``measure`` found; None if it was not run."""
    try:
        found = json.loads(path.read_text("utf-8"))["calibration"]["temperature"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return float(found)


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
    from train.corpora.corpus import read_corpus
    from train.corpora.talk_files import read_talk
    from train.student import trunk_export, trunk_figures
    from train.student.fit_student import load
    from train.student.students import student

    model_folder.check_out(options.out, replace=options.replace)
    chosen = student(options.student)
    corpus = read_corpus(options.corpus)
    path = options.folder / "students" / f"{chosen.name}.npz"
    trained = trunk_figures.Trained(*load(chosen, path))
    heard = trunk_figures.hear(
        chosen,
        {0: trained},
        corpus,
        read_talk(options.corpus, corpus.folds),
        options.folder / "embeddings",
        processes=options.processes,
        on_job=lambda done, total: progress.note(f"embedded: {done} of {total}"),
    )[0]
    command = f"python -m train trunk export --folder SET --student {chosen.name} --corpus DIR"
    manifest, graph = trunk_export.model_of(chosen, trained, heard, options.out.name, command)
    temperature = _temperature(options.folder / "figures" / f"{chosen.name}.json")
    if temperature is None:
        progress.note("`train trunk measure` was not run: the probabilities are not calibrated")
    else:
        manifest["calibration"] = {"temperature": temperature}
    with model_folder.new_folder(options.out, replace=options.replace) as folder:
        model_folder.write_folder(folder, manifest, graph)
        load_model(str(folder), trusted=True)  # a model that the daemon refuses is not written
    print(f"{options.out}: {chosen.name}, {len(graph) / 1e6:.1f} MB")
