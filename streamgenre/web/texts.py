"""Every text that a person reads on the page: one TOML file for each language in ``texts/``."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Final

DEFAULT: Final = "en"


class Texts:
    """The texts of all languages.

    Parameters
    ----------
    language
        Language to use whatever the browser asks for; None to let it choose.
    """

    def __init__(self, language: str | None = None) -> None:
        folder = resources.files("streamgenre.web") / "texts"
        self.languages: dict[str, dict[str, str]] = {
            each.name.removesuffix(".toml"): tomllib.loads(each.read_text("utf-8"))
            for each in folder.iterdir()
            if each.name.endswith(".toml")
        }
        """The texts by language and key."""
        self._fixed = language if language in self.languages else None

    def choose(self, accepted: str) -> str:
        """Return the language for a header ``Accept-Language``."""
        if self._fixed is not None:
            return self._fixed
        for part in accepted.split(",")[:20]:
            tag = part.partition(";")[0].strip().lower()
            if tag.partition("-")[0] in self.languages:
                return tag.partition("-")[0]
        return DEFAULT

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
        """
        text = self.languages[language].get(key) or self.languages[DEFAULT][key]
        return text.format(**values) if values else text
