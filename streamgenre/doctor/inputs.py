"""Checks of inputs: whether they exist and can be opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from streamgenre.defaults import INPUT
from streamgenre.doctor.finding import command, note, ok, problem
from streamgenre.errors import InputError
from streamgenre.paths import expand
from streamgenre.sources.device.devices import find_device, list_devices, rates_of
from streamgenre.sources.factory import is_device
from streamgenre.sources.files.listing import is_playlist, list_files, no_files_message
from streamgenre.sources.stream.http import open_url
from streamgenre.sources.stream.settings import DEFAULTS
from streamgenre.urls import redacted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.doctor.finding import Finding, Subject
    from streamgenre.sources.device.devices import Device
    from streamgenre.sources.stream.settings import StreamSettings

RATES: Final = (16_000, 22_050, 44_100, 48_000, 96_000)
"""Rates to try, in Hz."""
_CHANNELS: Final = 2
_PATIENCE_S: Final = 8.0


def inputs(subject: Subject) -> Iterator[Finding]:
    """Check whether each input exists and can be opened."""
    checker = InputChecker()
    streams = subject.streams or (DEFAULTS,) * len(subject.inputs)
    for name, settings in dict.fromkeys(zip(subject.inputs, streams, strict=True)):
        if name is not None and "://" in name:
            yield _stream(name, settings)
            continue
        found = checker.check(name)
        if found.verdict == "ok" and (name is None or is_device(name)):
            found = _opened(checker.device(name))
        yield found


class InputChecker:
    """Checks whether inputs exist, without opening them; lists the devices at most once."""

    def __init__(self) -> None:
        self._devices: list[Device] | InputError | None = None

    def check(self, name: str | None) -> Finding:
        """Return whether an input exists.

        Parameters
        ----------
        name
            The input, not a stream; None for the default input device.
        """
        if name in ("-", "demo"):
            return ok("input", f"{name!r} is always there")
        if name is None or is_device(name):
            return self._check_device(name)
        path = expand(name)
        if not path.exists():
            return problem("input", f"{shown(name)!r}: no such file", "correct the path")
        if not os.access(path, os.R_OK):
            do = command("chmod", "+r", path)
            return problem("input", f"{shown(name)!r} is not readable by this user", do)
        if is_playlist(path):
            return _listed(name, path)
        return ok("input", f"{shown(name)!r} can be read")

    def _check_device(self, name: str | None) -> Finding:
        try:
            device = self.device(name)
        except InputError as error:
            if name is None:
                do = "name an input in the settings"
                return note("input", f"{error}; without an input the demo plays", do)
            which = "the default input device" if name == INPUT else repr(shown(name))
            do = "`streamgenre devices` lists all devices; the daemon waits for a missing one"
            return problem("input", f"{which}: {error}", do)
        return ok("input", f"{device.name!r} is there")

    def device(self, name: str | None) -> Device:
        """Return a device.

        Parameters
        ----------
        name
            Its name or id; None for the default input device.

        Raises
        ------
        InputError
            If there is no such device, or the sound system does not answer.
        """
        if self._devices is None:
            try:
                self._devices = list_devices()
            except InputError as error:
                self._devices = error
        if isinstance(self._devices, InputError):
            raise self._devices
        return find_device(None if name == INPUT else name, self._devices)


def _listed(name: str, path: Path) -> Finding:
    """Return whether a folder or playlist contains anything that can be played."""
    try:
        listing = list_files(path)
    except InputError as error:
        return problem("input", f"{shown(name)!r}: {error}", "correct the path, or its contents")
    if not listing.tracks and not listing.streams:
        return problem("input", no_files_message(path, listing), "add some, or correct the path")
    if listing.tracks and not any(track.file.exists() for track in listing.tracks):
        return problem("input", f"{shown(name)!r}: none of its files exists", "correct the list")
    return ok("input", f"{shown(name)!r} can be read; files: {len(listing.tracks)}")


def _opened(device: Device) -> Finding:
    """Return the rates at which a device can be opened."""
    try:
        rates, refusal = rates_of(device.name, RATES, channels=_CHANNELS)
    except InputError as error:
        rates, refusal = [], str(error)
    if rates:
        listed = ", ".join(map(str, rates))
        words = f"{device.name!r}: {device.rate} Hz, {device.channels} channels; opens at"
        return ok("input", f"{words} {listed} Hz")
    return note(
        "input",
        f"{device.name!r} exists but cannot be opened now ({refusal})",
        "is another program using it (`sudo fuser -v /dev/snd/*`; the daemon is one too), "
        "or is its sound server not running (`pactl info`)?",
    )


def _stream(url: str, settings: StreamSettings) -> Finding:
    if not url.lower().startswith(("http://", "https://")):
        return note("input", f"{redacted(url)}: only the daemon itself can try it")
    try:
        open_url(url, timeout_s=_PATIENCE_S, settings=settings).close()
    except InputError as error:
        do = "is the network up, and the address correct? The daemon keeps trying"
        return problem("input", str(error), do)
    return ok("input", f"{redacted(url)} answers")
