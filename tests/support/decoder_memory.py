"""Decodes the files named on standard input, and says how much memory that took.

A line holds a path, or a path, a rate and a number of channels to convert to, separated by tabs; or
a path and the word ``pipe``, to read it like a pipe. The answer is a JSON object on one line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import av
import numpy as np

from streamgenre.errors import InputError
from streamgenre.sources.conversion import Format
from streamgenre.sources.damage import DamageCounter
from streamgenre.sources.files.file import FilePlayer
from streamgenre.sources.files.pipe import PipeSource
from streamgenre.sources.files.raw import RawFormat

LONGEST_S = 1.5
"""Seconds of work after which a file is given up; it may be as long as it likes."""


def memory_mb(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split(field)[1].split()[0]) / 1024


def play(path: Path, wanted: Format | None) -> dict[str, object]:
    """Decode a file; return what came of it."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, started = memory_mb("VmRSS:"), time.process_time()
    problem, samples = "", 0
    player = FilePlayer(path, DamageCounter(), wanted)
    try:
        for item in player.items():
            if isinstance(item, np.ndarray):
                samples += len(item)
                assert player.format is not None
                assert item.shape[1] == player.format.channels
            if time.process_time() - started > LONGEST_S:
                break
    except InputError as error:
        problem = str(error)
    found = player.format
    return {
        "grown_mb": memory_mb("VmHWM:") - before,
        "seconds": samples / found.rate if found else 0.0,
        "rate": found.rate if found else 0,
        "channels": found.channels if found else 0,
        "problem": problem,
        "end": player.shortfall or str(player.error or ""),
    }


def play_as_pipe(path: Path) -> dict[str, object]:
    """Decode what a pipe would bring; return what came of it."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory_mb("VmRSS:")
    descriptor = os.open(path, os.O_RDONLY)
    source = PipeSource("pipe", "pipe", descriptor, RawFormat())
    source.start()
    ends = time.monotonic() + LONGEST_S
    while source.state != "ended" and time.monotonic() < ends:
        if source.ring is None or source.ring.read(10_000) is None:
            time.sleep(0.001)
    source.stop()
    os.close(descriptor)
    return {"grown_mb": memory_mb("VmHWM:") - before, "problem": str(source.failure or "")}


if __name__ == "__main__":
    av.logging.set_level(None)
    for line in sys.stdin:
        name, *numbers = line.rstrip("\n").split("\t")
        if numbers == ["pipe"]:
            answer = play_as_pipe(Path(name))
        else:
            answer = play(Path(name), Format(*map(int, numbers)) if numbers else None)
        print(json.dumps(answer), flush=True)
