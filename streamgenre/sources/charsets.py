"""Recognises the charset of a station's titles.

ICY has no charset: stations send UTF-8, or whatever the computer of their studio uses. UTF-8 is
certain by its form. Others are recognised by what their bytes would mean: letters of one language
in their usual frequency and case, common Chinese characters, kana or Hangul. A title has few
letters, so a station's titles are judged together.
"""

from __future__ import annotations

import codecs
import math
import re
import time
import unicodedata
from collections import OrderedDict
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final

from streamgenre.sources.letters import LETTERS, NEVER_FIRST, ONLY_LAST, VOWELS

_SINGLE_BYTE: Final[dict[str, tuple[str, ...]]] = {
    "cp1252": ("en", "de", "fr", "es", "pt", "it", "nl", "sv", "da", "fi"),
    "cp1251": ("ru", "uk", "bg", "sr"),
    "cp1250": ("pl", "cs", "sk", "hu", "hr", "ro"),
    "iso8859-2": ("pl", "cs", "sk", "hu", "hr", "ro"),
    "koi8-u": ("ru", "uk"),
    "cp1253": ("el",),
    "iso8859-7": ("el",),
    "cp1254": ("tr",),
    "cp1257": ("lt", "lv", "et"),
    "iso8859-15": ("fr", "fi"),
    "iso8859-5": ("ru", "bg", "sr"),
    "cp1255": ("he",),
    "cp1256": ("ar",),
    "iso8859-6": ("ar",),
    "cp874": ("th",),
}
"""Languages of each charset with one byte a character."""
_EAST_ASIAN: Final = ("cp932", "cp949", "gb18030", "big5", "euc_jp")
_CHARSETS: Final = (*_SINGLE_BYTE, *_EAST_ASIAN)
_UNUSUAL: Final = {
    **dict.fromkeys(("cp1250", "iso8859-2", "cp1253", "cp1254"), -0.5),
    **dict.fromkeys(("cp1257", "cp1255", "cp1256", "cp874", "iso8859-7"), -1.0),
    **dict.fromkeys(("iso8859-15", *_EAST_ASIAN), -1.0),
    **dict.fromkeys(("koi8-u", "iso8859-6", "euc_jp"), -3.0),
    "iso8859-5": -5.0,
}
"""How unusual a charset is, as a logarithm."""
_SAMPLES: Final = 24
"""Different titles of a station that are judged together; the oldest is dropped."""
_SAMPLE: Final = 100
"""Bytes of a title that are judged."""
# Logarithms of probabilities.
_IMPOSSIBLE: Final = -16.0
_FOREIGN: Final = -11.0
_IN_A_WORD: Final = -4.0
"""In addition, for a sign or a Chinese character between letters."""
_SIGN: Final = -7.0
_SIGNS: Final = frozenset("’‘“”„–—…«»°№´·•™®©¡¿&!ª\xa0")
_ODD_CASE: Final = -4.0
_ODD_PLACE: Final = -5.0
_ODD_RUN: Final = -2.0
_RAREST: Final = -4.0
"""The rarest letter of a language against its most frequent one."""
_ASCII: Final = 0.5
"""Weight of ASCII letters: names in other languages are everywhere."""


_CERTAIN: Final = 12.0
"""How much likelier another charset must make one title for that title to be in it: some stations
pass on titles from several computers. No title of one language is misjudged by half as much."""


_TWICE: Final = re.compile("[\xc2-\xf4][^\0-\x7f]")


