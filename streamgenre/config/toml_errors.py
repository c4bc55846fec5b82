"""What is wrong with a file that is no TOML, in plain words: those of Python's reader are for who
knows its grammar.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from streamgenre.urls import shown

_AT: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TYPOGRAPHIC: Final = "“”„‟«»‘’‚‛‹›`´"
_TEXT: Final = re.compile(
    r"""
      \"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5}
    | (?!\"{3})"(?:\\.|[^"\\\n])*" | (?!'{3})'[^'\n]*'
    """,
    re.VERBOSE | re.DOTALL,
)
_BARE: Final = re.compile(  # a number with its dot at one end, and nothing behind it
    r"(?P<sign>[+-]?)(?:(?P<whole>\d[\d_]*)\.|\.(?P<part>\d[\d_]*))(?P<power>(?:[eE][+-]?\d+)?)"
    r"(?=\s*(?:[,\]}#]|$))"
)
_DIGITS: Final = re.compile(r"(?<![\w.:+-])[+-]?\d[\d_]*$")
_KEY: Final = re.compile(r"([\w.-]+)\s*=\s*(?:\[[^=]*)?$")
_LONGEST: Final = 40
_QUOTES: Final = "expected plain quotes, \" or '"
_VALUES: Final = 'expected text in quotes, a number, true or false, [ ], or { }, as in "kitchen"'


def explained(text: str, error: ValueError) -> tuple[int, str]:
    """Return the line of a fault, from 1, and what was found there and expected.

    Parameters
    ----------
    text
        The document.
    error
        What :func:`tomllib.loads` says to it.
    """
    said = str(error)
    place = _AT.search(said)
    words = said[: place.start()] if place else said
    if place is None or place[1] is None:
        line, before, rest = text.count("\n") + 1, "", ""
    else:
        line, column = int(place[1]), int(place[2]) - 1
        whole = text.split("\n")[line - 1]
        before, rest = whole[:column], whole[column:]
    if words.startswith(("Illegal character", "Found invalid character")):
        return line, _character(rest, text.split("\n")[line - 1])
    if words.startswith("Unterminated string") or (not rest and words.startswith("Expected ")):
        opened = _first_open(text)
        if opened is not None:
            return opened, _unclosed(text.split("\n")[opened - 1])
    return line, _odd(rest) or _bare_dot(before, rest) or _by_rule(words, rest)


def _first_open(document: str) -> int | None:
    """Return the line, from 1, of the first quote that is not closed."""
    at = 0
    while mark := re.compile("[\"'#]").search(document, at):
        if mark[0] == "#":
            at = (document.find("\n", mark.start()) + 1) or len(document)
        elif whole := _TEXT.match(document, mark.start()):
            at = whole.end()
        else:
            return document[: mark.start()].count("\n") + 1
    return None


def _character(rest: str, whole: str) -> str:
    """Return the words for a character that no text may have; no rest means the line's end."""
    if not rest:
        return _unclosed(whole)
    found = f"found the control character U+{ord(rest[0]):04X}"
    return f"{found}; expected none (in double quotes it is written \\u{ord(rest[0]):04X})"


def _unclosed(line: str) -> str:
    words = "found a text without its closing quote"
    typographic = next((c for c in line if c in _TYPOGRAPHIC), None)
    if typographic:
        return f"{words}, and the typographic quote {typographic}; {_QUOTES}"
    return f"{words}; expected the quote that it begins with, \" or ', at its end"


def _odd(rest: str) -> str:
    """Return the words for a character that looks like another, or ""."""
    if not rest:
        return ""
    first = rest[0]
    if first in _TYPOGRAPHIC:
        return f"found the typographic quote {first}; {_QUOTES}"
    if first != " " and unicodedata.category(first) in ("Zs", "Cf", "Cc"):
        name = unicodedata.name(first, "a control character").lower()
        return f"found U+{ord(first):04X} ({name}); expected a plain blank, or nothing"
    return ""


def _bare_dot(before: str, rest: str) -> str:
    """Return the words for a number that begins or ends with its dot, as ``.3``, or ""."""
    # The reader has taken the digits of `3.` for the whole number.
    digits = _DIGITS.search(before) if rest.startswith(".") else None
    start = digits.start() if digits else len(before)
    number = _BARE.match(before[start:] + rest)
    if number is None:
        return ""
    key = _KEY.search(before[:start])
    where = f" as the value of {key[1]}" if key else ""
    full = f"{number['sign']}{number['whole'] or 0}.{number['part'] or 0}{number['power']}"
    return f"found {number[0]}{where}; write {full}: a dot needs a digit on either side"


def _by_rule(words: str, rest: str) -> str:
    """Return the words for a rule of the grammar that does not hold."""
    found = _found(rest)
    if words == "Invalid value":
        value = rest.split("#")[0].strip().rstrip(",]}")
        if value.lower() in ("true", "false"):
            return f"found {value}; expected {value.lower()}, in small letters"
        if re.match(r"[\w./~]", value) and not value[0].isdigit():
            return f"found {found} without quotes; {_VALUES}"
        return f"found {found} as a value; {_VALUES}"
    if words == "Invalid statement":
        return f"found {found}; expected KEY = VALUE, [TABLE] or # and a comment"
    if words.startswith("Expected '='"):
        return f"found {found} behind a key; expected = and a value"
    if words.startswith("Expected newline"):
        return f"found {found} behind a value; expected the end of the line, or # and a comment"
    if words.startswith(("Expected ']'", "Expected ']]'")):
        return f"found {found} in a heading; expected its closing bracket, as in [bus], [[station]]"
    if words.startswith("Invalid initial character"):
        return f"found {found} in place of a key; expected letters, digits, - and _, or quotes"
    if "Unescaped" in words or "hex value" in words or "Escaped" in words:
        return (
            "found a backslash that stands for nothing; expected \\\\ for a backslash in double "
            "quotes, or the text in single quotes"
        )
    if words == "Cannot overwrite a value" or words.startswith("Duplicate"):
        return "found a key for the second time; expected each once"
    if twice := re.fullmatch(r"Cannot declare \((.*?),?\) twice", words):
        table = twice[1].replace("'", "").replace(", ", ".")
        return f"found the table [{table}] for the second time; expected each once"
    if words == "Unclosed array":
        return f"found {found} in an array; expected a comma between its values, and ] behind them"
    return words


def _found(rest: str) -> str:
    word = rest.split("#")[0].strip()
    if not word:
        return "nothing"
    word = shown(word)
    return repr(word) if len(word) <= _LONGEST else repr(word[:_LONGEST]) + "…"
