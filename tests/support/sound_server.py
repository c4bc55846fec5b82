"""A private PulseAudio with a virtual sound card, for tests with real devices."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

SINK: Final = "tuner"
# With rewinds it would wake only every two seconds at first and delay its first sound.
_CARD: Final = (f"sink_name={SINK}", "rate=44100", "norewinds=1")


class SoundServer:
    """PulseAudio in its own folder; its null sink's monitor is the default input."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.chmod(0o700)
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith("PULSE")
        } | {
            "XDG_RUNTIME_DIR": str(folder),
            "HOME": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
        }
        (folder / "pulse").mkdir(mode=0o700)

    def start(self) -> None:
        """Start the server with its sink."""
        self._run(
            "pulseaudio",
            "--daemonize=yes",
            "--exit-idle-time=-1",
            "-n",
            "--load=module-native-protocol-unix",
            f"--load=module-null-sink {' '.join(_CARD)}",
        )
        deadline = time.monotonic() + 10
        while self._try("pactl", "set-default-source", f"{SINK}.monitor") != 0:
            assert time.monotonic() < deadline, "PulseAudio does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server."""
        self._try("pulseaudio", "--kill")

    def kill(self) -> None:
        """End the server as a crash does."""
        pid = self._folder / "pulse" / "pid"
        os.kill(int(pid.read_text()), signal.SIGKILL)
        pid.unlink()  # in a container the process may never be reaped and would seem to be alive

    @property
    def pcm(self) -> str:
        """An ALSA device of this server: the right side of ``pcm.NAME`` in an asoundrc file."""
        return f'{{ type pulse server "unix:{self._folder}/pulse/native" device {SINK}.monitor }}'

    def unplug(self) -> None:
        """Remove the sound card."""
        self._run("pactl", "unload-module", "module-null-sink")

    def plug(self) -> None:
        """Add the sound card again."""
        self._run("pactl", "load-module", "module-null-sink", *_CARD)
        self._run("pactl", "set-default-source", f"{SINK}.monitor")

    def play(self, file: Path) -> subprocess.Popen[bytes]:
        """Play a file into the sound card."""
        return subprocess.Popen(["paplay", f"--device={SINK}", str(file)], env=self.environment)

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=60)

    def _try(self, *command: str) -> int:
        return subprocess.run(
            command, env=self.environment, check=False, capture_output=True, timeout=60
        ).returncode
