"""Hears recordings in a process of its own: a file that crashes its decoder costs only itself.

The process is ``python -m streamgenre.teach.ear BASE``. It takes a line of JSON for each recording
on standard input, and answers with a line of JSON on standard output, which is followed by as many
bytes of a NumPy archive as it says.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamgenre.ending import end_process
from streamgenre.errors import InputError, ModelError
from streamgenre.library.pool import how_it_ended
from streamgenre.teach.cache import read_heard, write_heard
from streamgenre.teach.hearing import Listener

if TYPE_CHECKING:
    from typing import IO, Self

    from streamgenre.teach.hearing import Heard


class Ear:
    """Hears recordings with a model; use it as a context manager.

    The process starts with the first recording, and again after a crash.

    Parameters
    ----------
    base
        Name or folder of a model that has an embedding.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Return the ear; its process starts with the first recording."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._ended(self._process)

    def hear(self, path: Path, *, few: bool = False) -> Heard:
        """Hear a recording.

        Parameters
        ----------
        path
            The audio file.
        few
            Whether to hear only a few stretches.

        Raises
        ------
        InputError
            If it cannot be decoded, crashes its decoder, is too short or silent.
        ModelError
            If the model cannot be loaded, or has no embedding.
        """
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # if it has ended, reading the answer fails too
            process.stdin.write(json.dumps({"path": str(path), "few": few}).encode() + b"\n")
            process.stdin.flush()
        head = process.stdout.readline()
        answer: dict[str, Any] = json.loads(head) if head.endswith(b"\n") else {}
        body = process.stdout.read(answer.get("bytes", 0))
        if not answer or len(body) < answer.get("bytes", 0):
            raise InputError(f"{path}: its decoder {self._ended(process)}")
        if "model" in answer:
            raise ModelError(answer["model"])
        if "input" in answer:
            raise InputError(answer["input"])
        return read_heard(io.BytesIO(body))

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamgenre.teach.ear", self._base],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        return self._process

    def _ended(self, process: subprocess.Popen[bytes]) -> str:
        """Forget the process; return in words how it ended."""
        self._process = None
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        return how_it_ended(end_process(process, "the process that hears recordings"))


def serve(base: str, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until the input ends.

    Parameters
    ----------
    base
        Name or folder of the model.
    requests
        Lines of JSON: ``{"path": …, "few": …}``.
    answers
        Takes ``{"bytes": N}`` and an archive, or ``{"input": …}`` or ``{"model": …}`` with the
        words of an error.
    """
    listener: Listener | None = None
    for line in requests:
        request = json.loads(line)
        body = io.BytesIO()
        try:
            listener = listener or Listener(base)
            write_heard(body, listener.hear(Path(request["path"]), few=request["few"]))
            head: dict[str, Any] = {"bytes": len(body.getvalue())}
        except InputError as error:
            head = {"input": str(error)}
        except ModelError as error:
            head = {"model": str(error)}
        answers.write(json.dumps(head).encode() + b"\n")
        if "bytes" in head:
            answers.write(body.getvalue())
        answers.flush()


def main() -> None:
    """Serve on the standard streams; what libraries print goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the other process too
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        with contextlib.suppress(BrokenPipeError):
            serve(sys.argv[1], sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
