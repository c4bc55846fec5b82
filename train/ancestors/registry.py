"""All ancestors, cheap ones first."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from train.ancestors import ancestor_networks, input_features
from train.ancestors.ancestor import Ancestor, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEGMENTS: Final = "Segments of 128 frames at the clip's tenths, without frames over their edges."
_MEL: Final = (
    "HTK's spacing of the mel bands in place of Slaney's, no frames over the clip's edges."
)
_TENTH: Final = (
    "A tenth of the clips tests (the published figures are multiples of 1/71 and 1/90), another "
    "tenth validates."
)

_KNN: Final = Ancestor(
    name="knn-psf",
    what="nearest five by mean and covariance of 13 python_speech_features MFCC, both ways of "
    "Kullback-Leibler",
    published=None,
    spec=input_features.PSF,
    window_frames=2978,
    windows=1,
    protocol=Protocol(0.34, 0.0, "clips", 0, 1, 1.0),
    build=None,
    assumed=("Clips split 66/34 at random; 5 neighbours.",),
)

_BUD_MLP: Final = Ancestor(
    name="bud-mlp",
    what="3 hidden layers on 13 MFCC, 10 segments a clip",
    published=0.5890,
    spec=input_features.MFCC,
    window_frames=128,
    windows=10,
    protocol=Protocol(0.2, 0.2, "windows", 50, 32, 1e-4),
    build=partial(ancestor_networks.mlp, regular=False),
    front=input_features.mfcc_decibels,
    adapted=(_MEL, _SEGMENTS),
    assumed=("512, 256 and 64 units; Adam 0.0001, 50 epochs, batches of 32.",),
)
_BUD_MLP_REGULAR: Final = replace(
    _BUD_MLP,
    name="bud-mlp-regular",
    what="the same with L2 0.001 and dropout 0.3",
    published=0.6055,
    protocol=replace(_BUD_MLP.protocol, epochs=100),
    build=partial(ancestor_networks.mlp, regular=True),
    assumed=("512, 256 and 64 units; Adam 0.0001, 100 epochs, batches of 32.",),
)
_BUD_CNN: Final = replace(
    _BUD_MLP,
    name="bud-cnn",
    what="3 × (Conv2D, max-pool 2 × 2) and a dense layer on 13 MFCC, 10 segments a clip",
    published=0.7400,
    protocol=replace(_BUD_MLP.protocol, epochs=30),
    build=ancestor_networks.small_cnn,
    assumed=("32 channels each, batch norm, dense 64, dropout 0.3; Adam 0.0001, 30 epochs.",),
)
_BUD_LSTM: Final = replace(
    _BUD_CNN,
    name="bud-lstm",
    what="2 LSTM, dense ReLU, dropout on 13 MFCC, 10 segments a clip",
    published=0.6344,
    build=ancestor_networks.two_lstm,
    assumed=("64 units each, dropout 0.3; Adam 0.0001, 30 epochs, batches of 32.",),
)
_TIBADIYA: Final = replace(
    _BUD_LSTM,
    name="tibadiya-lstm",
    what="LSTM of 4 layers in all on 13 MFCC of the whole clip",
    published=0.5907,
    window_frames=1284,
    windows=1,
    protocol=Protocol(0.25, 0.2, "clips", 30, 32, 1e-3),
    adapted=(_MEL, "1284 frames of a clip in place of 1293."),
    assumed=("2 LSTM of 64 units, dense 64 and the output; Adam 0.001, batches of 32.",),
)
_CRNN: Final = Ancestor(
    name="deepmusic-crnn",
    what="2 blocks of Conv1D over time, batch norm, ReLU, max-pool, dropout → LSTM → dense",
    published=0.64,
    spec=input_features.MEL,
    window_frames=1284,
    windows=1,
    protocol=Protocol(0.2, 0.2, "clips", 40, 16, 1e-3),
    build=ancestor_networks.conv_then_lstm,
    front=input_features.mel_decibels,
    window=input_features.below_peak_to_one,
    adapted=(_MEL,),
    assumed=(
        "The whole clip, 128 bands, decibels below the peak; 64 channels, pools of 4, LSTM 96, "
        "dense 64; clips split 80/20 at random; Adam 0.001, 40 epochs, batches of 16.",
    ),
)
_CNN_GRU: Final = replace(
    _CRNN,
    name="deepmusic-cnn-gru",
    what="4 blocks of Conv2D, ReLU, max-pool, dropout beside a bidirectional GRU, joined",
    published=0.61,
    protocol=replace(_CRNN.protocol, epochs=30),
    build=ancestor_networks.cnn_beside_gru,
    assumed=(
        "The whole clip, 128 bands, decibels below the peak; 8 to 64 channels, GRU of 64 each way "
        "on every fourth frame; clips split 80/20 at random; Adam 0.001, 30 epochs.",
    ),
)
_CNN: Final = replace(
    _CNN_GRU,
    name="deepmusic-cnn",
    what="5 blocks of Conv2D, ReLU, max-pool, dropout → dense",
    published=0.72,
    build=ancestor_networks.deep_cnn,
    assumed=(
        "The whole clip, 128 bands, decibels below the peak; 8 to 128 channels, dense 64; clips "
        "split 80/20 at random; Adam 0.001, 30 epochs.",
    ),
)
_KELLY: Final = Ancestor(
    name="kelly-cnn",
    what="Conv2D 32 (3 × 3, L1/L2), max-pool, dropout 0.5, dense on 5 s of 128 mel bands",
    published=0.80,
    spec=input_features.MEL,
    window_frames=216,
    windows=26,
    protocol=Protocol(0.2, 0.2, "windows", 100, 32, 1e-3, patience=5),
    build=ancestor_networks.kelly,
    front=input_features.mel_decibels,
    window=input_features.below_peak,
    adapted=(_MEL,),
    assumed=("L1 and L2 of 0.01; Adam 0.001, at most 100 epochs, batches of 32.",),
)
_KELLY_SMALL: Final = replace(
    _KELLY,
    name="kelly-cnn-small",
    what="the variant: Conv2D 16 (2 × 2, L2 0.1), dropout 0.6, not standardised",
    published=None,
    build=ancestor_networks.kelly_small,
    assumed=("Adam 0.001, at most 100 epochs, batches of 32.",),
)

_SEVEN: Final = ("classical", "country", "disco", "hiphop", "jazz", "metal", "pop")
_NINE: Final = (*_SEVEN, "blues", "reggae")
_NYCU: Final = {
    (1, 128, 7): 0.5493,
    (1, 256, 7): 0.6197,
    (2, 128, 7): 0.6056,
    (2, 256, 7): 0.5915,
    (1, 128, 9): 0.6444,
    (1, 256, 9): 0.5111,
    (2, 128, 9): 0.6000,
    (2, 256, 9): 0.6111,
}


def _nycu() -> Iterator[Ancestor]:
    for (layers, units, genres), published in _NYCU.items():
        yield Ancestor(
            name=f"nycu-lstm-{layers}x{units}-{genres}",
            what=f"LSTM, {layers} × {units} units, on 33 features, 5 parts a clip, {genres} genres",
            published=published,
            spec=input_features.FINE,
            window_frames=257,
            windows=5,
            protocol=Protocol(0.1, 1 / 9, "clips", 200, 15, 1e-3),
            build=partial(ancestor_networks.standardised_lstm, layers_=layers, units=units),
            front=input_features.thirty_three,
            genres=_SEVEN if genres == 7 else _NINE,
            adapted=(
                "Centroid, chroma and contrast are taken from 256 mel filters, since nothing else "
                "is in an MFCC frame: pitch classes are blurred below 200 Hz, contrast is flatter. "
                "Features are standardised.",
            ),
            assumed=(
                _TENTH,
                "Which 7 and 9 genres they were is not known: all but blues, reggae and rock, and "
                "all but rock.",
                "The order of the published figures: layers before units.",
            ),
        )


ANCESTORS: Final[dict[str, Ancestor]] = {
    ancestor.name: ancestor
    for ancestor in (
        _KNN,
        _BUD_MLP,
        _BUD_CNN,
        _BUD_MLP_REGULAR,
        _TIBADIYA,
        _CRNN,
        _KELLY_SMALL,
        _KELLY,
        _BUD_LSTM,
        _CNN_GRU,
        _CNN,
        *_nycu(),
    )
}
