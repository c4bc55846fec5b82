"""Measures `streamgenre teach`: learning curve, styles outside GTZAN, kept genres, time and memory.

Embeddings are kept in the cache, so that a second run takes a minute.

    python benchmarks/teach.py curve --corpus CORPUS
    python benchmarks/teach.py styles --table free_music.csv --music MUSIC
    python benchmarks/teach.py keep --corpus CORPUS --table free_music.csv --music MUSIC
    python benchmarks/teach.py cost --corpus CORPUS
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import csv
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model
from streamgenre.inference.statistics import balanced_accuracy
from streamgenre.sources.files.file import decode
from streamgenre.teach import fitting
from streamgenre.teach.figures import figures_of
from streamgenre.teach.material import Material
from streamgenre.teach.recordings import Recording, identified
from streamgenre.teach.rehearsal import Rehearsal, chosen_rows, with_rehearsal
from streamgenre.teach.teaching import embed

STYLES = (
    *("Ambient music", "Classical music", "Drum and bass", "Electronic music", "Funk", "Jazz"),
    *("New-age music", "Rock music", "Traditional music"),
)
"""YAMNet's words; six of the nine have no counterpart in GTZAN."""
MOST_OF_STYLE, MOST_OF_PACKAGE = 18, 2
NEIGHBOURS = 5


def corpus_of(folder: Path, base: str) -> tuple[Material, Any, Any]:
    """Return the corpus's material, the fold of each clip, and which clips are whole."""
    with (folder / "clips.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    recordings = [
        Recording(folder / "gtzan" / row["genre"] / f"{row['clip']}.ogg", row["genre"],
                  row["artist"])
        for row in rows
    ]  # fmt: skip
    by_path = {str(each.path): row for each, row in zip(recordings, rows, strict=True)}
    material = embed(identified(recordings)[0], base).material
    about = [by_path[str(each.path)] for each in material.recordings]
    return (
        material,
        np.array([int(row["fold"]) for row in about]),
        np.array([row["kind"] == "full" for row in about]),
    )


def styles_of(table: Path, music: Path, base: str) -> Material:
    """Return the free music by YAMNet's word for its style, its package as the artist."""
    files: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in music.rglob("*.ogg"):
        stem = re.sub(r"-[0-9a-f]{8}$", "", path.stem)
        files[path.relative_to(music).parts[0]][stem] = path
    recordings: list[Recording] = []
    of_package: Counter[tuple[str, str]] = Counter()
    of_style: Counter[str] = Counter()
    with table.open(encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (row["package"], row["path"]))
    for row in rows:
        style, package = row["yamnet_top_genre"], row["package"]
        stem = row["path"].removeprefix("usr/share/").replace("/", "__").rsplit(".", 1)[0]
        path = files[package].get(stem)
        wanted = row["role"] == "music" and style in STYLES and 20 <= float(row["seconds"]) <= 240
        room = of_package[style, package] < MOST_OF_PACKAGE and of_style[style] < MOST_OF_STYLE
        if wanted and path is not None and room:
            of_package[style, package] += 1
            of_style[style] += 1
            recordings.append(Recording(path, style, package))
    return embed(identified(recordings)[0], base).material


def drawn(material: Material, side: Any, count: int, rng: np.random.Generator) -> Material:
    """Return up to ``count`` recordings of each genre from one side."""
    chosen = np.zeros(len(side), bool)
    for genre in range(len(material.labels)):
        there = np.flatnonzero(side & (material.targets == genre))
        chosen[rng.permutation(there)[:count]] = True
    return material.only(chosen)


def by_head(part: Material, test: Material) -> tuple[Any, Any]:
    """Return probabilities of recordings and rows by a taught head."""
    fitted = fitting.fit(part)
    logits = fitted.head.logits(test.rows)
    p = fitting.of_recordings(logits, fitted.temperature, test.of, len(test.recordings))
    return p, logits


def by_neighbours(part: Material, test: Material) -> tuple[Any, Any]:
    """Return the shares of the nearest rows' genres, for recordings and rows (cosine)."""
    weights = part.weights()
    mean = np.average(part.rows, axis=0, weights=weights)
    spread = part.rows.std(axis=0) + 1e-3
    a, b = ((each.rows - mean) / spread for each in (part, test))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    nearest = np.argsort(-(b @ a.T), axis=1)[:, :NEIGHBOURS]
    votes = np.eye(len(part.labels))[part.row_targets[nearest]].mean(axis=1)
    sums = np.zeros((len(test.recordings), len(part.labels)))
    np.add.at(sums, test.of, votes)
    return sums, votes


def scores(found: tuple[Any, Any], test: Material, whole: Any) -> tuple[float, float, float]:
    """Return the balanced accuracy of all recordings, of whole ones, and of rows."""
    p, rows = found
    hits = p.argmax(axis=1) == test.targets
    return (
        balanced_accuracy(hits, test.targets),
        balanced_accuracy(hits[whole], test.targets[whole]),
        balanced_accuracy(rows.argmax(axis=1) == test.row_targets, test.row_targets),
    )


def curve(options: argparse.Namespace) -> None:
    """Print accuracy by the number of recordings a genre, on artists unseen in the fit."""
    material, folds, whole = corpus_of(options.corpus, options.base)
    print(f"{options.base}: {len(material.recordings)} recordings, seeds {options.seeds}")
    print(
        "recordings   head: all, whole clips, windows   neighbours: the same   (fewest in a genre)"
    )
    for count in options.counts:
        found = []
        fewest = count
        for fold in np.unique(folds):
            test = material.only(folds == fold)
            for seed in range(options.seeds):
                part = drawn(material, folds != fold, count, np.random.default_rng(seed))
                fewest = min(fewest, int(np.bincount(part.targets).min()))
                found.append(
                    (
                        *scores(by_head(part, test), test, whole[folds == fold]),
                        *scores(by_neighbours(part, test), test, whole[folds == fold]),
                    )
                )
        mean, spread = np.mean(found, axis=0), np.std(found, axis=0)
        shown = "  ".join(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True))
        print(f"{count:>10}   {shown}   ({fewest})", flush=True)


