from __future__ import annotations

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest

from streamgenre.display import palette

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip


def lab(hex_color: str, sight: str) -> np.ndarray:
    channels = np.array([int(hex_color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    xyz = RGB_TO_XYZ @ np.clip(SIGHT[sight] @ linear, 0, 1) / (RGB_TO_XYZ @ np.ones(3))
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_genres_can_be_distinguished(sight: str) -> None:
    seen = {genre: lab(color, sight) for genre, color in palette.GENRE_COLORS.items()}
    distance = {
        (a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in itertools.combinations(seen, 2)
    }
    closest = min(distance, key=distance.__getitem__)
    assert distance[closest] > 23, closest


def test_the_ten_genres_have_distinct_letters() -> None:
    signs = palette.letters(palette.GENRE_COLORS)
    assert signs == palette.GENRE_LETTERS
    assert len(set(signs.values()) | set(palette.STATE_GLYPHS.values())) == 10 + 4


def test_spelling_does_not_change_a_colour() -> None:
    assert palette.genre_color("Hip-Hop") == palette.GENRE_COLORS["hiphop"]


def test_custom_labels_keep_their_letters_and_colours() -> None:
    labels = ["techno", "trance", "tango", "jazz", "jungle", "音楽", "t", "T"]
    signs = palette.letters(labels)
    assert list(signs) == labels
    assert len(set(signs.values())) == len(labels)
    assert signs["jazz"] == "J"
    assert signs["techno"] == "T"
    # By hash, but not by Python's, which differs from run to run.
    code = "from streamgenre.display.palette import genre_color; print(genre_color('techno'))"
    again = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert again.stdout.strip() == palette.genre_color("techno")
    assert re.fullmatch("#[0-9A-F]{6}", palette.genre_color("techno"))


def test_more_labels_than_letters_do_not_fail() -> None:
    assert len(palette.letters(f"genre {i}" for i in range(100))) == 100


def test_ink_is_legible_on_every_colour() -> None:
    for color in palette.GENRE_COLORS.values():
        ground = lab(color, "normal")[0]
        assert abs(lab(palette.ink(color), "normal")[0] - ground) > 45, color


def test_the_palette_and_the_view_do_without_rich() -> None:
    code = (
        "import sys, streamgenre.display.palette, streamgenre.dashboard.view;"
        "sys.exit('rich' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
