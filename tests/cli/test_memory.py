"""What a listening process must not load, and memory that it returns."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from support.commands import environment, start
from support.paced_radio import paced_radio

if TYPE_CHECKING:
    from pathlib import Path

NOT_NEEDED: Final = {
    *("asyncio", "fastjsonschema", "html.entities", "jinja2", "mutagen", "paho", "psycopg", "rich"),
    *("prometheus_client", "scipy", "sounddevice", "ssl", "starlette"),
    *("streamgenre.client.subscriber", "streamgenre.dashboard.app", "streamgenre.library"),
    *("streamgenre.report", "streamgenre.sources.demo"),
    *("streamgenre.supervisor.supervisor", "streamgenre.web"),
}
LISTEN: Final = """
import json, sys
from streamgenre.cli.entry import main
code = main(sys.argv[1:])
print(json.dumps(sorted(sys.modules)))
sys.exit(code)
"""


def test_a_plain_radio_station_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    with paced_radio(tmp_path, seconds=20) as base:
        done = subprocess.run(
            [
                *(sys.executable, "-c", LISTEN, "listen", "--input", f"{base}/a", "-q"),
                *("--model", "lite", "--publish", "tcp://127.0.0.1:*", "--duration", "3"),
                *("--history", str(tmp_path / "h.sqlite3")),
            ],
            capture_output=True, text=True, timeout=120, check=False, env=environment(),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert {"av", "numpy", "onnxruntime", "streamgenre.sources.stream.radio"} <= loaded
    assert sorted(NOT_NEEDED & loaded) == []


def test_code_of_the_start_is_unmapped_and_goes_on_working() -> None:
    script = """
from pathlib import Path
import numpy, onnxruntime
from streamgenre.system.memory import release_heap, unmap_idle_code

def memory(name):
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

numbers = numpy.random.default_rng(1).random((200, 200))
before = numbers @ numbers
files, own = memory("Rss") - memory("Anonymous"), memory("Anonymous")
release_heap()
unmap_idle_code()
left = memory("Rss") - memory("Anonymous")
assert left < 0.6 * files, (files, left)
assert memory("Anonymous") > 0.7 * own, "only pages of files may go"
assert (numbers @ numbers == before).all()
import sqlite3, decimal, ssl
assert sqlite3.connect(":memory:").execute("SELECT 6 * 7").fetchone() == (42,)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_daemon_returns_memory_of_its_start(tmp_path: Path) -> None:
    with (
        paced_radio(tmp_path, seconds=20) as base,
        start(
            *("listen", "--input", f"{base}/a", "--model", "lite", "--json", "--no-history"),
            *("--publish", "tcp://127.0.0.1:*"),
        ) as daemon,
    ):
        assert daemon.stdout is not None
        used = []
        for line in daemon.stdout:
            event = json.loads(line)
            if event["type"] == "status" and event["updates"]:
                used.append(event["rss_bytes"])
                if event["uptime_s"] > 60 or used[-1] < 0.85 * max(used):
                    break
        daemon.terminate()
        daemon.communicate(timeout=60)
    assert used[-1] < 0.85 * max(used), used


def test_a_sound_card_needs_no_ffmpeg() -> None:
    script = """
import sys
import streamgenre.daemon.app, streamgenre.engine.engine, streamgenre.sources.device.source
import streamgenre.worker.unit
from streamgenre.config.build import load
from streamgenre.config.layers import Setting, SettingsTree
from streamgenre.sources.factory import is_device, is_replayable
load(None, {}, SettingsTree(input=Setting("Built-in microphone", "--input")))
assert is_device("Built-in microphone") and not is_replayable("Built-in microphone")
assert "av" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
