"""``train reproduce``: every ancestor under its authors' protocol and under artist folds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from train.cache import cache_folder
from train.errors import TrainError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from train.ancestors.ancestor import Ancestor
    from train.ancestors.clip_windows import Heard
    from train.cli.progress import Progress
    from train.corpora.corpus import Corpus


class Reproduction:
    """Trains the ancestors that have no figures yet."""

    def __init__(self, options: argparse.Namespace, progress: Progress, corpus: Corpus) -> None:
        self._options, self._progress, self._corpus = options, progress, corpus
        self._folders: Path = options.folders or cache_folder("ancestors")
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
                self._options.cache or cache_folder("frames"),
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
            ancestor_folder.write(out, ancestor, trained, heard, windows, temperature)
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
