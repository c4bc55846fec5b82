from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.train_tones import tone, write_wav

from streamgenre.audio.features import MfccStream
from train.corpora import recordings
from train.corpora.recordings import (
    SPEC,
    cepstra,
    corpus_hash,
    load_recording,
    load_recordings,
    log_mel,
)
from train.errors import TrainError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    write_wav(path, tone(440, 3.3, 1))
    return path


def test_cached_frames_equal_those_of_the_stream(clip: Path, tmp_path: Path) -> None:
    direct = MfccStream(SPEC).push(recordings.decode(clip, SPEC.samplerate))
    first = load_recording(clip, SPEC, tmp_path / "cache")
    second = load_recording(clip, SPEC, tmp_path / "cache")
    np.testing.assert_allclose(first.frames, direct, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(first.frames, second.frames)
    assert first.seconds == second.seconds == pytest.approx(3.3)


def test_the_cache_is_used(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_recording(clip, SPEC, tmp_path / "cache")

    def refuse(*args: Any) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(recordings, "decode", refuse)
    np.testing.assert_array_equal(
        load_recording(clip, SPEC, tmp_path / "cache").frames, first.frames
    )
    with pytest.raises(AssertionError, match="decoded again"):
        load_recording(clip, SPEC, None)


def test_other_settings_and_other_audio_get_other_entries(clip: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    cache = tmp_path / "cache"
    load_recording(clip, SPEC, cache)
    other = load_recording(clip, replace(SPEC, winstep=0.02), cache)
    assert len(other.frames) > 150
    write_wav(clip, tone(880, 3.3, 2))
    load_recording(clip, SPEC, cache)
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", b"\x80\x04pickle"])
def test_a_damaged_entry_is_computed_again(clip: Path, tmp_path: Path, damage: bytes) -> None:
    cache = tmp_path / "cache"
    first = load_recording(clip, SPEC, cache)
    (entry,) = cache.iterdir()
    entry.write_bytes(damage)
    np.testing.assert_array_equal(load_recording(clip, SPEC, cache).frames, first.frames)


def test_stereo_and_another_rate_give_the_same_frames(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "stereo.wav"
    t = np.arange(int(44_100 * 3.3)) / 44_100
    write_wav(other, 0.3 * np.sin(2 * np.pi * 440 * t), rate=44_100, channels=2)
    samples = recordings.decode(other, 16_000)
    assert len(samples) == pytest.approx(3.3 * 16_000, abs=2)
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(len(samples)) / 16_000)
    np.testing.assert_allclose(samples[500:-500], expected[500:-500], atol=2e-3)


def test_log_mel_inverts_the_cepstra() -> None:
    energies = np.random.default_rng(0).normal(-5, 3, (20, SPEC.nfilt)).astype(np.float32)
    np.testing.assert_allclose(log_mel(cepstra(energies, SPEC), SPEC), energies, atol=1e-4)


def test_unreadable_files_are_reported_and_skipped(clip: Path, tmp_path: Path) -> None:
    noise, empty, short = (tmp_path / f"{n}.wav" for n in ("noise", "empty", "short"))
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    empty.write_bytes(b"")
    write_wav(short, tone(440, 0.01, 0))
    paths = [clip, noise, empty, short, tmp_path / "missing.wav"]
    recordings, problems = load_recordings(paths, SPEC, None)
    assert list(recordings) == [clip]
    assert len(problems) == 4
    for problem, path in zip(problems, paths[1:], strict=True):
        assert str(path) in problem


def test_a_cache_that_cannot_be_written_is_an_error(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainError, match="--cache"):
        load_recording(clip, SPEC, tmp_path / "file" / "cache")


def test_the_corpus_hash_depends_on_content_not_on_names_or_order(tmp_path: Path) -> None:
    for name, hertz in (("a", 300), ("b", 400), ("c", 300)):
        write_wav(tmp_path / f"{name}.wav", tone(hertz, 1, 3))
    a, b, c = (load_recording(tmp_path / f"{n}.wav", SPEC, None) for n in "abc")
    assert corpus_hash([a, b]) == corpus_hash([b, c]) != corpus_hash([a, c])
