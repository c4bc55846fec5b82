"""Checks of sound cards: the library and the permissions.

PortAudio runs in a helper process, because it may hang or crash.
"""

from __future__ import annotations

import getpass
import grp
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.doctor.finding import note, ok, problem
from streamgenre.errors import InputError
from streamgenre.sources.device.devices import portaudio_version
from streamgenre.sources.device.helper import MISSING
from streamgenre.sources.factory import is_device

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.doctor.finding import Finding, Subject

_SND: Final = Path("/dev/snd")
_ALSA: Final = "is the card plugged in? `arecord -l` lists the cards that the kernel knows"


def portaudio(subject: Subject) -> Iterator[Finding]:
    """Check whether the PortAudio library is installed and answers."""
    try:
        yield ok("PortAudio", portaudio_version())
    except InputError as error:
        missing = str(error) == MISSING
        words = "not installed" if missing else str(error)
        do = "`sudo apt install libportaudio2`"
        if not missing:
            do = "is a driver or the sound server stuck? try `pactl info` and `arecord -l`"
        if _needs_card(subject):
            yield problem("PortAudio", f"{words}: sound cards cannot be used", do)
        else:
            yield note("PortAudio", f"{words}; files, radio and pipes do not need it", do)


def sound_cards(subject: Subject) -> Iterator[Finding]:
    """Check whether this user may open the sound cards."""
    wanted = _needs_card(subject)
    captures = sorted(_SND.glob("pcm*c")) if _SND.is_dir() else []
    if not captures:
        words = f"no sound card with an input in {_SND}"
        yield note("sound cards", words, _ALSA if wanted else "")
        return
    closed = [path for path in captures if not os.access(path, os.R_OK | os.W_OK)]
    user = _user()
    if closed:
        group = _group_of(closed[0])
        yield problem(
            "sound cards",
            f"{user} may not open {', '.join(map(str, closed))} (group {group})",
            f"`sudo usermod -aG {group} {user}`, then log in again",
        )
    else:
        names = ", ".join(path.name for path in captures)
        yield ok("sound cards", f"{user} may open {names}")


def _needs_card(subject: Subject) -> bool:
    return any(map(is_device, subject.inputs))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry in the user database
        return f"user {os.getuid()}"


def _group_of(path: Path) -> str:
    try:
        return path.group()
    except KeyError:
        return grp.getgrgid(0).gr_name
