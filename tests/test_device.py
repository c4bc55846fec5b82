"""The sound-card source against a PortAudio that misbehaves on purpose.

The real thing is tested in ``tests/real``; here are the faults that a virtual sound card cannot
have.
"""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streamgenre.config import StationSettings
from streamgenre.errors import InputError
from streamgenre.ring import LossReason, Lost
from streamgenre.sources import choose, device
from streamgenre.sources.base import Notice
from streamgenre.sources.device import Device, DeviceSource, find_device

if TYPE_CHECKING:
    from collections.abc import Callable

MIC = {"name": "USB Audio: Line In (hw:1,0)", "hostapi": 0, "max_input_channels": 2}
HDMI = {"name": "HDMI", "hostapi": 0, "max_input_channels": 0}
CAM = {"name": "USB Camera", "hostapi": 0, "max_input_channels": 1}


class PortAudioError(Exception):
    pass


class FakeStream:
    """Delivers blocks from a thread until it is told to freeze, stop or hang."""

    def __init__(
        self, world: FakePortAudio, callback: Callable[..., None], **settings: Any
    ) -> None:
        if world.open_error:
            raise PortAudioError(world.open_error)
        self.world, self.callback, self.settings = world, callback, settings
        self.active = False
        world.opened.append(self)

    def start(self) -> None:
        self.active = True
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        frames, channels = self.settings["blocksize"], self.settings["channels"]
        block = np.full((frames, channels), 0.1, np.float32)
        clock = 100.0
        while self.active:
            if not self.world.frozen:
                overflow, self.world.overflow = self.world.overflow, 0
                clock += overflow / self.settings["samplerate"]
                times = SimpleNamespace(inputBufferAdcTime=clock)
                try:
                    flags = SimpleNamespace(input_overflow=bool(overflow))
                    self.callback(block, frames, times, flags)
                except TypeError:
                    self.active = False  # as PortAudio: the stream ends without a word
                    return
                clock += frames / self.settings["samplerate"]
            time.sleep(0.005)

    def abort(self, ignore_errors: bool = True) -> None:
        self.active = False

    def close(self, ignore_errors: bool = True) -> None:
        if self.world.close_hangs:
            time.sleep(30)


class FakePortAudio:
    PortAudioError = PortAudioError

    def __init__(self, *devices: dict[str, Any]) -> None:
        self.devices = [{"default_samplerate": 48_000.0, **d} for d in devices]
        self.default = SimpleNamespace(device=(0, 0))
        self.opened: list[FakeStream] = []
        self.refreshed = 0
        self.open_error = ""
        self.overflow = 0
        self.frozen = self.close_hangs = False

    def query_devices(self) -> list[dict[str, Any]]:
        return self.devices

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "ALSA"}]

    def InputStream(self, **settings: Any) -> FakeStream:  # noqa: N802
        return FakeStream(self, **settings)

    def _terminate(self) -> None:
        self.refreshed += 1

    def _initialize(self) -> None:
        pass


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio(MIC, HDMI, CAM)
    monkeypatch.setattr(device, "portaudio", lambda: fake)
    monkeypatch.setattr(device, "BACKOFF_S", (0.05, 0.2))
    monkeypatch.setattr(device, "STALL_S", 0.4)
    return fake


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


def states(source: DeviceSource) -> list[str]:
    return [notice.state for notice in source.notices if isinstance(notice, Notice)]


def read_all(source: DeviceSource) -> list[Lost]:
    losses = []
    assert source.ring is not None
    while (item := source.ring.read(10_000)) is not None:
        if isinstance(item, Lost):
            losses.append(item)
    return losses


@pytest.fixture
def source(portaudio: FakePortAudio) -> Any:
    source = DeviceSource(find_device("line in"))
    source.start()
    yield source
    source.stop()


def test_devices_are_chosen_by_name(portaudio: FakePortAudio) -> None:
    assert find_device("USB Camera").rate == 48_000
    assert find_device("usb camera").name == "USB Camera"
    assert find_device("line").name == MIC["name"]
    assert find_device(None).name == MIC["name"]
    with pytest.raises(InputError, match="could be"):
        find_device("usb")
    with pytest.raises(InputError, match="did you mean 'USB Camera'"):
        find_device("USB Kamera")
    with pytest.raises(InputError, match="no input device 'HDMI'"):
        find_device("HDMI")


