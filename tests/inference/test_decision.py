from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgenre.errors import SettingsError
from streamgenre.inference.decision import Answer, Decider, Decision, Stretch
from streamgenre.inference.settings import DecisionSettings
from streamgenre.inference.tags import likeliest

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = ("blues", "jazz", "rock")


def sure(genre: str, p: float = 0.9) -> np.ndarray:
    rest = (1 - p) / (len(LABELS) - 1)
    return np.array([p if label == genre else rest for label in LABELS])


def run(
    hops: Sequence[np.ndarray | None], **settings: Any
) -> tuple[list[Decision], list[Stretch], Decider]:
    decider = Decider(LABELS, DecisionSettings(**settings))
    decisions = [
        decider.step(None if p is None else Answer(p), start=float(i), end=i + 1.0)
        for i, p in enumerate(hops)
    ]
    stretches = [d.finished for d in decisions if d.finished is not None]
    last = decider.close(float(len(hops)))
    return decisions, stretches + ([last] if last else []), decider


def test_the_first_hop_counts_in_full() -> None:
    decisions, _, _ = run([sure("jazz")])
    assert decisions[0].genre == "jazz"
    assert decisions[0].confidence == pytest.approx(0.9)
    assert decisions[0].since == 0.0


def test_one_odd_hop_does_not_change_the_genre() -> None:
    decisions, stretches, _ = run([sure("jazz")] * 8 + [sure("rock")] + [sure("jazz")] * 8)
    assert {d.genre for d in decisions} == {"jazz"}
    assert len(stretches) == 1
    assert (stretches[0].start, stretches[0].end, stretches[0].updates) == (0.0, 17.0, 17)
    assert stretches[0].mean_probability == pytest.approx((16 * 0.9 + 0.05) / 17)


def test_a_real_change_is_followed_and_dated_to_its_first_hop() -> None:
    decisions, stretches, _ = run([sure("jazz")] * 10 + [sure("rock")] * 10)
    assert decisions[-1].genre == "rock"
    change = next(i for i, d in enumerate(decisions) if d.genre == "rock")
    assert 10 < change <= 15
    assert decisions[-1].since == float(change)
    assert [(s.genre, s.start, s.end) for s in stretches] == [
        ("jazz", 0.0, float(change)),
        ("rock", float(change), 20.0),
    ]


def test_hysteresis_holds_a_genre_between_keep_and_enter() -> None:
    likely, held = sure("jazz", 0.8), np.array([0.37, 0.36, 0.27])
    decisions, _, _ = run([likely] * 3 + [held] * 30, enter=0.5, keep=0.3, margin=0.1)
    assert decisions[-1].genre == "jazz"  # blues leads, but by less than the margin
    fresh, _, _ = run([held] * 30, enter=0.5, keep=0.3)
    assert fresh[-1].state == "unknown"  # the same probabilities do not enter


@pytest.mark.parametrize(
    ("hop", "expected"),
    [
        ((0.25, 0.375, 0.375), "blues"),  # just kept, and the others do not lead by enough
        ((0.20, 0.400, 0.400), None),  # no longer kept, however small the lead
        ((0.25, 0.500, 0.250), "jazz"),  # still kept, but another leads by just enough
        ((0.26, 0.490, 0.250), "blues"),
        ((0.20, 0.500, 0.300), "jazz"),
    ],
)
def test_thresholds_of_a_decided_genre(
    hop: tuple[float, float, float], expected: str | None
) -> None:
    decisions, _, _ = run(
        [np.array([0.5, 0.25, 0.25]), np.array(hop)],
        smoothing_s=0,
        enter=0.5,
        keep=0.25,
        margin=0.25,
    )
    assert [d.genre for d in decisions] == ["blues", expected]


def test_smoothing_begins_with_the_plain_mean() -> None:
    hops = [sure("jazz"), sure("rock"), sure("rock"), sure("blues")]
    decider = Decider(LABELS, DecisionSettings(smoothing_s=3600))
    for _ in range(2):
        speech = (0.0, 0.5, 0.1, 0.2)
        for count, (hop, talk) in enumerate(zip(hops, speech, strict=True), 1):
            decision = decider.step(Answer(hop, talk), start=0.0, end=1.0)
            assert decision.speech == pytest.approx(sum(speech[:count]) / count, abs=1e-3)
            # A hop counts for the genres by its probability of not being speech.
            mean = np.average(hops[:count], axis=0, weights=[1 - t for t in speech[:count]])
            np.testing.assert_allclose(decision.smoothed, mean, atol=1e-3)
        decider.reset()


