"""``train inspect --picture``: what is wrong with a corpus, drawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from support.train_tunes import encode, tune

from train.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_picture_shows_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, cache = tmp_path / "corpus", str(tmp_path / "cache")
    for g, genre in enumerate(("folk", "polka & <more>")):
        for n in range(3):
            artist = "Both" if n == 0 else f"{genre} {n}"
            path = corpus / genre / f"{genre[:5]} {n}.flac"
            encode(path, tune(10 * g + n, 3), tags={"artist": artist})
    encode(corpus / "folk" / "quiet.flac", np.zeros(44_100, np.float32))
    encode(corpus / "folk" / "loud.flac", np.clip(8 * tune(5, 3), -0.9999, 0.9999))
    encode(corpus / "folk" / "copy.mp3", tune(1, 3)[4000:], bit_rate=64_000)
    (corpus / "folk" / "broken.flac").write_bytes(b"no audio")
    picture = tmp_path / "corpus.svg"
    command = ["inspect", str(corpus), "--tags", "--cache", cache, "--json", "--quiet"]
    assert main([*command, "--picture", str(picture)]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["silent"] == ["folk/quiet.flac"]
    assert [each["clip"] for each in summary["clipped"]] == ["folk/loud.flac"]
    assert summary["shared_artists"] == {"Both": ["folk", "polka & <more>"]}
    drawn = picture.read_text("utf-8")
    ElementTree.fromstring(drawn)
    for words in (
        "9 clips of 2 genres", "polka &amp; &lt;more&gt;", "silent: folk/quiet.flac",
        "clipped: folk/loud.flac", "the same recording: folk/copy.mp3", "broken.flac",
        "an artist in several genres: Both",
    ):  # fmt: skip
        assert words in drawn, words
    assert main([*command[:-2], "--quiet", "--picture", "corpus.png"]) == 1
    assert "ends in .svg" in capsys.readouterr().err
