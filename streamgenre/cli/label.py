"""``streamgenre label``: lists, labels and deletes the clips that ``listen`` has kept."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Final

from streamgenre.clips.clip import clip_json
from streamgenre.clips.folder import clip_files, has_index
from streamgenre.clips.forgetting import forget_all
from streamgenre.clips.settings import default_folder
from streamgenre.clips.store import ClipStore
from streamgenre.config.build import load
from streamgenre.display.text import clean
from streamgenre.errors import ClipError, SettingsError
from streamgenre.history.time_zones import local
from streamgenre.paths import SYSTEM_STATE, expand
from streamgenre.system.quiet_libraries import quiet_libraries

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


SERVICE_FOLDER: Final = SYSTEM_STATE / "clips"
"""Where the service keeps its clips by default."""


def run(args: argparse.Namespace) -> int:
    """List, forget or label clips."""
    if args.json and not (args.list or args.forget_all):
        raise SettingsError("--json: expected with --list or --forget-all")
    folder = clips_folder(args)
    if args.forget_all:
        return _forget_all(folder, as_json=args.json)
    if args.list and args.json and not has_index(folder):
        print("[]")
        return 0
    with closing(_open(folder)) as store:
        if args.list:
            return _list(store, as_json=args.json)
        from streamgenre.cli.label_player import Player
        from streamgenre.cli.label_session import Session

        # ALSA reports on stderr whatever it meets while a clip plays.
        with quiet_libraries(enabled=not args.debug), Player(silent=args.silent) as player:
            return Session(store, player).run()


def clips_folder(args: argparse.Namespace) -> Path:
    """Return the folder of the clips: that of the flag, else that of the configuration."""
    if args.folder == "":
        raise SettingsError("--folder: an empty path; expected the name of a folder")
    if args.folder is not None:
        return expand(args.folder)
    return load(args.config, os.environ, models=False).config.clips.folder


def _open(folder: Path) -> ClipStore:
    try:
        return ClipStore(folder)
    except ClipError as error:
        elsewhere = folder == default_folder() != SERVICE_FOLDER and SERVICE_FOLDER.exists()
        if "no clips yet" in str(error) and elsewhere:
            raise ClipError(
                f"{error}. The service has clips: `sudo -u streamgenre streamgenre label --folder "
                f"{SERVICE_FOLDER}`"
            ) from error
        raise


def _list(store: ClipStore, *, as_json: bool) -> int:
    clips = store.clips()
    if as_json:
        rows = [{"path": str(store.path(clip)), **clip_json(clip)} for clip in clips]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    for clip in clips:
        facts = clip.facts
        when = local(facts.start, None).strftime("%Y-%m-%d %H:%M:%S")
        label = "–" if clip.label is None else clean(clip.label) or "no music"
        top = ", ".join(f"{clean(name)} {p:.0%}" for name, p in facts.top)
        print(f"{when}  {clean(facts.station):16}  {label:12}  {top:44}  {store.path(clip)}")
    if not clips:
        print("streamgenre: no clips are kept", file=sys.stderr)
    return 0


def _forget_all(folder: Path, *, as_json: bool) -> int:
    from streamgenre.teach.forgetting import forget_clips, hashes

    contents = hashes(clip_files(folder))
    clips, labels, size = forget_all(folder)
    models, deleted = forget_clips(folder, contents)
    if as_json:
        result = {"clips": clips, "labels": labels, "bytes": size, "models": models}
        result["deleted_versions"] = deleted
        print(json.dumps(result, ensure_ascii=False))
        return 0
    if not clips:
        print(f"nothing to delete: no clips are kept in {folder}")
        if folder == default_folder() != SERVICE_FOLDER and SERVICE_FOLDER.exists():
            print(f"the service's clips are in {SERVICE_FOLDER}: give --folder, as its user")
    else:
        print(f"deleted: {clips} clips ({size / 1e6:.1f} MB) and {labels} labels, in {folder}")
        print("`listen` keeps new ones as long as --keep-uncertain or [clips] asks for it")
    for name, count in models.items():
        print(
            f"the model {name} learnt from {count} clips, and keeps that until you teach it once "
            f"more: streamgenre teach {name} --again"
        )
    for name in deleted:
        print(f"the version of {name} before its last update had learnt from clips; it is deleted")
    return 0
