"""`streamgenre picture` draws what is in the file."""

from __future__ import annotations

import base64
import io
import re
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio import music, write_wav
from support.commands import streamgenre
from support.fuzzing import examples

from streamgenre.inference.models import load_model
from streamgenre.picture import columns
from streamgenre.picture.columns import Columns
from streamgenre.picture.image import heat_map
from streamgenre.picture.measure import MEL_BANDS, Measured, measure
from streamgenre.picture.page import page
from streamgenre.report.theme import DARK, LIGHT

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000


def sine(hz: float, seconds: float, level: float = 0.5) -> np.ndarray[tuple[int], np.dtype]:
    return level * np.sin(2 * np.pi * hz * np.arange(int(RATE * seconds)) / RATE)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    path = write_wav(tmp_path_factory.mktemp("song") / "a & <b>.wav", music(12))
    return measure(path, load_model("lite"))


@examples(60)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_columns_are_the_means_and_limits_of_equal_stretches(lengths: list[int], seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(sum(lengths), 3))
    found = Columns(3)
    for start, end in pairwise([0, *np.cumsum(lengths)]):
        found.push(rows[start:end])
    count = found.filled
    assert count <= 2 * columns.MOST
    length = next(n for n in (1, 2, 4, 8) if -(-len(rows) // n) == count)
    parts = [rows[n * length : (n + 1) * length] for n in range(count)]
    np.testing.assert_allclose(found.means, [part.mean(axis=0) for part in parts])
    np.testing.assert_allclose(found.limits[0], [part.min(axis=0) for part in parts])
    np.testing.assert_allclose(found.limits[1], [part.max(axis=0) for part in parts])


@pytest.mark.parametrize("hz", [150.0, 440.0, 3000.0])
def test_a_tone_is_bright_at_its_frequency_and_as_high_as_its_amplitude(
    tmp_path: Path, hz: float
) -> None:
    path = write_wav(tmp_path / "tone.wav", sine(hz, 3), RATE)
    found = measure(path, load_model("lite"))
    high = found.spec.highfreq or found.spec.samplerate / 2
    edges = [2595 * np.log10(1 + f / 700) for f in (found.spec.lowfreq, high, hz)]
    share = (edges[2] - edges[0]) / (edges[1] - edges[0])
    assert found.mel_db.mean(axis=0).argmax() == pytest.approx(share * (MEL_BANDS + 1) - 1, abs=1.2)
    assert found.high.max() == pytest.approx(0.5, abs=0.001)
    assert found.low.min() == pytest.approx(-0.5, abs=0.001)
    assert found.seconds == pytest.approx(3)


def test_the_page_is_complete_well_formed_and_needs_nothing_else(song: Measured) -> None:
    for theme in (LIGHT, DARK):
        text = page([song, song], theme)
        root = ElementTree.fromstring(text)
        words = [each.text for each in root.iter() if each.tag.endswith("text")]
        for wanted in ("Waveform", "Mel spectrogram", "amplitude", "dB", "time (min:s)", "0:10"):
            assert words.count(wanted) == 2, wanted
        assert words.count("a & <b>.wav") == 2
        links = re.findall(r'(?:href|src|url)="([^"]*)"', text)
        assert links
        assert all(link.startswith("data:image/png;base64,") for link in links)
        assert root.get("width") == "1600"


def test_the_decisions_fill_the_time_axis(song: Measured) -> None:
    assert song.decisions[0].start == 0
    assert all(a.end == b.start for a, b in pairwise(song.decisions))
    assert song.decisions[-1].end == pytest.approx(12, abs=1)


def test_a_heat_map_shows_time_to_the_right_and_the_first_row_below() -> None:
    values = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    found = re.search('base64,([^"]*)', heat_map(values, 0, 1, (0, 0, 10, 10)))
    assert found is not None
    with av.open(io.BytesIO(base64.b64decode(found[1])), "r") as container:
        pixels = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert pixels.shape == (3, 2, 3)
    bright = pixels.astype(int).sum(axis=2) > 400
    assert bright.tolist() == [[False, True], [False, False], [False, False]]


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_the_command_writes_each_kind_of_picture(tmp_path: Path, kind: str) -> None:
    a, b = (write_wav(tmp_path / f"{n}.wav", music(2, seed=n)) for n in range(2))
    out = tmp_path / f"x.{kind}"
    done = streamgenre("picture", "--compare", a, b, "--out", out, "--model", "lite")
    assert done.returncode == 0, done.stderr
    start = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}[kind]
    assert out.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.wav", "--out", "x.gif"], "ends in .svg, .png or .pdf"),
        (["--out", "x.svg"], "expected one file, or --compare A B"),
        (["/nonexistent.wav", "--out", "x.svg"], "no such file"),
        (["/etc/passwd", "--out", "x.svg"], "/etc/passwd"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(arguments: list[str], message: str) -> None:
    done = streamgenre("picture", *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("samples", [0, 1, 100, 8000])
def test_a_very_short_or_silent_file_is_drawn_or_refused_in_words(
    tmp_path: Path, samples: int
) -> None:
    path = write_wav(tmp_path / "short.wav", np.zeros(samples), RATE)
    done = streamgenre("picture", path, "--out", tmp_path / "x.svg", "--model", "lite")
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert done.returncode == int(samples < 8000)
