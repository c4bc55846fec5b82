"""The table of all ancestors in Markdown, from the JSON files in its folder."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.model_names import shipped_folder, shipped_models
from train.ancestors.registry import ANCESTORS
from train.cards.confusion_picture import confusion_svg
from train.cards.markdown import wrapped

if TYPE_CHECKING:
    from pathlib import Path

    from train.ancestors.ancestor import Ancestor

_GTZAN: Final = 1000
"""Number of clips in the complete GTZAN."""

_HOW: Final = """\
Each was trained twice with the same settings. **Authors' protocol**: clips or windows split at
random as the authors did, so that the same artist, and for some the same clip, is on both sides;
the accuracy is the authors' too, the plain share of correct test windows. **Artist folds**: no
artist is on two sides; accuracies are means over the folds of the mean over the genres (balanced).
Where genres are uneven the plain share flatters: always naming the most frequent genre would be
right as often as that column says. Intervals (95 %) come from drawing clips again (bootstrap); they
do not cover another choice of artists or another seed.
"""

_HEAD: Final = (
    "| name | what | published test | authors' protocol, plain | balanced | most frequent genre | "
    "artist folds, balanced: windows | clips | chance | epochs |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def read(out: Path) -> dict[str, dict[str, Any]]:
    """Return the figures in a folder, by ancestor."""
    found = {}
    for name in ANCESTORS:
        path = out / f"{name}.json"
        if path.is_file():
            found[name] = json.loads(path.read_text("utf-8"))
    return found


def write(out: Path) -> str:
    """Write README.md and the pictures from the figures in a folder; return the table."""
    found = read(out)
    table = _HEAD + "".join(_row(ANCESTORS[name], found.get(name, {})) for name in ANCESTORS)
    for name, figures in found.items():
        for protocol in ("authors", "artists"):
            if protocol in figures:
                of = figures[protocol]
                confusion = of["confusion"]
                svg = confusion_svg(of["labels"], confusion["counts"], of=confusion["of"])
                (out / f"{name}-{protocol}.svg").write_text(svg, "utf-8")
    (out / "README.md").write_text(_page(found, table), "utf-8")
    return table


def _row(ancestor: Ancestor, figures: dict[str, Any]) -> str:
    published = f"{100 * ancestor.published:.2f} %" if ancestor.published else "–"
    authors, artists = figures.get("authors"), figures.get("artists")
    cells = [f"`{ancestor.name}`", ancestor.what, published]
    if authors:
        window = authors["window"]
        cells += [_cell(window, "plain"), _cell(window, "balanced"), f"{authors['majority']:.2f}"]
    else:
        cells += ["not run here", "", ""]
    if artists:
        cells += [_cell(artists["window"], "balanced"), _cell(artists["clip"], "balanced")]
        cells.append(f"{artists['chance']:.2f}")
    else:
        cells += ["not run here", "", ""]
    cells.append(_epochs(ancestor, figures))
    return "| " + " | ".join(cells) + " |\n"


def _cell(figure: dict[str, Any], kind: str) -> str:
    low, high = figure[f"{kind}_ci95"]
    return f"**{figure[kind]:.3f}** ({low:.2f} to {high:.2f})"


def _epochs(ancestor: Ancestor, figures: dict[str, Any]) -> str:
    ran = [n for of in ("authors", "artists") for n in figures.get(of, {}).get("epochs", ())]
    planned = ancestor.protocol.epochs
    if not ran or not planned:
        return ""
    span = f"{min(ran)} to {max(ran)}" if min(ran) < max(ran) else f"{ran[0]}"
    if ancestor.protocol.patience:
        return f"{span} (stopped early)"
    return span if min(ran) == planned else f"**{span} of {planned}**"


def _page(found: dict[str, dict[str, Any]], table: str) -> str:
    parts = ["# The ancestors, trained again\n", _HOW]
    if found:
        corpus = next(iter(found.values()))["corpus"]
        parts += [_corpus(corpus), _run(found)]
    parts += [
        table,
        "Changes to the authors' descriptions, and assumptions where they leave something open:\n",
    ]
    names_by_text: dict[str, list[str]] = defaultdict(list)
    for name, ancestor in ANCESTORS.items():
        texts = [_split(ancestor), *ancestor.adapted, "Assumed:", *ancestor.assumed]
        names_by_text[" ".join(texts)].append(f"`{name}`")
    parts += [f"- {', '.join(names)}: {text}" for text, names in names_by_text.items()]
    pictures = [
        f"| `{name}` | "
        + " | ".join(
            f"![{protocol}]({name}-{protocol}.svg)" if protocol in figures else ""
            for protocol in ("authors", "artists")
        )
        + " |"
        for name, figures in found.items()
    ]
    if pictures:
        parts += ["\n## Confusion matrices\n", "| | authors' protocol | artist folds |"]
        parts += ["|---|---|---|", *pictures]
    parts += ["\n" + _wishes(), _AGAIN]
    return wrapped("\n".join(parts))


def _run(found: dict[str, dict[str, Any]]) -> str:
    """Return how many rows of the table were trained."""
    ran = [sum(protocol in of for of in found.values()) for protocol in ("authors", "artists")]
    if min(ran) == len(ANCESTORS):
        return ""
    return (
        f"Of {len(ANCESTORS)} rows {ran[0]} were trained under their authors' protocol and "
        f"{ran[1]} on artist folds; the same command trains those "
        "marked as not run here.\n"
    )


def _split(ancestor: Ancestor) -> str:
    protocol = ancestor.protocol
    of = "clips"
    if protocol.split == "windows":
        of = "windows, so one clip's windows are on both sides"
    return f"Authors' protocol: {100 * protocol.test:.0f} % for the test, split by {of}."


def _corpus(corpus: dict[str, Any]) -> str:
    part = ""
    if corpus["clips"] < _GTZAN - 10:
        part = (
            f"**A part of GTZAN only**: {corpus['clips']} of its {_GTZAN} clips of 30 s, so "
            "no figure here can be compared with a published one as the same test; on a complete "
            "GTZAN folder the same command gives the full comparison. "
        )
    by_genre = ", ".join(f"{genre} {count}" for genre, count in corpus["genres"].items())
    by = {
        "clips.csv": "the column `fold` of `clips.csv`",
        "artist": "made by artist",
        "split": "from a split file",
    }.get(corpus["folds_by"], "**made by file, artists unknown**")
    return (
        f"{part}Clips: {by_genre}; {corpus['left_out']} shorter ones were left out. Folds: {by}. "
        f"SHA-256 of the sorted file hashes: `{corpus['sha256']}`.\n"
    )


def _wishes() -> str:
    """Return what the authors wished for, with the shipped models' figures."""
    manifests = {
        name: json.loads((shipped_folder() / name / "manifest.json").read_text("utf-8"))
        for name in shipped_models()
    }

    def figures(*names: str) -> str:
        measured = [
            f"`{name}` {manifests[name]['evaluation']['window']['accuracy']:.3f} of 3 s windows "
            f"and {manifests[name]['evaluation']['clip']['accuracy']:.3f} of clips"
            for name in names
            if "window" in manifests.get(name, {}).get("evaluation", {})
        ]
        return "; ".join(measured) or "not measured"

    rows = [
        ("transfer learning", f"a trunk trained on the Million Song Dataset: {figures('cnn')}"),
        ("CNN + LSTM", f"the trunk with an LSTM over the seconds: {figures('lstm')}"),
        (
            "random cropping, augmentation",
            "in every recipe of `fit`; the trunk of `lite` was trained on degraded music: "
            f"{figures('lite')}",
        ),
        (
            "ensembles",
            "the recipe `lite` of `fit` averages an LSTM and a CNN; `python -m train ensemble` "
            "averages any models, `evaluate` measures fold models",
        ),
    ]
    lines = [f"| {wish} | {have} |" for wish, have in rows]
    return (
        "## What the authors wished for, and what there is now\n\n"
        "Balanced accuracy on artist folds, from the models' manifests; they include "
        "excerpts of 2 to 3 s, which are too short for the ancestors.\n\n"
        "| wish | here |\n|---|---|\n" + "\n".join(lines) + "\n"
    )


_AGAIN: Final = """\
## How to make it again

```
python -m train reproduce --corpus DIR
python -m train reproduce --corpus DIR --only bud-cnn kelly-cnn --out /tmp/ancestors
```

The table is written from the JSON files in this folder, which hold every figure. Each ancestor also
becomes a model folder: `streamgenre listen --model FOLDER`.
"""
