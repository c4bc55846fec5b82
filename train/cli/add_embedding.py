"""``train add-embedding``: give models of before the output from which genres are taught."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.manifest import EMBEDDING, read_manifest
from streamgenre.inference.models import load_model
from train import model_folder
from train.export.embedding_output import add_embedding

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from train.progress import Progress

DESCRIPTION: Final = """\
Add the output `embedding` to model folders that were exported without it: what the
linear layer of the genres takes, for `streamgenre teach`. The other outputs do not change.
Models that `fit` writes have it.

example:
  python -m train add-embedding mymodel
"""


def add_parser(commands: Any, output: argparse.ArgumentParser, **settings: Any) -> None:
    """Add the command and its arguments.

    Parameters
    ----------
    commands
        Subparsers of the main parser, to which the command is added.
    output
        Parser with the options about output, used as a parent.
    **settings
        Passed to the command's ``ArgumentParser``.
    """
    parser = commands.add_parser(
        "add-embedding",
        parents=[output],
        help="give older model folders the output for `streamgenre teach`",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument("models", nargs="+", type=Path, metavar="FOLDER", help="model folder")


def run(options: argparse.Namespace, progress: Progress, arguments: Iterable[str]) -> None:
    """Run the command.

    Parameters
    ----------
    options
        The command's options.
    progress
        Where progress is shown.
    arguments
        The command line; unused.
    """
    del arguments
    widths = {}
    for folder in options.models:
        widths[str(folder)] = _add(folder)
        progress.note(f"{folder}: an embedding of {widths[str(folder)]} numbers")
    if options.json:
        print(json.dumps(widths, indent=2, ensure_ascii=False))


def _add(folder: Path) -> int:
    import onnx

    manifest = read_manifest(folder)
    model = onnx.load(manifest.weights)
    width = add_embedding(model)
    weights: bytes = model.SerializeToString()
    data = model_folder.read_manifest(folder)  # numbers as they are written
    digest = hashlib.sha256(weights).hexdigest()
    data["sha256"] = data["sha256"] | {"model.onnx": digest}
    # In the place where the manifest writer puts it.
    after = next((name for name in ("steps", "evaluation") if name in data), None)
    items = []
    for name, value in data.items():
        if name == after:
            items.append((EMBEDDING, {"width": width}))
        items.append((name, value))
    data = dict(items) | {EMBEDDING: {"width": width}}
    with model_folder.new_folder(folder, replace=True) as new:
        for file in folder.iterdir():  # the card and its pictures
            (new / file.name).write_bytes(file.read_bytes())
        model_folder.write_folder(new, data, weights)
        load_model(str(new), trusted=True)  # a model that the daemon refuses is not written
    return width
