"""Metrics as Prometheus wants them: accepted by promtool, and true while they are there."""

from __future__ import annotations

import signal
import subprocess
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.audio import music, write_wav
from support.commands import free_endpoint, start
from support.live import end, until
from support.requirements import require_programs
from support.sample_events import SampleStation

import streamgenre.daemon.metrics
from streamgenre.daemon.metrics import MetricsServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OF_SOUND = ("state", "probability", "confidence", "level_dbfs", "dead_air", "latency_seconds")
"""Metrics that describe what is heard now."""
ODD_NAMES = ('a"b', "a\\b", "a\\", "Küche", "a b", "{", "a,b=c", "日本", "#", "\ud800", "\udfff")


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    server = MetricsServer(":0", warn=print)
    server.start()
    yield server
    server.stop()


def text_of(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return str(answer.read().decode())


def promtool(text: str) -> None:
    """Check a text with the linter of Prometheus."""
    require_programs("promtool")
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def stations_of(text: str) -> dict[str, set[str]]:
    """Return the stations by metric."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix("streamgenre_")
        found[name] = {s.labels["station"] for s in family.samples if "station" in s.labels}
    return found


def everything(station: SampleStation) -> Iterator[Any]:
    yield station.source()
    yield station.update()
    yield replace(station.status(), latency_ms={"p50": 1.0, "p99": 2.0, "max": 3.0})
    yield station.gap()
    yield station.segment()
    yield station.dead_air()


def test_promtool_accepts_all_metrics_of_stations_with_any_name(server: MetricsServer) -> None:
    promtool(text_of(server.port))
    for name in ODD_NAMES:
        for event in everything(SampleStation(name)):
            server.take(event)
    text = text_of(server.port)
    promtool(text)
    named = {name if name.isprintable() else "\ufffd" for name in ODD_NAMES}
    for metric, stations in stations_of(text).items():
        assert stations in (named, set()), metric
    assert set(OF_SOUND) <= set(stations_of(text))


def test_values_that_are_no_numbers_are_absent(server: MetricsServer) -> None:
    """Digital silence has no level; Prometheus would keep minus infinity for ever."""
    station = SampleStation()
    server.take(station.source())
    wrong = {"rock": float("nan"), "jazz": 0.5}
    server.take(replace(station.update(), level_dbfs=None, smoothed=wrong, state="silence"))
    text = text_of(server.port)
    promtool(text)
    assert "Inf" not in text
    assert "NaN" not in text
    assert "level_dbfs" not in text
    assert 'genre="jazz"' in text
    assert 'streamgenre_state{state="silence",station="kitchen"} 1.0' in text


@pytest.mark.parametrize("state", ["connecting", "lost", "ended"])
def test_a_station_that_is_not_live_has_no_sound(server: MetricsServer, state: Any) -> None:
    gone, stays = SampleStation("gone"), SampleStation("stays")
    for station in (gone, stays):
        for event in everything(station):
            server.take(event)
    server.take(replace(gone.source(), state=state))
    server.take(gone.update())  # the rest that was still in the buffer
    text = text_of(server.port)
    promtool(text)
    found = stations_of(text)
    for metric in OF_SOUND:
        assert found[metric] == {"stays"}, metric
    assert f'streamgenre_source_state{{state="{state}",station="gone"}} 1.0' in text
    assert 'streamgenre_source_state{state="live",station="gone"} 0.0' in text
    for metric in ("updates", "gaps", "segments", "last_update_timestamp_seconds", "model_info"):
        assert found[metric] == {"gone", "stays"}, metric
    server.take(gone.source())
    assert "gone" not in stations_of(text_of(server.port))["state"]  # not what it was before
    server.take(gone.update())
    assert "gone" in stations_of(text_of(server.port))["state"]


def test_a_station_that_was_removed_has_nothing(server: MetricsServer) -> None:
    for name in ("by its status", "by the daemon", "stays"):
        for event in everything(SampleStation(name)):
            server.take(event)
    server.take(replace(SampleStation("by its status").status(), removed=True))
    server.forget("by the daemon")
    text = text_of(server.port)
    promtool(text)
    assert all(stations in ({"stays"}, set()) for stations in stations_of(text).values())


def test_a_live_station_without_updates_has_no_sound(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for event in everything(SampleStation()):
        server.take(event)
    assert "streamgenre_state{" in text_of(server.port)
    monkeypatch.setattr(streamgenre.daemon.metrics, "_STALE_S", 0.0)
    server.take(SampleStation().gap())
    text = text_of(server.port)
    assert "streamgenre_state{" not in text
    assert "streamgenre_last_update_timestamp_seconds{" in text


def test_the_metrics_of_a_daemon_follow_its_stations(tmp_path: Path, stateful_folder: Path) -> None:
    """A real daemon: one station plays on, one ends by itself, and a reload renames one."""
    port = int(free_endpoint().rpartition(":")[2])
    write_wav(tmp_path / "short.wav", music(2), 44_100)
    config, endpoint = tmp_path / "config.toml", free_endpoint()

    def write(name: str) -> None:
        config.write_text(
            f'model = "{stateful_folder}"\n[bus]\npublish = "{endpoint}"\n'
            f'[metrics]\nlisten = ":{port}"\n[history]\nkeep = "none"\n'
            f'[[station]]\nname = "file"\ninput = "{tmp_path}/short.wav"\n'
            f'[[station]]\nname = "{name}"\ninput = "demo"\n'
        )

    def found() -> dict[str, set[str]]:
        try:
            text = text_of(port)
        except OSError:
            return {}
        promtool(text)
        return stations_of(text)

    write("before")
    daemon = start("listen", "--config", config, "-q")
    try:
        until(lambda: found().get("state") == {"before"} and "file" in found()["updates"], 60)
        assert found()["source_state"] == {"file", "before"}
        write("after")
        daemon.send_signal(signal.SIGHUP)
        until(lambda: found().get("state") == {"after"}, 60)
        assert all("before" not in stations for stations in found().values())
    finally:
        end(daemon)
