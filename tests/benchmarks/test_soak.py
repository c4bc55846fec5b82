"""A short soak: `benchmarks/soak.py` itself, over some simulated hours with a small model."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from benchmarks.soak import problems, soak
from streamgenre.inference.models import load_model

if TYPE_CHECKING:
    from pathlib import Path

# Updates may become slower by this factor: other work on the machine is not a leak.
BUSY = 5.0


def test_hours_with_failures_leak_nothing(tmp_path: Path, stateful_folder: Path) -> None:
    result = soak(
        tmp_path, load_model(str(stateful_folder), trusted=True), hours=0.5, seed=3, measure_s=100
    )
    assert problems(result, slower=BUSY) == []
    worn = result["stations"]["worn"]
    assert set(worn["parts"]) == {"music", "silence", "gap", "unplugged", "broken"}
    assert set(worn["lost"]) == {"source", "overflow", "reconnect"}
    assert result["stations"]["endless"]["reported"]["update"] == 1800
    assert len(result["twin_distance"]) >= 16
    check_that_problems_would_be_seen(result)


def check_that_problems_would_be_seen(result: dict[str, Any]) -> None:
    def seen(other: dict[str, Any], words: str) -> bool:
        return any(words in problem for problem in problems(other, slower=BUSY))

    def spoilt(**values: float) -> dict[str, Any]:
        other = copy.deepcopy(result)
        for hour in other["hours"][-len(other["hours"]) // 4 :]:
            hour |= {key: hour[key] + value for key, value in values.items()}
        return other

    # It may have fallen in between, when the memory of the start was returned.
    assert seen(spoilt(rss_mb=300), "memory grew")
    assert seen(spoilt(handles=20), "handles")
    assert seen(spoilt(threads=20), "threads")
    assert seen(spoilt(cpu_ms_per_update=1000), "updates cost")
    other = copy.deepcopy(result)
    other["stations"]["worn"]["reported_lost"]["overflow"] -= 1
    assert seen(other, "lost were")
    other = copy.deepcopy(result)
    other["twin_distance"][-4:] = [0.9] * 4
    assert seen(other, "wears out")
