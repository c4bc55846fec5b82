"""Chooses among the variants of an HLS stream."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MIN_BANDWIDTH: Final = 96_000
"""Bits per second that are enough to recognise music: of several variants with audio alone, the
smallest with as many is played."""

_AUDIO_CODEC: Final = re.compile(r"\s*(?:mp4a|ac-[34]|ec-3|opus|flac|fLaC|alac|mp3|dts)", re.I)


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant of a stream."""

    url: str
    """URL of its playlist."""
    bandwidth: int
    """Bits per second; 0 if it does not state them."""
    audio_only: bool
    """Whether it has no video."""
    group: str
    """Name of the group of audio renditions; empty if there is none."""
    silent: bool
    """Whether it states codecs of which none is of audio, and names no renditions."""


def ordered(variants: list[Variant], renditions: dict[str, list[tuple[bool, str]]]) -> list[str]:
    """Return the URLs of the variants, the best to listen to first, each once.

    Audio alone is preferred: the smallest variant of at least :data:`_MIN_BANDWIDTH`, else the
    largest. Of variants with video, which all carry the same audio, the smallest is first.

    Parameters
    ----------
    variants
        The variants in the order of the playlist.
    renditions
        Audio renditions by the name of their group: whether it is the default, and its URL, which
        is empty if its audio is in the variant.
    """
    found: dict[str, None] = {}
    for each in sorted(variants, key=_rank):
        group = renditions.get(each.group, [])
        # A rendition without a URL is in the variant itself.
        inside = any(default and not url for default, url in group)
        defaults_first = sorted(group, key=lambda rendition: not rendition[0])
        urls = [url for _, url in defaults_first if url and not inside]
        found |= dict.fromkeys([*urls[:1], each.url])
    return list(found)


def _rank(variant: Variant) -> tuple[int, int]:
    if variant.silent:
        return 3, variant.bandwidth
    if not variant.audio_only:
        return 2, variant.bandwidth
    if variant.bandwidth >= _MIN_BANDWIDTH:
        return 0, variant.bandwidth
    return 1, -variant.bandwidth


def variant(url: str, attributes: dict[str, str]) -> Variant:
    """Return a variant.

    Parameters
    ----------
    url
        URL of its playlist.
    attributes
        Those of its tag.
    """
    codecs = [name for name in attributes.get("CODECS", "").split(",") if name.strip()]
    of_audio = [name for name in codecs if _AUDIO_CODEC.match(name)]
    group = attributes.get("AUDIO", "")
    audio_only = "RESOLUTION" not in attributes and "VIDEO" not in attributes
    if codecs:
        audio_only = len(of_audio) == len(codecs)
    silent = bool(codecs) and not of_audio and not group
    return Variant(url, _bandwidth(attributes.get("BANDWIDTH", "")), audio_only, group, silent)


def _bandwidth(text: str) -> int:
    match = re.fullmatch(r"\s*(\d{1,12})\s*", text, re.ASCII)
    return int(match[1]) if match else 0
