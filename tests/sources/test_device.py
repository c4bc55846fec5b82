"""Sound cards against a PortAudio that misbehaves on purpose.

The helper process is the real one; only the library in it is not (``fake_portaudio``), nor are
``/proc`` and ``/sys``. What a virtual sound card can do is tested with one, in ``tests/real``.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from support.commands import events_of, free_endpoint, start, streamgenre
from support.event_recorder import TimedEvents, collect, wait_for
from support.live import until

from streamgenre.audio.ring import Gap, GapReason
from streamgenre.config import StationSettings
from streamgenre.doctor import Subject
from streamgenre.doctor.inputs import inputs
from streamgenre.doctor.sound import portaudio
from streamgenre.errors import InputError, SettingsError
from streamgenre.sources import factory
from streamgenre.sources.device import client, devices
from streamgenre.sources.device.devices import DeviceSelection, find_device, list_devices
from streamgenre.sources.device.source import DeviceSettings, DeviceSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.sources.base import StateChange

RATE = 48_000
MIC = "USB Audio: Line In (hw:1,0)"
CAM = "USB Camera: - (hw:2,0)"
QUICK = DeviceSettings(stall_s=0.5, backoff_first_s=0.05, backoff_longest_s=0.2)


class World:
    """The state that the fake library shows."""

    def __init__(self, file: Path, root: Path) -> None:
        self._file = file
        self.root = root
        self._values: dict[str, Any] = {}
        self.set(
            devices=[
                {"name": MIC, "max_input_channels": 2},
                {"name": "HDMI: 0 (hw:0,3)", "max_input_channels": 0},
                {"name": CAM, "max_input_channels": 1},
                {"name": "pulse", "max_input_channels": 32},
            ]
        )
        self.card(1, "Audio", usb=("1-1.2", "0d8c:0014", None))
        self.card(2, "Camera", usb=("1-1.3", "046d:0825", "A1B2"))

    def set(self, **values: Any) -> None:
        self._values |= values
        for device in self._values["devices"]:
            device.setdefault("default_samplerate", RATE)
            device.setdefault("hostapi", 0)
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(self._values))
        draft.rename(self._file)

    def plug(self, *names: str, **more: Any) -> None:
        """Have these devices, of two channels, and no others."""
        self.set(devices=[{"name": name, "max_input_channels": 2, **more} for name in names])

    def card(self, number: int, card: str, usb: tuple[str, str, str | None] | None = None) -> None:
        """Have a card of this number, as Linux shows it."""
        proc = self.root / "proc" / "asound" / f"card{number}"
        proc.mkdir(parents=True, exist_ok=True)
        (proc / "id").write_text(card + "\n")
        device = self.root / "sys" / "class" / "sound" / f"card{number}" / "device"
        device.parent.mkdir(parents=True, exist_ok=True)
        device.unlink(missing_ok=True)
        place = self.root / "sys" / "devices" / f"built-in-{number}"
        if usb:
            port, ids, serial = usb
            place = self.root / "sys" / "devices" / "usb1" / port / f"{port}:1.0"
            place.mkdir(parents=True, exist_ok=True)
            vendor, product = ids.split(":")
            (place.parent / "idVendor").write_text(vendor + "\n")
            (place.parent / "idProduct").write_text(product + "\n")
            (place.parent / "serial").unlink(missing_ok=True)
            if serial:
                (place.parent / "serial").write_text(serial + "\n")
        place.mkdir(parents=True, exist_ok=True)
        device.symlink_to(place)

    @property
    def opened(self) -> list[dict[str, Any]]:
        log = self._file.with_suffix(".log")
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    fake = str(Path(__file__).parents[1] / "support" / "fake_portaudio")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([fake, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("FAKE_PORTAUDIO", str(tmp_path / "world.json"))
    monkeypatch.setattr(devices, "_ROOT", tmp_path)
    return World(tmp_path / "world.json", tmp_path)


def listening(text: str, settings: DeviceSettings = QUICK) -> DeviceSource:
    source = DeviceSource(DeviceSelection(text, find_device(text)), settings)
    source.start()
    return source


@pytest.fixture
def source(world: World) -> Iterator[DeviceSource]:
    source = listening("line in")
    until(lambda: source.state == "live")
    yield source
    source.stop()


def changes(source: DeviceSource) -> list[StateChange]:
    return list(source.state_changes)


def losses(source: DeviceSource) -> list[Gap]:
    assert source.ring is not None
    found = []
    while (item := source.ring.read(10_000)) is not None:
        if isinstance(item, Gap):
            found.append(item)
    return found


def helpers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "device/helper.py" in " ".join(p.cmdline())]


# ---- device selection ---------------------------------------------------------------------------


def test_devices_are_selected_by_name_or_id(world: World) -> None:
    there = list_devices()
    assert [d.name for d in there] == [MIC, CAM, "pulse"]
    assert [d.id for d in there] == ["usb:1-1.2", "usb:046d:0825:A1B2", None]
    for text, name in {
        "USB Camera: - (hw:2,0)": CAM,
        "usb camera": CAM,
        "line": MIC,
        "USB Audio: Line In (hw:7,0)": MIC,
        "alsa:Camera": CAM,
        "alsa:Audio,0": MIC,
        "usb:1-1.3": CAM,
        "usb:0d8c:0014": MIC,
        "usb:046d:0825:A1B2": CAM,
        "pulse": "pulse",
    }.items():
        assert find_device(text, there).name == name
    assert find_device(None, there).name == MIC
    with pytest.raises(InputError, match=r"'usb' could be 'USB Audio.*\(usb:1-1.2\)"):
        find_device("usb", there)
    with pytest.raises(InputError, match="did you mean 'USB Camera"):
        find_device("USB Kamera: -", there)
    with pytest.raises(
        InputError, match=r"has the id 'usb:1-1\.4' now; did you mean 'usb:1-1\.2'\? \(devices: "
    ):
        find_device("usb:1-1.4", there)
    with pytest.raises(InputError, match="no input device 'HDMI'"):
        find_device("HDMI", there)


def test_identical_devices_are_distinguished_by_their_sockets(world: World) -> None:
    for number, port in ((1, "1-1.2"), (2, "1-1.4")):  # both with the maker's one serial number
        world.card(number, f"Device_{number}", usb=(port, "0d8c:0014", "0000"))
    world.plug("USB Mic: - (hw:1,0)", "USB Mic: - (hw:2,0)", "USB Mic: #1 (hw:2,1)")
    there = list_devices()
    assert [d.id for d in there] == ["usb:1-1.2", "usb:1-1.4", "usb:1-1.4,1"]
    with pytest.raises(InputError, match=r"could be .*usb:1-1.2.*usb:1-1.4"):
        find_device("usb:0d8c:0014:0000", there)
    assert find_device("usb:1-1.4,1", there).name == "USB Mic: #1 (hw:2,1)"


def test_no_input_device_means_the_demo(world: World) -> None:
    world.set(devices=[])
    source, line = factory.open_input(StationSettings(pace="fast"))
    assert source.name == "demo"
    assert line is not None
    assert "no input device" in line
    assert "demo" in line


def test_a_missing_portaudio_means_the_demo_and_says_why(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PORTAUDIO", "/nonexistent")
    source, line = factory.open_input(StationSettings(pace="fast"))
    assert source.name == "demo"
    assert line is not None
    assert "libportaudio2" in line
    with pytest.raises(InputError, match="libportaudio2"):
        factory.open_input(StationSettings(input="mic"))


def test_a_hung_sound_system_is_abandoned(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.set(init_hangs=True)
    monkeypatch.setattr(client, "ANSWER_S", 1.0)
    with pytest.raises(InputError, match="does not answer"):
        list_devices()
    until(lambda: not helpers())


def test_the_doctor_survives_whatever_portaudio_does(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "c.toml"
    tables = (f'[[station]]\nname = "{name}"\ninput = "{name}"\n' for name in (MIC, "pulse"))
    config.write_text(f'[bus]\npublish = "{free_endpoint()}"\n' + "".join(tables))

    def findings() -> list[tuple[str, str, str]]:
        done = streamgenre("doctor", "--config", config, "--json", env=dict(os.environ))
        found = json.loads(done.stdout)["findings"]
        assert {"program", "disk"} <= {f["check"] for f in found}
        return [
            (f["check"], f["verdict"], f["says"])
            for f in found
            if f["check"] in ("PortAudio", "input")
        ]

    world.set(rates=[48_000])
    library, mic, pulse = findings()
    assert library == ("PortAudio", "ok", "PortAudio that misbehaves on purpose")
    assert mic[1:] == ("ok", f"{MIC!r}: 48000 Hz, 2 channels; opens at 48000 Hz")
    assert pulse[1:] == ("ok", "'pulse': 48000 Hz, 32 channels; opens at 48000 Hz")
    world.set(open_error="Device unavailable")
    words = f"{MIC!r} exists but cannot be opened now (Device unavailable)"
    assert findings()[1] == ("input", "note", words)
    world.set(dies=True)
    gone = "the helper process has ended"
    assert [(verdict, gone in says) for _, verdict, says in findings()] == [("problem", True)] * 3
    world.set(dies=False, open_hangs=True)
    monkeypatch.setattr(client, "ANSWER_S", 1.0)
    (found,) = inputs(Subject(inputs=(MIC,)))
    assert (found.verdict, "does not answer for 1 s" in found.says) == ("note", True)
    world.set(init_hangs=True)
    both = [*portaudio(Subject(inputs=(MIC,))), *inputs(Subject(inputs=(MIC, "pulse")))]
    hangs = "the sound system does not answer for 1 s"
    assert [(f.verdict, hangs in f.says) for f in both] == [("problem", True)] * 3
    monkeypatch.setenv("FAKE_PORTAUDIO", "/nonexistent")
    library = findings()[0]
    assert library[1:] == ("problem", "not installed: sound cards cannot be used")


# ---- missing, lost and found again --------------------------------------------------------------


def test_a_missing_device_is_an_error_or_waited_for(world: World) -> None:
    world.plug("USB Audio Camera: - (hw:2,0)")
    name = "USB Audio: Line In"
    env = dict(os.environ)
    flags = ("--input", name, "--publish", free_endpoint(), "--json", "--no-history")
    done = streamgenre("listen", *flags, env=env)
    assert done.returncode == 1
    assert "did you mean 'USB Audio Camera: - (hw:2,0)'" in done.stderr
    assert "--wait-for-device" in done.stderr
    heard: TimedEvents = []
    with start("listen", *flags, "--wait-for-device", env=env) as daemon:
        collect(daemon, heard)
        first = wait_for(heard, 60, type="source")
        assert (first["state"], first["input"]) == ("connecting", name)
        assert "USB Audio Camera" in first["detail"]  # names the devices there are
        assert world.opened == []  # no device of a similar name is taken
        world.plug("USB Audio Camera: - (hw:2,0)", MIC)
        wait_for(heard, 60, type="source", state="live", rate=RATE, channels=2)
        daemon.terminate()
        assert daemon.wait(60) == 0
    status = [e for _, e in heard if e["type"] == "status"][-1]
    assert status["samples_lost"] == 0  # nothing was heard before, so nothing is lost
    assert {opened["name"] for opened in world.opened} == {MIC}


def test_a_device_is_found_again_with_another_number_and_rate(
    world: World, source: DeviceSource
) -> None:
    unplugged = time.monotonic()
    world.plug(CAM)
    until(lambda: source.state == "lost")
    lost = time.monotonic()
    assert "is missing" in changes(source)[-1].detail or "stopped" in changes(source)[-1].detail
    time.sleep(0.5)
    assert len(world.opened) == 1
    # Back as card 3, since another card now has its old number; it has other rates and is mono.
    world.card(1, "Other", usb=("1-1.3", "1111:2222", None))
    world.card(3, "Audio", usb=("1-1.2", "0d8c:0014", None))
    there = [{"name": n, "max_input_channels": 1} for n in (MIC, "USB Audio: Line In (hw:3,0)")]
    world.set(devices=[{**device, "default_samplerate": 44_100} for device in there])
    plugged = time.monotonic()
    until(lambda: source.state == "live")
    back = time.monotonic()
    assert (world.opened[-1]["name"], world.opened[-1]["samplerate"]) == (
        "USB Audio: Line In (hw:3,0)",
        44_100,
    )
    assert (source.rate, source.channels) == (RATE, 2)  # its first format
    ring = source.ring
    assert ring is not None
    (gap,) = losses(source)
    assert gap.reason is GapReason.RECONNECT
    assert plugged - lost - 0.1 < gap.samples / RATE < back - unplugged + 0.4
    before, began = ring.written, time.monotonic()

    def speed() -> float:
        return (ring.written - before) / (time.monotonic() - began)

    # Resampled: without it, the average would approach 44,100.
    until(lambda: ring.written > before + RATE and abs(speed() / RATE - 1) < 0.03)
    block = ring.read(10_000)
    assert not isinstance(block, Gap)
    assert block is not None
    assert block[-100:] == pytest.approx(0.1, abs=0.01)


def test_another_device_with_the_same_name_is_not_used(world: World, source: DeviceSource) -> None:
    world.plug(CAM)
    until(lambda: source.state == "lost")
    world.card(1, "Audio", usb=("1-1.2", "ffff:0001", None))  # the same name, card and socket
    world.plug(MIC)
    time.sleep(0.8)
    assert source.state == "lost"
    assert len(world.opened) == 1
    world.card(1, "Audio", usb=("1-1.4", "0d8c:0014", None))  # the same model in another socket
    until(lambda: source.state == "live")


def test_a_remaining_twin_is_not_mistaken_for_the_unplugged_device(world: World) -> None:
    for number, port in ((1, "1-1.2"), (2, "1-1.4")):
        world.card(number, f"Device_{number}", usb=(port, "0d8c:0014", None))
    world.plug("USB Mic: - (hw:1,0)", "USB Mic: - (hw:2,0)")
    source = listening("USB Mic: - (hw:1,0)")
    until(lambda: source.state == "live")
    world.plug("USB Mic: - (hw:2,0)")
    until(lambda: source.state == "lost")
    time.sleep(0.8)
    assert source.state == "lost"
    world.plug("USB Mic: - (hw:2,0)", "USB Mic: - (hw:1,0)")
    until(lambda: source.state == "live")
    assert world.opened[-1]["device"] == 1
    source.stop()


def test_a_busy_device_is_retried(world: World) -> None:
    world.set(open_error="Device unavailable")
    source = listening("line in")
    until(lambda: bool(source.state_changes))
    assert changes(source)[0].state == "connecting"
    assert "Device unavailable" in changes(source)[0].detail
    world.set(open_error="")
    until(lambda: source.state == "live")
    source.stop()


def test_without_waiting_a_device_that_cannot_be_opened_at_first_is_a_failure(world: World) -> None:
    device = find_device("line in")
    world.set(open_error="Device unavailable")
    source = DeviceSource(DeviceSelection("line in", device), QUICK, waits=False)
    source.start()
    until(lambda: source.failure is not None)
    assert str(source.failure).startswith(f"device '{MIC}': cannot be opened (Device unavailable)")
    world.set(open_error="")
    source = DeviceSource(DeviceSelection("line in", device), QUICK, waits=False)
    source.start()
    until(lambda: source.state == "live")
    world.set(open_error="Device unavailable", frozen=True)
    until(lambda: "cannot be opened" in changes(source)[-1].detail)
    assert source.state == "lost"  # it was open: now it is waited for
    world.set(open_error="", frozen=False)
    until(lambda: source.state == "live")
    source.stop()


def test_what_keeps_a_station_from_starting_is_first_reported_as_an_event(world: World) -> None:
    world.set(open_error="Device unavailable")
    flags = ("--publish", free_endpoint(), "--json", "--no-history")
    done = streamgenre("listen", "--input", "pulse", *flags, env=dict(os.environ))
    assert done.returncode == 1
    events = events_of(done.stdout)  # a slow machine publishes more than one of each
    assert {event["type"] for event in events} == {"source", "status"}
    source, status = ([e for e in events if e["type"] == kind][-1] for kind in ("source", "status"))
    assert (source["state"], status["source_state"]) == ("ended", "ended")
    assert "cannot be opened (Device unavailable)" in source["detail"]
    assert source["detail"] in done.stderr
    done = streamgenre("listen", "--input", "nothing", *flags, env=dict(os.environ))
    assert (done.returncode, done.stdout) == (1, "")


# ---- stream errors ------------------------------------------------------------------------------


def test_a_frozen_stream_that_claims_to_be_active_is_lost_and_reopened(
    world: World, source: DeviceSource
) -> None:
    world.set(frozen=True)
    until(lambda: source.state == "lost")
    assert "delivers no sound" in changes(source)[-1].detail
    world.set(frozen=False)
    until(lambda: source.state == "live")
    assert len(world.opened) >= 2
    (gap,) = losses(source)
    assert gap.reason is GapReason.RECONNECT
    assert 0.4 * RATE < gap.samples < 5 * RATE
    assert len(helpers()) == 1


@pytest.mark.parametrize("silent", [False, True])
def test_reported_and_unreported_overflows_are_counted(world: World, silent: bool) -> None:
    source = listening("line in", DeviceSettings())
    until(lambda: source.state == "live")
    world.set(skipped=RATE, silent=silent)
    until(lambda: source.ring is not None and source.ring.lost > 0)
    time.sleep(1.5)
    source.stop()
    found = losses(source)
    assert {lost.reason for lost in found} == {GapReason.OVERFLOW}
    assert sum(lost.samples for lost in found) == pytest.approx(RATE, abs=0.15 * RATE)


def test_a_callback_error_is_reported_and_the_device_reopened(
    world: World, source: DeviceSource
) -> None:
    world.set(broken=True)
    until(lambda: source.state == "lost")
    assert "TypeError" in changes(source)[-1].detail
    world.set(broken=False)
    until(lambda: source.state == "live")


def test_stopping_is_bounded_even_with_a_dead_helper(world: World, source: DeviceSource) -> None:
    (process,) = helpers()
    process.send_signal(signal.SIGSTOP)
    source.stop()
    assert source.state == "ended"
    assert helpers() == []


def test_a_crashed_helper_is_replaced(world: World, source: DeviceSource) -> None:
    (process,) = helpers()
    process.kill()
    until(lambda: source.state == "lost")
    until(lambda: source.state == "live")
    assert [lost.reason for lost in losses(source)] == [GapReason.RECONNECT]


def test_settings_are_validated() -> None:
    with pytest.raises(SettingsError, match="stall_s"):
        DeviceSettings(stall_s=0)
