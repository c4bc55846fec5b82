"""docs/events.md cannot go stale, and its examples are real and valid."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from support.commands import events_of, free_endpoint, streamgenre

from streamgenre.events import TYPES, from_dict, schema

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "events.md").read_text("utf-8")


def test_the_page_is_what_the_schemas_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "event-docs", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_documented_examples_are_valid_events() -> None:
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert {e["type"] for e in examples} == set(TYPES) - {"title"}
    for example in examples:
        Draft7Validator(schema(example["type"])).validate(example)
        assert from_dict(example).as_dict() == example


@pytest.mark.parametrize("name", TYPES)
def test_every_field_is_documented(name: str) -> None:
    for field, described in schema(name)["properties"].items():
        assert f"| `{field}` |" in PAGE or field == "type"
        assert described.get("description", "") in PAGE


def test_every_event_of_a_full_run_keeps_the_documented_contract() -> None:
    """The shipped model, the whole demo programme, all types that it has."""
    done = streamgenre(
        *("listen", "--input", "demo", "--pace", "fast", "--duration", "90", "--json"),
        *("--publish", free_endpoint(), "--dead-air", "3"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = events_of(done.stdout)
    assert {e["type"] for e in told} == set(TYPES) - {"title"}
    for event in told:
        described = schema(event["type"])
        Draft7Validator(described).validate(event)
        assert set(event) <= set(described["properties"])
