from __future__ import annotations

import json
import shutil
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.train_tones import GENRES, tone, write_corpus, write_talk

from streamgenre.audio.ring import Gap
from streamgenre.inference.models import load_model
from streamgenre.inference.settings import DecisionSettings
from train.augmentation.audio import excerpt_of, simulated_room
from train.cli import main
from train.corpora.corpus import read_corpus
from train.corpora.dataset import load_data
from train.corpora.material_kinds import ROOM, seed_of
from train.corpora.recordings import SPEC, decode, frames_of
from train.streaming import playback
from train.streaming.drift import drift
from train.streaming.playback import KINDS, STATES, Playback
from train.streaming.programme import RATE, Clip, Programme, Settings
from train.streaming.stream_figures import figures

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings(seconds=360, piece=(20, 40), crossfade=0.2, silence=0.25, gap=0.2, talk=0.2)


def some_clips() -> list[Clip]:
    """Three clips per genre; each genre has its own tone."""
    return [
        Clip(3 * g + n, g, tone(hertz, 12, 10 * g + n).astype(np.float32))
        for g, hertz in enumerate(GENRES.values())
        for n in range(3)
    ]


def played(programme: Programme) -> tuple[Any, int]:
    """The sound with lost samples as NaN, and how many were lost."""
    blocks = list(programme.blocks())
    lost = sum(block.samples for block in blocks if isinstance(block, Gap))
    sound = [
        np.full(block.samples, np.nan) if isinstance(block, Gap) else block[:, 0]
        for block in blocks
    ]
    return np.concatenate(sound), lost


def test_a_programme_matches_its_parts() -> None:
    talk = np.full(RATE * 10, 0.01, np.float32)
    programme = Programme(some_clips(), [talk], 3, SETTINGS)
    sound, lost = played(programme)
    parts = programme.parts
    assert len(sound) / RATE == pytest.approx(parts[-1].end)
    assert parts[-1].end >= 360
    assert {part.kind for part in parts} == set(KINDS)
    for before, after in pairwise(parts):
        assert after.start == pytest.approx(before.end, abs=1e-4)
    assert lost / RATE == pytest.approx(sum(p.end - p.start for p in parts if p.kind == "gap"))
    for part in parts:
        piece = sound[int(part.start * RATE) + 1 : int(part.end * RATE) - 1]
        if part.kind == "gap":
            assert np.isnan(piece).all()
        elif part.kind == "silence":
            # Only the cross-fade differs.
            assert (piece == 0).mean() > 0.4
        elif part.kind == "music":
            middle = piece[len(piece) // 4 : -len(piece) // 4 or None]
            spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
            loudest = np.fft.rfftfreq(len(middle), 1 / RATE)[spectrum.argmax()]
            wanted = list(GENRES.values())[part.genre]
            assert loudest == pytest.approx(wanted, rel=0.12)


def test_neighbouring_pieces_are_of_different_genres_and_all_genres_come() -> None:
    programme = Programme(some_clips(), (), 1, SETTINGS)
    list(programme.blocks())
    pieces = {part.piece: part for part in programme.parts if part.piece >= 0}
    genres = [pieces[n].genre for n in sorted(pieces)]
    assert all(one != other for one, other in pairwise(genres))
    assert set(genres) == {0, 1, 2}
    for piece in pieces:
        clips = [part.clip for part in programme.parts if part.piece == piece]
        assert all(one != other for one, other in pairwise(clips))


def test_the_same_seed_is_the_same_programme() -> None:
    one, again, other = (
        played(Programme(some_clips(), (), seed, SETTINGS))[0] for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one, again)
    assert len(one) != len(other) or (one[:1000] != other[:1000]).any()


def made_up(on: str, said: str, *, speech: str = "") -> Playback:
    """One letter a second: a and b are genres, t talk, s silence; said: - unknown, t speech."""
    genres = np.array(["ab".find(letter) for letter in on])
    kinds = np.array([KINDS.index({"t": "talk", "s": "silence"}.get(c, "music")) for c in on])
    change = np.append(True, np.array(list(on[1:])) != np.array(list(on[:-1])))
    number = np.cumsum(change) - 1
    starts = np.flatnonzero(change)[number]
    decided = np.array(["ab".find(letter) for letter in said])
    states = [{"-": "unknown", "t": "speech", "s": "silence"}.get(c, "music") for c in said]
    p = np.full((len(on), 2), 0.5)
    p[decided >= 0] = np.eye(2)[decided[decided >= 0]] * 0.8 + 0.1
    return Playback(
        times=np.arange(1.0, len(on) + 1),
        states=np.array([STATES.index(state) for state in states]),
        decisions=decided,
        probabilities=p,
        smoothed=p,
        kinds=kinds,
        genres=genres,
        clips=np.where(genres >= 0, number, -1),
        pieces=np.where(genres >= 0, number, -1),
        ages=np.arange(1.0, len(on) + 1) - starts,
    )


def test_figures_of_a_known_programme_are_correct() -> None:
    #                 a: right from the 3rd second, one wrong flip; b: 2 of 6 right; talk: half
    heard = made_up("aaaaaaaaaattssbbbbbb", "--aabaaaaatbssaaaabb")
    result = figures([heard], ["a", "b"])
    assert result["seconds"] == {"music": 16, "talk": 2, "silence": 2, "gap": 0}
    assert result["second"]["accuracy"] == pytest.approx((7 / 10 + 2 / 6) / 2, abs=1e-4)
    assert result["lag"]["median_s"] == 5  # of 3 and 5 s the higher
    assert result["lag"]["never"] == 0
    assert result["lag"]["right_by_age"][3] == 0.5
    # Wrong flips: to b within a; the wrong start of b was no flip within it.
    assert result["flips_a_minute"] == pytest.approx(60 / 16, abs=0.01)
    assert result["unknown"] == pytest.approx(0.5 * 2 / 10)
    assert result["speech"] == {
        "talk_called_speech": 0.5, "talk_called_music": 0.5, "music_called_speech": 0.0,
    }  # fmt: skip
    assert result["confusion"]["counts"] == [[7, 1, 2], [4, 2, 0]]
    bins = np.array(result["calibration"]["hop"]["bins"])
    assert bins[:, 2].sum() == pytest.approx(1, abs=1e-3)


def test_a_piece_that_was_never_right_has_no_lag() -> None:
    result = figures([made_up("aaaaabbbbb", "aaaaaaaaaa")], ["a", "b"])
    assert result["lag"]["never"] == 0.5
    assert result["lag"]["p90_s"] is None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, two_folds: None) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), per_genre=4, seconds=(11.0, 12.0))
    write_talk(folder)
    return folder


