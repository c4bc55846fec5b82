from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from streamgenre.audio.ring import GapReason
from streamgenre.engine import loss_policy as loss_policy_module
from streamgenre.engine.hops import Hop, PlacedGap
from streamgenre.engine.loss_policy import GapEffect, LossPolicy
from streamgenre.engine.settings import EngineSettings
from streamgenre.inference.dead_air import Silence

EPOCH = 1.7e9
SETTINGS = EngineSettings(dead_air_s=3, reset_gap_s=2)


def hop(second: int) -> Hop:
    return Hop(
        frames=np.zeros((1, 13), np.float32),
        level_dbfs=-np.inf,
        peak_dbfs=-np.inf,
        loudness_lufs=None,
        start=float(second),
        end=second + 1.0,
        wall=EPOCH + second + 1,
        arrival=None,
    )


def gap(start: float, seconds: float, reason: GapReason = GapReason.SOURCE) -> PlacedGap:
    return PlacedGap(
        samples=round(seconds * 16_000),
        reason=reason,
        start=start,
        end=start + seconds,
        wall=EPOCH + start + seconds,
        resets=seconds >= SETTINGS.reset_gap_s,
    )


def in_dead_air(settings: EngineSettings = SETTINGS) -> LossPolicy:
    """Return a policy after five silent hops, of which the third brought dead air."""
    policy = LossPolicy(settings)
    found = [policy.hop(hop(second), silent=True) for second in range(5)]
    assert found == [None, None, Silence(True, 0.0, EPOCH, 3.0), None, None]
    return policy


def test_a_hop_with_sound_ends_dead_air() -> None:
    policy = in_dead_air()
    assert policy.hop(hop(5), silent=False) == Silence(False, 0.0, EPOCH, 5.0)
    assert policy.hop(hop(6), silent=False) is None


def test_no_dead_air_where_it_is_switched_off() -> None:
    policy = LossPolicy(EngineSettings(dead_air_s=0))
    assert not any(policy.hop(hop(second), silent=True) for second in range(100))
    assert policy.end(100.0) is None


def test_a_short_gap_ends_nothing() -> None:
    policy = in_dead_air()
    effect = policy.gap(gap(5.0, 1.0), title_follows=False)
    assert effect == GapEffect(silence=None, resets=False, title_unknown=False)
    assert policy.end(6.0) == Silence(False, 0.0, EPOCH, 6.0)  # it went on across the gap


def test_a_long_gap_ends_dead_air_where_the_gap_begins() -> None:
    policy = in_dead_air()
    effect = policy.gap(gap(5.0, 2.0), title_follows=False)
    silence = Silence(False, 0.0, EPOCH, 5.0)
    assert effect == GapEffect(silence=silence, resets=True, title_unknown=False)
    assert policy.end(7.0) is None


@pytest.mark.parametrize("reason", GapReason)
@pytest.mark.parametrize("title_follows", [True, False])
def test_only_a_reconnect_without_a_new_title_makes_the_title_unknown(
    reason: GapReason, title_follows: bool
) -> None:
    effect = LossPolicy(SETTINGS).gap(gap(5.0, 1.0, reason), title_follows=title_follows)
    assert effect.title_unknown == (reason is GapReason.RECONNECT and not title_follows)


def test_a_lost_source_ends_dead_air_once_it_has_been_away_for_the_reset_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(loss_policy_module, "time", SimpleNamespace(monotonic=lambda: now))
    policy = in_dead_air()
    assert policy.source_lost(5.0) is None
    now += 1.9
    assert policy.source_lost(5.0) is None
    policy.source_present()  # and lost again: the time away counts from now
    assert policy.source_lost(5.5) is None
    now += 1.9
    assert policy.source_lost(5.5) is None
    now += 0.2
    assert policy.source_lost(5.5) == Silence(False, 0.0, EPOCH, 5.5)
    assert policy.source_lost(5.5) is None


def test_without_a_bridged_gap_a_lost_source_ends_dead_air_at_once() -> None:
    policy = in_dead_air(EngineSettings(dead_air_s=3, reset_gap_s=0))
    assert policy.source_lost(5.0) == Silence(False, 0.0, EPOCH, 5.0)
