"""``streamgenre teach --update`` and ``--rollback``: learning from labelled clips."""

from __future__ import annotations

import json
import math
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.bus.control import request
from streamgenre.bus.endpoints import local_endpoint, needs_keys
from streamgenre.bus.keys import default_folder as default_keys
from streamgenre.bus.keys import read_pair
from streamgenre.cli.interruption import exit_code
from streamgenre.cli.teach_output import Bar
from streamgenre.client.encryption import use_keys
from streamgenre.clips.folder import has_index
from streamgenre.clips.store import ClipStore
from streamgenre.config.build import load
from streamgenre.display.text import clean
from streamgenre.errors import InputError, ModelError, SettingsError, StreamgenreError
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.own_models import own_model, own_models
from streamgenre.system.logs import logging_to_user
from streamgenre.teach.lesson import lesson_path, read_lesson
from streamgenre.teach.teaching import write
from streamgenre.teach.updating import TooFewError, update
from streamgenre.teach.versions import keep_version, only_update, roll_back

if TYPE_CHECKING:
    import argparse

    import zmq

    from streamgenre.clips.clip import Clip
    from streamgenre.config import Config
    from streamgenre.teach.updating import Update

NOTHING_NEW: Final = 3
"""Exit code where there are too few new labels."""
WORSE: Final = 4
"""Exit code where the model with the labels is worse, so that the old one stays."""


def run(args: argparse.Namespace) -> int:
    """Update a model, or bring back its version before the last update."""
    if args.base or args.keep or args.names or args.replace or args.picture:
        raise SettingsError(
            "--update and --rollback repeat what was given before: no further flags"
        )
    if not (math.isfinite(args.max_loss) and 0 <= args.max_loss <= 100):
        raise SettingsError(f"--max-loss {args.max_loss:g}: expected 0 to 100 points")
    config = load(args.config, os.environ, models=False).config
    name, out = _model(args.name)
    with logging_to_user("warning"), only_update(name):
        if args.rollback:
            return _roll_back(args, config, name, out)
        return _update(args, config, name, out)


def _model(given: str | None) -> tuple[str, Path]:
    """Return name and folder of the model to update: the given one, or the only one."""
    if given is not None:
        folder = own_model(given)
        if folder is None:
            known = ", ".join(own_models()) or "none"
            raise ModelError(f"no model of your own {given!r}: there are {known}")
        return given, folder
    found = {name: path for name, path in own_models().items() if lesson_path(name).exists()}
    if len(found) == 1:
        return next(iter(found.items()))
    if not found:
        raise InputError(
            "no model was taught here yet: `streamgenre teach NAME --from DIR` teaches one"
        )
    raise InputError(f"which model? `streamgenre teach --update NAME`: {', '.join(found)}")


# ---- update -------------------------------------------------------------------------------------


def _update(args: argparse.Namespace, config: Config, name: str, out: Path) -> int:
    lesson = read_lesson(name)
    folder = Path(os.path.abspath(config.clips.folder))  # noqa: PTH100 - as lessons name it
    try:
        with Bar() as bar:
            found = update(lesson, _labelled(folder), folder, progress=bar)
    except TooFewError as error:
        _say(args, {"name": name, "outcome": "nothing new", "why": str(error)}, [str(error)])
        return NOTHING_NEW
    except KeyboardInterrupt as interrupt:
        print("interrupted; the model stays as it was", file=sys.stderr)
        return exit_code("teach", interrupt)
    lines = _lines(found)
    result = {"name": name, **found.as_dict()}
    if why := found.verdict(args.max_loss):
        lines.append(f"{name} stays as it was: {why}. --max-loss POINTS allows more")
        _say(args, {**result, "outcome": "worse", "why": why}, lines)
        return WORSE
    before = parse_manifest(out).raw["taught"]
    with keep_version(name, out):
        write(
            out,
            found.taught,
            lesson.base,
            command="streamgenre teach --update",
            replace=True,
            more={"updates": before.get("updates", 0) + 1, "clips": found.clips},
        )
    swapped, words = swap(config, name)
    lines += [
        f"written: {out}",
        words,
        f"`streamgenre teach --rollback {name}` brings the old version back",
    ]
    _say(args, {**result, "outcome": "updated", "swapped": swapped, "why": words}, lines)
    return 0


