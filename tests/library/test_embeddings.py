"""Embeddings of files: what a taught model sees is what it was taught with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.audio import music, write_wav
from support.taught_models import random_head, write_taught_model

from streamgenre import classify
from streamgenre.inference.models import softmax
from streamgenre.library.embeddings import Embedder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Ten files: nine songs of different length, one of them after silence, and one of no audio."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "music"
    folder.mkdir()
    found = []
    for number in range(8):
        found.append(folder / f"{number}.wav")
        write_wav(found[-1], music(2 + number % 3, seed=number))
    found.append(folder / "late.wav")
    write_wav(found[-1], np.concatenate([np.zeros_like(music(4)), music(3, seed=9)]))
    found.insert(3, folder / "cover.jpg")
    found[3].write_bytes(b"\xff\xd8")
    return found


def test_a_head_on_the_embeddings_answers_as_classify_does(
    songs: list[Path], tmp_path: Path
) -> None:
    folder = str(write_taught_model(tmp_path / "mine"))
    head = random_head(576, 3)
    heard = {each.path: each for each in Embedder("lite").hear(songs)}
    for result in classify(*songs[:-1], model=folder, jobs=1, cached=False):
        seen = heard[result.path]
        assert (seen.problem is None) == (result.problem is None)
        if result.problem is None:
            assert len(seen.times) == len(seen.rows)
            mean = softmax(head.logits(seen.rows) / 1.5).mean(axis=0)
            assert np.allclose(mean, list(result.probabilities.values()), atol=1e-4)
            assert seen.result.seconds == result.seconds


def test_files_are_heard_in_their_order_and_as_each_alone(songs: list[Path]) -> None:
    embedder = Embedder("lite")
    heard = list(embedder.hear(songs))
    assert [each.path for each in heard] == songs
    assert heard[3].problem
    assert heard[3].rows.shape == (0, 576)
    late = heard[-1]
    assert late.times.min() > 4  # silence has no rows
    for number in (0, 9):
        (alone,) = embedder.hear([songs[number]])
        assert np.allclose(alone.rows, heard[number].rows, atol=1e-4)
        assert np.array_equal(alone.times, heard[number].times)
        assert alone.speech is not None
        assert alone.speech.shape == alone.times.shape


def test_hearing_stops_early_on_request(songs: list[Path]) -> None:
    asked = iter([False])
    assert list(Embedder("lite").hear(songs, lambda: next(asked, True))) == []
