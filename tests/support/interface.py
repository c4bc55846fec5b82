"""Everything that users and their programs call by name, as plain data without the wording."""

from __future__ import annotations

import argparse
from typing import Any

from streamgenre import events
from streamgenre.config.describe import schema

_WORDS = {"description", "title", "$schema", "$id", "examples"}


def interface(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return the commands of a parser, the configuration's keys and the events' fields.

    Help texts and descriptions are left out: they may be reworded.
    """
    return {
        "commands": _command(parser),
        "configuration": _without_words(schema()),
        "events": {name: _without_words(events.schema(name)) for name in events.EVENT_CLASSES},
    }


def _command(parser: argparse.ArgumentParser) -> dict[str, Any]:
    found: dict[str, Any] = {"flags": {}, "arguments": []}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found["commands"] = {name: _command(sub) for name, sub in action.choices.items()}
        elif action.option_strings:
            found["flags"][", ".join(action.option_strings)] = _argument(action)
        else:
            found["arguments"].append({"name": action.dest, **_argument(action)})
    return found


def _argument(action: argparse.Action) -> dict[str, Any]:
    found = {
        "action": type(action).__name__.strip("_").removesuffix("Action"),
        "type": getattr(action.type, "__name__", None),
        "choices": list(action.choices) if action.choices is not None else None,
        "nargs": action.nargs,
        "default": None if action.default == argparse.SUPPRESS else action.default,
        "required": action.required or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _without_words(value: Any, *, names: bool = False) -> Any:
    """Return a JSON Schema without its texts; under ``properties`` every key is a name."""
    if isinstance(value, dict):
        return {
            key: _without_words(part, names=key == "properties")
            for key, part in value.items()
            if names or key not in _WORDS
        }
    return [_without_words(part) for part in value] if isinstance(value, list) else value
