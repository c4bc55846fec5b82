"""``train trunk answers``: teach a finished model whether there is music, and publish its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from train.errors import TrainError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from train.progress import Progress
    from train.student.music_head import MusicHead


def run(options: argparse.Namespace, progress: Progress) -> None:
    """Run ``train trunk answers``.

    Parameters
    ----------
    options
        The parsed command line.
    progress
        Shows how far the work is.

    Raises
    ------
    StreamgenreError
        If a model or the training set cannot be read, or a model folder cannot be written.
    """
    from rich.console import Console
    from rich.table import Table

    from streamgenre.inference.manifest import read_manifest
    from train import model_folder
    from train.student import music_head, music_windows
    from train.student.teachers import TAGS

    for folder in options.model:
        read_manifest(folder)
        if "trunk" not in model_folder.read_measured(folder)["training"]:
            raise TrainError(
                f"{folder}: its embedding has no tags; expected a model on MSD_musicnn"
            )

    for folder in options.model:
        windows = music_windows.hear(
            read_manifest(folder), options.folder, processes=options.processes,
            on_total=lambda total: progress.files_of("shards", total),
            on_shard=lambda path: progress.file(path.stem),
        )  # fmt: skip
        head = music_head.train(windows)
        _write(folder, head, TAGS)
        called = head.figures["called_music"]
        table = Table(f"{folder.name}: called music", "windows", "share", box=None, pad_edge=False)
        for what, figure in called.items():
            table.add_row(what, str(figure["windows"]), f"{figure['share']:.4f}")
        Console(highlight=False).print(table)


def _write(folder: Path, head: MusicHead, tags: tuple[str, ...]) -> None:
    """Write the graph with the new outputs, its manifest and its card."""
    import hashlib

    from streamgenre.inference import manifest as names
    from train import model_folder
    from train.export.more_outputs import with_music_and_tags

    manifest = model_folder.read_measured(folder)
    before, linear = (folder / "model.onnx").read_bytes(), head.linear
    graph = with_music_and_tags(before, linear.kernel, linear.bias, len(tags))
    manifest["sha256"]["model.onnx"] = hashlib.sha256(graph).hexdigest()
    manifest[names.MUSIC] = {"temperature": round(head.temperature, 4)}
    manifest[names.TAGS] = {"labels": list(tags), "temperature": 1.0}
    manifest["training"]["music"] = {
        "command": f"python -m train trunk answers models/{folder.name} --folder SET",
        "strength": head.linear.strength,
    }
    manifest["evaluation"]["music"] = head.figures
    model_folder.write_folder(folder, manifest, graph, with_card=True)
