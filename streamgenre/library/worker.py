"""A process that hears files: paths come on standard input, results go to standard output.

Run as ``python -m streamgenre.library.worker``. The first line has the settings, each further line
a file; each answer is one line. All lines are JSON in ASCII, so that any file name passes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from streamgenre.inference.models import load_model
from streamgenre.inference.settings import DecisionSettings
from streamgenre.library.hearing import hear


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until there are no more, or the other process is gone.

    Parameters
    ----------
    requests
        Lines of JSON: ``{"model": …, "decision": …}``, then ``{"path": …, "sha256": …}``.
    answers
        Takes a line of JSON for each file.
    """
    parent = os.getppid()
    settings = json.loads(requests.readline())
    model = load_model(settings["model"])
    decision = DecisionSettings(**settings["decision"])
    for line in requests:
        request: dict[str, Any] = json.loads(line)
        result = hear(
            Path(request["path"]),
            model,
            decision,
            lambda: os.getppid() != parent,
            sha256=request["sha256"],
        )
        answers.write(json.dumps(result.as_dict()) + "\n")
        answers.flush()


def main() -> None:
    """Serve on the standard streams; what libraries print goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the other process too
    with os.fdopen(os.dup(1), "w", encoding="ascii") as answers:
        os.dup2(2, 1)
        with contextlib.suppress(BrokenPipeError):
            serve(sys.stdin, answers)
    sys.stdin.close()


if __name__ == "__main__":
    main()
