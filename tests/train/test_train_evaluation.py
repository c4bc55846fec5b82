from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from streamgenre.inference.output import Output
from train.corpora.recordings import SPEC
from train.evaluation.clip_outcomes import Outcome, figures, run_clips, temperature_of


class Manifest:
    features = SPEC
    temperature = 1.0
    labels = ("a", "b")


class Counting:
    """Counts the frames since its reset: two logits, (frames, first value)."""

    manifest = Manifest()

    def __init__(self) -> None:
        self.heard: dict[str, int] = {}
        self.resets = 0

    def update(self, stations: Any, frames: Any) -> Any:
        assert len(set(stations)) == len(stations)
        for station, new in zip(stations, frames, strict=True):
            assert 1 <= len(new) <= 75
            self.heard[station] = self.heard.get(station, 0) + len(new)
        logits = [[self.heard[s], f[0, 0]] for s, f in zip(stations, frames, strict=True)]
        return Output(np.array(logits, np.float32), None)

    def reset(self, station: Any) -> None:
        self.resets += 1
        self.heard.pop(station, None)


def clip(n: int, value: float = 0.0) -> Any:
    return np.full((n, SPEC.numcep), value, np.float32)


def run(lengths: list[int], **options: Any) -> list[Outcome]:
    n = len(lengths)
    return run_clips(
        cast("Any", Counting()),
        [clip(length, i) for i, length in enumerate(lengths)],
        [0] * n,
        [1] * n,
        list(range(n)),
        rng=np.random.default_rng(0),
        **options,
    )


def test_windows_start_fresh_and_hops_continue() -> None:
    long, short = run([250, 60])
    assert long.windows.tolist() == [[75, 0]] * 3
    assert short.windows.tolist() == [[60, 1]]
    assert long.hops[:, 0].tolist() == [75, 100, 125, 150, 175, 200, 225, 250]
    assert short.hops[:, 0].tolist() == [60]


def test_the_endless_programme_is_never_reset() -> None:
    lengths = [250, 60, 80, 300]
    outcomes = run(lengths)
    totals = [o.endless[:, 0].max() for o in outcomes]
    assert max(totals) == sum(lengths)
    assert all(len(o.endless) == 4 * len(o.hops) for o in outcomes)
    assert all((o.endless[:, 1] == i).all() for i, o in enumerate(outcomes))
    assert all(len(o.endless) == 0 for o in run(lengths, endless=False))


def test_many_clips_are_all_evaluated() -> None:
    assert [len(o.windows) for o in run([60 + 30 * (i % 5) for i in range(300)])] == [
        max(1, (60 + 30 * (i % 5)) // 75) for i in range(300)
    ]


def outcome(target: int, fold: int, clip: int, logits: list[float], hops: int) -> Outcome:
    rows = np.array([logits] * hops, np.float32)
    return Outcome(target, fold, clip, rows[:1], rows, rows[:0])


def test_figures_match_a_manual_calculation() -> None:
    right, wrong = [2.0, 0.0], [0.0, 2.0]
    outcomes = [
        outcome(0, 1, 0, right, 8),
        outcome(0, 1, 1, wrong, 1),
        outcome(1, 1, 2, wrong, 28),
        outcome(0, 2, 3, right, 28),
    ]
    found = figures(outcomes, ("a", "b"), 1.0)
    # Fold 1: a is one of two windows, b one of one; fold 2 has a alone.
    assert found["window"]["accuracy"] == pytest.approx((0.75 + 1) / 2, abs=1e-4)
    assert found["window"]["by_fold"] == [0.75, 1.0]
    assert found["hop"]["by_fold"] == [pytest.approx((8 / 9 + 1) / 2, abs=1e-4), 1.0]
    assert found["hop_after_10_s"]["items"] == 3
    assert found["clip"]["by_genre"] == {"a": pytest.approx(2 / 3, abs=1e-4), "b": 1.0}
    assert found["chance"] == 0.5
    assert found["confusion"]["counts"] == [[2, 1], [0, 1]]
    low, high = found["clip"]["ci95"]
    assert low <= found["clip"]["accuracy"] <= high
    assert "endless_hop" not in found


def test_temperature_reduces_overconfidence() -> None:
    outcomes = [outcome(i % 2, 1, i, [9.0, 0.0], 4) for i in range(20)]
    assert temperature_of(outcomes) == pytest.approx(10, rel=0.01)  # nothing to be sure of
