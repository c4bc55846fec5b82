"""The engine in a program that did not limit NumPy's BLAS itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PROGRAM = """
import json, time
import numpy as np
from support.audio import MemorySource
from threadpoolctl import threadpool_info
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.inference.models import load_model

def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

SECONDS = 40
noise = np.random.default_rng(0).normal(0, 0.1, (SECONDS * 44_100, 2)).astype(np.float32)
source = MemorySource(rate=44_100, channels=2, seconds=SECONDS).feed([noise]).end()
before, during = blas_threads(), []

def note_threads():
    if not during:
        during.extend(blas_threads())

engine = Engine(lambda event: None, EngineSettings(), on_turn=note_threads)
engine.add("noise", source, load_model("lstm"))
process, thread = time.process_time(), time.thread_time()
engine.run(lambda: False)
ratio = (time.process_time() - process) / (time.thread_time() - thread)
print(json.dumps([before, during, blas_threads(), ratio]))
"""


def test_the_engine_costs_no_more_than_the_time_of_its_own_thread() -> None:
    """Idle BLAS threads would spin: with two of them the process took 2.5 times as much."""
    environment = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, during, after, ratio = json.loads(done.stdout)
    assert during == [1] * len(before)
    assert after == before
    assert ratio == pytest.approx(1, abs=0.3)
