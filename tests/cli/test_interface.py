"""Commands, flags, configuration keys and event fields: nothing is renamed by accident."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.interface import interface

from streamgenre.cli.entry import make_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

SNAPSHOT = Path(__file__).parents[1] / "data" / "interface.json"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from leaves(part, f"{path}/{key}")
    else:
        yield path, value


@pytest.fixture(scope="module")
def pair() -> tuple[dict[str, Any], dict[str, Any]]:
    """The interface as recorded in the snapshot, and as it is now."""
    today = json.loads(json.dumps(interface(make_parser())))
    return dict(leaves(json.loads(SNAPSHOT.read_text("utf-8")))), dict(leaves(today))


def test_no_public_name_is_missing_or_changed(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, today = pair
    gone = {name: value for name, value in before.items() if today.get(name, "gone") != value}
    assert gone == {}, "a rename breaks the users: keep the old name, or say so in the changelog"


def test_every_new_name_is_in_the_snapshot(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Otherwise a later rename goes unnoticed; `python tests/cli/test_interface.py` writes it."""
    before, today = pair
    assert sorted(set(today) - set(before)) == []


def test_the_snapshot_is_complete(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    before, _ = pair
    assert before["/commands/commands/listen/flags/--input/action"] == "Append"
    assert before["/configuration/properties/engine/properties/hop_s/default"] == 1.0
    assert before["/events/status/properties/events_dropped/type"] == "integer"


if __name__ == "__main__":
    text = json.dumps(interface(make_parser()), indent=1, ensure_ascii=False, sort_keys=True)
    SNAPSHOT.write_text(f"{text}\n", "utf-8")
