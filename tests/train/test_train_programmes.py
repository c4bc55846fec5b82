from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.train_tones import GENRES, write_corpus, write_talk
from support.train_trunk import random_trunk

from streamgenre.inference.output import softmax
from train.augmentation import audio, codec, room_acoustics
from train.corpora import material_kinds, talk_files
from train.corpora.corpus import read_corpus
from train.trunk import (
    embedded_corpus,
    head_training,
    heads,
    lstm_memory,
    programme_figures,
    training_programmes,
)
from train.trunk.heads import Seconds

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def heard(
    tmp_path_factory: pytest.TempPathFactory, two_folds: None
) -> embedded_corpus.EmbeddedCorpus:
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), per_genre=4, seconds=(2.4, 4.0, 3.2))
    cache = tmp_path_factory.mktemp("cache")
    write_talk(folder)
    corpus = read_corpus(folder)
    files = talk_files.read_talk(folder, corpus.folds)
    return embedded_corpus.embed_corpus(corpus, [random_trunk()], cache, talk=files, programmes=1)[
        0
    ]


def test_programmes_keep_folds_apart(heard: embedded_corpus.EmbeddedCorpus) -> None:
    folds = np.array([clip.fold for clip in heard.clips])
    for seconds in heard.kinds.values():
        playing = seconds.clips >= 0
        assert (folds[seconds.clips[playing]] == seconds.folds[playing]).all()
    assert sorted(heard.kinds) == [
        material_kinds.QUIET,
        material_kinds.ROOM,
        material_kinds.ALONE,
        material_kinds.LEVELS,
        1,
    ]
    for kind in (material_kinds.ALONE, material_kinds.ROOM):
        assert set(heard.kinds[kind].clips) == set(range(12))
        assert heard.kinds[kind].begins.sum() == 12
    for kind in (material_kinds.LEVELS, 1):
        assert heard.kinds[kind].begins.sum() == 2
    of_files = np.array([file.fold for file in heard.talk])
    for seconds in heard.of_talk:
        assert set(seconds.clips) == set(range(len(heard.talk)))
        assert (of_files[seconds.clips] == seconds.folds).all()
    assert heard.seconds == 3 * (2 + 4 + 2 * 3)  # whole seconds


def test_a_programme_comes_from_its_seed_and_from_the_cache(tmp_path: Path) -> None:
    corpus = read_corpus(write_corpus(tmp_path / "corpus", per_genre=2, seconds=(2.4, 4.0)))
    jobs = embedded_corpus.jobs_of(
        corpus, embedded_corpus.ears_of([random_trunk()]), "0" * 64, (), 1
    )
    job = jobs[1, corpus.folds[0]]
    first = training_programmes.embed(job, tmp_path / "one")[0]
    again = training_programmes.embed(job, tmp_path / "two")[0]
    other = training_programmes.embed(replace(job, seed=77), tmp_path / "two")[0]
    np.testing.assert_array_equal(first.pooled, again.pooled)
    assert first.pooled.shape != other.pooled.shape or (first.pooled != other.pooled).any()
    # Read back even without the audio files.
    gone = replace(job, paths=tuple(path.with_suffix(".gone") for path in job.paths))
    np.testing.assert_array_equal(
        training_programmes.embed(gone, tmp_path / "one")[0].clips, first.clips
    )


def test_heads_classify_unseen_tones(heard: embedded_corpus.EmbeddedCorpus) -> None:
    settings = lstm_memory.Settings(units=4, epochs=1, programmes=4, batch=4, seconds=40, chunk=20)
    for name, recipe in head_training.RECIPES.items():
        measured = head_training.Measured()
        for fold in heard.corpus.folds:
            rest = tuple(one for one in heard.corpus.folds if one != fold)
            fitted = head_training.fit(heard, recipe, settings, rest)
            head_training.measure_fold(fitted, heard, fold, measured)
        figures = head_training.figures(measured, heard)
        assert figures["clip"]["accuracy"] > 0.6, name  # chance is 1/3
        assert figures["clips"] == 12
        assert set(figures["programmes"]) == {"levels", "augmented 1"}
        assert figures["noise"]["windows"] > 0
        assert 1 / len(GENRES) < figures["noise"]["likeliest"] < 1
        assert figures["speech"]["against_music"]["accuracy"] > 0.8  # chance is 1/2
        assert max(figures["speech"]["called_speech"][genre] for genre in GENRES) < 0.3
        both = measured.temperatures()
        assert both["logits"] > 0
        assert both["speech"] > 0


