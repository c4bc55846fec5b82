"""docs/events.md cannot go stale, and its examples are real and valid."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from support.commands import events_of, free_endpoint, streamgenre
from support.sample_events import SampleStation

from streamgenre.events import EVENT_CLASSES, TYPES, from_dict, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "events.md").read_text("utf-8")


def test_schemas_and_page_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "event-docs", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", EVENT_CLASSES)
def test_the_schemas_accept_and_reject_as_documented(name: str) -> None:
    """Every limit of every field, on the recorded example: one step beyond it is rejected."""
    checked = Draft7Validator(schema(name))
    Draft7Validator.check_schema(schema(name))
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    example = next((each for each in examples if each["type"] == name), None)
    if example is None:
        example = json.loads(SampleStation().title().to_json())
    assert checked.is_valid(example)
    for field in schema(name)["required"]:
        assert not checked.is_valid({key: example[key] for key in example if key != field})
    for field, described in schema(name)["properties"].items():
        for wrong in _beyond(described):
            assert not checked.is_valid(example | {field: wrong}), (field, wrong)


def _beyond(described: dict[str, Any]) -> Iterator[object]:
    """Yield values that a field's schema must reject."""
    yield object  # no JSON type
    if "null" not in described.get("type", ()):
        yield None
    if "minimum" in described:
        yield described["minimum"] - 1
    if "maximum" in described:
        yield described["maximum"] + 1
    if "minLength" in described:
        yield ""
    if "pattern" in described:
        yield "x" * 64
    if "enum" in described or "const" in described:
        yield "another"
    if "properties" in described:
        yield {}
    if "items" in described:
        yield [{}]
    if "minProperties" in described:
        yield {"jazz": 1.0}
    if "additionalProperties" in described:
        yield {"jazz": 2.0, "rock": -1.0}


def test_the_documented_examples_are_valid_events() -> None:
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert {e["type"] for e in examples} == set(EVENT_CLASSES) - {"title"}
    for example in examples:
        Draft7Validator(schema(example["type"])).validate(example)
        levels = None
        if example["type"] == "spectrum":
            levels = bytes(example["rows"] * (len(example["edges_hz"]) - 1))
        assert from_dict(example, levels).as_dict() == example


@pytest.mark.parametrize("name", EVENT_CLASSES)
def test_every_field_is_documented(name: str) -> None:
    for field, described in schema(name)["properties"].items():
        assert f"| `{field}` |" in PAGE or field == "type"
        assert described.get("description", "") in PAGE


def test_every_event_of_a_full_run_meets_the_documented_contract() -> None:
    """The shipped model on the whole demo programme gives all its event types."""
    done = streamgenre(
        *("listen", "--input", "demo", "--pace", "fast", "--duration", "90", "--json"),
        *("--publish", free_endpoint(), "--dead-air", "3"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    events = events_of(done.stdout)
    assert {e["type"] for e in events} == set(TYPES) - {"title"}
    for event in events:
        described = schema(event["type"])
        Draft7Validator(described).validate(event)
        assert set(event) <= set(described["properties"])