class Budget:
    """Limits how often something that takes time is done, whatever a station sends.

    Parameters
    ----------
    most
        How often at once.
    per_second
        How often in the long run.
    """

    def __init__(self, most: int, per_second: float) -> None:
        self._most, self._per_second = most, per_second
        self._left, self._since = float(most), time.monotonic()

    def take(self) -> bool:
        """Return whether it may be done now, and count it."""
        now = time.monotonic()
        self._left = min(self._most, self._left + self._per_second * (now - self._since))
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class TextDecoder:
    """Decodes the titles of one station, and learns its charset.

    Parameters
    ----------
    charset
        Charset that the user named; None to recognise it.
    """

    def __init__(self, charset: str | None = None) -> None:
        self._charset = charset
        self._budget = Budget(_SAMPLES, 1.0)  # a station may send hundreds a second
        self._scores: OrderedDict[bytes, dict[str, float]] = OrderedDict()

    def decode(self, data: bytes) -> str:
        """Return a title as text. What cannot be decoded becomes U+FFFD."""
        if self._charset is not None:
            return data.decode(self._charset, errors="replace")
        text = _utf8(data)
        return self._legacy(data) if text is None else _encoded_once(text)

    def _legacy(self, data: bytes) -> str:
        key = data[:_SAMPLE]
        if key in self._scores:
            self._scores.move_to_end(key)
        elif self._budget.take():
            self._scores[key] = _judge(key)
            if len(self._scores) > _SAMPLES:
                self._scores.popitem(last=False)
        total = _together(list(self._scores.values()))
        order = sorted(_CHARSETS, key=lambda name: -total[name])
        if key in self._scores:
            alone = _together([self._scores[key]])
            likeliest = max(_CHARSETS, key=lambda name: alone[name])
            if alone[likeliest] > alone[order[0]] + _CERTAIN:
                order.insert(0, likeliest)
        for name in order:
            try:
                # The end may be cut off within a character.
                return codecs.getincrementaldecoder(name)().decode(data)
            except UnicodeDecodeError:
                continue
        return data.decode("cp1252", errors="replace")


def _together(titles: list[dict[str, float]]) -> dict[str, float]:
    """Return how likely each charset is for all of some titles, as logarithms."""
    return {
        name: sum(each[name] for each in titles) + _UNUSUAL.get(name, 0.0) for name in _CHARSETS
    }


