"""Models that take several frames at a time: frames short of a step wait, and none is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.model_factory import write_stateful_model
from support.taught_models import write_taught_model

from streamgenre.engine.batch import PendingHop, decide
from streamgenre.engine.hops import Hop
from streamgenre.errors import ModelError
from streamgenre.inference.decision import Decider
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import shipped_models
from streamgenre.inference.models import StatefulModel, load_model
from streamgenre.inference.settings import DecisionSettings

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

STEP = 4


def frames(n: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 8, (n, 40)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_stateful_model(tmp_path_factory.mktemp("models") / "steps")
    manifest = json.loads((path / "manifest.json").read_text("utf-8"))
    (path / "manifest.json").write_text(json.dumps(manifest | {"step_frames": STEP}), "utf-8")
    return path


def loaded(folder: Path) -> StatefulModel:
    model = load_model(str(folder), trusted=True)
    assert isinstance(model, StatefulModel)
    return model


@given(lengths=st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), max_size=8))
@examples(40)
def test_each_station_gets_what_its_whole_steps_give(
    folder: Path, lengths: list[list[int]]
) -> None:
    """Batches of stations with any numbers of frames; 0: not in this batch."""
    model, whole = loaded(folder), loaded(folder)
    heard = {station: frames(80, seed) for seed, station in enumerate("abc")}
    ends = dict.fromkeys("abc", 0)
    for tick in lengths:
        new = {}
        for station, n in zip("abc", tick, strict=True):
            if n:
                new[station] = heard[station][ends[station] : ends[station] + n]
                ends[station] += n
        if not new:
            continue
        logits = model.update(list(new), list(new.values())).logits
        for row, station in zip(logits, new, strict=True):
            end = ends[station] // STEP * STEP
            # Before the first whole step, the frames that are there are repeated.
            given_ = (
                heard[station][:end]
                if end
                else np.resize(heard[station][: ends[station]], (STEP, 40))
            )
            whole.reset(station)
            expected = whole.update([station], [given_]).logits[0]
            np.testing.assert_allclose(row, expected, rtol=0, atol=1e-5)


def test_a_reset_drops_the_frames_that_wait_and_the_last_output(folder: Path) -> None:
    model = loaded(folder)
    first = model.update(["a"], [frames(3, 1)]).logits
    model.reset("a")
    model.update(["a"], [frames(STEP + 3, 2)])
    model.reset("a")
    np.testing.assert_array_equal(model.update(["a"], [frames(3, 1)]).logits, first)
    model.reset("a")
    assert model.__dict__["_last"] == {}
    assert model.__dict__["_steps"].__dict__["_waiting"] == {}


class FailsOnce:
    """A session whose next run fails, as for want of memory."""

    def __init__(self, session: Any) -> None:
        self._session, self.fails = session, True

    def run(self, *arguments: Any) -> Any:
        if self.fails:
            self.fails = False
            raise ModelError("no memory")
        return self._session.run(*arguments)


def test_frames_that_wait_are_heard_once_though_a_batch_fails(folder: Path) -> None:
    """Each station of the batch is then run alone, with the same frames."""
    model, undisturbed = loaded(folder), loaded(folder)
    decider = Decider(model.manifest.labels, DecisionSettings())
    for number in range(3):
        new = frames(STEP + 1, number)
        if number == 1:
            model.__dict__["_session"] = FailsOnce(model.__dict__["_session"])
        hop = Hop(new, -20.0, -10.0, None, float(number), number + 1.0, 0.0, None)
        for result in decide([PendingHop(name, hop, model, decider) for name in "ab"]):
            assert not isinstance(result.outcome, Exception)
        undisturbed.update(["a", "b"], [new, new])
    for name in "ab":
        for tensor, expected in zip(
            model.state(name).values(), undisturbed.state(name).values(), strict=True
        ):
            np.testing.assert_allclose(tensor, expected, rtol=0, atol=1e-6)


def test_a_model_in_a_process_of_its_own_takes_whole_steps_too(folder: Path) -> None:
    isolated, direct = load_model(str(folder)), loaded(folder)
    for number in range(3):
        new = [frames(n, n + number) for n in (1, 5, 7)]
        found, expected = (each.update(list("abc"), new).logits for each in (isolated, direct))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("base", shipped_models())
def test_a_taught_model_takes_the_steps_of_its_base(base: str, tmp_path: Path) -> None:
    taught = write_taught_model(tmp_path / "mine", base=base)
    step = parse_manifest(taught).step_frames
    model = load_model(str(taught))
    assert step == load_model(base).manifest.step_frames
    new = np.zeros((2 * step + 1, model.manifest.features.numcep), np.float32)
    assert model.update(["a"], [new]).logits.shape == (1, 3)
