"""``train rehearsal``: give a model rows of its own genres, for `streamgenre teach --keep`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.manifest import read_manifest
from streamgenre.teach.recordings import Recording, identified
from streamgenre.teach.rehearsal import FILE, Rehearsal, chosen_rows, read_rehearsal
from streamgenre.teach.teaching import embed
from train import model_folder
from train.corpora.corpus import read_corpus
from train.errors import TrainError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from train.progress import Progress

DESCRIPTION: Final = """\
Write rehearsal.f16 into model folders: single rows of their embedding for the clips of the
corpus, the same number for each genre, under 1 MB in all. With them, `streamgenre teach
--keep` keeps the model's genres beside new ones. The rows are numbers about three seconds
of music each; no audio can be made from them. Like the weights, they are computed from the
corpus and come under the same note in the model card.

example:
  python -m train rehearsal models/lstm --corpus gtzan
"""


def add_parser(commands: Any, corpus: argparse.ArgumentParser, **settings: Any) -> None:
    """Add the command and its arguments.

    Parameters
    ----------
    commands
        Subparsers of the main parser, to which the command is added.
    corpus
        Parser with the options about the corpus, used as a parent.
    **settings
        Passed to the command's ``ArgumentParser``.
    """
    parser = commands.add_parser(
        "rehearsal",
        parents=[corpus],
        help="give a model examples of its genres, for `streamgenre teach --keep`",
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
        The command line; not used here.

    Raises
    ------
    StreamgenreError
        If a model or the corpus cannot be used, or a folder cannot be written.
    """
    corpus = read_corpus(options.corpus)
    unique, _ = identified([Recording(c.path, c.genre, c.artist) for c in corpus.clips])
    for folder in options.models:
        manifest = read_manifest(folder)
        if manifest.labels != corpus.labels:
            raise TrainError(
                f"{folder}: its genres are {', '.join(manifest.labels)}, those of the corpus "
                f"{', '.join(corpus.labels)}; take the corpus that it was trained on"
            )
        progress.note(f"{folder}: hearing {len(unique)} clips")
        material = embed(unique, str(folder)).material
        rehearsal = Rehearsal(manifest.labels, *chosen_rows(material))
        content = rehearsal.content()
        data = model_folder.read_manifest(folder)  # numbers as they are written
        data["rehearsal"] = rehearsal.manifest()
        data["sha256"] = data["sha256"] | {FILE: hashlib.sha256(content).hexdigest()}
        try:
            (folder / FILE).write_bytes(content)
        except OSError as error:
            raise TrainError(f"{folder}: cannot be written: {error.strerror}") from error
        model_folder.write_manifest(folder, data)
        read_rehearsal(read_manifest(folder))
        print(f"{folder / FILE}: {len(rehearsal.rows)} rows, {len(content)} bytes")
