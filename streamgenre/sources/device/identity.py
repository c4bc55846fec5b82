"""Identifies a sound card by its ALSA id, USB id, port and serial number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NUMBER: Final = re.compile(r" ?\(hw:(\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class Identity:
    """A sound card as the system knows it."""

    card: str
    """ALSA's id of the card, as in ``/proc/asound/cards``. It is stable for built-in cards; of two
    equal USB devices, the one plugged in first has the id without a suffix."""
    pcm: int = 0
    """Number of the input on the card."""
    usb_id: str | None = None
    """Vendor and product of a USB device, for example ``0d8c:0014``; None for other devices."""
    usb_port: str | None = None
    """Port of a USB device, for example ``1-1.2``: bus, port, and the ports of hubs."""
    serial: str | None = None
    """Serial number of a USB device; most cheap devices have none."""


def without_card_number(name: str) -> str:
    """Return PortAudio's name of a device without the current number of its card."""
    return _NUMBER.sub("", name)


def identity_of(name: str, root: Path = Path("/")) -> Identity | None:
    """Return the identity of a device by PortAudio's name.

    None for a device that is not a sound card: for ``pulse``, ``default`` and ``pipewire``, the
    sound server chooses the device.

    Parameters
    ----------
    name
        The name with its number, for example ``USB Audio Device: - (hw:1,0)``.
    root
        Folder that contains ``/proc`` and ``/sys``.
    """
    found = _NUMBER.search(name)
    if found is None:
        return None
    number, pcm = found.groups()
    card = _read(root / "proc" / "asound" / f"card{number}" / "id")
    if card is None:
        return None
    place = (root / "sys" / "class" / "sound" / f"card{number}" / "device").resolve()
    for folder in (place, *place.parents):
        vendor, product = _read(folder / "idVendor"), _read(folder / "idProduct")
        if vendor and product:
            serial = _read(folder / "serial")
            return Identity(card, int(pcm), f"{vendor}:{product}", folder.name, serial)
    return Identity(card, int(pcm))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
