"""No verdict of a test hangs on the clock of a busy machine."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent
FILES = sorted(p for p in TESTS.rglob("*.py") if p != Path(__file__))
CLOCKS = {"monotonic", "perf_counter", "time"}
LEAST_S = 30
"""Seconds that a process, thread or message may take on a busy machine."""


def is_duration(node: ast.expr) -> bool:
    """Return whether it is the time since a moment, as ``time.monotonic() - began``."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and isinstance(node.left, ast.Call)
        and isinstance(node.left.func, ast.Attribute)
        and node.left.func.attr in CLOCKS
    )


def seconds(node: ast.expr) -> float | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return float(value) if isinstance(value, int | float) else None


def verdicts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and reason of what a busy machine could fail."""
    for found in ast.walk(tree):
        if isinstance(found, ast.Assert) and isinstance(found.test, ast.Compare):
            compared = found.test
            parts = [compared.left, *compared.comparators]
            for left, operator, right in zip(parts, compared.ops, parts[1:], strict=False):
                if (
                    is_duration(left)
                    and isinstance(operator, ast.Lt | ast.LtE)
                    and seconds(right) is not None
                ):
                    yield found.lineno, "asserts that something took less than some seconds"
        if not isinstance(found, ast.Call) or not isinstance(found.func, ast.Attribute):
            continue
        name = found.func.attr
        if name == "communicate":
            given = [k.value for k in found.keywords if k.arg == "timeout"]
        elif name == "wait" and isinstance(found.func.value, ast.Name):
            # Of a process; an event may be waited for as a pause.
            pause = found.func.value.id in ("stop", "over", "released", "gate", "stopped", "done")
            given = [] if pause else found.args
        elif name == "timeout" and ast.unparse(found.func) == "pytest.mark.timeout":
            given = found.args
        else:
            continue
        least = 300 if name == "timeout" else LEAST_S
        if any((limit := seconds(one)) is not None and limit < least for one in given):
            yield found.lineno, f"{name} fails after less than {least} s"


@pytest.mark.parametrize("file", FILES, ids=lambda p: str(p.relative_to(TESTS)))
def test_no_verdict_hangs_on_the_clock(file: Path) -> None:
    assert list(verdicts(ast.parse(file.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        "assert time.monotonic() - began < 5",
        "assert 1 <= time.time() - began <= 5.5",
        "assert daemon.wait(5) == 0",
        "out, err = process.communicate(timeout=10)",
        "@pytest.mark.timeout(60)\ndef test(): pass",
    ],
)
def test_such_verdicts_are_seen(code: str) -> None:
    assert list(verdicts(ast.parse(code)))
