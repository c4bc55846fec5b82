"""Every text that a person reads on the pages: one TOML file for each language in ``texts/``.

Keys are ``name`` or ``table.name``. A translation is one more file with the same keys; it is
offered as soon as it is there.
"""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEFAULT: Final = "en"
"""Language of readers who prefer none of ours."""
_PREFERENCE: Final = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[\w-]*)?\s*(?:;\s*q\s*=\s*([01](?:\.\d*)?)\s*)?"
)
_MAX_PREFERENCES: Final = 20


class Texts:
    """The texts of all languages.

    Parameters
    ----------
    language
        Language to use whatever the reader asks for; None to let the reader choose.
    """

    def __init__(self, language: str | None = None) -> None:
        folder = resources.files("streamgenre.web") / "texts"
        self.languages: dict[str, dict[str, str]] = {
            file.name.removesuffix(".toml"): dict(_flat(tomllib.loads(file.read_text("utf-8"))))
            for file in sorted(folder.iterdir(), key=lambda file: file.name)
            if file.name.endswith(".toml")
        }
        """The texts by language and key."""
        self._fixed = language if language in self.languages else None

    def choose(self, accepted: str, chosen: str | None = None) -> str:
        """Return the language that suits a reader best.

        Parameters
        ----------
        accepted
            The header ``Accept-Language``.
        chosen
            Language that the reader chose on a page before; None, or one that is not ours, for
            none.

        Returns
        -------
        str
            A key of :attr:`languages`.
        """
        if chosen in self.languages:
            return chosen
        if self._fixed is not None:
            return self._fixed
        ranked = [
            (float(found[2] or 1), found[1].lower())
            for part in accepted.split(",")[:_MAX_PREFERENCES]
            if (found := _PREFERENCE.fullmatch(part))
        ]
        ranked.sort(key=lambda one: -one[0])
        ours = (tag for weight, tag in ranked if weight > 0 and tag in self.languages)
        return next(ours, DEFAULT)

    def get(self, language: str, key: str, **values: object) -> str:
        """Return a text; English if the language lacks it.

        Parameters
        ----------
        language
            Language of the page.
        key
            Key of the text.
        **values
            What replaces ``{name}`` in it.

        Returns
        -------
        str
            The text.
        """
        text = self.languages[language].get(key) or self.languages[DEFAULT][key]
        return text.format(**values) if values else text

    def known(self, language: str, key: str, otherwise: str) -> str:
        """Return a text, or another one where there is none.

        Parameters
        ----------
        language
            Language of the page.
        key
            Key of the text, which may come from an event.
        otherwise
            What to return if there is no such text.

        Returns
        -------
        str
            The text.
        """
        return self.languages[language].get(key, otherwise)

    def tables(self, language: str, names: Iterable[str]) -> dict[str, str]:
        """Return the texts of some tables by their full keys, for a script.

        Parameters
        ----------
        language
            Language of the page.
        names
            Names of the tables.

        Returns
        -------
        dict[str, str]
            The texts.
        """
        wanted = set(names)
        words = {**self.languages[DEFAULT], **self.languages[language]}
        return {key: text for key, text in words.items() if key.partition(".")[0] in wanted}


def _flat(tables: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in tables.items():
        if isinstance(value, dict):
            for key, text in value.items():
                yield f"{name}.{key}", text
        else:
            yield name, value
