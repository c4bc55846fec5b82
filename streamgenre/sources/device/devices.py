"""Which sound cards there are, and which of them is meant."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError, nearest
from streamgenre.sources.device.client import HelperClient
from streamgenre.sources.device.identity import Identity, identity_of, without_card_number

if TYPE_CHECKING:
    from collections.abc import Iterable

CARD: Final = "alsa:"
USB: Final = "usb:"
_ROOT: Final = Path("/")


@dataclass(frozen=True, slots=True)
class Device:
    """An input device."""

    name: str
    """The name that ``--input`` takes."""
    host_api: str
    """ALSA, Core Audio, …"""
    channels: int
    """Most input channels."""
    rate: int
    """The device's own rate in Hz."""
    default: bool
    """Whether it is the system's default input."""
    id: str | None = None
    """What it is called by for good, as ``--input`` takes it: ``usb:1-1.2``, ``alsa:Device``. None
    for what is no card."""
    identity: Identity | None = None
    """What the system knows of the card."""
    index: int = -1
    """Where it is in PortAudio's list now; means nothing a moment later."""


def list_devices() -> list[Device]:
    """Return the input devices as they are now, each name once.

    Raises
    ------
    InputError
        If the PortAudio library is missing, fails or hangs.
    """
    with HelperClient() as helper:
        return describe_devices(helper.devices())


def portaudio_version() -> str:
    """Return what PortAudio calls itself; errors as :func:`list_devices`."""
    with HelperClient() as helper:
        helper.devices()
        return helper.library


def rates_of(name: str, rates: Iterable[int], *, channels: int) -> tuple[list[int], str]:
    """Return at which rates in Hz a device opens now, and why not at the others.

    Its own rate is tried beside those asked for.

    Raises
    ------
    InputError
        If the sound system does not answer, or the device is gone.
    """
    with HelperClient() as helper:
        device = next((d for d in describe_devices(helper.devices()) if d.name == name), None)
        if device is None:
            raise InputError("it is gone")
        wanted = sorted({*rates, device.rate})
        return helper.rates(device.index, rates=wanted, channels=min(device.channels, channels))


def describe_devices(found: Iterable[dict[str, Any]]) -> list[Device]:
    """Return the devices that a helper tells of, each name once, with what the system knows."""
    by_name: dict[str, Device] = {}
    for values in found:
        device = Device(**values, identity=identity_of(values["name"], _ROOT))
        if device.name not in by_name or device.default:
            by_name[device.name] = device
    devices = list(by_name.values())
    cards = {(form, d.identity.card) for d in devices if d.identity for form in _forms(d.identity)}
    count = Counter(form for form, _ in cards)
    return [replace(d, id=_lasting_id(d.identity, count)) for d in devices]


def _forms(identity: Identity) -> list[str]:
    """Return what ``--input`` may call a card, the most lasting first."""
    forms = []
    if identity.usb_id and identity.serial:
        forms.append(f"{USB}{identity.usb_id}:{identity.serial}")
    if identity.usb_port:
        forms.append(f"{USB}{identity.usb_port}")
    forms.append(f"{CARD}{identity.card}")
    if identity.usb_id:
        forms.append(f"{USB}{identity.usb_id}")
    return forms


def _lasting_id(identity: Identity | None, count: Counter[str]) -> str | None:
    """Return the most lasting form that only one card has; some makers give all one serial."""
    if identity is None:
        return None
    form = next((form for form in _forms(identity) if count[form] == 1), None)
    return f"{form},{identity.pcm}" if form and identity.pcm else form


def _is_called(identity: Identity | None, text: str) -> bool:
    """Whether an id means this input; the first of a card may do without its number."""
    if identity is None:
        return False
    form, _, pcm = text.partition(",")
    return form in _forms(identity) and (pcm or "0") == str(identity.pcm)