def test_genres_below_the_threshold_are_unknown() -> None:
    decisions, stretches, _ = run([np.array([0.34, 0.33, 0.33])] * 5, enter=0.35)
    assert {d.state for d in decisions} == {"unknown"}
    assert {d.genre for d in decisions} == {None}
    assert stretches[0].mean_probability is None


def test_a_pause_is_bridged_and_a_silence_is_reported() -> None:
    decisions, _, _ = run([sure("jazz")] * 3 + [None] + [sure("jazz")], silence_after_s=2)
    assert {d.state for d in decisions} == {"music"}
    decisions, stretches, decider = run([sure("jazz")] * 3 + [None] * 3, silence_after_s=2)
    assert [d.state for d in decisions] == ["music"] * 4 + ["silence"] * 2
    assert decisions[-1].genre is None
    np.testing.assert_allclose(decisions[-1].probabilities, 1 / 3)
    assert decider.in_silence
    assert [s.state for s in stretches] == ["music", "silence"]


def test_silence_clears_the_smoothed_values() -> None:
    decisions, _, _ = run([sure("jazz")] * 20 + [None] * 3 + [sure("rock")])
    assert decisions[-1].genre == "rock"
    assert decisions[-1].smoothed[2] == pytest.approx(0.9)


def test_levels_below_the_threshold_are_silent() -> None:
    decider = Decider(LABELS, DecisionSettings(silence_dbfs=-50))
    assert decider.is_silent(-math.inf)
    assert decider.is_silent(-50.1)
    assert not decider.is_silent(-50.0)


def test_reset_clears_the_history() -> None:
    kept, _, _ = run([sure("jazz")] * 20 + [sure("rock")])
    decider = Decider(LABELS, DecisionSettings())
    for i in range(20):
        decider.step(Answer(sure("jazz")), start=float(i), end=i + 1.0)
    decider.close(20.0)
    decider.reset()
    decision = decider.step(Answer(sure("rock")), start=30.0, end=31.0)
    assert kept[-1].genre == "jazz"
    assert decision.genre == "rock"
    assert decision.since == 30.0


@given(
    hops=st.lists(
        st.one_of(
            st.none(),
            st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(
                lambda v: np.array(v) / sum(v)
            ),
        ),
        min_size=1,
        max_size=60,
    ),
    smoothing=st.floats(0, 30),
)
def test_segments_tile_the_stream_and_sums_stay_one(
    hops: list[np.ndarray | None], smoothing: float
) -> None:
    decisions, stretches, _ = run(hops, smoothing_s=smoothing)
    assert stretches[0].start == 0.0
    assert stretches[-1].end == float(len(hops))
    for before, after in pairwise(stretches):
        assert before.end == after.start
        assert (before.state, before.genre) != (after.state, after.genre)
    assert sum(s.updates for s in stretches) == len(hops)
    for decision in decisions:
        assert decision.smoothed.sum() == pytest.approx(1, abs=1e-9)
        assert (decision.genre is None) == (decision.state != "music")
        assert 0 <= decision.confidence <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smoothing_s": -1}, "smoothing_s"),
        ({"enter": 0.2, "keep": 0.3}, "keep"),
        ({"enter": 1.2}, "enter"),
        ({"margin": 2}, "margin"),
        ({"silence_dbfs": 3}, "silence_dbfs"),
        ({"silence_after_s": -1}, "silence_after_s"),
        ({"smoothing_s": math.nan}, "smoothing_s"),
    ],
)
def test_invalid_settings_are_rejected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        DecisionSettings(**settings)


def test_rounding_errors_do_not_grow_over_thousands_of_hops(rng: np.random.Generator) -> None:
    decisions, _, _ = run(list(rng.dirichlet([1, 1, 1], 3000)), smoothing_s=60)
    assert decisions[-1].smoothed.sum() == pytest.approx(1, abs=1e-12)


def test_after_silence_the_smoothing_of_speech_restarts() -> None:
    decider = Decider(LABELS, DecisionSettings(smoothing_s=3600, silence_after_s=2))
    speech = (0.0, 0.5, None, None, 0.2, 0.6)
    decisions = [
        decider.step(
            None if talk is None else Answer(sure("jazz"), talk), start=float(i), end=i + 1.0
        )
        for i, talk in enumerate(speech)
    ]
    assert decisions[-1].speech == pytest.approx((0.2 + 0.6) / 2, abs=1e-3)


def test_keep_may_equal_enter() -> None:
    settings = DecisionSettings(enter=0.4, keep=0.4, speech_enter=0.8, speech_keep=0.8)
    assert (settings.keep, settings.speech_keep) == (0.4, 0.8)


