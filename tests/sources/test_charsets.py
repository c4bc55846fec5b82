"""Charsets of titles are recognised by the titles of a station."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mutagen import id3
from support.fuzzing import examples
from support.true_titles import CHARSETS, MEASURED, TITLES, after_three, alone, sent

from streamgenre.sources.charsets import TextDecoder
from streamgenre.sources.letters import LETTERS
from streamgenre.sources.tags import file_title, id3_title
from streamgenre.sources.titles import Title

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


@pytest.mark.parametrize(
    "title", ["Beyoncé - Déjà vu", "Кино - Группа крови", "It’s “you” — 雨", "Łzy"]
)
def test_utf8_that_was_encoded_twice_is_repaired(title: str) -> None:
    twice = "".join(
        bytes([each]).decode("cp1252", errors="ignore") or chr(each) for each in title.encode()
    )
    assert TextDecoder().decode(twice.encode()) == title
    assert TextDecoder().decode(title.encode()) == title
    assert TextDecoder("utf-8").decode(twice.encode()) == twice  # the user knows better


def test_tags_that_say_latin_1_are_in_any_charset(tmp_path: Path) -> None:
    for artist, title, charset in (
        ("Кино", "Группа крови", "cp1251"),
        ("Björk", "Jóga", "latin-1"),
        ("Μίκης Θεοδωράκης", "Ζορμπάς", "cp1253"),
        ("Кино", "Сон", "utf-8"),
    ):
        tag: Any = id3.ID3()  # type: ignore[no-untyped-call]
        for frame, text in ((id3.TPE1, artist), (id3.TIT2, title)):
            tag.add(frame(encoding=0, text=text.encode(charset).decode("latin-1")))
        buffer = io.BytesIO()
        tag.save(buffer)
        assert id3_title(buffer.getvalue()) == Title(f"{artist} - {title}", artist, title)
        file = tmp_path / "a.mp3"
        file.write_bytes(buffer.getvalue() + (b"\xff\xfb\x90\x64" + bytes(413)) * 20)
        assert file_title(file) == Title(f"{artist} - {title}", artist, title)
    tag = id3.ID3()  # type: ignore[no-untyped-call]
    frame_of: Any = id3.TIT2
    tag.add(frame_of(encoding=1, text="Êèíî"))  # the tag says UTF-16, which is certain
    buffer = io.BytesIO()
    tag.save(buffer)
    assert id3_title(buffer.getvalue()) == Title("Êèíî", None, "Êèíî")


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
