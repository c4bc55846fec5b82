"""Explains why a file is not valid TOML, with line and column, in plain words."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from streamgenre.limits import HIDDEN
from streamgenre.urls import shown

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_CLOSED: Final = re.compile(
    r"""\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5}
    | (?!\"{3})"(?:\\.|[^"\\\n])*" | (?!'{3})'[^'\n]*' | \#[^\n]*""",
    re.DOTALL | re.VERBOSE,
)
"""Texts with both quotes, and comments."""
_UNCLOSED: Final = "text without its closing quote"
_EXPECTED: Final = (
    (r"Illegal character '\\n'|Unterminated|Expected \"'", _UNCLOSED),
    (r"Illegal|Found invalid", r"expected no such character; in double quotes \uXXXX is possible"),
    (r"Unescaped|Invalid hex|Escaped", r"a backslash: write \\ for it, or use single quotes"),
    (r"Invalid value", 'expected text in quotes, a number, true, false, [ ] or { }: key = "text"'),
    (r"Invalid statement", "expected KEY = VALUE, [TABLE], or # and a comment"),
    (r"Invalid initial", "expected a key of letters, digits, - and _, or a key in quotes"),
    (r"Expected '='", "expected = and a value after the key"),
    (r"Expected newline", "expected the end of the line, or # and a comment, after the value"),
    (r"Expected '\]", "expected the closing bracket of a heading: [bus], [[station]]"),
    (
        r"Cannot (overwrite|declare|mutate|redefine)|Duplicate",
        "given twice; expected once",
    ),
    (r"Unclosed array", "expected a comma after the value, or ] at the end of the array"),
    (r"Unclosed inline", "expected a comma after the value, or } at the end of the table"),
)
"""What :mod:`tomllib` says, and what to say instead."""


def explained(text: str, error: ValueError) -> tuple[int, int, str]:
    """Return line and column of an error, from 1, and what was found and expected there.

    Parameters
    ----------
    text
        The document.
    error
        Error of :func:`tomllib.loads` for it.
    """
    said, place = str(error), _PLACE.search(str(error))
    words = next((to for rule, to in _EXPECTED if re.match(rule, said)), said)
    at = len(text)
    if place and place[1]:
        at = sum(len(line) + 1 for line in text.split("\n")[: int(place[1]) - 1])
        at += int(place[2]) - 1
    elif words == _UNCLOSED:  # tomllib reports the end of the file, not the quote
        blanked = _CLOSED.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
        at = min((n for n in map(blanked.find, "\"'") if n >= 0), default=at)
    line, start = text.count("\n", 0, at) + 1, text.rfind("\n", 0, at) + 1
    whole, rest = text[start:].partition("\n")[0], text[at:].partition("\n")[0]
    if re.match(r"[+-]?\.(\d|\W|$)", rest):
        words = "a number needs a digit on both sides of its dot: 0.5, 3.0"
    if odd := next((c for c in whole if c in "“”„‟«»‘’‚‛‹›`´"), None):
        words += f"; {odd} is a typographic quote: use \" or '"
    if _is_secret(text[:start], whole):
        rest = HIDDEN if rest.split("#")[0].strip() else rest
    return line, at - start + 1, f"found {_found(rest, at == len(text))}: {words}"


def _is_secret(before: str, line: str) -> bool:
    """Whether a line sets a header, whose value is never shown."""
    headings = re.findall(r"^\s*\[[^\n]*", before, re.MULTILINE)
    in_headers = bool(headings) and re.search(r"headers[\s\"']*\]", headings[-1]) is not None
    return in_headers or re.search(r"headers|user_agent", line) is not None


def _found(rest: str, at_end: bool) -> str:
    word = shown(rest.split("#")[0].strip(" \t"))
    if not word:
        return "the end of the file" if at_end else "the end of the line"
    if not word[0].isprintable():
        name = unicodedata.name(word[0], "a control character").lower()
        return f"U+{ord(word[0]):04X} ({name})"
    return repr(word) if len(word) <= 40 else repr(word[:40]) + "…"
