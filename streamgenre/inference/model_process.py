"""The process of its own that runs a model which does not come with streamgenre.

A graph from elsewhere may allocate all memory, run for ever or crash onnxruntime. Here it has
limited memory, processor time for each run, and no way to open a file; the daemon sees only that
its model has failed. :mod:`streamgenre.inference.isolated` is the daemon's side.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import resource
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamgenre.errors import ModelError
from streamgenre.inference.channel import Channel
from streamgenre.inference.manifest import FRAMES, Manifest, manifest_from, read_weights
from streamgenre.inference.session import open_graph

MEMORY_BYTES: Final = 256_000_000
"""Memory of the graph beyond that of the idle process."""
LOAD_CPU_S: Final = 20
"""Processor time for loading, seconds; the shipped models take 1."""
TRIAL_CPU_S: Final = 5
"""Processor time for the trial, seconds: one second of audio of eight stations."""
MAX_RUN_CPU_S: Final = 60
"""Most processor time for one run, seconds, however much audio it is given."""
_MAX_WINDOW_S: Final = 5.0
"""Seconds of a windowed model's window that count as audio; the window repeats what is known."""
_TRIAL_ROWS: Final = 8
_NO_MEMORY: Final = ("Failed to allocate memory", "bad_alloc", "bad allocation")
"""What onnxruntime says when it gets no memory."""


def main() -> None:
    """Load the model that the first message describes, then run it for each further message."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the daemon decides when this process ends
    channel = Channel(socket.socket(fileno=os.dup(0)), max_header=8_000_000)
    _silence()
    first = channel.receive()
    manifest = manifest_from(Path(first["folder"]), first["manifest"])
    try:
        session = _load(manifest)
    except ModelError as error:
        channel.send({"error": str(error)[:2_000]})
        return
    except MemoryError:
        channel.send({"memory": True})
        return
    channel.send({"loaded": True})
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(channel, requests), daemon=True).start()
    while True:
        outputs, feed = requests.get()
        _allow_cpu(_run_cpu(manifest, feed[FRAMES].shape))
        _answer(channel, session, outputs, feed)


def _receive(channel: Channel, requests: queue.SimpleQueue[Any]) -> None:
    """Receive requests; end the process, even in the middle of a run, when the daemon is gone."""
    try:
        while True:
            header = channel.receive()
            feed = {
                name: channel.array(shape)
                for name, shape in zip(header["inputs"], header["shapes"], strict=True)
            }
            requests.put((header["outputs"], feed))
    except (EOFError, OSError):
        os._exit(0)


def _answer(channel: Channel, session: Any, outputs: list[str], feed: dict[str, Any]) -> None:
    try:
        found = _run(session, outputs, feed)
    except MemoryError:
        channel.send({"memory": True})
    except ModelError as error:
        channel.send({"error": str(error)[:2_000]})
    else:
        channel.send({}, found)


def _run(session: Any, outputs: list[str], feed: dict[str, Any]) -> list[Any]:
    try:
        found: list[Any] = session.run(outputs, feed)
    except MemoryError:
        raise
    except Exception as error:  # whatever onnxruntime raises is the graph's doing
        if _is_about_memory(error):
            raise MemoryError from error
        raise ModelError(f"cannot be run: {error}") from error
    return found


def _load(manifest: Manifest) -> Any:
    import onnxruntime  # noqa: F401 - before the limits: it opens files and takes memory

    weights = read_weights(manifest)
    _limit_resources()
    _allow_cpu(LOAD_CPU_S)
    try:
        session = open_graph(manifest, weights)
    except ModelError as error:
        if _is_about_memory(error):
            raise MemoryError from error
        raise
    del weights
    _allow_cpu(TRIAL_CPU_S)
    _run(session, [each.name for each in session.get_outputs()], _trial(manifest))
    return session


def _is_about_memory(error: Exception) -> bool:
    return any(words in str(error) for words in _NO_MEMORY)


def _trial(manifest: Manifest) -> dict[str, Any]:
    """Return an input as large as those to come: a graph that fails on it must not be started."""
    second = max(1, math.ceil(manifest.features.frame_rate / manifest.step_frames))
    frames = manifest.window_frames or second * manifest.step_frames
    shape = (_TRIAL_ROWS, frames, manifest.features.numcep)
    states = {s.input: np.zeros((_TRIAL_ROWS, *s.shape), np.float32) for s in manifest.states}
    return {FRAMES: np.zeros(shape, np.float32), **states}


def _run_cpu(manifest: Manifest, shape: tuple[int, ...]) -> int:
    """Return the seconds of processor time for a run: those of its audio, and one more.

    A model that takes longer cannot keep up with live audio, and delays the other stations.
    """
    seconds = shape[1] / manifest.features.frame_rate
    if manifest.kind == "windowed":
        seconds = min(seconds, _MAX_WINDOW_S)
    return min(MAX_RUN_CPU_S, 1 + math.ceil(shape[0] * seconds))


def _silence() -> None:
    """Lead the standard streams nowhere: onnxruntime prints what it thinks of a graph."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)


def _limit_resources() -> None:
    """Limit memory and forbid this process to open files; the processor time follows per run."""
    with contextlib.suppress(OSError):
        # If memory is short, this process is ended first and not the daemon.
        Path("/proc/self/oom_score_adj").write_text("1000")
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[5])
        taken = pages * resource.getpagesize()
        _lower(resource.RLIMIT_DATA, taken + MEMORY_BYTES)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, 0)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _allow_cpu(seconds: int) -> None:
    """Have the kernel end this process after more seconds of processor time (SIGXCPU)."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = math.ceil(time.process_time()) + seconds
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


if __name__ == "__main__":
    main()
