"""A sound card as a source.

A thread starts a helper process (see ``helper.py``), takes its blocks into the ring and watches
the age of the last one: a stream may call itself active and be dead. Whatever goes wrong, the
helper is ended within a bound, and with growing pauses the very same device is looked for again,
by what it is and not by its number.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np

from streamgenre.audio.ring import GapReason, Ring, as_block
from streamgenre.errors import InputError
from streamgenre.limits import Range, check
from streamgenre.sources.backoff import Backoff
from streamgenre.sources.base import RING_SECONDS, Source
from streamgenre.sources.device.client import HelperClient, hung_helpers
from streamgenre.sources.device.continuity import Continuity
from streamgenre.sources.device.devices import describe_devices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgenre.sources.device.client import Block
    from streamgenre.sources.device.devices import Device, DeviceSelection

BLOCK_S: Final = 0.032
"""Length of a block in seconds: part of every update's latency, and 31 of them a second. It does
not divide a second, so that a hop seldom ends with a block: the resampler needs a few milliseconds
more than the hop, and would have to wait for the whole next block each time."""
MAX_CHANNELS: Final = 2
"""More are surround, or unused inputs of a mixer."""
_MAX_HANGING: Final = 4
"""So many helpers may hang in their drivers before no further one is started."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """How a device is watched and waited for."""

    stall_s: Annotated[float, Range(0, 3600, "seconds", above=True)] = 5.0
    """A stream that brings nothing for so many seconds is lost, whatever it calls itself."""
    backoff_first_s: Annotated[float, Range(0, 3600, "seconds", above=True)] = 0.5
    """First pause in seconds between attempts to open the device."""
    backoff_longest_s: Annotated[float, Range(0, 3600, "seconds", above=True)] = 30.0
    """Longest pause in seconds between attempts to open the device."""

    def __post_init__(self) -> None:
        check(self)


class DeviceSource(Source):
    """Captures one device at its own rate, for as long as the daemon lives.

    Parameters
    ----------
    choice
        Which device.
    settings
        How it is watched and waited for.
    waits
        Whether a device that cannot be opened at first is waited for; else that is a failure. One
        that was open is always waited for.
    """

    real_time = True
    live = True

    def __init__(
        self, choice: DeviceSelection, settings: DeviceSettings | None = None, *, waits: bool = True
    ) -> None:
        super().__init__(choice.name)
        self._choice = choice
        self._waits = waits
        self._settings = settings or DeviceSettings()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="device", daemon=True)
        self._ended_at: float | None = None  # when the last captured sample ended, monotonic

    def start(self) -> None:
        """See :meth:`Source.start`."""
        self._thread.start()

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _supervise(self) -> None:
        backoff = Backoff(self._settings.backoff_first_s, self._settings.backoff_longest_s)
        try:
            while not self._stop.is_set():
                backoff.begin()
                why = self._attempt()
                if self._stop.is_set():
                    break
                if not self._waits:
                    raise InputError(
                        f"{why}; is another program using it, or is its sound server away? "
                        "`streamgenre doctor` looks into it; --input names another (`demo` needs "
                        "none), and --wait-for-device waits until it can be opened"
                    )
                self.set_state("connecting" if self._ended_at is None else "lost", why)
                self._stop.wait(backoff.next_s())
        except Exception as error:  # noqa: BLE001 - handed to the engine, which raises it
            self.failure = error
        finally:
            self.set_state("ended", "stopped" if self.failure is None else str(self.failure))
            if self.ring is not None:
                self.ring.close()

    def _attempt(self) -> str:
        """Capture until the device is lost; return why it is."""
        if hung_helpers() >= _MAX_HANGING:
            return f"device {self.name!r}: its driver hangs; unplug it, or start the machine anew"
        try:
            with HelperClient(self._stop.is_set) as helper:
                devices = describe_devices(helper.devices())
                device = self._choice.among(devices)
                try:
                    rate = self._open(helper, device)
                    self._waits = True
                    self._choice.remember(device, devices)
                    return self._capture(helper, rate, device)
                except InputError as error:
                    return f"device {device.name!r}: {error}"
        except InputError as error:
            return str(error)

    def _open(self, helper: HelperClient, device: Device) -> int:
        """Open the device as the ring has it where it can be, and return its rate."""
        try:
            return helper.open(
                device.index,
                rates=list(dict.fromkeys([self.rate or device.rate, device.rate])),
                channels=min(device.channels, self.channels or MAX_CHANNELS),
                block_s=BLOCK_S,
            )
        except InputError as error:
            raise InputError(f"cannot be opened ({error})") from error

    def _capture(self, helper: HelperClient, rate: int, device: Device) -> str:
        continuity = Continuity(rate)
        resumed = self._ended_at is not None
        last = time.monotonic()
        fitter: _Fitter | None = None
        while not self._stop.is_set():
            block = helper.block()
            if block is None:
                if time.monotonic() - last > self._settings.stall_s:
                    return f"device {device.name!r} delivers no sound"
                continue
            last = time.monotonic()
            if self.ring is None:
                self.rate, self.channels = rate, block.samples.shape[1]
                self.ring = Ring(int(rate * RING_SECONDS), self.channels)
            if fitter is None:
                fitter = _Fitter(rate, self.rate, self.channels)
            missing = continuity.missing(
                len(block.samples),
                block.arrived,
                told=block.dropped,
                overflowed=block.overflowed,
            )
            if resumed:
                resumed = False
                self._mark_away(block, rate)
            elif missing:
                self.ring.mark_lost(round(missing * self.rate / rate), GapReason.OVERFLOW)
            self.ring.write(fitter.fit(block.samples), arrived=block.arrived)
            self._ended_at = block.arrived
            if self.state != "live":
                self.set_state("live", "" if device.name == self.name else device.name)
        return "stopped"

    def _mark_away(self, block: Block, rate: int) -> None:
        assert self.ring is not None
        assert self._ended_at is not None
        away = block.arrived - len(block.samples) / rate - self._ended_at
        self.ring.mark_lost(int(away * self.rate), GapReason.RECONNECT)


class _Fitter:
    """Makes blocks what the ring was made for: a device may come back with another format."""

    def __init__(self, rate: int, wanted: int, channels: int) -> None:
        self._channels = channels
        self._stream: Any = None
        if rate != wanted:
            import soxr

            self._stream = soxr.ResampleStream(rate, wanted, channels, dtype="float32")

    def fit(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return samples of shape ``(n, channels)`` in the wanted format."""
        if samples.shape[1] < self._channels:
            samples = np.repeat(samples[:, :1], self._channels, axis=1)
        return samples if self._stream is None else as_block(self._stream.resample_chunk(samples))