@pytest.mark.parametrize("settings", [audio.Sound(), audio.LEVEL_ONLY])
def test_augmented_audio_is_valid_audio(settings: audio.Sound, rng: np.random.Generator) -> None:
    samples = (0.3 * np.sin(np.arange(room_acoustics.RATE * 2) / 9)).astype(np.float32)
    for _ in range(25):
        changed = audio.change(samples, rng, settings, talks=(samples[::-1],))
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert np.abs(changed).max() <= 1
        assert abs(len(changed) / len(samples) - 1) < 0.07
    silence = audio.change(np.zeros_like(samples), rng, settings)
    assert np.abs(silence).max() < 1e-6


@pytest.mark.parametrize("name", codec.CODECS)
def test_a_codec_round_trip_keeps_the_music(name: str, rng: np.random.Generator) -> None:
    t = np.arange(room_acoustics.RATE * 2) / room_acoustics.RATE
    samples = (0.3 * np.sin(2 * np.pi * 700 * t) + 0.01 * rng.normal(size=len(t))).astype("f4")
    heard = codec.round_trip(samples, room_acoustics.RATE, name, 32_000)
    assert heard.shape == samples.shape
    spectrum = np.abs(np.fft.rfft(heard[room_acoustics.RATE // 2 :]))
    assert (
        abs(
            np.fft.rfftfreq(len(heard) - room_acoustics.RATE // 2, 1 / room_acoustics.RATE)[
                spectrum.argmax()
            ]
            - 700
        )
        < 2
    )
    assert room_acoustics.level(heard) == pytest.approx(room_acoustics.level(samples), rel=0.1)
    assert np.abs(heard - samples).max() > 1e-3  # the codec is lossy


def test_the_simulated_room_is_ten_decibels_above_its_noise(rng: np.random.Generator) -> None:
    samples = np.zeros(room_acoustics.RATE * 4, np.float32)
    t = np.arange(room_acoustics.RATE * 2) / room_acoustics.RATE
    samples[: len(t)] = 0.3 * np.sin(2 * np.pi * 1000 * t)
    ratios = []
    for _ in range(12):
        heard = audio.simulated_room(samples, rng)
        played, silence = heard[4000 : len(t)], heard[-room_acoustics.RATE :]
        ratios.append(20 * np.log10(room_acoustics.level(played) / room_acoustics.level(silence)))
    # Half of it is silent, so that the music is 3 dB above its own mean while it plays; the
    # microphone takes the tone more or less loudly than the noise.
    assert np.median(ratios) == pytest.approx(13, abs=3)


def test_a_room_has_its_stated_reverberation_time(rng: np.random.Generator) -> None:
    for seconds in (0.2, 0.8):
        response = room_acoustics.response(rng, seconds)
        assert len(response) == int(seconds * room_acoustics.RATE)
        tenth = len(response) // 10
        early, late = (np.square(part).mean() for part in (response[tenth : 2 * tenth],
                                                           response[-tenth:]))  # fmt: skip
        # Between their middles lie 0.8 of the decay to -60 dB.
        assert 10 * np.log10(early / late) == pytest.approx(48, abs=8)


def rows(clips: list[int]) -> Seconds:
    n = len(clips)
    new = np.append(True, np.diff(clips) != 0)
    starts = np.maximum.accumulate(np.where(new, np.arange(n), 0))
    ages = (np.arange(n) - starts + 1).astype(np.float32)
    return Seconds(np.zeros((n, 3), np.float32), np.array(clips), ages, np.ones(n, int), new)


def test_lag_and_flips_of_a_programme_are_measured() -> None:
    seconds = rows([0] * 6 + [1] * 6 + [-1] * 3 + [0] * 6)
    answers = [0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    logits = np.eye(2, dtype=np.float32)[answers]
    figures = programme_figures.programme_figures([(seconds, logits)], np.array([0, 1]))
    assert figures["seconds"] == 18
    assert figures["second"] == pytest.approx((8 / 12 + 4 / 6) / 2, abs=1e-4)
    assert figures["lag_median"] == 3
    assert figures["lag_p90"] == 4
    assert figures["wrong_flips_a_minute"] == pytest.approx(1 / 0.3, abs=0.01)


def test_a_linear_head_is_at_its_optimum(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 5)).astype(np.float32)
    targets = (x[:, 0] > 0).astype(int) + (x[:, 1] > 1)
    weights = np.ones(300, np.float32)
    head = heads.fit_linear(x, targets, weights, 3, 0.01)
    assert (head(x).argmax(axis=1) == targets).mean() > 0.8  # the most frequent is 0.5
    strong = heads.fit_linear(x, targets, weights, 3, 100.0)
    assert np.abs(strong.kernel).max() < 0.05 * np.abs(head.kernel).max()


def test_rows_without_a_genre_are_weighted_equally_over_genres(rng: np.random.Generator) -> None:
    music = rng.normal(size=(300, 5)).astype(np.float32)
    noise = rng.normal(4, 1, (100, 5)).astype(np.float32)
    genres = (music[:, 0] > 0).astype(int)
    targets = np.append(genres, np.full(100, heads.NO_GENRE))
    every = np.concatenate([music, noise])

    def surest(weight_of_noise: float) -> tuple[float, float]:
        weights = np.repeat(np.array([1, weight_of_noise], np.float32), [300, 100])
        head = heads.fit_linear(every, targets, weights, 2, 0.01)
        likeliest = softmax(head(every)).max(axis=1)
        return float(likeliest[300:].mean()), float((head(music).argmax(axis=1) == genres).mean())

    sure, right = surest(0)
    unsure, still_right = surest(1)
    assert sure > 0.9
    assert unsure < 0.75
    assert min(right, still_right) > 0.75


def test_noise_without_music_is_given_no_genre(
    heard: embedded_corpus.EmbeddedCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    strays = heard.strays
    assert (strays.clips == -1).all()
    assert not np.isin(strays.folds, heard.corpus.folds).any()
    np.testing.assert_array_equal(strays.ages[:4], [1, 2, 3, 4])
    assert strays.begins.sum() * 4 == len(strays.ages)
    sure = []
    for weight in (0.0, 0.2):
        monkeypatch.setattr(head_training, "_STRAY", weight)
        head = head_training.fit(
            heard, head_training.RECIPES["cnn"], lstm_memory.Settings(), (1, 2)
        ).window
        full = strays.embedding[strays.ages > 2.5]
        sure.append(float(softmax(head(full)).max(axis=1).mean()))
    assert sure[1] < sure[0] - 0.05  # of 1/3 to 1


def test_noise_without_music_has_every_level_and_colour() -> None:
    levels, low = [], []
    for seed in range(40):
        noise = audio.stray_noise(np.random.default_rng(seed))
        assert noise.shape == (4 * room_acoustics.RATE,)
        assert np.abs(noise).max() <= 1
        levels.append(20 * np.log10(room_acoustics.level(noise)))
        power = np.square(np.abs(np.fft.rfft(noise)))
        low.append(power[:4000].sum() / power.sum())
    assert -51 < min(levels) < -40
    assert -22 < max(levels) < -11
    assert min(low) < 0.3
    assert max(low) > 0.8


def test_a_recording_is_continued_until_its_time_is_up(rng: np.random.Generator) -> None:
    pieces: Any = ((np.array([0, 1, 2]),), (np.array([3, 4]), np.array([5])))
    logits = np.eye(6, dtype=np.float32)
    material_rows = lstm_memory.Rows(logits, pieces, np.array([0, 1]), np.array([0.5, 0.5]))
    settings = lstm_memory.Settings(seconds=60, piece=(8.0, 20.0))
    got, genres, ages = lstm_memory.programme(material_rows, settings, rng)
    assert got.shape == (60, 6)
    settled = ages > 2
    assert (got[settled][genres[settled] == 0][:, :3].sum(axis=1) == 1).all()
    assert (got[settled][genres[settled] == 1][:, 3:].sum(axis=1) == 1).all()
    assert ages.max() <= 20
