"""Titles out of the tags of files and streams."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

from streamgenre.sources.titles import clean, join_title, split_title

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streamgenre.sources.titles import Title

MAX_ID3: Final = 1 << 16
"""Longer ID3 tags (bytes) in a stream are not looked at: they hold pictures."""
_TRACK: Final = re.compile(r"^\d{1,3}(?:\.|\s+-)\s+")
"""The number of the track before a file's name: ``07 - ``, ``7. ``."""


def file_title(path: Path, listed: Title | None = None) -> Title:
    """Return what a file's tags say of it, else its list, else its name ``Artist - Title.ext``."""
    import mutagen

    try:
        tags = mutagen.File(path, easy=True)
    except Exception:  # noqa: BLE001 - damaged tags raise anything; the music may be whole
        tags = None
    title = None
    if tags is not None:
        artist = _joined(tags, "artist") or _joined(tags, "TPE1")  # of WAV and AIFF
        title = join_title(artist, _joined(tags, "title") or _joined(tags, "TIT2"))
    return title or listed or split_title(_TRACK.sub("", path.stem))


def stream_title(metadata: Mapping[str, str]) -> Title | None:
    """Return the title in FFmpeg's metadata of a stream; None where it has none."""
    by_name = {name.lower(): value for name, value in metadata.items()}
    return join_title(by_name.get("artist", ""), by_name.get("title", ""))


def id3_title(data: bytes) -> Title | None:
    """Return the title in an ID3 tag; None where it has none or is none."""
    from mutagen.id3 import ID3

    if len(data) > MAX_ID3:
        return None
    try:
        tag: Any = ID3(io.BytesIO(data), translate=True)  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - hostile bytes raise anything
        return None
    return join_title(*(", ".join(map(str, tag.getall(name))) for name in ("TPE1", "TIT2")))


def _joined(tags: Any, name: str) -> str:
    """Return the values of a tag in one text."""
    try:
        values = tags.get(name) or []
    except Exception:  # noqa: BLE001 - as above: values are read when they are asked for
        return ""
    return ", ".join(clean(str(value)) for value in values[:20])
