"""Which source is meant by ``--input``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.demo import open_demo
from streamgenre.errors import InputError
from streamgenre.sources.device import DeviceSource
from streamgenre.sources.devices import Choice, find_device, list_devices
from streamgenre.sources.file import open_file
from streamgenre.sources.http import redacted
from streamgenre.sources.radio import RadioSource
from streamgenre.sources.stdin import open_stdin

if TYPE_CHECKING:
    from streamgenre.config import ListenSettings
    from streamgenre.sources.base import Source

AUDIO_SUFFIXES: Final = (
    *(".aac", ".aif", ".aiff", ".ape", ".au", ".flac", ".m4a", ".mka", ".mp3", ".mp4"),
    *(".mpc", ".oga", ".ogg", ".opus", ".wav", ".webm", ".wma", ".wv"),
)
"""A name that ends so is a path, though no such file is there."""


def open_input(settings: ListenSettings) -> tuple[Source, str | None]:
    """Return the source that the settings mean, and a line for the user where one was chosen.

    Raises
    ------
    InputError
        If there is no such input, or it cannot be used.
    """
    name = settings.input
    if name is None and not settings.wait_for_device:
        return _default(settings)
    if name is None:
        return DeviceSource(Choice(None), settings.device), None
    if not name.strip():
        raise InputError("--input '': expected a device, a file, a URL, - or demo")
    if name == "-":
        return open_stdin(settings.raw), None
    if name == "demo":
        return open_demo(pace=settings.pace), None
    if name.lower().startswith(("http://", "https://")):
        return RadioSource(name), None
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", name):
        raise InputError(
            f"--input {redacted(name)}: expected http:// or https://; pipe in other streams: "
            "`ffmpeg -loglevel error -i URL -f s16le -ac 2 -ar 44100 - | "
            "streamgenre listen --input -`"
        )
    if _looks_like_path(name):
        return open_file(name, pace=settings.pace), None
    if settings.wait_for_device:
        return DeviceSource(Choice(name), settings.device), None
    try:
        device = find_device(list_devices(), name)
    except InputError as error:
        raise InputError(
            f"--input {name!r} is no file here, and: {error}; "
            "--wait-for-device waits until it is plugged in"
        ) from error
    return DeviceSource(Choice(name, device), settings.device), None


def _looks_like_path(name: str) -> bool:
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path's fails for unknown users
    return "/" in name or path.suffix.lower() in AUDIO_SUFFIXES or path.exists()


def _default(settings: ListenSettings) -> tuple[Source, str]:
    """Return the default input device, or the demo where there is none."""
    try:
        devices = list_devices()
        reason = "no input device"
    except InputError as error:
        devices, reason = [], str(error)
    if not devices:
        return (
            open_demo(pace=settings.pace),
            f"{reason}: playing the built-in demo programme; choose another with --input",
        )
    device = next((d for d in devices if d.default), devices[0])
    which = "the default input device" if device.default else "the first input device"
    source = DeviceSource(Choice(device.name, device), settings.device)
    return source, f"listening to {device.name!r}, {which}"
