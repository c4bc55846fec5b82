"""A model's session in a process of its own, for models that do not come with streamgenre.

It is used like a session of onnxruntime. Whatever the graph does, :meth:`IsolatedSession.run` ends
with its output or a :class:`~streamgenre.errors.ModelError` within limited time.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.ending import end_process
from streamgenre.errors import ModelError
from streamgenre.inference.channel import Channel
from streamgenre.inference.manifest import EMBEDDING, FRAMES
from streamgenre.inference.model_process import LOAD_CPU_S, MEMORY_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.inference.manifest import Manifest

_WHAT: Final = "the process of a model"
_PATIENCE_S: Final = 120.0
"""Seconds for one answer. The processor time is limited far below; a busy machine takes longer."""
_ESSENTIAL: Final[tuple[str, ...]] = (
    *(
        "manifest_version",
        "name",
        "kind",
        "labels",
        "features",
        "window_frames",
        "step_frames",
        "states",
    ),
    *("calibration", "speech", "music", "known", "tags", "embedding", "head", "sha256"),
)
"""Fields of the manifest that the process needs."""
_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from streamgenre.inference.model_process import main; main()"
)


class IsolatedSession:
    """Runs the graph of a model in a process of its own.

    Parameters
    ----------
    manifest
        The model's manifest.

    Raises
    ------
    ModelError
        If the graph cannot be loaded, does not fit the manifest, or exceeds the limits.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._failure = ""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _start(theirs)
        self._end = weakref.finalize(self, _end, self._process, ours)
        self._channel = Channel(ours, max_header=65_536)
        essential: dict[str, Any] = {
            name: manifest.raw[name] for name in _ESSENTIAL if name in manifest.raw
        }
        essential["training"] = {"command": "", "seed": 0}
        self._ask({"folder": str(manifest.folder.absolute()), "manifest": essential})

    def run(
        self, outputs: Sequence[str], feed: Mapping[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """Run the graph.

        Parameters
        ----------
        outputs
            Names of the outputs.
        feed
            Inputs by name.

        Returns
        -------
        list of array
            The outputs, in their order.

        Raises
        ------
        ModelError
            If it fails, takes too long or too much memory, or gives outputs of other shapes than
            the manifest says; then every later call fails too.
        """
        header = {"outputs": list(outputs), "inputs": list(feed)}
        answer = self._ask(header, list(feed.values()))
        shapes = answer.get("shapes")
        for name, shape in zip(outputs, shapes or [None] * len(outputs), strict=True):
            if not _fits(shape, self._shape_of(name, feed[FRAMES].shape)):
                self._fail(f"its output {name!r} has the shape {shape}; export the model again")
        assert shapes is not None
        found: list[NDArray[np.float32]] = self._guarded(
            lambda: [self._channel.array(shape) for shape in shapes]
        )
        return found

    def _shape_of(self, output: str, frames: Sequence[int]) -> tuple[int | range, ...]:
        """Return the shape that an output must have; a range where the graph may choose."""
        rows, time = frames[0], frames[1]
        for state in self._manifest.states:
            if output == state.output:
                return rows, *state.shape
        columns = self._manifest.outputs[output]
        if self._manifest.kind == "windowed":
            return rows, columns
        # The embedding is wide, so it has one row a call.
        return rows, 1 if output == EMBEDDING else range(1, time + 1), columns

    def _ask(
        self, header: dict[str, Any], arrays: Sequence[NDArray[np.float32]] = ()
    ) -> dict[str, Any]:
        """Send a request and return the header of the answer."""
        if self._failure:
            raise ModelError(self._failure)

        def exchange() -> dict[str, Any]:
            self._channel.allow(_PATIENCE_S)
            self._channel.send(header, arrays)
            return self._channel.receive()

        answer: dict[str, Any] = self._guarded(exchange)
        if answer.get("memory"):
            self._fail(f"needs more than {MEMORY_BYTES // 1_000_000} MB of memory")
        if "error" in answer:
            error = str(answer["error"])
            self._fail(error.removeprefix(f"{self._manifest.weights.absolute()}: "))
        return answer

    def _guarded(self, exchange: Any) -> Any:
        try:
            return exchange()
        except TimeoutError:
            self._fail(f"gave no answer within {_PATIENCE_S:g} s")
        except (EOFError, OSError, ValueError, RecursionError):
            self._fail(self._why_it_ended())

    def _why_it_ended(self) -> str:
        code = end_process(self._process, _WHAT, patience=0)
        if code is None:
            return "its process hangs in the kernel and cannot be ended"
        if code == -signal.SIGXCPU:
            return (
                f"takes too long: more than {LOAD_CPU_S} s of processor time for loading, or "
                "more than the length of the audio for a run"
            )
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"onnxruntime ended on it ({how}); it is damaged, or needs too much memory"

    def _fail(self, why: str) -> None:
        self._failure = f"{self._manifest.weights}: {why}"
        self._end()
        raise ModelError(self._failure)


def _fits(shape: Any, expected: Sequence[int | range]) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) == len(expected)
        and all(
            type(size) is int and (size in want if isinstance(want, range) else size == want)
            for size, want in zip(shape, expected, strict=True)
        )
    )


def _start(connection: socket.socket) -> subprocess.Popen[bytes]:
    """Start the process with the socket as its standard input."""
    # One memory arena: those of glibc would count against the limit.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    try:
        return subprocess.Popen(
            # -P: nothing is imported from the folder that the daemon happens to run in.
            [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2])],
            stdin=connection.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the daemon alone
        )
    except OSError as error:
        raise ModelError(
            f"cannot start a process for the model: {error.strerror}; free memory or processes"
        ) from error


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    end_process(process, _WHAT, patience=0)
