"""Check of the clips that the daemon keeps for ``streamgenre label``."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from typing import TYPE_CHECKING

from streamgenre.clips.folder import has_index
from streamgenre.clips.store import ClipStore
from streamgenre.doctor.finding import command, note, ok, problem
from streamgenre.errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.clips.settings import ClipSettings
    from streamgenre.doctor.finding import Finding, Subject


def clips(subject: Subject) -> Iterator[Finding]:
    """Check whether clips are kept, of what, and whether others can read them."""
    settings = subject.clips
    if settings is None:
        return
    folder = settings.folder
    try:
        there = has_index(folder)
    except ClipError as error:
        do = "run this as the daemon's user, or name another folder under [clips]"
        yield problem("clips", str(error), do)
        return
    if not settings.seconds and not there:
        yield ok("clips", "none are kept")
        return
    if there and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        do = command("chmod", "700", folder)
        yield problem("clips", f"{folder}: other users of this machine can read it", do)
    try:
        yield _kept(settings, folder) if there else _none_yet(folder)
    except ClipError as error:
        yield problem("clips", str(error), "correct it, or name another folder under [clips]")
    if settings.seconds and not subject.clips_of:
        yield note(
            "clips",
            "asked for, but kept of no station: each has a sound card, standard input, a pipe or "
            "RTSP as its input",
            'name one with `keep_clips = "always"` under [[station]], if those who can be heard '
            "there know of it",
        )


def _kept(settings: ClipSettings, folder: Path) -> Finding:
    with closing(ClipStore(folder)) as store:
        kept = store.summary()
    size = kept["bytes"] / 1e6
    words = f"{kept['kept']} ({kept['labelled']} with a label), {size:.1f} MB in {folder}"
    if settings.seconds:
        limits = (
            f"at most {settings.max_clips}, {settings.max_mb:g} MB, {settings.keep_days:g} days"
        )
        return ok("clips", f"{words}; {limits}; `streamgenre label` goes through them")
    if not kept["kept"]:
        return ok("clips", "none are kept")
    do = "`streamgenre label --forget-all` deletes them"
    return note("clips", f"none are kept any more, but there are {words}", do)


def _none_yet(folder: Path) -> Finding:
    nearest = next(part for part in (folder, *folder.parents) if part.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return ok("clips", f"none yet in {folder}")
    return problem(
        "clips",
        f"none yet in {folder}, and this user cannot write to {nearest}",
        "name another folder under [clips], or run this as the daemon's user",
    )