@pytest.fixture(scope="module")
def models(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shipped model and those of its folds."""
    out: Path = tmp_path_factory.mktemp("models")
    command = ["fit", "--recipe", "lite", "--corpus", str(corpus), "--out", str(out / "tones")]
    command += ["--cache", str(out / "cache"), "--fold-models", str(out / "folds"), "--quiet"]
    quick = ["--epochs", "2", "--steps", "20", "--batch", "8", "--units", "12"]
    assert main([*command, *quick]) == 0
    return out


def test_saved_fold_models_are_the_measured_ones(models: Path) -> None:
    records = [json.loads(path.read_text()) for path in models.glob("folds/fold-*/manifest.json")]
    assert {record["training"]["without_fold"] for record in records} == {1, 2}
    assert len({record["sha256"]["model.onnx"] for record in records}) == 2
    shipped = json.loads((models / "tones" / "manifest.json").read_text())
    training = shipped["training"]
    assert [m["training"]["recipe"] for m in training["members"]] == ["lite-lstm", "lite-cnn"]
    assert training["recipe"] == "lite"
    assert training["parameters"] == sum(m["training"]["parameters"] for m in training["members"])
    assert training["seed"] == 1
    card = (models / "tones" / "README.md").read_text()
    assert "## Members" in card
    assert "## Trained on" in card
    assert str(models) not in card + json.dumps(shipped)
    assert shipped["speech"]["temperature"] > 0
    assert shipped["evaluation"]["speech"]["against_music"]["accuracy"] > 0.8
    for path in models.glob("folds/fold-*"):
        assert load_model(str(path)).manifest.speech_temperature is not None


def test_evaluate_measures_fold_models_as_fit_did(
    models: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(models / "folds"), "--corpus", str(corpus)]
    assert main([*command, "--cache", str(models / "cache"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert "trained on this very corpus" not in err
    figures = json.loads(out)
    measured = json.loads((models / "tones" / "manifest.json").read_text())["evaluation"]
    assert figures.pop("corpus")["clips"] == figures["clips"]
    for what in ("window", "hop", "endless_hop", "hop_after_10_s"):
        assert figures[what] == measured[what]
    assert figures["room"]["window"] == measured["room"]["window"]
    assert figures["speech"] == measured["speech"]
    assert figures["noise"] == measured["noise"]
    assert figures["noise"]["windows"] > 0


def test_a_room_is_the_same_for_every_recipe_and_differs_from_line_input(
    corpus: Path, tmp_path: Path
) -> None:
    read = read_corpus(corpus)
    data = load_data(read, corpus, SPEC, tmp_path, rooms_of=[2])
    rooms = [path for path in data.rooms if path in {c.path for c in read.clips if c.fold == 2}]
    assert len(rooms) == len(data.rooms) == sum(clip.fold == 2 for clip in read.clips)
    # As for the recipes on the trunk: one seed for each kind, fold and clip.
    number, clip = next((n, c) for n, c in enumerate(read.clips) if c.fold == 2)
    rng = np.random.default_rng([seed_of(ROOM, 2), number])
    noises = [decode(f.path, 16_000) for f in data.talk if f.kind == "noise"][1::2]
    heard = simulated_room(excerpt_of(decode(clip.path, 16_000), rng), rng, noises)
    np.testing.assert_allclose(data.rooms[clip.path], frames_of(heard, SPEC), atol=1e-3)
    plain = data.recordings[clip.path].frames[: len(data.rooms[clip.path])]
    assert np.abs(data.rooms[clip.path][: len(plain)] - plain).mean() > 0.5


def test_fold_models_made_differently_are_reported(
    models: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(corpus, other)
    clip, another, *_ = sorted(other.glob(f"music/{next(iter(GENRES))}/*.wav"))
    shutil.copy(clip, another)
    command = ["evaluate", str(models / "folds"), "--corpus", str(other)]
    assert main([*command, "--cache", str(models / "cache")]) == 0
    assert "was made with another corpus or other folds" in capsys.readouterr().err


def test_an_ensemble_of_fold_models_is_measured_on_clips_both_left_out(
    models: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = [str(models / "folds")] * 2
    assert main(["ensemble", *members, "--out", str(tmp_path), "--quiet"]) == 0
    capsys.readouterr()
    command = ["evaluate", "--corpus", str(corpus), "--cache", str(models / "cache"), "--quiet"]
    assert main([*command, str(tmp_path)]) == 0
    together = capsys.readouterr().out.splitlines()
    assert main([*command, str(models / "folds")]) == 0
    alone = capsys.readouterr().out.splitlines()
    # A model averaged with itself gives the same output.
    assert together[-8:-2] == alone[-8:-2]
    assert together[-8].startswith("3 s windows")


def test_evaluate_names_the_missing_fold(
    models: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(models / "folds" / "fold-1", tmp_path / "fold-7")
    assert main(["evaluate", str(tmp_path), "--corpus", str(corpus), "--quiet"]) == 1
    assert "a model for fold 7, but the corpus has only 1, 2" in capsys.readouterr().err


def test_the_benchmark_goes_through_the_engine_into_the_card(
    models: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["stream-eval", str(models / "folds"), "--corpus", str(corpus), "--hours", "0.05"]
    assert main([*command, "--json", "--drift", "0.1", "--card", str(models / "tones")]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert "may have heard" not in err
    assert result["held_out"]
    assert result["seconds"]["music"] > 300
    assert result["second"]["accuracy"] > 0.6  # chance is 1/3
    assert result["drift"]["times"] == 2
    assert abs(result["drift"]["last"] - result["drift"]["first"]) < 0.2
    card = (models / "tones" / "README.md").read_text()
    assert "## On the air" in card
    for name in ("lag", "reliability", "timeline", "stream-confusion"):
        picture = (models / "tones" / f"{name}.svg").read_text()
        assert picture.startswith("<?xml") or picture.startswith("<svg")
        assert f"({name}.svg)" in card
    load_model(str(models / "tones"))


def test_a_single_model_is_reported_as_possibly_trained_on_the_clips(
    models: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["stream-eval", str(models / "tones"), "--corpus", str(corpus), "--hours", "0.01"]
    assert main([*command, "--quiet", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert not result["held_out"]
    assert "may have been trained on these very clips" in result["method"]


def test_excerpts_alone_are_not_a_programme(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path, seconds=(3.0, 5.0))
    assert main(["stream-eval", str(models / "folds"), "--corpus", str(corpus)]) == 1
    assert "needs clips of 10 s or more" in capsys.readouterr().err


def test_a_drifting_state_is_detected(models: Path) -> None:
    """A test of the benchmark itself: it must reveal a model that forgets its genre over time."""
    model = load_model(str(models / "folds" / "fold-1"))
    truly, count = model.update, 0

    def worse_and_worse(stations: Any, frames: Any) -> Any:
        nonlocal count
        count += 1
        output = truly(stations, frames)
        output.logits[:, 0] += 0.5 * count
        return output

    settings = Settings(piece=(20, 20))
    steady = drift(model, some_clips(), 2, seconds=60, settings=settings)
    model.reset("programme")
    model.update = worse_and_worse  # type: ignore[method-assign]
    drifting = drift(model, some_clips(), 2, seconds=60, settings=settings)
    assert drifting["first"] - drifting["last"] > 0.1
    assert steady["probabilities_moved"] < drifting["probabilities_moved"]


def test_truth_and_updates_share_one_clock(models: Path) -> None:
    model = load_model(str(models / "folds" / "fold-1"))
    programme = Programme(some_clips(), (), 2, SETTINGS)
    heard = playback.play(
        model, programme.blocks(), programme.parts, decision=DecisionSettings(smoothing_s=0.0)
    )
    assert np.all(np.diff(heard.times) > 0)
    hits = heard.probabilities.argmax(axis=1) == heard.genres
    settled = (heard.genres >= 0) & (heard.ages > 4)
    assert hits[settled].mean() > 0.6
    # Shifted by ten seconds the truth would no longer fit as well.
    assert hits[settled].mean() > (np.roll(heard.genres, 10) == heard.genres)[settled].mean()