def test_no_input_device_means_the_demo(portaudio: FakePortAudio) -> None:
    portaudio.devices = portaudio.devices[1:2]
    source, line = choose.open_input(StationSettings(pace="fast"))
    assert source.name == "demo"
    assert line is not None
    assert "no input device" in line
    assert "demo" in line


def test_a_missing_portaudio_means_the_demo_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise InputError("sound cards need the PortAudio library: `apt install libportaudio2`")

    monkeypatch.setattr(device, "portaudio", missing)
    source, line = choose.open_input(StationSettings(pace="fast"))
    assert source.name == "demo"
    assert line is not None
    assert "libportaudio2" in line
    with pytest.raises(InputError, match="libportaudio2"):
        choose.open_input(StationSettings(input="mic"))


def test_it_goes_live_at_the_devices_own_rate(
    portaudio: FakePortAudio, source: DeviceSource
) -> None:
    until(lambda: source.state == "live")
    settings = portaudio.opened[0].settings
    assert (settings["samplerate"], settings["channels"], settings["device"]) == (48_000, 2, 0)
    assert read_all(source) == []


def test_a_frozen_stream_that_calls_itself_active_is_lost_and_reopened(
    portaudio: FakePortAudio, source: DeviceSource
) -> None:
    until(lambda: source.state == "live")
    portaudio.frozen = True
    until(lambda: source.state == "lost")
    assert "delivers no sound" in str(source.notices[-1])
    portaudio.frozen = False
    until(lambda: source.state == "live")
    assert states(source)[0] == "live"
    assert len(portaudio.opened) >= 2
    assert portaudio.refreshed >= 1
    (gap,) = read_all(source)
    assert gap.reason is LossReason.RECONNECT
    assert 0.3 * 48_000 < gap.samples < 5 * 48_000


def test_the_device_is_found_again_under_another_index(
    portaudio: FakePortAudio, source: DeviceSource
) -> None:
    until(lambda: source.state == "live")
    mic = portaudio.devices.pop(0)
    portaudio.opened[0].active = False
    until(lambda: source.state == "lost")
    time.sleep(0.5)
    assert len(portaudio.opened) == 1  # it waits for its own device and takes no other
    portaudio.devices.append(mic)
    until(lambda: source.state == "live")
    assert portaudio.opened[-1].settings["device"] == 2


def test_a_busy_device_is_tried_again(portaudio: FakePortAudio) -> None:
    portaudio.open_error = "Device unavailable"
    source = DeviceSource(find_device("line in"))
    source.start()
    until(lambda: bool(source.notices))
    first = source.notices[0]
    assert isinstance(first, Notice)
    assert first.state == "connecting"
    assert "Device unavailable" in first.detail
    portaudio.open_error = ""
    until(lambda: source.state == "live")
    assert read_all(source) == []  # nothing was heard before, so nothing is lost
    source.stop()
    assert source.state == "ended"


def test_a_close_that_hangs_does_not_hold_the_daemon(
    portaudio: FakePortAudio, source: DeviceSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: source.state == "live")
    monkeypatch.setattr(device, "CLOSE_S", 0.2)
    portaudio.close_hangs = True
    started = time.monotonic()
    source.stop()
    assert time.monotonic() - started < 2
    assert source.state == "ended"


def test_an_overflow_is_counted_from_portaudios_clock(
    portaudio: FakePortAudio, source: DeviceSource
) -> None:
    until(lambda: source.state == "live")
    portaudio.overflow = 960
    until(lambda: source.ring is not None and source.ring.lost > 0)
    time.sleep(0.05)
    (lost,) = read_all(source)
    assert lost.reason is LossReason.OVERFLOW
    assert lost.samples == pytest.approx(960, abs=2)


def test_an_error_in_the_callback_surfaces(portaudio: FakePortAudio, source: DeviceSource) -> None:
    until(lambda: source.state == "live")
    assert source.ring is not None
    source.ring.write = None  # type: ignore[assignment, method-assign]
    until(lambda: source.state == "ended")
    assert isinstance(source.failure, TypeError)


def test_at_most_two_channels_are_taken() -> None:
    assert DeviceSource(Device("x", "ALSA", 32, 44_100, False)).channels == 2
