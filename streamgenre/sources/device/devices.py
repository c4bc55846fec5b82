"""Lists the input devices, and finds the one that a name or id means."""

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
    """Number of input channels."""
    rate: int
    """The device's default rate in Hz."""
    default: bool
    """Whether it is the system's default input."""
    id: str | None = None
    """Lasting id for ``--input``, such as ``usb:1-1.2`` or ``alsa:Device``; None for a device that
    is not a sound card."""
    identity: Identity | None = None
    """The card as the system knows it; None for a device that is not a sound card."""
    index: int = -1
    """Index in the list of one helper process; not valid for another."""


def list_devices() -> list[Device]:
    """Return the current input devices, each name once.

    Raises
    ------
    InputError
        If the PortAudio library is missing, fails or hangs.
    """
    with HelperClient() as helper:
        return describe_devices(helper.devices())


def portaudio_version() -> str:
    """Return PortAudio's version; raises the same errors as :func:`list_devices`."""
    with HelperClient() as helper:
        helper.devices()
        return helper.library


def rates_of(name: str, rates: Iterable[int], *, channels: int) -> tuple[list[int], str]:
    """Return the rates at which a device can be opened, and why other rates are refused.

    Parameters
    ----------
    name
        Full name of the device.
    rates
        Rates in Hz to check; the device's default rate is checked too.
    channels
        Number of channels, limited to those of the device.

    Raises
    ------
    InputError
        If the sound system does not answer, or the device has disappeared.
    """
    with HelperClient() as helper:
        device = next((d for d in describe_devices(helper.devices()) if d.name == name), None)
        if device is None:
            raise InputError("it has disappeared")
        wanted = sorted({*rates, device.rate})
        return helper.rates(device.index, rates=wanted, channels=min(device.channels, channels))


def describe_devices(found: Iterable[dict[str, Any]]) -> list[Device]:
    """Return the devices of a helper's list, each name once, with their identities and ids."""
    by_name: dict[str, Device] = {}
    for values in found:
        device = Device(**values, identity=identity_of(values["name"], _ROOT))
        if device.name not in by_name or device.default:
            by_name[device.name] = device
    devices = list(by_name.values())
    cards = {(form, d.identity.card) for d in devices if d.identity for form in _ids(d.identity)}
    count = Counter(form for form, _ in cards)
    return [replace(d, id=_lasting_id(d.identity, count)) for d in devices]


def _ids(identity: Identity) -> list[str]:
    """Return the ids of a card that ``--input`` accepts, the most lasting first."""
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
    """Return the most lasting unique id; some makers give all devices the same serial number."""
    if identity is None:
        return None
    form = next((form for form in _ids(identity) if count[form] == 1), None)
    return f"{form},{identity.pcm}" if form and identity.pcm else form


def _has_id(identity: Identity | None, text: str) -> bool:
    """Whether an id means this input; a card's first input needs no number."""
    if identity is None:
        return False
    form, _, pcm = text.partition(",")
    return form in _ids(identity) and (pcm or "0") == str(identity.pcm)


def find_device(text: str | None, devices: list[Device] | None = None) -> Device:
    """Return the device with a name or an id, or the default device.

    A part of a name is enough if it is unique.

    Parameters
    ----------
    text
        Name, part of a name, or id; None for the default device.
    devices
        Devices to search; None for the current devices.

    Raises
    ------
    InputError
        If no device matches, or more than one.
    """
    if devices is None:
        devices = list_devices()
    if text is None:
        matches = [device for device in devices if device.default]
        if not matches:
            raise InputError("no default input device; `streamgenre devices` lists all devices")
    elif is_id(text):
        matches = [device for device in devices if _has_id(device.identity, text)]
    else:
        matches = _named(devices, text)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputError(f"{text!r} could be {_listed(matches)}; give the full name or the id")
    names = [name for d in devices for name in (d.name, d.id) if name]
    there = _listed(devices) or "none"
    if text is not None and is_id(text):
        ids = [d.id for d in devices if d.id]
        raise InputError(
            f"no input device has the id {text!r} now{nearest(text, ids)} (devices: {there}); "
            "`streamgenre devices --help` explains ids"
        )
    raise InputError(f"no input device {text!r}{nearest(text or '', names)} (devices: {there})")


def is_id(text: str) -> bool:
    """Whether a text is an id rather than a name."""
    return text.startswith((CARD, USB))


def _listed(devices: list[Device]) -> str:
    return ", ".join(f"{d.name!r} ({d.id})" if d.id else repr(d.name) for d in devices)


def _named(devices: list[Device], text: str) -> list[Device]:
    folded = text.casefold()
    return (
        [d for d in devices if d.name == text]
        or [d for d in devices if d.name.casefold() == folded]
        or [d for d in devices if folded in d.name.casefold()]
        # A card that was plugged in again may have another number, as in `(hw:2,0)`.
        or [d for d in devices if without_card_number(d.name) == without_card_number(text)]
    )


class DeviceSelection:
    """The device that a station listens to.

    A device selected by an id is the one that has this id now. A device selected by a name stays
    the same physical device once it was found: it is recognised by its serial number or, without
    one, by its model, and among several of one model by its USB port.

    Parameters
    ----------
    text
        Name or id by which it was selected.
    device
        The device.
    """

    def __init__(self, text: str, device: Device) -> None:
        self._text = text
        self._known = device
        self._had_twin = False

    @property
    def name(self) -> str:
        """Name of the device."""
        return self._known.name

    def remember(self, device: Device, devices: list[Device]) -> None:
        """Record the device that was opened, and whether others of its model were there.

        Parameters
        ----------
        device
            The opened device.
        devices
            All devices at that time.
        """
        self._known = device
        if sum(_same_model(device, other) for other in devices) > 1:
            self._had_twin = True

    def find(self, devices: list[Device]) -> Device:
        """Return the device in a current list.

        Raises
        ------
        InputError
            If it is missing, or cannot be distinguished from another.
        """
        known = self._known
        if is_id(self._text):
            return find_device(self._text, devices)
        matches = [d for d in devices if _same_model(known, d)]
        same_port = [d for d in matches if _port(d) == _port(known)]
        if len(same_port) == 1:
            return same_port[0]
        if len(matches) == 1 and not self._had_twin:
            return matches[0]
        if len(matches) > 1:
            raise InputError(f"more than one device matches {known.name!r}, none at its USB port")
        raise InputError(f"device {known.name!r} is missing")


def _port(device: Device) -> str | None:
    return device.identity.usb_port if device.identity else None


def _same_model(known: Device, other: Device) -> bool:
    """Whether two devices may be the same one, listed at two times."""
    a, b = known.identity, other.identity
    if known.host_api != other.host_api or (a is None) != (b is None):
        return False
    if a is None or b is None:
        return without_card_number(known.name) == without_card_number(other.name)
    if a.usb_id:
        return (a.usb_id, a.serial, a.pcm) == (b.usb_id, b.serial, b.pcm)
    return (a.card, a.pcm, b.usb_id) == (b.card, b.pcm, None)