def styles(options: argparse.Namespace) -> None:
    """Print the accuracy on nine styles of free music; no package is in two folds."""
    material = styles_of(options.table, options.music, options.base)
    counts = np.bincount(material.targets)
    print(f"{options.base}: {dict(zip(material.labels, counts.tolist(), strict=True))}")
    figures = figures_of(fitting.fit(material))
    print(f"recordings {figures.recordings}, windows {figures.windows}")
    for label, recall, row in zip(figures.labels, figures.recall, figures.counts, strict=True):
        print(f"{label:<20} {recall:.2f}  {' '.join(f'{n:>3}' for n in row.tolist())}")
    print("hard to tell apart:", figures.confused)
    folds = fitting.folds_of(material)
    found = []
    for fold in np.unique(folds):
        test = material.only(folds == fold)
        every = np.ones(len(test.recordings), bool)
        found.append(scores(by_neighbours(material.only(folds != fold), test), test, every))
    print(
        "neighbours, the same folds: recordings, recordings, windows",
        np.mean(found, axis=0).round(3),
    )


def keep(options: argparse.Namespace) -> None:
    """Print what the ten genres lose when they are kept by few rows beside new styles."""
    material, folds, whole = corpus_of(options.corpus, options.base)
    new = styles_of(options.table, options.music, options.base)
    chosen = np.isin([new.labels[t] for t in new.targets], options.new)
    new = new.only(chosen)
    used = sorted(set(new.targets.tolist()))
    new = Material(
        new.recordings, tuple(new.labels[t] for t in used), new.rows, new.of,
        np.searchsorted(used, new.targets), new.groups, new.seconds,
    )  # fmt: skip
    new_folds = fitting.folds_of(new, 3)
    for name in ("all rows, ten genres", "kept rows, ten genres", "kept rows, new genres too"):
        found, of_new = [], []
        for fold in np.unique(folds):
            part, test = material.only(folds != fold), material.only(folds == fold)
            rehearsal = Rehearsal(part.labels, *chosen_rows(part))
            if name.startswith("all"):
                p = by_head(part, test)
            elif name.endswith("ten genres"):
                p = by_head(_alone(rehearsal), test)
            else:
                mixed = with_rehearsal(new.only(new_folds != fold), rehearsal)
                p = by_head(mixed, test)
                held = new.only(new_folds == fold)
                q, _ = by_head(mixed, held)
                right = [mixed.labels[a] for a in q.argmax(axis=1)]
                of_new.append(
                    balanced_accuracy(
                        np.array([a == each.genre for a, each in zip(right, held.recordings,
                                                                     strict=True)]),
                        held.targets,
                    )
                )  # fmt: skip
            found.append(scores(p, test, whole[folds == fold]))
        every, clip, window = np.mean(found, axis=0)
        extra = f", new genres {np.mean(of_new):.3f}" if of_new else ""
        print(
            f"{name}: ten genres, all {every:.3f}, clip {clip:.3f}, window {window:.3f}{extra}",
            flush=True,
        )


def _alone(rehearsal: Rehearsal) -> Material:
    """Return rows of a model's own genres as material."""
    count = len(rehearsal.targets)
    return Material(
        tuple(Recording(Path(), rehearsal.labels[t]) for t in rehearsal.targets),
        rehearsal.labels, rehearsal.rows.astype(np.float32), np.arange(count), rehearsal.targets,
        rehearsal.groups, (0.0,) * count,
    )  # fmt: skip


def cost(options: argparse.Namespace) -> None:
    """Print the processor time and memory of the command with 200 clips of 30 seconds."""
    with (options.corpus / "clips.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "full"]
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        paths = []
        for row in rows:
            path = options.corpus / "gtzan" / row["genre"] / f"{row['clip']}.ogg"
            link = top / "music" / row["genre"] / f"{row['artist'] or row['clip']} - {row['clip']}"
            if len(paths) < options.clips:
                link.parent.mkdir(parents=True, exist_ok=True)
                Path(f"{link}.ogg".replace("\0", "")).symlink_to(path)
                paths.append(path)
        begin = time.process_time()
        for path in paths:
            for _ in decode(path):
                pass
        decoding = time.process_time() - begin
        environment = {**os.environ, **{f"XDG_{kind}_HOME": folder for kind in
                                        ("CACHE", "DATA", "STATE")}}  # fmt: skip
        command = [sys.executable, "-m", "streamgenre", "teach", "measured", "--from",
                   str(top / "music"), "--base", options.base]  # fmt: skip
        subprocess.run(command, check=True, env=environment)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = used.ru_utime + used.ru_stime
        print(
            f"{options.base}, {len(paths)} clips: {spent:.1f} s of processor time, {decoding:.1f} s"
            f" of them for decoding; {used.ru_maxrss / 1024:.0f} MiB"
        )


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("curve", "styles", "keep", "cost"))
    parser.add_argument("--base", default="lstm")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--music", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[5, 10, 20, 50])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument(
        "--new", nargs="+", default=["Electronic music", "New-age music", "Traditional music"]
    )
    options = parser.parse_args()
    parse_manifest(find_model(options.base))
    {"curve": curve, "styles": styles, "keep": keep, "cost": cost}[options.what](options)


if __name__ == "__main__":
    main()
