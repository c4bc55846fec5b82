"""Sound cards: the library, the permissions, and the inputs that are asked for."""

from __future__ import annotations

import getpass
import grp
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.doctor.finding import command, note, ok, problem
from streamgenre.errors import InputError
from streamgenre.sources.addresses import redacted
from streamgenre.sources.addresses import shown as shown_input
from streamgenre.sources.capture import in_words
from streamgenre.sources.choose import DEFAULT_DEVICE, is_device
from streamgenre.sources.devices import find_device
from streamgenre.sources.http import open_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.doctor.finding import Finding, Subject
    from streamgenre.sources.devices import Device

RATES: Final = (16_000, 22_050, 44_100, 48_000, 96_000)
"""Rates that are asked for, in Hz."""
_SND: Final = Path("/dev/snd")
_PATIENCE_S: Final = 8.0
_ALSA: Final = "/dev/snd is made by the kernel: is the card plugged in? (`arecord -l`)"


def portaudio(subject: Subject) -> Iterator[Finding]:
    """Whether the PortAudio library is there."""
    try:
        import sounddevice
    except (OSError, ImportError):
        do = "`sudo apt install libportaudio2`"
        if _needs_card(subject):
            yield problem("PortAudio", "not installed: no sound card can be heard", do)
        else:
            yield note("PortAudio", "not installed; files, radio and pipes work without it", do)
        return
    yield ok("PortAudio", str(sounddevice.get_portaudio_version()[1]))


def sound_cards(subject: Subject) -> Iterator[Finding]:
    """Whether this user may open the sound cards."""
    wanted = _needs_card(subject)
    captures = sorted(_SND.glob("pcm*c")) if _SND.is_dir() else []
    if not captures:
        words = f"no sound card that can capture in {_SND}"
        yield note("sound cards", words, _ALSA if wanted else "")
        return
    closed = [path for path in captures if not os.access(path, os.R_OK | os.W_OK)]
    user = getpass.getuser()
    if closed:
        group = _group_of(closed[0])
        yield problem(
            "sound cards",
            f"{user} may not open {', '.join(map(str, closed))} (they belong to group {group})",
            f"`sudo usermod -aG {group} {user}`, then log in again",
        )
    else:
        names = ", ".join(path.name for path in captures)
        yield ok("sound cards", f"{user} may open {names}")


def _needs_card(subject: Subject) -> bool:
    return any(map(is_device, subject.inputs))


def _group_of(path: Path) -> str:
    try:
        return path.group()
    except KeyError:
        return grp.getgrgid(0).gr_name


def inputs(subject: Subject) -> Iterator[Finding]:
    """Whether each input is there and can be opened."""
    for name in dict.fromkeys(subject.inputs):
        default = name in (None, DEFAULT_DEVICE)
        shown = "the default input device" if default else repr(shown_input(name or ""))
        if name in ("-", "demo"):
            yield ok("input", f"{shown} needs nothing")
        elif name is None or is_device(name):
            yield from _device(name, shown)
        elif "://" in name:
            yield from _stream(name)
        elif not Path(name).expanduser().exists():
            yield problem("input", f"{shown}: no such file", "correct its path")
        elif not os.access(path := Path(name).expanduser(), os.R_OK):
            yield problem("input", f"{shown} may not be read", command("chmod", "+r", path))
        else:
            yield ok("input", f"{shown} can be read")


def _device(name: str | None, shown: str) -> Iterator[Finding]:
    do = "`streamgenre devices` lists what there is; the daemon waits for one that is away"
    try:
        device = find_device(None if name == DEFAULT_DEVICE else name)
    except InputError as error:
        if name is None:
            yield note("input", f"{error}: the demo would play", "name an input in the settings")
        else:
            yield problem("input", f"{shown}: {error}", do)
        return
    rates, refusal = _rates(device)
    if rates:
        listed = ", ".join(str(rate) for rate in rates)
        yield ok("input", f"{device.name!r}: {device.rate} Hz, {device.channels} channels; "
                 f"opens at {listed} Hz")  # fmt: skip
    else:
        yield note(
            "input",
            f"{device.name!r} is there but cannot be opened now ({refusal})",
            "is another program using it (`sudo fuser -v /dev/snd/*`; the daemon itself counts), "
            "or is its sound server away (`pactl info`)?",
        )


def _rates(device: Device) -> tuple[list[int], str]:
    """Return the rates at which a device opens, and why it does not at its own."""
    import sounddevice

    index = next(
        index
        for index, info in enumerate(sounddevice.query_devices())
        if info["name"] == device.name and info["max_input_channels"] > 0
    )
    taken, refusal = [], ""
    for rate in sorted({*RATES, device.rate}):
        try:
            channels = min(device.channels, 2)
            sounddevice.check_input_settings(index, channels, "float32", None, rate)
        except (sounddevice.PortAudioError, ValueError) as error:
            refusal = in_words(error)
        else:
            taken.append(rate)
    return taken, refusal


def _stream(url: str) -> Iterator[Finding]:
    if not url.lower().startswith(("http://", "https://")):
        yield note("input", f"{redacted(url)}: is only tried by the daemon itself")
        return
    try:
        open_url(url, timeout_s=_PATIENCE_S).close()
    except InputError as error:
        do = "is the network up, and the address right? The daemon goes on trying"
        yield problem("input", str(error), do)
    else:
        yield ok("input", f"{redacted(url)} answers")
