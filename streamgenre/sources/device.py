"""Sound cards, through PortAudio (sounddevice).

PortAudio's callback only copies into the ring. A supervisor thread opens the stream, watches the
age of the last callback (a stream may call itself active and be dead), closes it within a bound,
and opens the very same device again, by its name, with growing pauses.
"""

from __future__ import annotations

import atexit
import math
import re
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import InputError, nearest
from streamgenre.ring import LossReason, Ring
from streamgenre.sources.backoff import Backoff
from streamgenre.sources.base import RING_SECONDS, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STALL_S: Final = 5.0
"""A stream without a callback for so many seconds is lost."""
BLOCK_S: Final = 0.032
"""Length of a block in seconds: part of every update's latency, and 31 callbacks a second. It does
not divide a second, so that a hop seldom ends with a block: the resampler needs a few milliseconds
more than the hop, and would have to wait for the whole next block each time."""
BACKOFF_S: Final = (0.5, 30.0)
"""First and longest pause in seconds between attempts to open the device."""
CLOSE_S: Final = 1.5
"""A stream that is not closed after so many seconds is left behind."""


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


def portaudio() -> Any:
    """Return the module sounddevice.

    Raises
    ------
    InputError
        If the PortAudio library is missing.
    """
    try:
        import sounddevice
    except OSError as error:
        raise InputError(
            "sound cards need the PortAudio library, which is not installed: "
            "`sudo apt install libportaudio2` (files and pipes work without it)"
        ) from error
    return sounddevice


def list_devices() -> list[Device]:
    """Return the input devices that PortAudio knows now, each name once."""
    sounddevice = portaudio()
    apis = sounddevice.query_hostapis()
    default = _default_index(sounddevice)
    found: dict[str, Device] = {}
    for index, info in enumerate(sounddevice.query_devices()):
        if info["max_input_channels"] < 1:
            continue
        device = Device(
            name=info["name"],
            host_api=apis[info["hostapi"]]["name"],
            channels=int(info["max_input_channels"]),
            rate=round(info["default_samplerate"]),
            default=index == default,
        )
        if device.name not in found or device.default:
            found[device.name] = device
    return list(found.values())


def _default_index(sounddevice: Any) -> int:
    return int(sounddevice.default.device[0])


def find_device(name: str | None) -> Device:
    """Return the input device that is meant by a name, or the default one.

    A part of a name is enough where only one device has it.

    Raises
    ------
    InputError
        If there is no such device, or more than one.
    """
    devices = list_devices()
    if name is None:
        for device in devices:
            if device.default:
                return device
        raise InputError("no default input device; `streamgenre devices` lists what there is")
    folded = name.casefold()
    exact = [d for d in devices if d.name == name] or [
        d for d in devices if d.name.casefold() == folded
    ]
    matches = exact or [d for d in devices if folded in d.name.casefold()]
    if len(matches) == 1:
        return matches[0]
    names = [d.name for d in devices]
    if matches:
        several = ", ".join(repr(d.name) for d in matches)
        raise InputError(f"--input {name!r} could be {several}; give the whole name")
    there = ", ".join(repr(n) for n in names) or "none at all"
    raise InputError(f"no input device {name!r}{nearest(name, names)} (there are: {there})")


