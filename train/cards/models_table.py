"""The table that compares model folders, written from their manifests alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from train.cards.markdown import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME: Final = "README.md"
_NONE: Final = "–"


def table_of(manifests: Sequence[dict[str, Any]]) -> str:
    """Return the table of measured models, given by their manifests, in Markdown."""
    parts = [
        "# The models compared\n",
        "Written by `python -m train report` from the manifests. Every figure is of models trained "
        "without the fold measured, so by artists unseen in training: means over the folds of the "
        "mean over the genres, with a 95 % interval from drawing clips again (bootstrap). The "
        "method, the figures by genre and the pictures are in each card: "
        + ", ".join(f"[{m['name']}]({m['name']}/{NAME})" for m in manifests)
        + ".\n",
        _table(manifests, _QUALITY),
        "## On the air\n",
        "Seeded programmes of held-out clips through the daemon's engine and decision stage, one "
        "per fold, with cuts, crossfades, silence, lost samples and talk between pieces of 20 to "
        "240 s (`python -m train stream-eval`):\n",
        _table(manifests, _STREAM),
        *(
            f"![{m['name']}: share right by the seconds since a change]({m['name']}/lag.svg)\n"
            for m in manifests
            if "stream" in m["evaluation"]
        ),
        "## How they were made\n",
        *(_made(m) for m in manifests),
    ]
    return wrapped("\n".join(parts))


def _table(manifests: Sequence[dict[str, Any]], rows: Rows) -> str:
    lines = [
        "| | " + " | ".join(f"`{m['name']}`" for m in manifests) + " | chance |",
        "|---" * (len(manifests) + 2) + "|",
    ]
    for title, key, write in rows:
        cells = []
        for manifest in manifests:
            found: Any = manifest["evaluation"]
            for step in key.split("."):
                found = found.get(step) if isinstance(found, dict) else None
            cells.append(_NONE if found is None else write(found))
        if any(cell != _NONE for cell in cells):
            lines.append(f"| {title} | " + " | ".join(cells) + f" | {_chance(manifests, key)} |")
    return "\n".join(lines) + "\n"


def _chance(manifests: Sequence[dict[str, Any]], key: str) -> str:
    if key.startswith("speech"):
        return "0.50"
    accuracies = ("window", "clip", "hop", "room", "variants", "stream.second", "stream.hop")
    return f"{manifests[0]['evaluation']['chance']:.2f}" if key.startswith(accuracies) else ""


def _accuracy(figure: dict[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"**{figure['accuracy']:.3f}** ({low:.3f} to {high:.3f})"


def _seconds(value: float) -> str:
    return f"{value:g} s"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _plain(value: float) -> str:
    return f"{value:.3f}"


def _drift(figure: dict[str, Any]) -> str:
    return f"{figure['last'] - figure['first']:+.4f} after {figure['hours']:g} h"


Rows = tuple[tuple[str, str, "Callable[[Any], str]"], ...]
_QUALITY: Final[Rows] = (
    ("3 s windows", "window", _accuracy),
    ("whole clips", "clip", _accuracy),
    ("the update after 10 s of a clip", "hop_after_10_s", _accuracy),
    ("3 s windows in a simulated room, noise at 10 dB", "room.window", _accuracy),
    ("the update after 10 s there", "room.hop_after_10_s", _accuracy),
    ("over the air (classical and pop), whole recordings", "variants.clip", _accuracy),
    ("over the air, the update after 10 s", "variants.hop_after_10_s", _accuracy),
    ("speech against music, 3 s windows", "speech.against_music", _accuracy),
    ("calibration error of an update", "calibration.ece", _plain),
)
_STREAM: Final[Rows] = (
    ("share of seconds right", "stream.second", _accuracy),
    ("the same by the likeliest genre alone", "stream.hop", _accuracy),
    ("lag after a change, median", "stream.lag.median_s", _seconds),
    ("lag, 90 %", "stream.lag.p90_s", _seconds),
    ("pieces never recognised", "stream.lag.never", _share),
    ("wrong flips per minute", "stream.flips_a_minute", lambda value: f"{value:.2f}"),
    ("seconds called unknown", "stream.unknown", _share),
    ("calibration error", "stream.calibration.hop.ece", _plain),
    ("Brier score", "stream.calibration.hop.brier", _plain),
    ("seconds of talk called speech", "stream.speech.talk_called_speech", _share),
    ("seconds of music called speech", "stream.speech.music_called_speech", _share),
    ("drift: change of the share right", "stream.drift", _drift),
)


def _made(manifest: dict[str, Any]) -> str:
    training = manifest["training"]
    versions = ", ".join(f"{name} {value}" for name, value in training["versions"].items())
    return (
        f"`{manifest['name']}`: seed {training['seed']}, {training['corpus']['clips']} clips, "
        f"corpus `{training['corpus']['sha256']}`, {versions}:\n\n"
        f"```\n{training['command']}\n```\n"
    )
