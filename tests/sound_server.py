"""A private PulseAudio with a virtual sound card, for tests with real devices."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

SINK: Final = "tuner"


class SoundServer:
    """PulseAudio in a folder of its own; its null sink's monitor is the default input."""

    def __init__(self, folder: Path) -> None:
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
            f"--load=module-null-sink sink_name={SINK} rate=44100",
        )
        deadline = time.monotonic() + 10
        while self._try("pactl", "set-default-source", f"{SINK}.monitor") != 0:
            assert time.monotonic() < deadline, "PulseAudio does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server."""
        self._try("pulseaudio", "--kill")

    def unplug(self) -> None:
        """Take the sound card away."""
        self._run("pactl", "unload-module", "module-null-sink")

    def plug(self) -> None:
        """Bring it back."""
        self._run("pactl", "load-module", "module-null-sink", f"sink_name={SINK}", "rate=44100")
        self._run("pactl", "set-default-source", f"{SINK}.monitor")

    def play(self, file: Path) -> subprocess.Popen[bytes]:
        """Play a file into the sound card."""
        return subprocess.Popen(["paplay", f"--device={SINK}", str(file)], env=self.environment)

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=20)

    def _try(self, *command: str) -> int:
        return subprocess.run(
            command, env=self.environment, check=False, capture_output=True, timeout=20
        ).returncode
