"""What a sound card is, beyond the number that it happens to have: its ALSA id and USB place."""

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
    """ALSA's id of the card, as in ``/proc/asound/cards``: stable for what is built in; of two
    equal USB devices, that which was plugged in first has the plain one."""
    pcm: int = 0
    """Number of the input on that card."""
    usb_id: str | None = None
    """Vendor and product of a USB device, as ``0d8c:0014``; None for others."""
    usb_port: str | None = None
    """Socket that a USB device is in, as ``1-1.2``: bus, port, and the ports of hubs."""
    serial: str | None = None
    """Serial number of a USB device; most cheap ones have none."""


def without_card_number(name: str) -> str:
    """Return PortAudio's name of a device without the number that its card has now."""
    return _NUMBER.sub("", name)


def identity_of(name: str, root: Path = Path("/")) -> Identity | None:
    """Return what is known of the device that PortAudio calls so.

    None for what is no card: ``pulse``, ``default``, ``pipewire`` lead to the card that the sound
    server has chosen.

    Parameters
    ----------
    name
        With its number, as ``USB Audio Device: - (hw:1,0)``.
    root
        Where ``/proc`` and ``/sys`` are.
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