class DeviceSource(Source):
    """Captures one device at its own rate, for as long as the daemon lives."""

    real_time = True
    live = True

    def __init__(self, device: Device) -> None:
        super().__init__(device.name)
        self.rate = device.rate
        self.channels = min(device.channels, 2)  # more are surround or unused inputs of a mixer
        self.ring = Ring(int(self.rate * RING_SECONDS), self.channels)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="capture", daemon=True)
        self._callback_error: Exception | None = None
        self._last_callback = math.nan  # monotonic seconds
        self._ended_at = math.nan  # when the last captured sample ended, monotonic seconds
        self._resuming = False
        self._closing: list[threading.Thread] = []  # may hang with an unplugged device
        self._stream = 0  # number of the stream that may write into the ring
        self._adc_end = 0.0  # PortAudio's time at the end of the last block

    def start(self) -> None:
        """See :meth:`Source.start`."""
        self._thread.start()

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    # ---- PortAudio's thread: copy and count, nothing else ---------------------------------------

    def _callback(
        self, stream: int, block: NDArray[np.float32], frames: int, times: Any, flags: Any
    ) -> None:
        if stream != self._stream:
            return
        try:
            now = time.monotonic()
            ring = self.ring
            assert ring is not None
            if self._resuming:
                self._resuming = False
                away = now - frames / self.rate - self._ended_at
                if away > 0:
                    ring.mark_lost(int(away * self.rate), LossReason.RECONNECT)
            elif flags.input_overflow:
                # PortAudio does not say how much is missing; its clock does, where it has one.
                missing = (times.inputBufferAdcTime - self._adc_end) * self.rate
                ring.mark_lost(max(1, int(missing)), LossReason.OVERFLOW)
            self._adc_end = times.inputBufferAdcTime + frames / self.rate
            ring.write(block)
            self._last_callback = self._ended_at = now
        except Exception as error:
            self._callback_error = error
            raise

    # ---- supervisor -----------------------------------------------------------------------------

    def _supervise(self) -> None:
        backoff = Backoff(*BACKOFF_S)
        try:
            while not self._stop.is_set():
                backoff.begin()
                lost = self._capture()
                if self._stop.is_set():
                    break
                self._resuming = not math.isnan(self._ended_at)
                self.tell("lost" if self._resuming else "connecting", lost)
                self._stop.wait(backoff.next_s())
                if not self._hanging():
                    _refresh_devices()
        except Exception as error:  # noqa: BLE001 - handed to the engine, which raises it
            self.failure = error
        finally:
            assert self.ring is not None
            if self._hanging():
                _forget_portaudio()
            self.tell("ended", "stopped" if self.failure is None else str(self.failure))
            self.ring.close()

    def _hanging(self) -> bool:
        """Whether a stream is still being closed."""
        self._closing = [thread for thread in self._closing if thread.is_alive()]
        return bool(self._closing)

    def _capture(self) -> str:
        """Capture until the device is lost; return why it is."""
        sounddevice = portaudio()
        index = _index_of(sounddevice, self.name)
        if index is None:
            return f"device {self.name!r} is not there"
        try:
            stream = sounddevice.InputStream(
                device=index,
                samplerate=self.rate,
                channels=self.channels,
                dtype="float32",
                blocksize=round(self.rate * BLOCK_S),
                latency="high",
                callback=partial(self._callback, self._stream),
            )
        except sounddevice.PortAudioError as error:
            return f"device {self.name!r} cannot be opened: {_words(error)}"
        try:
            self._last_callback = time.monotonic()
            stream.start()
            return self._watch(stream)
        except sounddevice.PortAudioError as error:
            return f"device {self.name!r}: {_words(error)}"
        finally:
            self._stream += 1  # should it hang and come back to life, nobody listens to it
            closing = threading.Thread(target=_close, args=(stream,), daemon=True)
            self._closing.append(closing)
            closing.start()
            closing.join(CLOSE_S)

    def _watch(self, stream: Any) -> str:
        began = self._last_callback
        while not self._stop.wait(0.1):
            if self._callback_error is not None:
                raise self._callback_error
            if self._last_callback > began:
                self.tell("live")
            if not stream.active:
                return f"device {self.name!r} stopped"
            if time.monotonic() - self._last_callback > STALL_S:
                return f"device {self.name!r} delivers no sound"
        return "stopped"


def _index_of(sounddevice: Any, name: str) -> int | None:
    """Return the present index of a device; None where it is not there, or not only once."""
    default = _default_index(sounddevice)
    inputs = [
        (index, info["name"])
        for index, info in enumerate(sounddevice.query_devices())
        if info["max_input_channels"] > 0
    ]
    exact = [index for index, found in inputs if found == name]
    if exact:
        return default if default in exact else exact[0]
    # A card that was plugged in again may have got another number, as in `(hw:2,0)`.
    alike = [index for index, found in inputs if _unnumbered(found) == _unnumbered(name)]
    return alike[0] if len(alike) == 1 else None


def _unnumbered(name: str) -> str:
    return re.sub(r" \(hw:\d+,\d+\)", "", name)


def _refresh_devices() -> None:
    """Let PortAudio look for devices anew: its list is frozen when it starts.

    Only while no stream is open: this would end it, or wait for ever for one that hangs.
    """
    sounddevice = portaudio()
    sounddevice._terminate()
    sounddevice._initialize()


def _forget_portaudio() -> None:
    """Keep sounddevice from ending PortAudio at exit: with a stream that hangs it never returns."""
    handler = getattr(portaudio(), "_exit_handler", None)
    if handler is not None:
        atexit.unregister(handler)


def _close(stream: Any) -> None:
    stream.abort(ignore_errors=True)
    stream.close(ignore_errors=True)


def _words(error: Exception) -> str:
    return str(error.args[0]) if error.args else str(error)
