"""``train reproduce``: every ancestor under its authors' protocol and under artist folds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from train.corpora import splitfile
from train.corpora.corpus import read_corpus
from train.corpora.recordings import default_cache
from train.errors import TrainError

if TYPE_CHECKING:
    import argparse

    from train.ancestors.ancestor import Ancestor
    from train.ancestors.clip_windows import Heard
    from train.cli.progress import Progress
    from train.corpora.corpus import Corpus

DESCRIPTION: Final = """\
Train published models of genre on GTZAN again: under the protocol that their authors
used, leaks and all, and on folds that never put one artist on two sides. Writes a
table beside the published figures, confusion matrices, and a model folder each.

It takes clips of 30 s. What was finished is kept, so that a run that was broken off
goes on where it was; all of it takes hours on one core, the eight of nycu-lstm most.
Where the cores are shared with other work, a core of its own makes it many times faster
(the last example): TensorFlow's threads then do not wait for each other.

examples:
  python -m train reproduce --list
  python -m train reproduce --corpus ~/gtzan --only knn-psf bud-cnn
  python -m train reproduce --corpus ~/gtzan --out models/ancestors
  TF_NUM_INTRAOP_THREADS=1 taskset -c 0 python -m train reproduce --corpus ~/gtzan
"""


def default_folders() -> Path:
    """Return where model folders go: ``$XDG_CACHE_HOME/streamgenre/ancestors`` or below
    ``~/.cache``.
    """
    return default_cache().parent / "ancestors"


def add_parser(commands: Any, output: argparse.ArgumentParser, **settings: Any) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "reproduce",
        parents=[output],
        help="train published ancestors again",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="folder with clips of 30 s")
    parser.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="artist folds from a file that `train split` wrote (default: those of clips.csv)",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where frames are kept, as for fit"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="these ancestors (default: all, cheap ones first)"
    )
    parser.add_argument("--list", action="store_true", help="list the ancestors and end")
    parser.add_argument(
        "--protocol",
        choices=("authors", "artists", "both"),
        default="both",
        help="which split to train on (default both)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("models/ancestors"),
        metavar="DIR",
        help="where table, figures and pictures go (default models/ancestors)",
    )
    parser.add_argument(
        "--folders",
        type=Path,
        default=None,
        metavar="DIR",
        help="where model folders and unfinished work go "
        "(default: $XDG_CACHE_HOME/streamgenre/ancestors)",
    )
    parser.add_argument(
        "--most-epochs",
        type=int,
        metavar="N",
        help="at most N epochs, fewer than the authors had: the table says so",
    )


def run(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    """Carry the command out."""
    from train.ancestors.registry import ANCESTORS

    if options.list:
        _print_list(options.json)
        return
    if options.corpus is None:
        raise TrainError("reproduce needs --corpus DIR; --list shows what there is to train")
    names = options.only or list(ANCESTORS)
    for name in names:
        if name not in ANCESTORS:
            from streamgenre.errors import nearest

            raise TrainError(
                f"no ancestor {name!r}{nearest(name, ANCESTORS)}; --list shows all of them"
            )
    if options.most_epochs is not None and options.most_epochs < 1:
        raise TrainError(f"--most-epochs must be at least 1, not {options.most_epochs}")
    if options.split:
        corpus = splitfile.read(options.split, options.corpus)
    else:
        corpus = read_corpus(options.corpus)
    for warning in corpus.warnings:
        progress.note(f"warning: {warning}")
    worker = Worker(options, progress, corpus)
    for name in names:
        worker.reproduce(ANCESTORS[name])
    _finish(options)


class Worker:
    """Trains what is not there yet."""

    def __init__(self, options: argparse.Namespace, progress: Progress, corpus: Corpus) -> None:
        self._options, self._progress, self._corpus = options, progress, corpus
        self._folders: Path = options.folders or default_folders()
        self._heard: tuple[Any, Heard] | None = None

    def reproduce(self, ancestor: Ancestor) -> None:
        """Train an ancestor on all splits that were asked for, write figures and model folder."""
        from train.ancestors import ancestor_answers, ancestor_folder, clip_windows

        heard = self._hear(ancestor)
        windows = clip_windows.cut(ancestor, heard)
        folds = [clip.fold for clip in windows.clips]
        key = ancestor_answers.key_of(ancestor, heard.sha256, folds, self._options.most_epochs)
        path = self._options.out / f"{ancestor.name}.json"
        told = _read(path)
        if told.get("key") != key:
            told = {"key": key, "name": ancestor.name, "corpus": self._told(heard, windows)}
        if self._options.protocol != "authors" and "artists" not in told:
            splits = list(clip_windows.artist_splits(ancestor, windows))
            answers = [self._answers(ancestor, windows, heard, split, key) for split in splits]
            told["artists"] = ancestor_answers.figures(windows, answers, whole_clips=True)
            ancestor_folder.calibrate(
                self._folders / ancestor.name, ancestor, told["artists"]["temperature"]
            )
            self._save(path, told)
        if self._options.protocol != "artists" and "authors" not in told:
            split = clip_windows.authors_split(ancestor, windows)
            temperature = told.get("artists", {}).get("temperature")
            answer = self._answers(ancestor, windows, heard, split, key, temperature)
            whole = ancestor.protocol.split == "clips"
            told["authors"] = ancestor_answers.figures(windows, [answer], whole_clips=whole)
            self._save(path, told)

    def _hear(self, ancestor: Ancestor) -> Heard:
        from train.ancestors import clip_windows

        if self._heard is None or self._heard[0] != ancestor.spec:
            self._progress.files(len(self._corpus.clips))
            heard = clip_windows.hear(
                self._corpus,
                ancestor.spec,
                self._options.cache or default_cache(),
                on_file=self._progress.step,
                note=self._progress.note,
            )
            self._heard = (ancestor.spec, heard)
        return self._heard[1]

    def _answers(
        self, ancestor: Ancestor, windows: Any, heard: Heard, split: Any, key: str,
        temperature: float | None = None,
    ) -> Any:  # fmt: skip
        """Train on a split, or take what was kept; the authors' split becomes a model folder."""
        from train.ancestors import ancestor_answers, ancestor_folder, train_ancestor

        path = self._folders / "answers" / f"{ancestor.name}-{split.name.replace(' ', '-')}.npz"
        found = ancestor_answers.kept(path, key)
        out = self._folders / ancestor.name
        authors = split.name == "authors"
        if found is not None and (not authors or (out / "manifest.json").is_file()):
            return found
        title = f"{ancestor.name}, {split.name}"
        bound = self._options.most_epochs or ancestor.protocol.epochs
        self._progress.stage(title, min(bound, ancestor.protocol.epochs))
        trained = train_ancestor.train(
            ancestor,
            windows,
            split,
            most_epochs=self._options.most_epochs,
            on_epoch=self._progress.epoch,
        )
        logits = train_ancestor.logits_of(trained, windows, split.test)
        if authors:
            ancestor_folder.write(out, ancestor, trained, heard, windows, temperature)
            self._progress.note(f"{out}: {ancestor.name} as a model folder")
        answers = ancestor_answers.Answers(
            split.test, logits, trained.epochs, trained.seconds, trained.parameters
        )
        ancestor_answers.keep(path, key, answers)
        hits = logits.argmax(axis=1) == windows.target[split.test]
        self._progress.note(
            f"{title}: {hits.mean():.3f} of {len(hits)} windows, {trained.seconds:.0f} s"
        )
        return answers

    def _told(self, heard: Heard, windows: Any) -> dict[str, Any]:
        return {
            "clips": len(heard.clips),
            "left_out": heard.left_out,
            "sha256": heard.sha256,
            "folds_by": self._corpus.folds_by,
            "genres": {
                genre: sum(clip.genre == genre for clip in heard.clips)
                for genre in self._corpus.labels
            },
        }

    def _save(self, path: Path, told: dict[str, Any]) -> None:
        from train.ancestors import ancestors_table

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
            ancestors_table.write(path.parent)
        except OSError as error:
            raise TrainError(f"cannot write {path}: {error.strerror}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _finish(options: argparse.Namespace) -> None:
    from train.ancestors import ancestors_table

    try:
        options.out.mkdir(parents=True, exist_ok=True)
        table = ancestors_table.write(options.out)
    except OSError as error:
        raise TrainError(f"cannot write to {options.out}: {error.strerror}") from error
    if options.json:
        print(json.dumps(ancestors_table.read(options.out), indent=2))
    else:
        print(table)
        print(f"{options.out}/README.md")


def _print_list(as_json: bool) -> None:
    from train.ancestors.registry import ANCESTORS

    if as_json:
        rows = [
            {"name": a.name, "what": a.what, "published": a.published} for a in ANCESTORS.values()
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for ancestor in ANCESTORS.values():
        published = f"{100 * ancestor.published:.2f} %" if ancestor.published else "–"
        print(f"{ancestor.name:20} {published:>8}  {ancestor.what}")
