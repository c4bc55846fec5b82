"""Charsets of titles are recognised by the titles of a station."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.true_titles import CHARSETS, MEASURED, TITLES, after_three, alone, sent

from streamgenre.sources.charsets import TextDecoder
from streamgenre.sources.letters import LETTERS

DOCS: Final = Path(__file__).parents[2] / "docs" / "inputs.md"
PAIRS: Final = [(language, charset) for language in CHARSETS for charset in CHARSETS[language]]


@pytest.mark.parametrize(("language", "charset"), PAIRS)
def test_a_station_is_understood_after_a_few_titles(language: str, charset: str) -> None:
    for titles in (TITLES[language], MEASURED[language]):
        right, of = after_three(titles, charset)
        assert right == of


def test_the_docs_say_how_many_titles_are_recognised() -> None:
    rows = re.findall(
        r"^\| ([A-Z][^|]*) \| ([^|]*) \| (\d+) of (\d+) \|", DOCS.read_text("utf-8"), re.M
    )
    stated = {
        (language, charset): (int(right), int(of))
        for language, charsets, right, of in rows
        for charset in charsets.split(", ")
    }
    assert stated == {(each): alone(MEASURED[each[0]], each[1]) for each in PAIRS}


@pytest.mark.parametrize("language", TITLES)
def test_utf8_is_always_recognised_even_cut_off_within_a_character(language: str) -> None:
    for title in TITLES[language] + MEASURED[language]:
        data = title.encode()
        decoder = TextDecoder()
        assert decoder.decode(data) == title
        for cut in range(1, len(data)):
            text = data[:cut].decode(errors="ignore")
            if not text.isascii():
                assert decoder.decode(data[:cut]) == text


def test_a_damaged_character_does_not_change_the_charset() -> None:
    data = "Кино - Группа крови на рукаве".encode()
    damaged = data[:9] + data[10:]
    assert TextDecoder().decode(damaged) == damaged.decode(errors="replace")


def test_a_named_charset_is_used_for_every_title() -> None:
    decoder = TextDecoder("koi8-r")
    assert decoder.decode("Новости".encode("koi8-r")) == "Новости"
    assert decoder.decode("é".encode()) == "é".encode().decode("koi8-r")
    assert TextDecoder("ascii").decode(b"a\xff") == "a\ufffd"


def test_one_title_in_utf8_does_not_disturb_the_others() -> None:
    decoder = TextDecoder()
    for title, data in sent(TITLES["Russian"], "cp1251"):
        assert decoder.decode(data) == title
        assert decoder.decode("Björk - Jóga".encode()) == "Björk - Jóga"


@given(st.lists(st.binary(max_size=150), max_size=40))
@example([b"\x80" * 4080, b"\xff\xfe", b"\xf0\x9f", b"\x1b$B"])
@examples(60)
def test_no_bytes_break_the_decoder(titles: list[bytes]) -> None:
    decoder = TextDecoder()
    for title in titles:
        text = decoder.decode(title)
        assert text.isascii() == title.isascii() or "\ufffd" in text or len(text) < len(title)
        text.encode()  # no surrogates


def test_no_letter_is_listed_twice() -> None:
    for language, letters in LETTERS.items():
        assert len(set(letters)) == len(letters), language
