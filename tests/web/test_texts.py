"""The texts of the pages: complete in every language, in one place, and all used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from streamgenre.web.texts import DEFAULT, Texts

WEB: Final = Path(__file__).resolve().parents[2] / "streamgenre" / "web"
TEMPLATES: Final = sorted(WEB.glob("templates/*.html"))
SCRIPTS: Final = sorted(WEB.glob("static/*.js"))
LANGUAGES: Final = Texts().languages
_USED: Final = re.compile(
    r"""\b(?:t|known|counted|text|texts\.get)\(\s*(?:language,\s*)?["'`]([\w. ]+)["'`]"""
)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_placeholders(language: str) -> None:
    words, english = LANGUAGES[language], LANGUAGES[DEFAULT]
    assert set(words) == set(english)
    wrong = [key for key in words if placeholders(words[key]) != placeholders(english[key])]
    assert wrong == []
    assert all(isinstance(text, str) and text.strip() == text != "" for text in words.values())


def test_there_are_two_languages() -> None:
    assert {"en", "de"} <= set(LANGUAGES)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_words(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    spoken = re.findall(r'(?:aria-label|title|placeholder|alt|content)="([^"]*)"', text)
    spoken += re.sub(r'<[^>]*>| data-\w+=""', "\n", text).split("\n")
    harmless = {"width=device-width, initial-scale=1, viewport-fit=cover", "light dark"}
    wrong = [one for one in spoken if re.search(r"[^\W\d]{2,}", one) and one not in harmless]
    assert wrong == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_hold_no_words(path: Path) -> None:
    text = re.sub(r"^\s*(//|\*|/\*).*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
    strings = re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)
    # Words of a person: two of them, or one that begins with a capital letter.
    states = {"dead air", "no update", "no word yet"}
    spoken = [
        one
        for one in strings
        if re.search(r"[a-zäöü]{2,} [a-zäöü]{2,}", one, re.IGNORECASE) and one not in states
    ]
    style = r"(?:\d+px |system-ui|[a-z]+=|prefers-)"
    assert [one for one in spoken if not re.search(style, one)] == []
    assert "innerHTML" not in text
    assert "insertAdjacentHTML" not in text
    assert not re.search(r"https?:", text.replace('"https:"', ""))


def test_every_key_that_is_used_exists() -> None:
    used = {
        key
        for path in (*TEMPLATES, *SCRIPTS, *WEB.glob("*.py"))
        for key in _USED.findall(path.read_text("utf-8"))
        if "." in key
    }
    english = set(LANGUAGES[DEFAULT])
    assert len(used) > 60
    plural = {key for key in used if f"{key}.other" in english}
    assert {key for key in used - english - plural if not key.endswith((".", "_"))} == set()


def test_every_table_for_scripts_is_used() -> None:
    """A key that nothing names, wholly or by its table, is one that nobody will see."""
    sources = "\n".join(
        path.read_text("utf-8") for path in (*TEMPLATES, *SCRIPTS, *WEB.glob("*.py"))
    )
    unused = []
    for key in LANGUAGES[DEFAULT]:
        table, _, name = key.partition(".")
        by_table = name and re.search(rf"[\"'`]{table}\.(?:[\"'`${{]|[\w]*_?[\"'`] ?~)", sources)
        stem = key.removesuffix(".one").removesuffix(".other")
        if stem not in sources and not by_table and f'row("{name}' not in sources:
            unused.append(key)
    assert unused == []


@pytest.mark.parametrize(
    ("accepted", "chosen", "language"),
    [
        ("", None, "en"),
        ("de", None, "de"),
        ("de-AT,de;q=0.9,en;q=0.8", None, "de"),
        ("fr-FR,fr;q=0.9,de;q=0.2,en;q=0.1", None, "de"),
        ("en;q=0.5,de;q=0.9", None, "de"),
        ("de;q=0,en", None, "en"),
        ("*", None, "en"),
        ("\x00;;;q=q,,,", None, "en"),
        ("de", "en", "en"),
        ("de", "../../etc/passwd", "de"),
        ("," * 10_000 + "de", None, "en"),
    ],
)
def test_the_language_suits_the_reader(accepted: str, chosen: str | None, language: str) -> None:
    assert Texts().choose(accepted, chosen) == language


def test_a_fixed_language_wins_over_the_browser_but_not_over_the_reader() -> None:
    texts = Texts("de")
    assert texts.choose("en") == "de"
    assert texts.choose("en", "en") == "en"
    assert Texts("xx").choose("de") == "de"
