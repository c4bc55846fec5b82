from __future__ import annotations

import subprocess
import sys

import psutil
import pytest
from support.live import until

from streamgenre.engine.health import Health

BUSY = "x = bytearray(50_000_000)\nprint(flush=True)\nwhile True: pass"


def test_helper_processes_are_included() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as helper:
        assert helper.stdout is not None
        helper.stdout.readline()
        alone, together = Health(), Health(lambda: (helper.pid, 2**22 + 1))  # the second is gone
        for health in (alone, together):
            health.measure()
        process = psutil.Process(helper.pid)
        until(lambda: process.cpu_times().user > 0.5)  # the helper works, we do not
        assert together.measure().cpu_share > alone.measure().cpu_share
        assert together.measure().rss_bytes - alone.measure().rss_bytes > 50_000_000
        helper.kill()
        helper.wait()
        gone = together.measure()
        assert gone.rss_bytes == pytest.approx(alone.measure().rss_bytes, abs=5_000_000)
        assert gone.cpu_share >= 0
