"""``train trunk open-set``: tell music of other genres from that of a model's genres."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from train.errors import TrainError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from train.progress import Progress
    from train.trunk.heads import Linear

DESCRIPTION: Final = """\
Compare scores that tell music of a model's genres from music of other genres (electronic,
ambient, folk, soundtracks in the free music, as YAMNet and MSD_musicnn say), on artists and
packages that nothing was fitted on: the largest probability, the lead, the entropy, the
energy, distances in the embedding, and a linear head. The curves go to
SET/figures/open-set-NAME.json and .svg. With --write the head becomes the model's output
`known`, with its figures in the card: the daemon then says `unknown` where it is low.

examples:
  python -m train trunk open-set models/lstm models/cnn --folder SET --corpus DIR
  python -m train trunk open-set models/lstm models/cnn --folder SET --corpus DIR --write
"""
PICTURE: Final = "open-set.svg"
_OF: Final = (
    "3 s windows; artists and packages held out; electronic, ambient, folk and soundtracks of free "
    "music, as YAMNet and MSD_musicnn say, against the corpus"
)


def add_arguments(parser: argparse.ArgumentParser, whole: Callable[[str], int]) -> None:
    """Add the arguments.

    Parameters
    ----------
    parser
        The parser of the stage.
    whole
        Reads a whole number of at least 1.
    """
    parser.add_argument("model", type=Path, nargs="+", metavar="MODEL", help="model folder")
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="for the artists")
    parser.add_argument(
        "--shards", type=whole, metavar="N",
        help="shards of music to hear, in the order of their names (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=whole, default=1, metavar="N", help="processes (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON on stdout")
    parser.add_argument("--write", action="store_true", help="add the output `known` to the models")


def run(options: argparse.Namespace, progress: Progress) -> None:
    """Run ``train trunk open-set``.

    Parameters
    ----------
    options
        The parsed command line.
    progress
        Shows how far the work is.

    Raises
    ------
    StreamgenreError
        If a model, the corpus or the training set cannot be read, or something cannot be written.
    """
    from streamgenre.inference.manifest import read_manifest
    from train import model_folder
    from train.corpora.corpus import read_corpus
    from train.student.music_windows import trunk_hash
    from train.student.open_picture import draw

    corpus = read_corpus(options.corpus)
    artists = {clip.name: clip.artist for clip in corpus.clips}
    manifests = [read_manifest(folder) for folder in options.model]
    for manifest in manifests:
        if "head" in manifest.raw:
            raise TrainError(f"{manifest.folder}: was taught; its genres are not the corpus's")
        if options.write:
            model_folder.read_measured(manifest.folder)
    done: dict[Any, tuple[dict[str, Any], Linear, float]] = {}
    printed = {}
    for manifest in manifests:
        # Models on the same trunk hear the same.
        key = trunk_hash(manifest), manifest.labels
        if key not in done:
            done[key] = _judged(manifest, artists, options, progress)
        found, head, temperature = done[key]
        out = options.folder / "figures" / f"open-set-{manifest.folder.name}.json"
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            model_folder.write_text(out, json.dumps(found, indent=1) + "\n")
            draw(out.with_suffix(".svg"), found)
        except OSError as error:
            raise TrainError(f"{out.parent}: cannot be written: {error.strerror}") from error
        if options.write:
            _write(manifest.folder, found, head, temperature, options)
        printed[manifest.folder.name] = found
    if options.json:
        print(json.dumps(printed, indent=1))
        return
    for name, found in printed.items():
        _print(name, found)


def _judged(
    manifest: Any, artists: dict[str, str], options: argparse.Namespace, progress: Progress
) -> tuple[dict[str, Any], Linear, float]:
    """Return the figures, the head on all folds and its temperature."""
    from train.student import open_decisions, open_rows, open_set, open_windows

    windows = open_windows.hear(
        manifest, options.folder, most=options.shards, processes=options.processes,
        on_total=lambda total: progress.files_of("shards", total),
        on_shard=lambda path: progress.file(path.stem),
    )  # fmt: skip
    rows = open_rows.rows_of(windows, artists, manifest.labels)
    progress.files_of("folds", len(set(rows.folds.tolist())))
    judgement = open_set.judge(rows, progress.step)
    added, temperature = open_set.calibration(rows, judgement)
    known = open_set.probabilities(judgement, added, temperature)
    found = {"of": _OF} | open_set.compare(rows, judgement)
    found["decision"] = open_decisions.figures(rows, judgement, known)
    return found, open_set.final_head(rows, added), temperature


def _write(
    folder: Path,
    found: dict[str, Any],
    head: Linear,
    temperature: float,
    options: argparse.Namespace,
) -> None:
    """Write the graph with the output, its manifest, its card and the picture."""
    import hashlib

    from streamgenre.inference.manifest import KNOWN
    from train import model_folder
    from train.export.more_outputs import with_known
    from train.student.open_picture import draw

    manifest = model_folder.read_measured(folder)
    graph = with_known((folder / "model.onnx").read_bytes(), head.kernel, head.bias)
    manifest["sha256"]["model.onnx"] = hashlib.sha256(graph).hexdigest()
    manifest[KNOWN] = {"temperature": round(temperature, 4)}
    shards = f" --shards {options.shards}" if options.shards else ""
    manifest["training"][KNOWN] = {
        "command": f"python -m train trunk open-set models/{folder.name} --folder SET "
        f"--corpus DIR{shards} --write",
        "strength": head.strength,
    }
    manifest["evaluation"][KNOWN] = _short(found)
    draw(folder / PICTURE, found)
    model_folder.write_folder(folder, manifest, graph, with_card=True)


def _short(found: dict[str, Any]) -> dict[str, Any]:
    """Return the figures with the curve of the head alone; the picture has the others."""
    from train.student.open_scores import HEAD

    short = dict(found)
    for sound in ("clean", "degraded"):
        scores = {
            name: {key: value for key, value in figure.items() if name == HEAD or key != "curve"}
            for name, figure in found[sound]["scores"].items()
        }
        short[sound] = found[sound] | {"scores": scores}
    return short


def _print(name: str, found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(
        f"{name}: score", "sound", "area", "gets a genre", box=None, pad_edge=False,
    )  # fmt: skip
    for score in found["clean"]["scores"]:
        for sound in ("clean", "degraded"):
            figure = found[sound]["scores"][score]
            cells = []
            for key in ("auroc", "called_at_95"):
                low, high = figure[f"{key}_ci95"]
                cells.append(f"{figure[key]:.3f} ({low:.3f} to {high:.3f})")
            table.add_row(score, sound, *cells)
    console.print(table)
    table = Table(
        f"{name}: by the second", "right", "unknown", "other music unknown", box=None,
        pad_edge=False,
    )  # fmt: skip
    for way in ("genres alone", "with the head"):
        for sound in ("clean", "degraded"):
            figure = found["decision"][way][sound]
            table.add_row(
                f"{way}, {sound}", f"{figure['right']:.3f}",
                f"{figure['known_called_unknown']:.1%}", f"{figure['other_called_unknown']:.1%}",
            )  # fmt: skip
    console.print(table)