def _labelled(folder: Path) -> list[Clip]:
    """Return the clips with the label of a genre; none where no clips are kept."""
    if not has_index(folder):
        return []
    with closing(ClipStore(folder)) as store:
        return [clip for clip in store.clips() if clip.label]


def _lines(found: Update) -> list[str]:
    lines = [f"note: {clean(note)}" for note in found.notes]
    lines.append(
        f"{found.recordings} recordings and {found.clips} labelled clips, {found.new_clips} of "
        "them new"
    )
    lines.append(
        f"new labels right: {found.right_before} before, {found.right_after} now "
        f"(of {found.new_clips})"
    )
    if found.new_genres:
        lines.append(f"new genres: {', '.join(map(clean, found.new_genres))}")
    lines.append("old recordings, share of right 3 s windows:")
    width = max((len(clean(each.genre)) for each in found.changes), default=0)
    for each in found.changes:
        change = 100 * (each.after - each.before)
        lines.append(
            f"  {clean(each.genre):{width}}  {100 * each.before:5.1f} % → "
            f"{100 * each.after:5.1f} %  ({change:+.1f})"
        )
    return lines


def _say(args: argparse.Namespace, result: dict[str, Any], lines: list[str]) -> None:
    if args.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print(*lines, sep="\n")


# ---- rollback -----------------------------------------------------------------------------------


def _roll_back(args: argparse.Namespace, config: Config, name: str, out: Path) -> int:
    manifest = roll_back(name, out)
    swapped, words = swap(config, name)
    taught = manifest.raw["taught"]
    lines = [f"{name}: the version of {taught.get('date', 'before')} is back", words]
    _say(args, {"name": name, "outcome": "back", "swapped": swapped, "why": words}, lines)
    return 0


# ---- the running daemon -------------------------------------------------------------------------


def swap(config: Config, name: str) -> tuple[bool, str]:
    """Have the running daemon use the new version of a model.

    Parameters
    ----------
    config
        The daemon's configuration, which names its control endpoint.
    name
        Name of the model.

    Returns
    -------
    swapped : bool
        Whether it does now.
    words : str
        What was done, or what to do.
    """
    control = config.bus.control
    later = f"a daemon takes it at its next start: `listen --model {name}`"
    endpoint = None if control is None else local_endpoint(control)
    if endpoint is None:
        return False, f"not swapped: the configuration names no control endpoint; {later}"

    def configure(socket: zmq.Socket[bytes]) -> None:
        if config.bus.encrypt or needs_keys(str(control)):
            pair = read_pair(config.bus.keys or default_keys())
            use_keys(socket, pair, pair.public)  # the daemon admits its own key

    try:
        answer = request(endpoint, {"request": "stations"}, configure=configure)
        stations = answer.get("result") if answer.get("ok") else None
        if not isinstance(stations, list):
            return False, f"not swapped: the daemon does not say which models it uses; {later}"
        used = {station.get("model") for station in stations if isinstance(station, dict)}
        if name not in used:
            return False, f"not swapped: no station of the daemon uses {name}; {later}"
        if used != {name}:
            others = ", ".join(sorted(map(str, used - {name})))
            return False, (
                f"not swapped: other stations of the daemon use {others}, and a swap changes all; "
                "restart it to take the new version"
            )
        done = request(endpoint, {"request": "model", "model": name}, configure=configure)
    except StreamgenreError as error:
        return False, f"not swapped: {error}; {later}"
    if done.get("ok"):
        count = f"{len(stations)} station{'s' * (len(stations) != 1)}"
        return True, f"the running daemon uses it now ({count})"
    said = done.get("error")
    why = said.get("message") if isinstance(said, dict) else said
    return False, f"not swapped: {why}; {later}"
