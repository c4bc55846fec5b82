"""Which stretches of a station become clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.model_factory import write_stateful_model

from streamgenre.clips.choosing import Chooser, uncertainty
from streamgenre.clips.settings import ClipSettings
from streamgenre.inference.decision import Decision
from streamgenre.inference.manifest import read_manifest

if TYPE_CHECKING:
    from streamgenre.clips.clip import NewClip
    from streamgenre.inference.manifest import Manifest

LABELS = ("jazz", "pop", "rock")
TIE = (0.5, 0.5, 0.0)
SURE = (0.9, 0.1, 0.0)
SO_SO = (0.6, 0.35, 0.05)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("models") / "three"
    return read_manifest(write_stateful_model(folder, labels=LABELS))


class Station:
    """Feeds hops of a second to a chooser."""

    def __init__(self, manifest: Manifest, **more: float) -> None:
        self.clips: list[NewClip] = []
        settings = ClipSettings(seconds=3.0, **{"every_s": 0.0, **more})  # type: ignore[arg-type]
        self.chooser = Chooser("hall", settings, self.clips.append)
        self.manifest = manifest
        self.time = 1000.0

    def hear(
        self,
        probabilities: tuple[float, ...],
        seconds: int = 1,
        state: str = "music",
        music: float | None = None,
        speech: float | None = None,
    ) -> None:
        rate = self.manifest.features.samplerate
        p = np.array(probabilities)
        for _ in range(seconds):
            self.time += 1
            decision = Decision(state, None, 0.5, 0.0, p, p, speech, music, None, None)  # type: ignore[arg-type]
            samples = np.full(rate, self.time / 10_000, np.float32)
            self.chooser.hop(samples, decision, self.time, self.manifest)


def test_uncertainty_is_one_minus_the_lead() -> None:
    assert uncertainty(np.array(TIE)) == pytest.approx(1)
    assert uncertainty(np.array(SURE)) == pytest.approx(0.2)
    assert uncertainty(np.array([1.0])) == 0


def test_a_clip_is_what_was_heard_with_what_was_known(manifest: Manifest) -> None:
    station = Station(manifest)
    station.chooser.title("Ella", "Blue Moon")
    station.hear(TIE, 3)
    (clip,) = station.clips
    facts, rate = clip.facts, manifest.features.samplerate
    assert (facts.station, facts.artist, facts.title) == ("hall", "Ella", "Blue Moon")
    assert (facts.start, facts.end) == (1000, 1003)
    assert facts.probabilities == dict(zip(LABELS, TIE, strict=True))
    assert [name for name, _ in facts.top] == list(LABELS)
    assert (facts.model, facts.model_sha256) == (manifest.name, manifest.sha256)
    assert clip.samples.shape == (3 * rate,)
    assert clip.samples[0] == round(0.1001 * 32768)
    assert clip.samples[-1] == round(0.1003 * 32768)


def test_sure_music_makes_no_clip(manifest: Manifest) -> None:
    station = Station(manifest)
    station.hear(SURE, 30)
    assert not station.clips


def test_a_genre_that_changes_to_and_fro_is_uncertain_though_each_hop_is_sure(
    manifest: Manifest,
) -> None:
    station = Station(manifest, uncertainty=0.6)
    for _ in range(2):
        station.hear((0.9, 0.1, 0.0))
        station.hear((0.1, 0.9, 0.0))
    assert len(station.clips) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"state": "silence"},
        {"state": "speech"},
        {"state": "noise"},
        {"state": "unknown", "speech": 0.8},
        {"state": "unknown", "music": 0.2},
    ],
)
def test_silence_speech_and_noise_are_in_no_clip(
    manifest: Manifest, other: dict[str, object]
) -> None:
    station = Station(manifest)
    station.hear(TIE, 2)
    station.hear(TIE, 5, **other)  # type: ignore[arg-type]
    station.hear(TIE, 2)
    assert not station.clips
    station.hear(TIE, 1, state="unknown", music=0.9, speech=0.1)
    assert len(station.clips) == 1


def test_no_clip_spans_a_gap_or_a_change_of_title(manifest: Manifest) -> None:
    station = Station(manifest)
    station.hear(TIE, 2)
    station.chooser.break_off()
    station.hear(TIE, 2)
    station.chooser.title(None, "another https://user:secret@radio.example/a?key=1")
    station.hear(TIE, 2)
    assert not station.clips
    station.hear(TIE, 1)
    assert [clip.facts.title for clip in station.clips] == ["another https://radio.example/a?…"]


def test_of_a_period_only_the_least_certain_clip_is_kept(manifest: Manifest) -> None:
    station = Station(manifest, every_s=12.0)
    for probabilities in (SO_SO, TIE, SO_SO):
        station.hear(probabilities, 3)
    first, second = station.clips
    assert first.replaces is None
    assert second.replaces == first.name
    station.hear(TIE, 6)
    assert station.clips[2].replaces is None  # the next period
