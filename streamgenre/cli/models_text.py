"""What ``streamgenre models`` prints of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST_GENRES: Final = 12
"""Genres in a line of the list."""
_REPLACED: Final = (
    "an update has replaced its base. The model keeps the old one, which takes 70 MB more memory; "
    "`streamgenre teach {name} --again` teaches it on the new one"
)
_MOST_COLUMNS: Final = 30
"""Genres up to which a confusion matrix fits a screen."""


def line(row: Mapping[str, Any], width: int) -> str:
    """Return a model as a line of the list.

    Parameters
    ----------
    row
        What ``models --json`` prints of it.
    width
        Columns for its name.
    """
    start = f"{'*' if row['default'] else ' '} {row['name']:<{width}}  {row['origin']:<7}"
    if "problem" in row:
        return f"{start}  cannot be used, see below"
    labels = row["labels"]
    genres = ", ".join(labels[:_MOST_GENRES])
    if len(labels) > _MOST_GENRES:
        genres += f" and {len(labels) - _MOST_GENRES} more"
    parts = [f"{start}  {row['bytes'] / 1000:>6.0f} kB", genres]
    if taught := _taught(row):
        parts.append(f"({taught})")
    return clean_line("  ".join(parts))


def details(row: Mapping[str, Any]) -> str:
    """Return everything about a model.

    Parameters
    ----------
    row
        What ``models show --json`` prints of it.
    """
    return "\n".join(map(clean_line, _details(row)))


def clean_line(text: str) -> str:
    """Return a line without what could control a terminal, its spaces kept.

    Its words may be those of the person who taught the model.
    """
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _details(row: Mapping[str, Any]) -> Iterator[str]:
    taught: Mapping[str, Any] = row.get("taught", {})
    answers = [name for name in ("speech", "music") if name in row]
    if "tags" in row:
        answers.append(f"{len(row['tags']['labels'])} tags")
    facts = {
        "model": row["name"] + (" (the default)" if row["default"] else ""),
        "folder": row["folder"],
        "size": f"{row['bytes'] / 1000:.0f} kB",
        "genres": ", ".join(row["labels"]),
        "also reports": ", ".join(answers),
        "taught on": _base(taught),
        "taught": _on(taught),
        "note": _REPLACED.format(name=row["name"]) if row.get("base_replaced") else "",
        "folds by": taught.get("groups"),
        "accuracy": _accuracy(row).removeprefix("accuracy "),
        "command": row["training"]["command"],
        "sha256": row["sha256"]["model.onnx"],
    }
    for name, value in facts.items():
        if value:
            yield f"{name:<13} {value}"
    yield from _material(taught.get("genres"))
    yield from _confusion(taught.get("confusion"))


def _base(taught: Mapping[str, Any]) -> str:
    base = taught.get("base", {})
    version = f" of streamgenre {base['version']}" if base.get("version") else ""
    return f"{base['name']}{version}" if base.get("name") else ""


def _on(taught: Mapping[str, Any]) -> str:
    genres = taught.get("genres")
    count = sum(each.get("recordings", 0) for each in genres.values()) if genres else 0
    minutes = sum(each.get("seconds", 0) for each in genres.values()) / 60 if genres else 0
    with_what = f"with {count} recordings ({minutes:.0f} min)" if count else ""
    return ", ".join(part for part in (taught.get("date", ""), with_what) if part)


def _taught(row: Mapping[str, Any]) -> str:
    """Return what a taught model was taught with, in short."""
    taught = row.get("taught")
    if not taught:
        return ""
    base = taught.get("base", {}).get("name")
    parts = [f"on {base}" if base else "", _on(taught), _accuracy(row)]
    return "taught " + ", ".join(part for part in parts if part)


def _accuracy(row: Mapping[str, Any]) -> str:
    measured = row.get("taught", {}).get("accuracy")
    what = "accuracy"
    if measured is None:
        window = row.get("evaluation", {}).get("window")
        if not isinstance(window, dict) or "accuracy" not in window:
            return ""
        measured = {"value": window["accuracy"], "ci95": window.get("ci95")}
        measured["chance"] = row["evaluation"].get("chance")
        what = "accuracy on 3 s windows"
    more = []
    if measured.get("ci95"):
        more.append("{:.2f} to {:.2f}".format(*measured["ci95"]))
    if measured.get("chance") is not None:
        more.append(f"chance: {measured['chance']:.2f}")
    return f"{what} {measured['value']:.2f}" + (f" ({'; '.join(more)})" if more else "")


def _material(genres: Any) -> Iterator[str]:
    if not isinstance(genres, dict) or not genres:
        return
    width = max(map(len, genres))
    yield ""
    for name, each in genres.items():
        yield f"  {name:<{width}}  {each.get('recordings', 0):>5} recordings" + (
            f"  {each['seconds'] / 60:>6.1f} min" if "seconds" in each else ""
        )


def _confusion(table: Any) -> Iterator[str]:
    """Yield a confusion matrix; a row is a true genre."""
    if not isinstance(table, dict) or not {"labels", "counts"} <= set(table):
        return
    labels, counts = table["labels"], table["counts"]
    if not 1 <= len(labels) <= _MOST_COLUMNS:
        return
    width = max(map(len, labels))
    cell = max(6, *(len(str(count)) + 1 for row in counts for count in row))
    yield ""
    yield f"  {'taken for':<{width}} " + "".join(f"{label[: cell - 1]:>{cell}}" for label in labels)
    for label, row in zip(labels, counts, strict=False):
        yield f"  {label:<{width}} " + "".join(f"{count:>{cell}}" for count in row)
