"""What the coverage-guided fuzzer found stays handled: its corpus goes through every parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzz_targets import CORPUS, SEEDS, TARGETS
from support.fuzzing import examples


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_of_each_parser_is_handled(name: str) -> None:
    kept = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    for data in (*SEEDS[name], *kept):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@examples(40)
@given(st.data())
def test_changed_and_random_bytes_are_handled(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from((b"", *SEEDS[name])))
    start, end = (data.draw(st.integers(0, len(seed))) for _ in range(2))
    TARGETS[name](seed[:start] + data.draw(st.binary(max_size=20)) + seed[end:])


def test_the_corpus_is_small_and_of_known_parsers() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 300_000
