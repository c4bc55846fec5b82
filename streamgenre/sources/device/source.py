"""A sound card as a source.

A thread starts a helper process (see ``helper.py``), writes its blocks to the ring and watches the
age of the newest block, since a stalled stream may still report that it is active. After any error
the helper is ended within a fixed time, and the same device is searched for again with growing
pauses, by its identity rather than its number.
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
"""Length of a block in seconds; it adds to the latency of every update. It does not divide a
second, so that a hop seldom ends with a block: the resampler needs a few milliseconds beyond the
hop, and would otherwise wait for the whole next block each time."""
MAX_CHANNELS: Final = 2
"""Channels that are captured: further ones are surround, or unused inputs of a mixer."""
_MAX_HUNG: Final = 4
"""Number of hung helpers at which no further one is started."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """Time limits of a device."""

    stall_s: Annotated[float, Range(0, 3600, "seconds", above=True)] = 5.0
    """Seconds without a block after which the stream counts as lost."""
    backoff_first_s: Annotated[float, Range(0, 3600, "seconds", above=True)] = 0.5
    """First pause in seconds between attempts to open the device."""
    backoff_longest_s: Annotated[float, Range(0, 3600, "seconds", above=True)] = 30.0
    """Longest pause in seconds between attempts to open the device."""

    def __post_init__(self) -> None:
        check(self)


class DeviceSource(Source):
    """Captures one device at its own rate until it is stopped.

    Parameters
    ----------
    selection
        The device.
    settings
        Time limits; None for the defaults.
    waits
        Whether to wait if the device cannot be opened at first; otherwise that is an error. A
        device that was open before is always waited for.
    """

    real_time = True
    live = True

    def __init__(
        self,
        selection: DeviceSelection,
        settings: DeviceSettings | None = None,
        *,
        waits: bool = True,
    ) -> None:
        super().__init__(selection.name)
        self._selection = selection
        self._waits = waits
        self._settings = settings or DeviceSettings()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="device", daemon=True)
        self._ended_at: float | None = None  # end of the last captured sample, monotonic seconds

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
                        f"{why}; another program may be using it, or its sound server may not be "
                        "running. `streamgenre doctor` checks this. Choose another device with "
                        "--input (`demo` needs none), or wait for it with --wait-for-device"
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
        """Capture until the device is lost; return the reason."""
        if hung_helpers() >= _MAX_HUNG:
            return f"device {self.name!r}: its driver hangs; unplug it, or restart the machine"
        try:
            with HelperClient(self._stop.is_set) as helper:
                devices = describe_devices(helper.devices())
                device = self._selection.find(devices)
                try:
                    rate = self._open(helper, device)
                    self._waits = True
                    self._selection.remember(device, devices)
                    return self._capture(helper, rate, device)
                except InputError as error:
                    return f"device {device.name!r}: {error}"
        except InputError as error:
            return str(error)

    def _open(self, helper: HelperClient, device: Device) -> int:
        """Open the device in the format of the ring if possible, and return its rate."""
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
        converter: _FormatConverter | None = None
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
            if converter is None:
                converter = _FormatConverter(rate, self.rate, self.channels)
            missing = continuity.missing(
                len(block.samples),
                block.arrived,
                dropped=block.dropped,
                overflowed=block.overflowed,
            )
            if resumed:
                resumed = False
                self._mark_away(block, rate)
            elif missing:
                self.ring.mark_lost(round(missing * self.rate / rate), GapReason.OVERFLOW)
            self.ring.write(converter.convert(block.samples), arrived=block.arrived)
            self._ended_at = block.arrived
            if self.state != "live":
                self.set_state("live", "" if device.name == self.name else device.name)
        return "stopped"

    def _mark_away(self, block: Block, rate: int) -> None:
        assert self.ring is not None
        assert self._ended_at is not None
        away = block.arrived - len(block.samples) / rate - self._ended_at
        self.ring.mark_lost(int(away * self.rate), GapReason.RECONNECT)


class _FormatConverter:
    """Converts blocks to the format of the ring: a device may return with another format."""

    def __init__(self, rate: int, wanted: int, channels: int) -> None:
        self._channels = channels
        self._stream: Any = None
        if rate != wanted:
            import soxr

            self._stream = soxr.ResampleStream(rate, wanted, channels, dtype="float32")

    def convert(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return samples in the wanted format, shape ``(n, channels)``."""
        if samples.shape[1] < self._channels:
            samples = np.repeat(samples[:, :1], self._channels, axis=1)
        return samples if self._stream is None else as_block(self._stream.resample_chunk(samples))
