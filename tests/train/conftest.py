"""Settings of the training tests: real trainings, as short as they can be."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.train_tones import uncompiled  # sets the environment that Keras reads, too

from streamgenre.teach.folds import make_folds
from train.corpora import corpus
from train.fitting import train_network

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="session")
def short_check() -> Iterator[None]:
    """Compare Keras and ONNX on few frames: Keras computes its LSTM frame by frame here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_network, "_CHECK_FRAMES", 80)
        yield


@pytest.fixture(scope="module")
def no_compiling() -> Iterator[None]:
    """Train step by step: Keras would have XLA compile each network."""
    with uncompiled():
        yield


@pytest.fixture(scope="module")
def two_folds() -> Iterator[None]:
    """Have two folds in place of three: a network less to train for each measurement."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "make_folds", partial(make_folds, n_folds=2))
        yield
