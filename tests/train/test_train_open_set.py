"""Music of other genres: the scores that tell it, the head in the graph, and the command."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.model_factory import write_stateful_model
from support.train_tones import GENRES, write_corpus

from streamgenre.inference.head import LinearHead
from streamgenre.inference.model_names import shipped_folder
from streamgenre.inference.models import load_model
from streamgenre.inference.taught import write_taught
from train import model_folder
from train.cli import main
from train.corpora.corpus import read_corpus
from train.errors import TrainError
from train.student import open_decisions, open_figures, open_set, shards
from train.student.excerpts import EXCERPT
from train.student.open_figures import Judged
from train.student.open_kinds import kinds_of
from train.student.open_rows import FREE_KNOWN, OTHER, UNSURE, WINDOWS, rows_of
from train.student.open_scores import HEAD, NAMES, OF_PROBABILITIES
from train.student.open_windows import OpenWindows
from train.student.teachers import CLASSES, EMBEDDING, TAGS

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("blues", "jazz", "rock")
WIDTH = 8
ELECTRONIC, FOLK, ROCK, JAZZ = 234, 228, 214, 230
"""YAMNet's classes."""


def windows(apart: float, *, seed: int = 0) -> OpenWindows:
    """Genres lie on axes of their own, electronic and folk music ``apart`` on two others."""
    rng = np.random.default_rng(seed)
    sources, folds, axes, classes = [], [], [], []
    for n in range(90):
        sources.append(f"{LABELS[n % 3]}.{n:05}")
        folds.append(n // 3 % 3 + 1)
        axes.append(n % 3)
        classes.append(ROCK)
    for n in range(90):
        sources.append(f"package{n % 15}-data")
        folds.append(0)
        axes.append((4, 5, 2)[n % 3])
        classes.append((ELECTRONIC, FOLK, ROCK)[n % 3])
    embedding = rng.normal(0, 1, (180, 6, WIDTH)).astype(np.float32)
    for row, axis in enumerate(axes):
        embedding[row, :, axis] += apart if axis > 3 else 5
    yamnet, tags = np.zeros((180, CLASSES), np.float32), np.zeros((180, len(TAGS)), np.float32)
    yamnet[np.arange(180), classes] = 0.5
    tags[np.array(classes) == ROCK, TAGS.index("rock")] = 0.6
    changed = np.arange(180) % 2 == 1
    return OpenWindows(
        embedding, np.array(sources), np.array(folds), changed, yamnet, tags
    )  # fmt: skip


def test_free_music_is_sorted_by_both_teachers() -> None:
    found = windows(5.0)
    yamnet, tags = found.yamnet[:6].copy(), found.tags[:6].copy()
    yamnet[:], tags[:] = 0, 0
    yamnet[0, ELECTRONIC] = 0.3
    yamnet[1, [ELECTRONIC, ROCK]] = 0.3, 0.2  # a rival of the ten
    yamnet[2, ELECTRONIC], tags[2, TAGS.index("jazz")] = 0.3, 0.4  # a tag of the ten
    yamnet[3, JAZZ], tags[3, TAGS.index("jazz")] = 0.3, 0.4
    yamnet[4, JAZZ] = 0.3  # the other teacher does not hear it
    yamnet[5, FOLK] = 0.001
    few = dataclasses.replace(
        found, embedding=found.embedding[:6], sources=np.array(["p"] * 5 + ["jazz.00001"]),
        folds=np.array([0, 0, 0, 0, -1, 2]), degraded=found.degraded[:6], yamnet=yamnet, tags=tags,
    )  # fmt: skip
    assert list(kinds_of(few)) == ["electronic", "", "", "jazz", "", "jazz"]


def test_scores_are_compared_on_artists_and_packages_that_were_held_out() -> None:
    rows = rows_of(windows(6.0), {"blues.00000": "an artist"}, LABELS)
    assert set(rows.genres) == {0, 1, 2, OTHER, FREE_KNOWN}
    assert rows.owners[0] == "an artist"
    # A package lies in one fold.
    assert all(len(set(rows.folds[rows.owners == name])) == 1 for name in set(rows.owners))
    judgement = open_set.judge(rows)
    found = open_set.compare(rows, judgement, rounds=20)
    for sound in ("clean", "degraded"):
        scores = found[sound]["scores"]
        assert list(scores) == list(NAMES)
        assert scores[HEAD]["auroc"] > 0.95
        assert scores["distance"]["auroc"] > 0.8
        low, high = scores[HEAD]["auroc_ci95"]
        assert low <= scores[HEAD]["auroc"] <= high
        assert found[sound]["accuracy"] > 0.9
        assert set(found[sound]["head_by_kind"]) >= {"electronic", "folk"}
    added, temperature = open_set.calibration(rows, judgement)
    known = open_set.probabilities(judgement, added, temperature)
    used = (rows.genres >= 0) & ~rows.windows.degraded
    assert (known[used][:, list(WINDOWS)] >= 0.5).mean() > 0.95
    decided = open_decisions.figures(rows, judgement, known)
    before, after = (decided[name]["clean"] for name in ("genres alone", "with the head"))
    assert after["other_called_unknown"] > before["other_called_unknown"] + 0.5
    assert after["known_called_unknown"] < 0.05
    assert after["right"] > before["right"] - 0.05


def test_what_lies_where_a_genre_does_is_told_by_no_score() -> None:
    """Nothing of what is judged may have been fitted on."""
    rows = rows_of(windows(0.0), {}, LABELS)
    rng = np.random.default_rng(1)
    rows.windows.embedding[:] = rng.normal(0, 1, rows.windows.embedding.shape)
    scores = open_set.compare(rows, open_set.judge(rows), rounds=0)["clean"]["scores"]
    assert all(0.3 < found["auroc"] < 0.7 for found in scores.values())
    assert set(OF_PROBABILITIES) < set(scores)


def test_free_music_without_other_genres_and_another_corpus_are_refused() -> None:
    with pytest.raises(TrainError, match=r"has the genres jazz, rock, the model has not"):
        rows_of(windows(5.0), {}, ["blues"])
    without = windows(5.0)
    without.yamnet[:] = 0
    with pytest.raises(TrainError, match="hold no music of other genres"):
        rows_of(without, {}, LABELS)
    assert UNSURE not in (OTHER, FREE_KNOWN)


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.integers(1, 4)), min_size=2).filter(
        lambda rows: len({known for _, known, _ in rows}) == 2
    )
)
@examples(60)
def test_area_and_curve_equal_their_definitions(rows: list[tuple[int, bool, int]]) -> None:
    scores, known, weights = (np.array(column) for column in zip(*rows, strict=True))
    scores, weights = scores.astype(np.float64), weights.astype(np.float64)
    wins, all_pairs = 0.0, 0.0
    for a, low in zip(scores[known], weights[known], strict=True):
        for b, high in zip(scores[~known], weights[~known], strict=True):
            wins += low * high * ((a < b) + (a == b) / 2)
            all_pairs += low * high
    assert open_figures.area(scores, known, weights) == pytest.approx(wins / all_pairs)
    judged = Judged(known, known, np.full(len(known), "x"), weights)
    curve = open_figures.curve(scores, judged)
    for (share, right, called), (_, before_right, before) in zip(curve[1:], curve, strict=False):
        assert right >= share - 1e-4
        assert right <= before_right
        assert called <= before
    assert curve[0][1:] == [1.0, curve[0][2]]


