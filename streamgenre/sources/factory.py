"""Creates the source that ``--input`` names.

Each kind of source is imported when the first of its kind is opened: what a station does not need
takes no memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamgenre.defaults import INPUT
from streamgenre.errors import InputError
from streamgenre.paths import expand
from streamgenre.sources.formats import audio_suffixes
from streamgenre.sources.playlist_formats import SUFFIXES
from streamgenre.urls import (
    SCHEMES,
    is_stream,
    looks_like_login,
    looks_like_url,
    redacted,
    with_bytes_escaped,
)

if TYPE_CHECKING:
    from streamgenre.sources.base import Source
    from streamgenre.sources.device.devices import Device
    from streamgenre.sources.settings import InputSettings


def input_problem(name: str) -> str:
    """Return why an input can never be opened, on any machine; an empty text if it may be."""
    if not name.strip():
        return "expected a device, a path, a URL, -, demo or default"
    if (looks_like_url(name) or looks_like_login(name)) and not is_stream(name):
        return (
            f"expected {'://, '.join(SCHEMES)}://; pipe in others: "
            "`ffmpeg -loglevel error -i URL -f s16le -ac 2 -ar 44100 - | "
            "streamgenre listen --input -`"
        )
    return ""


def open_input(settings: InputSettings, *, waits: bool = True) -> tuple[Source, str | None]:
    """Return the source that the settings name, and a line for the user if one was chosen.

    Parameters
    ----------
    settings
        The settings of the station's input.
    waits
        Whether to wait for a device that cannot be opened; otherwise the source fails.

    Raises
    ------
    InputError
        If the input does not exist or cannot be used.
    """
    name = settings.input
    if name is None:
        return _default(settings, waits=waits)
    if problem := input_problem(name):
        raise InputError(f"{redacted(name)}: {problem}")
    if name == "-":
        from streamgenre.sources.files.stdin import open_stdin

        return open_stdin(settings.raw), None
    if name == "demo":
        return _open_demo(settings), None
    if is_stream(name):
        from streamgenre.sources.stream.radio import RadioSource

        return RadioSource(with_bytes_escaped(name), settings=settings.stream), None
    if _looks_like_path(name):
        return _open_path(name, settings), None
    from streamgenre.sources.device.devices import find_device, is_id

    try:
        device = find_device(None if name == INPUT else name)
    except InputError as error:
        if name == INPUT or is_id(name):
            raise
        raise InputError(f"{name!r} is not a file, and: {error}") from error
    chosen_by = device.name if name == INPUT else name
    return _open_device(chosen_by, device, settings, waits=waits), None


def _open_demo(settings: InputSettings) -> Source:
    from streamgenre.sources.demo import open_demo

    return open_demo(pace=settings.pace)


def _open_device(chosen_by: str, device: Device, settings: InputSettings, *, waits: bool) -> Source:
    from streamgenre.sources.device.devices import DeviceSelection
    from streamgenre.sources.device.source import DeviceSource

    return DeviceSource(DeviceSelection(chosen_by, device), settings.device, waits=waits)


def _open_path(name: str, settings: InputSettings) -> Source:
    """Return the source of a file, named pipe, folder, playlist or station list."""
    from streamgenre.sources.files.listing import is_playlist, list_stations
    from streamgenre.sources.files.playlist import Order, open_file, open_playlist

    order = Order(loop=settings.loop, shuffle=settings.shuffle)
    path = expand(name)
    if path.is_fifo():
        from streamgenre.sources.files.stdin import open_fifo

        return open_fifo(path, settings.raw)
    if not is_playlist(path):
        return open_file(path, pace=settings.pace, order=order)
    if not path.is_dir():
        stations = list_stations(path)
        if stations:
            from streamgenre.sources.stream.radio import RadioSource

            return RadioSource(
                stations[0], path.name, settings=settings.stream, others=stations[1:]
            )
    return open_playlist(path, pace=settings.pace, order=order)


def is_device(name: str | None) -> bool:
    """Whether an input can only be a device; a missing device is waited for."""
    return not (
        name is None or name in ("-", "demo") or looks_like_url(name) or _looks_like_path(name)
    )


def is_replayable(name: str | None) -> bool:
    """Whether an input can be played again: a file, a playlist or the demo."""
    return name == "demo" or not (
        name is None
        or name == "-"
        or looks_like_url(name)
        or is_device(name)
        or _is_special(expand(name))
    )


def _is_special(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device file."""
    return path.is_fifo() or path.is_char_device() or path.is_socket() or path.is_block_device()


def input_name(name: str | None) -> str:
    """Return the default name of a station with this input, which need not be open."""
    if name in (None, INPUT):
        return "default input"
    if looks_like_url(name) or looks_like_login(name):
        return redacted(name)
    if name == "-":
        return "stdin"
    return name if is_device(name) else Path(name).name or name


def _looks_like_path(name: str) -> bool:
    path = expand(name)
    ending = path.suffix.lower()
    return not looks_like_url(name) and (
        "/" in name
        or path.exists()
        # Which suffixes are those of audio is asked last: to answer it FFmpeg is loaded.
        or (ending != "" and (ending in SUFFIXES or ending in audio_suffixes()))
    )


def _default(settings: InputSettings, *, waits: bool) -> tuple[Source, str]:
    """Return the default input device, or the demo if there is none."""
    from streamgenre.sources.device.devices import list_devices

    try:
        devices = list_devices()
        reason = "no input device"
    except InputError as error:
        devices, reason = [], str(error)
    if not devices:
        return (
            _open_demo(settings),
            f"{reason}: playing the built-in demo programme; choose another with --input. Its "
            "music is synthesised and like none of the genres: the likeliest is shown all the "
            "same, unless --known-threshold is given",
        )
    device = next((d for d in devices if d.default), devices[0])
    which = "the default input device" if device.default else "the first input device"
    source = _open_device(device.name, device, settings, waits=waits)
    return source, f"listening to {device.name!r}, {which}"
