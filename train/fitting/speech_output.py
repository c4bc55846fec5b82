"""A speech output for a network trained on genres: a linear head on the input of its head.

The network is not changed; a regression on the LSTM's outputs and on the features that bypass it
separates speech without music from the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from train.augmentation.log_mel import augment
from train.corpora.recordings import cepstra, log_mel
from train.corpora.talk_files import MUSIC, NOISE, SPEECH
from train.trunk.heads import fit_linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamgenre.audio.features import MfccSpec
    from train.recipes.recipe import Network, Settings

    Frames = NDArray[np.float32]

_SHARES: Final = {SPEECH: 0.5, MUSIC: 0.15, NOISE: 0.1, "": 0.25}
"""Weight of each kind of file in training; the last is that of the genres' clips."""
_STRENGTH: Final = 0.003
"""Strength of the head's regularisation."""
_PIECE_SECONDS: Final = 6
"""Length of the pieces of a file, used unchanged and augmented."""
_BATCH: Final = 128


def learn(
    network: Network,
    spec: MfccSpec,
    settings: Settings,
    talk: Sequence[tuple[str, Frames]],
    genres: Sequence[Frames],
) -> Network:
    """Return a stateful network with a speech head.

    Parameters
    ----------
    network
        The trained network.
    spec
        Settings of its frames.
    settings
        Seed and augmentation.
    talk
        Kind (``speech``, ``music`` or ``noise``) and MFCC frames of files without a genre.
    genres
        MFCC frames of clips with a genre.
    """
    from keras import Input, Model, layers

    rng = np.random.default_rng(settings.seed)
    pieces, kinds = [], []
    for kind, frames in (*talk, *(("", clip) for clip in genres)):
        for piece in _pieces(frames, spec):
            changed = augment(log_mel(piece, spec), rng, settings.augmentation)
            pieces += [piece, cepstra(changed, spec)]
            kinds += [kind, kind]
    x = _inside(network, np.stack(pieces), spec)
    of_row = np.repeat(kinds, len(x) // len(kinds))
    weights = np.zeros(len(of_row), np.float32)
    for kind, share in _SHARES.items():
        weights[of_row == kind] = share / max(1, (of_row == kind).sum())
    both = fit_linear(x, (of_row == SPEECH).astype(np.int64), weights, 2, _STRENGTH)
    hidden, direct = (Input(tensor.shape[1:]) for tensor in network.head.inputs)
    layer = layers.Dense(1, name="speech")
    outputs = layer(layers.Concatenate()([hidden, direct]))
    layer.set_weights([both.kernel[:, 1:] - both.kernel[:, :1], both.bias[1:] - both.bias[:1]])
    return replace(network, speech=Model([hidden, direct], outputs, name="speech"))


def _pieces(frames: Frames, spec: MfccSpec) -> list[Frames]:
    """Cut a file into pieces of one length; a short file is repeated."""
    length = round(_PIECE_SECONDS * spec.frame_rate)
    count = max(1, len(frames) // length)
    whole = np.resize(frames, (count * length, frames.shape[1]))
    return np.split(whole, count)


def _inside(network: Network, pieces: Frames, spec: MfccSpec) -> Frames:
    """Return the heads' input at the end of every second, from the second one on."""
    import tensorflow as tf

    run = tf.function(lambda inputs: network.inside(inputs, training=False))
    hop, rows = round(spec.frame_rate), []
    for start in range(0, len(pieces), _BATCH):
        batch = pieces[start : start + _BATCH]
        states = [np.zeros((len(batch), *state.shape), np.float32) for state in network.states]
        outputs = np.concatenate([np.asarray(part) for part in run([batch, *states])], axis=-1)
        rows.append(outputs[:, 2 * hop - 1 :: hop])
    every: Frames = np.concatenate(rows)
    return every.reshape(-1, every.shape[-1])