def write_set(folder: Path, clips: list[tuple[str, int]]) -> None:
    """Two shards: tones of the corpus, and hisses and tones of packages of free music."""
    rng = np.random.default_rng(4)
    t = np.arange(EXCERPT) / 16_000
    free = [(f"package{n % 8}-data", 0) for n in range(16)]
    for name, sources in (("music-a", clips), ("music-b", free)):
        yamnet = np.zeros((len(sources), 2, CLASSES), np.float16)
        yamnet[:, :, ELECTRONIC] = 0.4
        audio = [
            shards.encode((0.2 * np.sin(2 * np.pi * rng.uniform(200, 900) * t)).astype(np.float32))
            for _ in sources
        ]
        shard = shards.Shard(
            "music", tuple(audio), tuple(source for source, _ in sources),
            np.array([fold for _, fold in sources]), yamnet,
            np.full((len(sources), 2, EMBEDDING), -5, np.float16),
        )  # fmt: skip
        shards.write(folder / "shards" / f"{name}.npz", shard)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, a set of shards and a measured model with an embedding."""
    tmp = tmp_path_factory.mktemp("open")
    corpus = read_corpus(write_corpus(tmp / "corpus", per_genre=3, seconds=(1.0,)))
    write_set(tmp / "set", [(clip.name, clip.fold) for clip in corpus.clips])
    write_stateful_model(
        tmp / "model", labels=sorted(GENRES), answers=["speech", "music", "embedding"]
    )
    return tmp


def test_the_command_measures_a_model_and_adds_the_output(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["trunk", "open-set", str(made / "model"), "--folder", str(made / "set")]
    command += ["--corpus", str(made / "corpus"), "--quiet"]
    assert main([*command, "--write"]) == 1
    assert "no figures to add to" in capsys.readouterr().err
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["model"]
    assert found["clean"]["windows"]["other"]["electronic"] == 32
    kept = made / "set" / "figures" / "open-set-model.json"
    assert json.loads(kept.read_text("utf-8")) == found
    assert "<svg" in kept.with_suffix(".svg").read_text("utf-8")

    # With the figures of a measured model, its card can be written.
    shipped = model_folder.read_manifest(shipped_folder() / "cnn")
    manifest = model_folder.read_manifest(made / "model")
    manifest |= {name: shipped[name] for name in ("evaluation", "training", "steps")}
    model_folder.write_manifest(made / "model", manifest)
    heard = {p: p.stat().st_mtime_ns for p in (made / "set" / "openset").glob("*/*.npz")}
    assert len(heard) == 2
    frames = np.random.default_rng(0).normal(0, 10, (25, 40)).astype(np.float32)
    before = load_model(str(made / "model"), trusted=True).update(["a"], [frames])
    assert main([*command, "--write"]) == 0
    assert "relative distance" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in heard} == heard  # heard once
    model = load_model(str(made / "model"), trusted=True)
    after = model.update(["a"], [frames])
    np.testing.assert_array_equal(after.logits, before.logits)
    assert after.music is not None
    assert before.music is not None
    np.testing.assert_array_equal(after.music, before.music)
    likely = model.answer(after).known
    assert likely is not None
    assert 0 < likely < 1
    card = (made / "model" / "README.md").read_text("utf-8")
    assert "(open-set.svg)" in card
    assert (made / "model" / "open-set.svg").is_file()
    training: Any = model.manifest.raw["training"]
    assert str(made) not in training["known"]["command"]


def test_a_taught_model_decides_from_its_own_genres(tmp_path: Path) -> None:
    base = write_stateful_model(tmp_path / "base", answers=["music", "known", "embedding"])
    ones = np.ones(6, np.float32)
    head = LinearHead(0 * ones, ones, np.ones((6, 2), np.float32), np.zeros(2, np.float32))
    taught = {"recordings": 2, "seconds": 60, "genres": {}, "embedding": "x"}
    write_taught(
        tmp_path / "mine", str(base), labels=["dub", "ragtime"], head=head, temperature=1.0,
        taught=taught, command="teach", seed=0,
    )  # fmt: skip
    frames = np.random.default_rng(0).normal(0, 10, (25, 40)).astype(np.float32)
    own = load_model(str(tmp_path / "mine"), trusted=True)
    answer = own.answer(own.update(["a"], [frames]))
    assert answer.known is None
    assert answer.music is not None
    theirs = load_model(str(base), trusted=True)
    assert theirs.answer(theirs.update(["a"], [frames])).known is not None


def test_models_that_do_not_fit_are_refused_in_words(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--folder", str(made / "set"), "--corpus", str(made / "corpus"), "--quiet"]
    plain = write_stateful_model(tmp_path / "plain", labels=sorted(GENRES))
    assert main(["trunk", "open-set", str(plain), *common]) == 1
    assert "has no output `embedding`" in capsys.readouterr().err
    model = ["trunk", "open-set", str(made / "model")]
    empty = ["--folder", str(tmp_path), "--corpus", str(made / "corpus"), "--quiet"]
    assert main([*model, *empty]) == 1
    assert "no shards; run `python -m train trunk prepare` first" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*model, *common, "--shards", "0"])
    assert "whole number of at least 1" in capsys.readouterr().err