# --- speech --------------------------------------------------------------------------------------


def run_with_speech(hops: Sequence[tuple[np.ndarray, float]], **settings: Any) -> list[Decision]:
    decider = Decider(LABELS, DecisionSettings(**settings))
    return [
        decider.step(Answer(p, speech), start=float(i), end=i + 1.0)
        for i, (p, speech) in enumerate(hops)
    ]


def test_talk_between_two_pieces_is_speech_and_resets_the_genre() -> None:
    talk = (sure("blues"), 0.98)
    decisions = run_with_speech(
        [(sure("jazz"), 0.02)] * 10 + [talk] * 10 + [(sure("rock"), 0.02)] * 10
    )
    found = [(d.state, d.genre) for d in decisions]
    first = found.index(("speech", None))
    assert 12 <= first <= 13  # the third or fourth second of it
    assert found[9] == ("music", "jazz")
    assert found[19] == ("speech", None)
    back = next(i for i in range(20, 30) if found[i] != ("speech", None))
    assert 20 < back <= 24
    assert {genre for _, genre in found[back:]} == {"rock"}  # not that of the talk
    assert decisions[19].confidence == decisions[19].speech
    assert decisions[19].confidence > 0.9
    assert not any(d.genre == "blues" for d in decisions)


def test_speech_forgets_the_genres_heard_before_it() -> None:
    """The first hop after it counts in full, as the first one of a session does."""
    decisions = run_with_speech(
        [(sure("jazz"), 0.0)] * 20 + [(sure("blues"), 0.98)] * 10 + [(sure("rock"), 0.0)] * 5
    )
    during = next(d for d in decisions if d.state == "speech")
    np.testing.assert_allclose(during.smoothed, 1 / 3)
    after = next(d for d in decisions[30:] if d.state != "speech")
    np.testing.assert_allclose(after.smoothed, sure("rock"))


def test_one_hop_of_speech_in_a_song_changes_nothing() -> None:
    decisions = run_with_speech(
        [(sure("jazz"), 0.05)] * 8 + [(sure("blues"), 0.95)] + [(sure("jazz"), 0.05)] * 8
    )
    assert {(d.state, d.genre) for d in decisions} == {("music", "jazz")}


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.floats(0, 1)), min_size=1, max_size=40))
def test_speech_stays_a_probability(hops: list[tuple[str, float]]) -> None:
    for decision in run_with_speech([(sure(genre), speech) for genre, speech in hops]):
        assert decision.speech is not None
        assert 0 <= decision.speech <= 1
        assert decision.smoothed.sum() == pytest.approx(1)
        assert (decision.state == "music") == (decision.genre is not None)


def test_speech_is_never_reported_when_disabled() -> None:
    decisions = run_with_speech([(sure("jazz"), 1.0)] * 5, speech_enter=1.1)
    assert "speech" not in {d.state for d in decisions}


# --- noise and tags ------------------------------------------------------------------------------


def run_with_music(hops: Sequence[Answer | None], **settings: Any) -> tuple[list[Any], Decider]:
    decider = Decider(LABELS, DecisionSettings(**settings))
    return [decider.step(a, start=float(i), end=i + 1.0) for i, a in enumerate(hops)], decider


def test_sound_without_music_and_speech_is_noise() -> None:
    hops = (
        [Answer(sure("rock"), 0.0, 0.02)] * 20  # whatever genre a model gives for noise
        + [Answer(sure("jazz"), 0.0, 0.98)] * 20
        + [Answer(sure("rock"), 0.0, 0.02)] * 20
    )
    decisions, _ = run_with_music(hops)
    found = [(d.state, d.genre) for d in decisions]
    assert found[:20] == [("noise", None)] * 20
    assert found[22:40] == [("music", "jazz")] * 18
    assert found[43:] == [("noise", None)] * 17
    assert decisions[10].confidence == pytest.approx(0.98)
    assert decisions[-1].music == pytest.approx(0.02, abs=0.01)
    # The genres begin again with the music.
    assert decisions[21].smoothed[LABELS.index("jazz")] > 0.8
    segments = [d.finished for d in decisions if d.finished is not None]
    assert [(s.state, s.genre) for s in segments] == [("noise", None), ("music", "jazz")]


def test_between_noise_and_music_the_state_is_kept() -> None:
    quiet, between, loud = (Answer(sure("jazz"), 0.0, music) for music in (0.1, 0.4, 0.9))
    decisions, _ = run_with_music([quiet] * 9 + [between] * 9 + [loud] * 9 + [between] * 9)
    found = [d.state for d in decisions]
    assert found[:18] == ["noise"] * 18
    assert found[-16:] == ["music"] * 16


