"""The line of each key in a TOML document, which :mod:`tomllib` does not report."""

from __future__ import annotations

import re
import tomllib
from typing import Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys from the root to a value; a number for an element of an array."""

_TOKEN: Final = re.compile(
    r"""
      (?P<skip>[ \t\r]+|\#[^\n]*)
    | (?P<line>\n)
    | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3}(?!\")|'{3}.*?'{3}(?!')
              |"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    | (?P<mark>[][{}=,])
    | (?P<bare>[^\s\#"'\[\]{}=,]+)
    """,
    re.VERBOSE | re.DOTALL,
)


def lines(document: str) -> dict[Path, int]:
    """Return the line of every key, table and element, from 1, of a valid TOML document."""
    return _Scanner(document).document()


class _Scanner:
    """Walks over the tokens once."""

    def __init__(self, document: str) -> None:
        self._tokens: list[tuple[str, str, int]] = []
        line = 1
        for match in _TOKEN.finditer(document):
            kind = match.lastgroup or ""
            if kind != "skip":
                self._tokens.append((kind, match[0], line))
            line += match[0].count("\n")
        self._tokens.append(("end", "", line))
        self._at = 0
        self._found: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}  # arrays of tables: elements so far

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self._kind != "end":
            if self._kind == "line":
                self._at += 1
            elif self._text == "[":
                table = self._heading()
            else:
                self._pair(table)
        return self._found

    def _heading(self) -> Path:
        line = self._line
        self._at += 1
        several = self._text == "["
        self._at += several
        keys = self._key()
        self._at += 1 + several
        path: Path = ()
        for i, key in enumerate(keys):
            path += (key,)
            if several and i == len(keys) - 1:
                self._tables[path] = self._tables.get(path, 0) + 1
            self._found.setdefault(path, line)
            if path in self._tables:
                path += (self._tables[path] - 1,)
        self._found.setdefault(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line
        path = table
        for key in self._key():
            path += (key,)
            self._found.setdefault(path, line)
        self._at += 1  # the equals sign
        self._value(path)

    def _key(self) -> list[str]:
        keys: list[str] = []
        while self._kind in ("bare", "text"):
            if self._kind == "text":
                keys.append(tomllib.loads(f"k = {self._text}")["k"])
            else:
                keys += [part for part in self._text.split(".") if part]
            self._at += 1
        return keys

    def _value(self, path: Path) -> None:
        if self._text == "{":
            self._at += 1
            while self._text != "}":
                if self._text == "," or self._kind == "line":
                    self._at += 1
                else:
                    self._pair(path)
            self._at += 1
        elif self._text == "[":
            self._at += 1
            number = 0
            while self._text != "]":
                if self._text == "," or self._kind == "line":
                    self._at += 1
                    continue
                self._found.setdefault((*path, number), self._line)
                self._value((*path, number))
                number += 1
            self._at += 1
        else:
            while self._kind in ("bare", "text"):
                self._at += 1

    @property
    def _kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def _text(self) -> str:
        return self._tokens[self._at][1]

    @property
    def _line(self) -> int:
        return self._tokens[self._at][2]
