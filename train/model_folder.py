"""Model folders: model, manifest, model card and pictures, written completely or not at all."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from streamgenre import paths
from streamgenre.inference.new_folder import new_folder as complete_folder
from train.cards.confusion_picture import confusion_svg
from train.cards.model_card import card
from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST: Final = "manifest.json"
FOLD: Final = "fold-"
"""Prefix of the folders of fold models; the number of the fold follows."""


@contextlib.contextmanager
def new_folder(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a folder that becomes ``out`` at the end, or is removed on any error.

    Parameters
    ----------
    out
        The model folder.
    replace
        Whether an existing model folder may be replaced.

    Raises
    ------
    TrainError
        If ``out`` exists (unless ``replace``), is not a model folder, or cannot be written.
    """
    check_out(out, replace=replace)
    with contextlib.ExitStack() as stack:
        try:
            part = stack.enter_context(complete_folder(out))
        except OSError as error:
            raise TrainError(f"cannot write to {out.parent}: {error.strerror}") from error
        yield part


def check_out(out: Path, *, replace: bool) -> None:
    """Refuse to overwrite something else; also called before hours of training.

    Parameters
    ----------
    out
        The model folder.
    replace
        Whether an existing model folder may be replaced.
    """
    if not out.exists():
        return
    if not replace:
        raise TrainError(f"{out} exists; give another --out, or --replace")
    if not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise TrainError(f"{out} is not a model folder and is not replaced")


def write_folder(
    folder: Path, manifest: dict[str, Any], weights: bytes, *, with_card: bool = False
) -> None:
    """Write the files of a model folder, on request with the model card.

    Parameters
    ----------
    folder
        The model folder.
    manifest
        Its manifest.
    weights
        The serialised ONNX model.
    with_card
        Whether to write the model card and its picture.
    """
    (folder / "model.onnx").write_bytes(weights)
    write_manifest(folder, manifest)
    if not with_card:
        return
    (folder / "README.md").write_text(card(manifest), "utf-8")
    evaluation = manifest.get("evaluation")
    if evaluation:
        table = evaluation["confusion"]
        svg = confusion_svg(table["labels"], table["counts"])
        (folder / "confusion.svg").write_text(svg, "utf-8")


def write_fold_model(folds: Path, fold: int, manifest: dict[str, Any], weights: bytes) -> None:
    """Write a model trained without a fold as ``FOLDS/fold-1`` and so on.

    Parameters
    ----------
    folds
        Folder of the fold models.
    fold
        The fold left out.
    manifest
        Its manifest.
    weights
        The serialised ONNX model.

    Raises
    ------
    TrainError
        If it cannot be written.
    """
    named = manifest | {
        "name": f"{manifest['name']} without fold {fold}",
        "training": manifest["training"] | {"without_fold": fold},
    }
    with new_folder(folds / f"{FOLD}{fold}", replace=True) as folder:
        write_folder(folder, named, weights)


def fold_models(model: str) -> dict[int, Path] | None:
    """Return the models of a folder written by ``fit --fold-models``, by the fold held out.

    None if the name or folder is a single model.
    """
    folder = paths.expand(model)
    if not folder.is_dir() or (folder / MANIFEST).is_file():
        return None
    found = {
        int(path.parent.name.removeprefix(FOLD)): path.parent
        for path in folder.glob(f"{FOLD}*/{MANIFEST}")
        if path.parent.name.removeprefix(FOLD).isdecimal()
    }
    return dict(sorted(found.items())) or None


def read_measured(folder: Path) -> dict[str, Any]:
    """Return the manifest of a measured model.

    Raises
    ------
    TrainError
        If there is none, or the model was not measured.
    """
    manifest = read_manifest(folder)
    if "evaluation" not in manifest:
        raise TrainError(
            f"{folder}: its card has no figures to add to: it was trained with --no-folds, or "
            "made by `train ensemble`, which measures nothing"
        )
    return manifest


def read_all_measured(folder: Path) -> list[dict[str, Any]]:
    """Return the manifests of all model folders in a folder, by name.

    Raises
    ------
    TrainError
        If there is none, or one cannot be read or was not measured.
    """
    manifests = [read_measured(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}"))]
    if not manifests:
        raise TrainError(f"{folder}: no model folders in it")
    return manifests


def add_stream(folder: Path, figures: dict[str, Any]) -> None:
    """Write the streaming benchmark's figures into a model folder's manifest and card.

    Parameters
    ----------
    folder
        The model folder.
    figures
        Figures of the streaming benchmark.

    Raises
    ------
    TrainError
        If the folder cannot be written.
    """
    manifest = read_measured(folder)
    manifest["evaluation"]["stream"] = figures
    write_manifest(folder, manifest)
    write_text(folder / "README.md", card(manifest))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a model folder's manifest.

    Raises
    ------
    TrainError
        If it cannot be read.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainError(f"{folder}: not a model folder with a manifest: {error}") from error
    return manifest


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a model folder's manifest completely or not at all.

    Parameters
    ----------
    folder
        The model folder.
    manifest
        Its manifest.

    Raises
    ------
    TrainError
        If it cannot be written.
    """
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    write_text(folder / MANIFEST, _with_short_lists(text) + "\n")


def _with_short_lists(text: str) -> str:
    """Return a manifest with the lists of ``rehearsal`` on one line each."""
    head, sign, rest = text.partition('"rehearsal": {')
    body, end, tail = rest.partition("}")
    if not sign:
        return text
    lists = json.loads("{" + body + "}")
    lines = ",\n".join(f'    "{name}": {json.dumps(of)}' for name, of in lists.items())
    return f"{head}{sign}\n{lines}\n  {end}{tail}"


def write_text(path: Path, text: str) -> None:
    """Write a text file completely or not at all.

    Parameters
    ----------
    path
        The file.
    text
        Its text.

    Raises
    ------
    TrainError
        If it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise TrainError(f"{path}: cannot be written: {error.strerror}") from error
