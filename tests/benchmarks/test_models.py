"""The benchmark of the models: what it says about a peer that cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("peer", "installed", "words"),
    [
        ("nowhere.tflite", True, "nowhere.tflite: no such file; expected a TFLite file"),
        ("README.md", True, "README.md: cannot be opened as TFLite"),
        ("README.md", False, "needs the package ai-edge-litert, which is not installed"),
    ],
)
def test_a_peer_that_cannot_be_used_is_explained(
    tmp_path: Path, peer: str, installed: bool, words: str
) -> None:
    if installed:
        pytest.importorskip("ai_edge_litert")
    else:
        (tmp_path / "ai_edge_litert.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/models.py", "--peer", peer],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
