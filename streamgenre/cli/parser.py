"""The parser of the command line: wrong usage is explained in one line, with what was meant."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from streamgenre.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed import SupportsWrite

_DASHES = ("-", "\u2013", "\u2014")
"""What flags begin with, and what text programs make of that."""


class Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line, as all other errors, without the whole usage text.

    A command or flag that does not exist is an error of the command that it was given to, and comes
    before what is missing: ``--otu FILE`` says more than that ``--out`` is required.
    """

    # The arguments have the names and types of argparse.
    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """See :meth:`argparse.ArgumentParser.parse_known_args`; here none may be unknown."""
        given = list(sys.argv[1:] if args is None else args)
        at = self._before_command(given)
        own = given[:at]
        # Without its command, that is missing first: the flag may be one of the command's.
        complete = at < len(given) or not self._commands()
        for word in own[: own.index("--") if "--" in own else None]:
            known = not word.startswith("--") or " " in word or self._knows(word)
            if not known and (complete or self._hint(word)):
                self._refuse([word], given)
        namespace, unknown = super().parse_known_args(given, namespace)
        if unknown:
            self._refuse(unknown, given)
        return namespace, unknown

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # argparse ignores a disk that is full.
        (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        """Explain wrong usage and end with exit code 2."""
        see = " See" if message.endswith("?") else "; see"
        say(f"error: {message}{see} `{self.prog} --help`")
        sys.exit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            from streamgenre.errors import nearest

            names: Iterable[Any] = action.choices or ()
            hint = nearest(str(value), map(str, names), 0.6)
            if hint:  # then the list of all is of no use
                error.message = f"invalid choice: {value!r}{hint}"
            raise

    def _commands(self) -> dict[str, Any]:
        """Return the commands below this one; empty for one that has none."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}

    def _before_command(self, given: Sequence[str]) -> int:
        """Return the number of arguments before the command below this one, or of all."""
        commands = self._commands()
        return next((n for n, word in enumerate(given) if word in commands), len(given))

    def _knows(self, word: str) -> bool:
        """Whether a word is one of the flags, or the beginning of one."""
        name = word.partition("=")[0]
        return any(flag.startswith(name) for flag in self._option_string_actions)

    def _hint(self, word: str) -> str:
        """Return the suggestion for a flag that does not exist; empty if none is near."""
        from streamgenre.config.key_names import meant_flag

        flags = [
            flag
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for flag in action.option_strings
        ]
        return meant_flag(word.partition("=")[0], flags)

    def _refuse(self, unknown: Sequence[str], given: Sequence[str]) -> NoReturn:
        wrong = next((word for word in unknown if word.startswith(_DASHES)), None)
        hint = "" if wrong is None else self._hint(wrong)
        at = self._before_command(given)
        if wrong is not None and not hint and at < len(given):
            hint = f"; the flags of `{given[at]}` come after it"
        self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
