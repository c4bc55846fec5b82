"""Inputs: whether what a station names is there, and whether it can be opened."""

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
from streamgenre.urls import redacted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.doctor.finding import Finding, Subject
    from streamgenre.sources.device.devices import Device

RATES: Final = (16_000, 22_050, 44_100, 48_000, 96_000)
"""Rates that are asked for, in Hz."""
_CHANNELS: Final = 2
_PATIENCE_S: Final = 8.0


def inputs(subject: Subject) -> Iterator[Finding]:
    """Whether each input is there and can be opened."""
    checker = InputChecker()
    for name in dict.fromkeys(subject.inputs):
        if name is not None and "://" in name:
            yield _stream(name)
            continue
        found = checker.check(name)
        if found.verdict == "ok" and (name is None or is_device(name)):
            found = _opened(checker.device(name))
        yield found


class InputChecker:
    """Looks whether inputs are there, without opening one; lists the devices once at the most."""

    def __init__(self) -> None:
        self._devices: list[Device] | InputError | None = None

    def check(self, name: str | None) -> Finding:
        """Return whether an input that is no stream is there; None is the default device."""
        if name in ("-", "demo"):
            return ok("input", f"{name!r} needs nothing")
        if name is None or is_device(name):
            return self._check_device(name)
        path = expand(name)
        if not path.exists():
            return problem("input", f"{shown(name)!r}: no such file", "correct its path")
        if not os.access(path, os.R_OK):
            do = command("chmod", "+r", path)
            return problem("input", f"{shown(name)!r} may not be read", do)
        if is_playlist(path):
            return _listed(name, path)
        return ok("input", f"{shown(name)!r} can be read")

    def _check_device(self, name: str | None) -> Finding:
        try:
            device = self.device(name)
        except InputError as error:
            if name is None:
                do = "name an input in the settings"
                return note("input", f"{error}: the demo would play", do)
            which = "the default input device" if name == INPUT else repr(shown(name))
            do = "`streamgenre devices` lists what there is; the daemon waits for one that is away"
            return problem("input", f"{which}: {error}", do)
        return ok("input", f"{device.name!r} is there")

    def device(self, name: str | None) -> Device:
        """Return the device that a name means, None for the default one.

        Raises
        ------
        InputError
            If it is not there, or the sound system does not answer.
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
    """Return whether a folder or a list leads to anything that can be played."""
    try:
        listing = list_files(path)
    except InputError as error:
        return problem("input", f"{shown(name)!r}: {error}", "correct its path, or what it holds")
    if not listing.files and not listing.streams:
        return problem(
            "input", no_files_message(path, listing), "put some there, or correct its path"
        )
    if listing.files and not any(file.exists() for file in listing.files):
        return problem("input", f"{shown(name)!r}: none of its files is there", "correct the list")
    return ok("input", f"{shown(name)!r} can be read; files: {len(listing.files)}")


def _opened(device: Device) -> Finding:
    """Return at which rates a device opens."""
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
        f"{device.name!r} is there but cannot be opened now ({refusal})",
        "is another program using it (`sudo fuser -v /dev/snd/*`; the daemon itself counts), "
        "or is its sound server away (`pactl info`)?",
    )


def _stream(url: str) -> Finding:
    if not url.lower().startswith(("http://", "https://")):
        return note("input", f"{redacted(url)}: is only tried by the daemon itself")
    try:
        open_url(url, timeout_s=_PATIENCE_S).close()
    except InputError as error:
        do = "is the network up, and the address right? The daemon goes on trying"
        return problem("input", str(error), do)
    return ok("input", f"{redacted(url)} answers")
