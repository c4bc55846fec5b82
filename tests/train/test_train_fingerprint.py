from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.train_tunes import RATE, encode, tune

from streamgenre.audio.fingerprint import Copy, Fingerprint, copies
from train.corpora.fingerprint import fingerprint_of
from train.errors import TrainError

if TYPE_CHECKING:
    from pathlib import Path

N_TUNES = 12


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fingerprint]:
    folder = tmp_path_factory.mktemp("tunes")
    return {
        f"tune {n:02}": fingerprint_of(encode(folder / f"{n}.flac", tune(n, 6)), None)
        for n in range(N_TUNES)
    }


def found_in(tunes: dict[str, Fingerprint], copy: Fingerprint) -> list[Copy]:
    return copies({**tunes, "copy": copy})


def test_different_tunes_are_not_mistaken_for_copies(tunes: dict[str, Fingerprint]) -> None:
    assert copies(tunes) == []


@pytest.mark.parametrize(
    ("suffix", "bit_rate"),
    [(".mp3", 32_000), (".mp3", 128_000), (".aac", 48_000), (".opus", 24_000)],
)
def test_a_copy_is_found_however_encoded_trimmed_or_quiet(
    tunes: dict[str, Fingerprint], tmp_path: Path, suffix: str, bit_rate: int
) -> None:
    begin, end = int(1.37 * RATE), int(3.6 * RATE)
    trimmed = 0.05 * tune(5, 6)[begin:end]
    path = encode(tmp_path / f"copy{suffix}", trimmed, bit_rate=bit_rate)
    (found,) = found_in(tunes, fingerprint_of(path, None))
    assert (found.first, found.second) == ("copy", "tune 05")
    assert found.offset == pytest.approx(-1.37, abs=0.12)  # codecs add some padding
    assert 1.5 < found.seconds < 2.3


def test_two_cuts_of_a_tune_that_overlap_are_found(
    tunes: dict[str, Fingerprint], tmp_path: Path
) -> None:
    longer = tune(200, 8)
    early = fingerprint_of(encode(tmp_path / "early.flac", longer[: 5 * RATE]), None)
    late = fingerprint_of(encode(tmp_path / "late.mp3", longer[3 * RATE :]), None)
    (found,) = copies({**tunes, "early": early, "late": late})
    assert (found.first, found.second) == ("early", "late")
    assert found.offset == pytest.approx(3, abs=0.12)


def test_silence_matches_nothing(tunes: dict[str, Fingerprint], tmp_path: Path) -> None:
    silence = np.zeros(3 * RATE, np.float32)
    still = [fingerprint_of(encode(tmp_path / f"{n}.flac", silence), None) for n in range(2)]
    assert copies({**tunes, "one": still[0], "other": still[1]}) == []


def test_very_short_audio_has_no_fingerprint(tmp_path: Path) -> None:
    path = encode(tmp_path / "short.flac", tune(0, 0.3))
    assert len(fingerprint_of(path, None).words) == 0


def test_the_cache_returns_the_same_fingerprint(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.flac", tune(0, 2))
    first = fingerprint_of(path, tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    np.testing.assert_array_equal(fingerprint_of(path, tmp_path / "cache").words, first.words)
    entry.write_bytes(b"damaged")
    np.testing.assert_array_equal(fingerprint_of(path, tmp_path / "cache").words, first.words)


def test_a_file_without_audio_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"no audio")
    with pytest.raises(TrainError, match=r"a\.mp3: cannot be decoded"):
        fingerprint_of(tmp_path / "a.mp3", tmp_path)