def test_talk_is_not_noise() -> None:
    decisions, _ = run_with_music([Answer(sure("rock"), 0.99, 0.01)] * 9)
    assert {d.state for d in decisions} == {"speech"}
    # What may be speech, but not surely, is neither noise nor a genre.
    decisions, _ = run_with_music([Answer(sure("rock"), 0.7, 0.01)] * 9)
    assert {d.state for d in decisions} == {"unknown"}


def test_noise_is_never_decided_on_when_disabled() -> None:
    hops = [Answer(sure("rock"), 0.0, 0.01)] * 9
    decisions, _ = run_with_music(hops, music_enter=0.0, music_keep=0.0)
    assert {d.state for d in decisions} == {"music"}


def test_tags_are_of_the_music_alone_and_averaged_over_the_segment() -> None:
    folk, techno = np.array([0.9, 0.1]), np.array([0.1, 0.9])
    hops = (
        [Answer(sure("jazz"), 0.0, 1.0, folk)] * 10
        + [Answer(sure("jazz"), 0.0, 1.0, techno)] * 10
        + [Answer(sure("jazz"), 0.0, 0.0, folk)] * 10
    )
    decisions, decider = run_with_music(hops)
    np.testing.assert_allclose(decisions[9].tags, folk)
    assert decisions[12].tags[0] > 0.5 > decisions[19].tags[0]  # smoothed over seconds
    assert decisions[-1].tags is None
    (segment,) = (d.finished for d in decisions if d.finished is not None)
    np.testing.assert_allclose(segment.tags, [0.5, 0.5], atol=0.1)
    last = decider.close(30.0)
    assert last is not None
    assert (last.state, last.tags) == ("noise", None)


def test_the_likeliest_tags_are_reported() -> None:
    names = ["a", "b", "c", "d", "e", "f", "g"]
    found = likeliest(names, np.array([0.1, 0.5, 0.09, 0.9, 0.3, 0.3, 0.2]))
    assert list(found.items()) == [("d", 0.9), ("b", 0.5), ("e", 0.3), ("f", 0.3), ("g", 0.2)]


# --- music of other genres -----------------------------------------------------------------------


def test_music_that_is_like_none_of_the_genres_is_unknown() -> None:
    ours, other = (Answer(sure("jazz"), 0.0, 1.0, None, known) for known in (0.95, 0.05))
    decisions, _ = run_with_music([ours] * 10 + [other] * 10 + [ours] * 10)
    found = [(d.state, d.genre) for d in decisions]
    assert found[:10] == [("music", "jazz")] * 10
    assert found[13:20] == [("unknown", None)] * 7  # however sure the genre
    assert found[23:] == [("music", "jazz")] * 7
    assert decisions[19].known == pytest.approx(0.05, abs=0.05)


def test_between_known_and_other_music_the_decision_is_kept() -> None:
    other, between, ours = (Answer(sure("jazz"), 0.0, 1.0, None, k) for k in (0.1, 0.4, 0.9))
    decisions, _ = run_with_music([other] * 9 + [between] * 9 + [ours] * 9 + [between] * 9)
    found = [d.state for d in decisions]
    assert found[:18] == ["unknown"] * 18
    assert found[-16:] == ["music"] * 16


def test_what_speech_and_noise_say_of_the_genres_counts_for_nothing() -> None:
    """The first second of music after talk decides by itself."""
    ours = Answer(sure("jazz"), 0.0, 1.0, None, 0.9)
    talk, noise = Answer(sure("rock"), 1.0, 0.0, None, 0.0), Answer(sure("rock"), 0.0, 0.0, None, 0)
    for between in (talk, noise):
        decisions, _ = run_with_music([ours] * 9 + [between] * 20 + [ours] * 9)
        assert decisions[28].known is None
        back = [d for d in decisions[29:] if d.state in ("music", "unknown")]
        assert back[-1].genre == "jazz"
        assert "unknown" not in {d.state for d in back}


def test_genres_alone_decide_where_the_model_does_not_say_or_it_is_disabled() -> None:
    silent_on_it = Answer(sure("jazz"), 0.0, 1.0)
    other = Answer(sure("jazz"), 0.0, 1.0, None, 0.0)
    decisions, _ = run_with_music([silent_on_it] * 9)
    assert {d.genre for d in decisions} == {"jazz"}
    assert decisions[-1].known is None
    decisions, _ = run_with_music([other] * 9, known_enter=0.0, known_keep=0.0)
    assert {d.genre for d in decisions} == {"jazz"}