def find_device(text: str | None, devices: list[Device] | None = None) -> Device:
    """Return the device that is meant by a name or an id, or the default one.

    A part of a name is enough where only one device has it.

    Parameters
    ----------
    text
        Name, part of one, or id; None for the default device.
    devices
        Where to look; None for those that are there now.

    Raises
    ------
    InputError
        If there is no such device, or more than one.
    """
    if devices is None:
        devices = list_devices()
    if text is None:
        matches = [device for device in devices if device.default]
        if not matches:
            raise InputError("no default input device; `streamgenre devices` lists what there is")
    elif is_id(text):
        matches = [device for device in devices if _is_called(device.identity, text)]
    else:
        matches = _named(devices, text)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputError(f"{text!r} could be {_listed(matches)}; give the whole name or the id")
    names = [name for d in devices for name in (d.name, d.id) if name]
    there = _listed(devices) or "none at all"
    if text is not None and is_id(text):
        ids = [d.id for d in devices if d.id]
        raise InputError(
            f"no input device has the id {text!r} now{nearest(text, ids)} (there are: {there}); "
            "`streamgenre devices --help` tells the forms of an id"
        )
    raise InputError(f"no input device {text!r}{nearest(text or '', names)} (there are: {there})")


def is_id(text: str) -> bool:
    """Whether a device is named by an id that outlasts its number, and not by its name."""
    return text.startswith((CARD, USB))


def _listed(devices: list[Device]) -> str:
    return ", ".join(f"{d.name!r} ({d.id})" if d.id else repr(d.name) for d in devices)


def _named(devices: list[Device], text: str) -> list[Device]:
    folded = text.casefold()
    return (
        [d for d in devices if d.name == text]
        or [d for d in devices if d.name.casefold() == folded]
        or [d for d in devices if folded in d.name.casefold()]
        # A card that was plugged in again may have got another number, as in `(hw:2,0)`.
        or [d for d in devices if without_card_number(d.name) == without_card_number(text)]
    )


class DeviceSelection:
    """The one device that a station listens to.

    What was chosen by an id is whatever has that id. What was chosen by a name is, once it was
    there, that very device: with its serial number or, where it has none, its kind; of two of a
    kind that in its socket.

    Parameters
    ----------
    text
        Name or id that it was chosen by.
    device
        The device.
    """

    def __init__(self, text: str, device: Device) -> None:
        self._text = text
        self._known = device
        self._had_twin = False

    @property
    def name(self) -> str:
        """What the device is called."""
        return self._known.name

    def remember(self, device: Device, devices: list[Device]) -> None:
        """Note that this was the one, among those that were there."""
        self._known = device
        if sum(_alike(device, other) for other in devices) > 1:
            self._had_twin = True

    def among(self, devices: list[Device]) -> Device:
        """Return the device, as it is now.

        Raises
        ------
        InputError
            If it is not there, or cannot be told from another.
        """
        known = self._known
        if is_id(self._text):
            return find_device(self._text, devices)
        matches = [d for d in devices if _alike(known, d)]
        in_place = [d for d in matches if _port(d) == _port(known)]
        if len(in_place) == 1:
            return in_place[0]
        if len(matches) == 1 and not self._had_twin:
            return matches[0]
        if len(matches) > 1:
            raise InputError(f"more than one device is like {known.name!r}, none in its place")
        raise InputError(f"device {known.name!r} is not there")


def _port(device: Device) -> str | None:
    return device.identity.usb_port if device.identity else None


def _alike(known: Device, other: Device) -> bool:
    """Whether these may be the same device, seen at two times."""
    a, b = known.identity, other.identity
    if known.host_api != other.host_api or (a is None) != (b is None):
        return False
    if a is None or b is None:
        return without_card_number(known.name) == without_card_number(other.name)
    if a.usb_id:
        return (a.usb_id, a.serial, a.pcm) == (b.usb_id, b.serial, b.pcm)
    return (a.card, a.pcm, b.usb_id) == (b.card, b.pcm, None)
