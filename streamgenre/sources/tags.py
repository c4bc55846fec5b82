"""Titles from the tags of files and streams."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

from streamgenre.sources.charsets import Budget, TextDecoder
from streamgenre.sources.titles import clean, join_title, split_title

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streamgenre.sources.titles import Title

MAX_ID3: Final = 1 << 16
"""Longest ID3 tag in a stream that is read, in bytes: longer ones hold pictures."""
_BUDGET: Final = Budget(100, 10.0)
"""How many tags are read in whatever charset: HLS may bring thousands a second."""
_TRACK: Final = re.compile(r"^\d{1,3}(?:\.|\s+-)\s+")
"""A track number at the start of a file name: ``07 - ``, ``7. ``."""


def file_title(path: Path, listed: Title | None = None) -> Title:
    """Return a file's title: from its tags, else from its playlist, else from its name.

    Parameters
    ----------
    path
        The file. A name is read as ``Artist - Title.ext``.
    listed
        The title that a playlist states for it; None if there is none.
    """
    import mutagen

    try:
        tags = mutagen.File(path, easy=True)
    except Exception:  # noqa: BLE001 - damaged tags raise anything; the music may be intact
        tags = None
    title = None
    if tags is not None:
        artist = _joined(tags, "artist") or _joined(tags, "TPE1")  # of WAV and AIFF
        name = _joined(tags, "title") or _joined(tags, "TIT2")
        if not f"{artist}{name}".isascii():
            artist, name = _of_id3(_id3(tags)) or (artist, name)
        title = join_title(artist, name)
    return title or listed or name_title(path)


def name_title(path: Path) -> Title:
    """Return the title that a file's name states, read as ``Artist - Title.ext``."""
    return split_title(_TRACK.sub("", path.stem))


def stream_title(metadata: Mapping[str, str]) -> Title | None:
    """Return the title in FFmpeg's metadata of a stream, or None."""
    by_name = {name.lower(): value for name, value in metadata.items()}
    return join_title(by_name.get("artist", ""), by_name.get("title", ""))


def id3_title(data: bytes) -> Title | None:
    """Return the title in an ID3 tag; None without a title or a valid tag."""
    from mutagen.id3 import ID3

    if len(data) > MAX_ID3:
        return None
    try:
        tag: Any = ID3(io.BytesIO(data), translate=True)  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - hostile bytes raise anything
        return None
    return join_title(*(_of_id3(tag) or ("", "")))


def _id3(tags: Any) -> Any:
    """Return the ID3 tag of mutagen's file, or None if it has none."""
    from mutagen.id3 import ID3

    inner = getattr(tags, "tags", None)
    found = getattr(inner, "_EasyID3__id3", inner)  # mutagen's simple names hide the charset
    return found if isinstance(found, ID3) else None


def _of_id3(tag: Any) -> tuple[str, str] | None:
    """Return artist and title of an ID3 tag, or None without a tag.

    Text that it calls Latin-1 is in whatever charset its computer used.
    """
    if tag is None:
        return None
    try:
        frames = [tag.getall(name) for name in ("TPE1", "TIT2")]
        unclear = any(
            frame.encoding == 0 and not str(frame).isascii() for each in frames for frame in each
        )
        decoder = TextDecoder(None if unclear and _BUDGET.take() else "latin-1")
        for _ in range(2):  # first to learn, from both together
            artist, title = (", ".join(_texts(each, decoder)) for each in frames)
    except Exception:  # noqa: BLE001 - mutagen reads some values only now
        return None
    return artist, title


def _texts(frames: Any, decoder: TextDecoder) -> list[str]:
    """Return the values of text frames."""
    return [
        decoder.decode(str(text).encode("latin-1")) if frame.encoding == 0 else str(text)
        for frame in frames[:20]
        for text in frame.text[:20]
    ]


def _joined(tags: Any, name: str) -> str:
    """Return the values of a tag, joined by commas."""
    try:
        values = tags.get(name) or []
    except Exception:  # noqa: BLE001 - mutagen reads some values only now
        return ""
    return ", ".join(clean(str(value)) for value in values[:20])
