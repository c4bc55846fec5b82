"""A split on disk: every clip with its file's hash, so that a run can be repeated exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from train.corpora.corpus import Corpus, read_corpus
from train.corpora.splitting import PARTS, Split
from train.errors import TrainError
from train.hashes import file_hash, joint_hash

if TYPE_CHECKING:
    from pathlib import Path

    from train.corpora.inventory import Listing

VERSION: Final = 1


def contents(listing: Listing, split: Split) -> dict[str, Any]:
    """Return the contents of a split file.

    Parameters
    ----------
    listing
        The corpus, file by file.
    split
        The side of every clip.
    """
    clips = [
        {
            "clip": item.clip,
            "file": item.file,
            "genre": item.genre,
            "artist": item.artist,
            "seconds": item.seconds,
            "sha256": item.sha256,
            "side": split.side[item.clip],
        }
        for item in listing.items
        if item.clip in split.side
    ]
    return {
        "split_version": VERSION,
        "by": split.by,
        "artists_from": listing.artists_from or None,
        "unknown_artists": sum(not clip["artist"] for clip in clips),
        "corpus_sha256": joint_hash(str(clip["sha256"]) for clip in clips),
        "sides": dict(sorted(_counted(split).items())),
        "clips": clips,
        "left_out": [{"clip": clip, "why": why} for clip, why in sorted(split.left_out.items())]
        + [{"clip": message.split(":")[0], "why": message} for message in listing.unreadable],
    }


def write(path: Path, held: dict[str, Any]) -> None:
    """Write a split file completely or not at all.

    Parameters
    ----------
    path
        The split file.
    held
        Its contents, see :func:`contents`.

    Raises
    ------
    TrainError
        If it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        raise TrainError(f"cannot write {path}: {error.strerror}") from error


def read(path: Path, folder: Path) -> Corpus:
    """Read a corpus with the sides of a split file.

    Its folds are the file's; the parts train, validation and test become the folds 1, 2 and 3, of
    which only the last is held out.

    Parameters
    ----------
    path
        The split file.
    folder
        The corpus's folder.

    Raises
    ------
    TrainError
        If it is not a split file, or a clip's file is missing or has changed since the split.
    """
    held = _parsed(path)
    whole = read_corpus(folder)
    clips = {clip.name: clip for clip in whole.clips}
    names = [str(clip["clip"]) for clip in held["clips"]]
    gone = [name for name in names if name not in clips]
    if gone:
        raise TrainError(
            f"{path}: {len(gone)} of its {len(names)} clips are not in {folder} (the first: "
            f"{gone[0]}); use the folder that was split, or split this one"
        )
    changed = [
        name
        for name, entry in zip(names, held["clips"], strict=True)
        if file_hash(clips[name].path) != entry["sha256"]
    ]
    if changed:
        raise TrainError(
            f"{path}: {len(changed)} of its {len(names)} files have changed since the split (the "
            f"first: {clips[changed[0]].path}); split the corpus again"
        )
    parts = bool(set(held["sides"]) & set(PARTS))
    chosen = []
    for name, entry in zip(names, held["clips"], strict=True):
        side = str(entry["side"])
        fold = 1 + PARTS.index(side) if parts else int(side)
        chosen.append(replace(clips[name], artist=str(entry["artist"]), fold=fold))
    origin = (
        f"split file (SHA-256 {file_hash(path)[:16]}…): {held['by']}; "
        + ", ".join(f"{side} {count}" for side, count in held["sides"].items())
    )  # fmt: skip
    unknown = (
        [
            f"{held['unknown_artists']} of {len(names)} clips have no artist, so one artist may be "
            "on two sides"
        ]
        if held["unknown_artists"]
        else []
    )
    return Corpus(
        clips=tuple(sorted(chosen, key=lambda clip: clip.name)),
        labels=tuple(sorted({clip.genre for clip in chosen})),
        # Without artists, the folds are by file.
        folds_by="split" if held["artists_from"] else "file",
        faults=(origin,),
        doubts=tuple(unknown),
        held_out=(1 + PARTS.index("test"),) if parts else (),
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainError(f"--split {path}: {error}; `train split` writes one") from error
    try:
        if held["split_version"] != VERSION:
            raise TrainError(
                f"{path}: split version {held['split_version']}, but this reads {VERSION}; split "
                "the corpus again"
            )
        for clip in held["clips"]:
            _ = clip["clip"], clip["sha256"], clip["side"], clip["artist"]
        _ = held["by"], held["sides"].items(), held["artists_from"], held["unknown_artists"]
    except (KeyError, TypeError, AttributeError) as error:
        raise TrainError(
            f"{path}: is not a split file ({error}); `train split` writes one"
        ) from error
    return dict(held)


def _counted(split: Split) -> dict[str, int]:
    sides = list(split.side.values())
    return {side: sides.count(side) for side in set(sides)}