def _utf8(data: bytes) -> str | None:
    """Return a text if it is UTF-8, possibly damaged or cut off within a character, else None."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(data)
        cut_off = len(decoder.getstate()[0])
        # One byte at the end may be the last letter in another charset.
        return text if cut_off != 1 or not text.isascii() else None
    except UnicodeDecodeError:
        pass
    text = data.decode("utf-8", errors="replace")
    damaged = text.count("\ufffd")
    intact = sum(c > "\x7f" for c in text) - damaged
    return text if intact > 3 * damaged else None


def _encoded_once(text: str) -> str:
    """Return a text that was encoded as UTF-8 twice, as it was meant: ``Ã©`` is ``é``."""
    if not _TWICE.search(text):
        return text
    data = bytearray()
    for c in text:
        try:
            data += c.encode("cp1252")
        except UnicodeEncodeError:
            if c > "\xff":
                return text
            data.append(ord(c))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return text


def _judge(data: bytes) -> dict[str, float]:
    """Return how likely each charset is, as logarithms that can be added."""
    scores = {}
    for name in _CHARSETS:
        decoder = codecs.getincrementaldecoder(name)()
        try:
            text = decoder.decode(data)
        except UnicodeDecodeError:
            scores[name] = _IMPOSSIBLE * len(data)
            continue
        cut_off = len(decoder.getstate()[0])
        scores[name] = _FOREIGN * cut_off + _signs_likelihood(text)
        if name in _SINGLE_BYTE:
            languages = [_letters_likelihood(text, each) for each in _SINGLE_BYTE[name]]
            scores[name] += max(languages) + _form_likelihood(text)
        else:
            scores[name] += sum(_east_asian_likelihood(c, name) for c in text)
            pairs = pairwise(text)
            scores[name] += _ODD_PLACE * sum(
                (one + other).isalpha() and one.isascii() != other.isascii() for one, other in pairs
            )
    return scores


@cache
def _frequencies(language: str) -> dict[str, float]:
    """Return the logarithm of the frequency of each letter, in both cases."""
    letters = LETTERS[language]
    per_rank = _RAREST / len(letters)
    total = sum(math.exp(per_rank * rank) for rank in range(len(letters)))
    found = {}
    for rank, letter in enumerate(letters):
        capital = "İ" if (language, letter) == ("tr", "i") else letter.upper()
        for each in (letter, capital):
            likelihood = per_rank * rank - math.log(total)
            found[each] = likelihood * (_ASCII if each.isascii() else 1.0)
    return found


def _letters_likelihood(text: str, language: str) -> float:
    known = _frequencies(language)
    english = _RAREST * _ASCII
    return sum(known.get(c, english if c.isascii() else _FOREIGN) for c in text if _is_letter(c))


def _is_letter(c: str) -> bool:
    return c.isalpha() or unicodedata.category(c) == "Mn"  # vowels of Thai


def _signs_likelihood(text: str) -> float:
    """Return the likelihood of what is neither a letter nor ASCII."""
    total = 0.0
    for before, c, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
        if c.isascii() or _is_letter(c):
            continue
        if unicodedata.category(c)[0] == "C":
            total += _IMPOSSIBLE
            continue
        total += _SIGN if c in _SIGNS else _FOREIGN
        if before.isalpha() and after.isalpha() and c != "’":
            total += _IN_A_WORD
    return total


def _form_likelihood(text: str) -> float:
    """Return the likelihood of the words' form: case, and where letters stand."""
    odd = 0.0
    consonants = vowels = 0
    before = " "
    for c, after in zip(text, f"{text[1:]} ", strict=True):
        small = c.lower()
        is_letter = _is_letter(c)
        if before.islower() and c.isupper() and not (before.isascii() and c.isascii()):
            odd += _ODD_CASE
        if is_letter and before.isalpha() and (c < "\u0250") != (before < "\u0250"):
            odd += _ODD_PLACE  # two alphabets in a word
        if not c.isascii():
            if small in NEVER_FIRST and not _is_letter(before):
                odd += _ODD_PLACE
            if c in ONLY_LAST and _is_letter(after):
                odd += _ODD_PLACE
        is_vowel = small in VOWELS
        vowels = vowels + 1 if is_vowel else 0
        consonants = consonants + 1 if is_letter and not is_vowel else 0
        if vowels > 3 or (consonants > 4 and _has_vowels(c)):
            odd += _ODD_RUN
        before = c
    return odd


def _has_vowels(c: str) -> bool:
    """Whether the alphabet of a letter has letters for vowels: Latin, Greek, Cyrillic."""
    return "\x80" <= c < "\u0530"


def _east_asian_likelihood(c: str, charset: str) -> float:
    if c <= "\x7f":
        return _frequencies("en").get(c, 0.0)
    if "\u3041" <= c <= "\u30ff":
        return -5.0 if charset in ("cp932", "euc_jp") else -12.0
    if "\uac00" <= c <= "\ud7a3":
        return -6.5 if charset == "cp949" and _is_common(c, charset) else -14.0
    if "\u4e00" <= c <= "\u9fff":
        return -7.5 if charset != "cp949" and _is_common(c, charset) else -13.0
    return -14.0 if _is_letter(c) else 0.0  # signs are judged elsewhere


_COMMON_CHARACTERS: Final = {
    "cp932": ("shift_jis", 0x88, 0x97),
    "euc_jp": ("euc_jp", 0xB0, 0xCF),
    "cp949": ("euc_kr", 0xB0, 0xC8),
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "big5": ("big5", 0xA4, 0xC6),
}
"""Where a charset keeps the common characters: first and last leading byte."""


@lru_cache(1 << 12)
def _is_common(c: str, charset: str) -> bool:
    encoding, first, last = _COMMON_CHARACTERS[charset]
    try:
        return first <= c.encode(encoding)[0] <= last
    except UnicodeEncodeError:
        return False
