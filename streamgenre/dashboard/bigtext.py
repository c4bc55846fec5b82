"""Large letters, three rows high, from half blocks: legible from across the room."""

from __future__ import annotations

import unicodedata
from typing import Final

ROWS: Final = 3

# Five pixels high; a row of the screen shows two of them.
_FONT: Final[dict[str, str]] = {
    "A": "### #.# ### #.# #.#", "B": "##. #.# ##. #.# ##.", "C": "### #.. #.. #.. ###",
    "D": "##. #.# #.# #.# ##.", "E": "### #.. ##. #.. ###", "F": "### #.. ##. #.. #..",
    "G": "### #.. #.# #.# ###", "H": "#.# #.# ### #.# #.#", "I": "# # # # #",
    "J": "..# ..# ..# #.# ###", "K": "#.# #.# ##. #.# #.#", "L": "#.. #.. #.. #.. ###",
    "M": "#...# ##.## #.#.# #...# #...#", "N": "#..# ##.# #.## #..# #..#",
    "O": "### #.# #.# #.# ###", "P": "### #.# ### #.. #..", "Q": "### #.# #.# ### ..#",
    "R": "### #.# ##. #.# #.#", "S": "### #.. ### ..# ###", "T": "### .#. .#. .#. .#.",
    "U": "#.# #.# #.# #.# ###", "V": "#.# #.# #.# #.# .#.", "W": "#...# #...# #.#.# ##.## #...#",
    "X": "#.# #.# .#. #.# #.#", "Y": "#.# #.# .#. .#. .#.", "Z": "### ..# .#. #.. ###",
    "0": "### #.# #.# #.# ###", "1": ".# ## .# .# .#", "2": "### ..# ### #.. ###",
    "3": "### ..# ### ..# ###", "4": "#.# #.# ### ..# ..#", "5": "### #.. ### ..# ###",
    "6": "### #.. ### #.# ###", "7": "### ..# ..# ..# ..#", "8": "### #.# ### #.# ###",
    "9": "### #.# ### ..# ###", " ": ".. .. .. .. ..", "-": ".. .. ## .. ..",
    "&": ".#.. #.#. .#.. #.#. .#.#", "/": "..# ..# .#. #.. #..", ".": ". . . . #", "'": "# # . . .",
}  # fmt: skip

_HALVES: Final = {("#", "#"): "█", ("#", "."): "▀", (".", "#"): "▄", (".", "."): " "}


def big(text: str) -> list[str] | None:
    """Return text in large letters: three rows of equal width; None if a letter is missing.

    Accents are dropped: they do not fit into five pixels.
    """
    folded = unicodedata.normalize("NFD", text.upper().replace("_", " "))
    glyphs = [_FONT.get(char, "").split() for char in folded if unicodedata.category(char) != "Mn"]
    if not glyphs or not all(glyphs):
        return None
    pixels = [".".join(glyph[line] for glyph in glyphs) for line in range(5)]
    pixels.append("." * len(pixels[0]))
    return [
        "".join(_HALVES[pair] for pair in zip(pixels[2 * i], pixels[2 * i + 1], strict=True))
        for i in range(ROWS)
    ]
