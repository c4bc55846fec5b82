"""Line breaks in Markdown."""

from __future__ import annotations

import re
import textwrap
from typing import Final

_WIDTH: Final = 100
_UNBROKEN: Final = ("|", "#", "!", "```")
"""Beginnings of lines that must stay whole: tables, titles, pictures and code."""


def wrapped(text: str) -> str:
    """Return Markdown with paragraphs and list items broken at 100 columns.

    Tables, titles, pictures and code blocks are left as they are.
    """
    lines: list[str] = []
    code = False
    for line in text.split("\n"):
        code ^= line.startswith("```")
        if code or len(line) <= _WIDTH or line.startswith(_UNBROKEN):
            lines.append(line)
            continue
        lines += textwrap.wrap(
            line,
            _WIDTH,
            subsequent_indent="  " if line.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def as_list(text: str) -> str:
    """Return a paragraph as a list with one sentence per item."""
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z*])", text.strip())
    return "\n".join(f"- {sentence}" for sentence in sentences) + "\n"
