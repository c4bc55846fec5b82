"""Training ancestors under their authors' protocol and on artist folds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from train.cache import cache_folder
from train.errors import TrainError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from train.ancestors.ancestor import Ancestor
    from train.ancestors.clip_windows import FullClips
    from train.corpora.corpus import Corpus
    from train.progress import Progress


class Reproduction:
    """Trains the ancestors that have no figures yet.

    Parameters
    ----------
    options
        The parsed command line of ``reproduce``.
    progress
        Shows how far the work is.
    corpus
        The clips with their genres and folds.
    """

    def __init__(self, options: argparse.Namespace, progress: Progress, corpus: Corpus) -> None:
        self._options, self._progress, self._corpus = options, progress, corpus
        self._folders: Path = options.folders or cache_folder("ancestors")
        self._full: tuple[Any, FullClips] | None = None

    def reproduce(self, ancestor: Ancestor) -> None:
        """Train an ancestor on the requested splits; write figures and a model folder."""
        from train.ancestors import ancestor_answers, ancestor_folder, clip_windows

        full = self._load(ancestor)
        windows = clip_windows.cut(ancestor, full)
        folds = [clip.fold for clip in windows.clips]
        key = ancestor_answers.key_of(ancestor, full.sha256, folds, self._options.most_epochs)
        path = self._options.out / f"{ancestor.name}.json"
        record = _read(path)
        if record.get("key") != key:
            record = {
                "key": key,
                "name": ancestor.name,
                "corpus": self._corpus_record(full, windows),
            }
        if self._options.protocol != "authors" and "artists" not in record:
            splits = list(clip_windows.artist_splits(ancestor, windows))
            answers = [self._answers(ancestor, windows, full, split, key) for split in splits]
            record["artists"] = ancestor_answers.figures(windows, answers, whole_clips=True)
            ancestor_folder.calibrate(
                self._folders / ancestor.name, ancestor, record["artists"]["temperature"]
            )
            self._save(path, record)
        if self._options.protocol != "artists" and "authors" not in record:
            split = clip_windows.authors_split(ancestor, windows)
            temperature = record.get("artists", {}).get("temperature")
            answer = self._answers(ancestor, windows, full, split, key, temperature)
            whole = ancestor.protocol.split == "clips"
            record["authors"] = ancestor_answers.figures(windows, [answer], whole_clips=whole)
            self._save(path, record)

    def _load(self, ancestor: Ancestor) -> FullClips:
        from train.ancestors import clip_windows

        if self._full is None or self._full[0] != ancestor.spec:
            self._progress.files(len(self._corpus.clips))
            full = clip_windows.load_full_clips(
                self._corpus,
                ancestor.spec,
                self._options.cache or cache_folder("frames"),
                on_file=self._progress.step,
                note=self._progress.note,
            )
            self._full = (ancestor.spec, full)
        return self._full[1]

    def _answers(
        self, ancestor: Ancestor, windows: Any, full: FullClips, split: Any, key: str,
        temperature: float | None = None,
    ) -> Any:  # fmt: skip
        """Return a split's answers, kept or trained; the authors' split becomes a model folder."""
        from train.ancestors import ancestor_answers, ancestor_folder, train_ancestor

        path = self._folders / "answers" / f"{ancestor.name}-{split.name.replace(' ', '-')}.npz"
        found = ancestor_answers.read_answers(path, key)
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
            ancestor_folder.write(out, ancestor, trained, full, windows, temperature)
            self._progress.note(f"{out}: {ancestor.name} as a model folder")
        answers = ancestor_answers.Answers(
            split.test, logits, trained.epochs, trained.seconds, trained.parameters
        )
        ancestor_answers.write_answers(path, key, answers)
        hits = logits.argmax(axis=1) == windows.target[split.test]
        self._progress.note(
            f"{title}: {hits.mean():.3f} of {len(hits)} windows, {trained.seconds:.0f} s"
        )
        return answers

    def _corpus_record(self, full: FullClips, windows: Any) -> dict[str, Any]:
        return {
            "clips": len(full.clips),
            "left_out": full.left_out,
            "sha256": full.sha256,
            "folds_by": self._corpus.folds_by,
            "genres": {
                genre: sum(clip.genre == genre for clip in full.clips)
                for genre in self._corpus.labels
            },
        }

    def _save(self, path: Path, record: dict[str, Any]) -> None:
        from train.ancestors import ancestors_table

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
            ancestors_table.write(path.parent)
        except OSError as error:
            raise TrainError(f"cannot write {path}: {error.strerror}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
