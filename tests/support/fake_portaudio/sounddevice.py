"""A PortAudio that misbehaves on purpose, in the real helper process.

The JSON file that FAKE_PORTAUDIO names controls it, and may change at any time. It appends the
requests that it gets to the file FAKE_PORTAUDIO.log.
"""

from __future__ import annotations

import array
import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_WORLD = Path(os.environ["FAKE_PORTAUDIO"])
if not _WORLD.exists():
    raise OSError("PortAudio library not found")
default = SimpleNamespace(device=(0, 0))


class PortAudioError(Exception):
    pass


def _world() -> dict[str, Any]:
    world: dict[str, Any] = json.loads(_WORLD.read_text())
    return world


if _world().get("dies"):
    os._exit(7)  # like a driver that crashes its process
if _world().get("init_hangs"):
    time.sleep(60)


def query_devices() -> list[dict[str, Any]]:
    devices: list[dict[str, Any]] = _world()["devices"]
    return devices


def get_portaudio_version() -> tuple[int, str]:
    return 0, "PortAudio that misbehaves on purpose"


def check_input_settings(
    device: int, channels: int, dtype: str, extra_settings: None, samplerate: float
) -> None:
    world = _world()
    if world.get("open_hangs"):
        time.sleep(60)
    if world.get("open_error"):
        raise PortAudioError(world["open_error"])
    info = world["devices"][device]
    if samplerate not in info.get("rates", [info["default_samplerate"]]):
        raise PortAudioError("Invalid sample rate")


def query_hostapis() -> list[dict[str, Any]]:
    return [{"name": "ALSA"}]


class RawInputStream:
    """Delivers blocks of 0.1 from a thread, in time."""

    def __init__(self, *, callback: Callable[..., None], **settings: Any) -> None:
        world = _world()
        if world.get("open_error"):
            raise PortAudioError(world["open_error"])
        info = world["devices"][settings["device"]]
        if settings["samplerate"] not in info.get("rates", [info["default_samplerate"]]):
            raise PortAudioError("Invalid sample rate")
        self._callback, self._settings = callback, settings
        self._name = info["name"]
        self.active = False
        with _WORLD.with_suffix(".log").open("a") as log:
            log.write(json.dumps({**settings, "name": info["name"]}) + "\n")

    def start(self) -> None:
        self.active = True
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        frames, rate = self._settings["blocksize"], self._settings["samplerate"]
        block: Any = array.array("f", [0.1] * frames * self._settings["channels"])
        began, sent = time.monotonic(), 0
        skipped = 0
        while self.active:
            time.sleep(max(0.0, began + (sent + frames) / rate - time.monotonic()))
            world = _world()
            sent += frames
            if self._name not in [d["name"] for d in world["devices"]]:
                self.active = False
            elif not world.get("frozen"):
                # Skipped samples are lost; PortAudio reports it, or does not.
                overflow = world.get("skipped", 0) != skipped and not world.get("silent")
                extra = world.get("skipped", 0) - skipped
                if extra:
                    skipped += extra
                    sent += extra
                    time.sleep(max(0.0, began + sent / rate - time.monotonic()))
                flags = SimpleNamespace(input_overflow=overflow)
                try:
                    self._callback("no samples" if world.get("broken") else block, frames, 0, flags)
                except TypeError:
                    self.active = False  # like PortAudio: it ends without a message

    def close(self) -> None:
        time.sleep(60)  # as may happen with an unplugged device; no caller should wait for it
