"""A short soak: `benchmarks/soak.py` itself, over some simulated hours with a small model."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.soak import problems, soak
from streamgenre.models import load_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(300)
def test_hours_with_faults_leave_nothing_behind(tmp_path: Path, stateful_folder: Path) -> None:
    result = soak(tmp_path, load_model(str(stateful_folder)), hours=0.5, seed=3, measure_s=100)
    assert problems(result, slower=3) == []  # a busy machine is no leak
    worn = result["stations"]["worn"]
    assert set(worn["parts"]) == {"music", "silence", "gap", "unplugged", "broken"}
    assert set(worn["lost"]) == {"source", "overflow", "reconnect"}
    assert result["stations"]["endless"]["told"]["update"] == 1800
    assert len(result["twin_distance"]) >= 16
    check_that_problems_would_be_seen(result)


def check_that_problems_would_be_seen(result: dict[str, Any]) -> None:
    def spoilt(**values: float) -> list[str]:
        other = copy.deepcopy(result)
        for hour in other["hours"][-len(other["hours"]) // 4 :]:
            hour |= {key: hour[key] + value for key, value in values.items()}
        return problems(other)

    assert "memory grew" in spoilt(rss_mb=30)[0]
    assert "handles" in spoilt(handles=20)[0]
    assert "threads" in spoilt(threads=20)[0]
    assert "updates cost" in spoilt(cpu_ms_per_update=10)[0]
    other = copy.deepcopy(result)
    other["stations"]["worn"]["told_lost"]["overflow"] -= 1
    assert "lost were" in problems(other)[0]
    other = copy.deepcopy(result)
    other["twin_distance"][-4:] = [0.9] * 4
    assert "wears out" in problems(other)[0]
