"""The contract on the wire: typed events, JSON and the JSON Schemas agree."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from support.fuzzing import examples

from streamgenre import events
from streamgenre.errors import BusError
from streamgenre.events import (
    EVENT_CLASSES,
    AnyEvent,
    Sequence,
    Spectrum,
    from_dict,
    from_json,
    inlined,
    rounded,
)

VALIDATORS = {name: Draft7Validator(events.schema(name)) for name in EVENT_CLASSES}

names = st.text(min_size=1, max_size=12)
seconds = st.floats(0, 1e10)
counts = st.integers(0, 2**53)
rates = st.integers(1, 384_000)
probability = st.floats(0, 1)
source_states = st.sampled_from(get_args(events.SourceState))
by_genre = st.dictionaries(names, probability, min_size=2, max_size=12)
tags = st.dictionaries(names, probability, max_size=10)

titles = st.fixed_dictionaries(
    {
        "artist": st.none() | st.text(max_size=12),
        "title": st.none() | st.text(max_size=12),
        "raw": st.text(max_size=12),
        "since": seconds,
    }
)

ENVELOPE: dict[str, st.SearchStrategy[Any]] = {
    "station": names,
    "session": names,
    "seq": st.integers(0, events.SEQ_MODULUS - 1),
    "time": seconds,
    "stream_time": seconds,
    "retained": st.booleans(),
}
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "update": {
        "state": st.sampled_from(get_args(events.State)),
        "genre": st.none() | names,
        "confidence": probability,
        "since": seconds,
        "probabilities": by_genre,
        "smoothed": by_genre,
        "level_dbfs": st.none() | st.floats(-200, 20),
        "peak_dbfs": st.none() | st.floats(-200, 20),
        "loudness_lufs": st.none() | st.floats(-70, 20),
        "speech": st.none() | probability,
        "music": st.none() | probability,
        "known": st.none() | probability,
        "tags": st.none() | tags,
        "now_playing": st.none() | titles,
    },
    "segment": {
        "state": st.sampled_from(get_args(events.State)),
        "genre": st.none() | names,
        "start": seconds,
        "end": seconds,
        "start_time": seconds,
        "mean_probability": st.none() | probability,
        "updates": st.integers(1, 2**53),
        "titles": st.none() | st.lists(titles, max_size=20),
        "tags": st.none() | tags,
    },
    "gap": {
        "samples": st.integers(1, 2**53),
        "rate": rates,
        "seconds": seconds,
        "reason": st.sampled_from(["overflow", "reconnect", "source"]),
    },
    "source": {
        "state": source_states,
        "input": st.text(max_size=12),
        "detail": st.text(max_size=12),
        "rate": st.none() | rates,
        "channels": st.none() | st.integers(1, 64),
    },
    "title": {
        "artist": st.none() | st.text(max_size=12),
        "title": st.none() | st.text(max_size=12),
        "raw": st.text(max_size=12),
    },
    "spectrum": {
        "rows": st.just(3),
        "row_s": st.floats(0.001, 60),
        "edges_hz": st.lists(st.floats(0, 1e6), min_size=3, max_size=3, unique=True).map(sorted),
        "floor_db": st.floats(-200, 20),
        "step_db": st.floats(0.01, 100),
        "levels": st.binary(min_size=6, max_size=6),
    },
    "dead_air": {
        "active": st.booleans(),
        "start": seconds,
        "start_time": seconds,
        "seconds": seconds,
    },
    "status": {
        "uptime_s": seconds,
        "input": st.text(max_size=12),
        "source_state": source_states,
        "samples": counts,
        "samples_lost": counts,
        "samples_replaced": counts,
        "updates": counts,
        "last_frame_age_s": st.none() | seconds,
        "latency_ms": st.none()
        | st.fixed_dictionaries(dict.fromkeys(("p50", "p99", "max"), seconds)),
        "cpu_share": st.floats(0, 64),
        "rss_bytes": counts,
        "model": names,
        "model_sha256": st.text("0123456789abcdef", min_size=64, max_size=64),
        "subscribers": counts,
        "subscribers_slow": counts,
        "events_dropped": counts,
        "connections_refused": counts,
        "open_files": counts,
        "threads": counts,
        "clock_drift_ppm": st.none() | st.floats(-1e6, 1e6),
        "clock_steps": counts,
        "clock_step_s": st.none() | st.floats(-1e9, 1e9),
        "worker": st.none() | names,
        "worker_cpu_share": st.none() | st.floats(0, 64),
        "worker_rss_bytes": st.none() | counts,
        "worker_restarts": st.none() | counts,
        "station_cpu_share": st.none() | st.floats(0, 64),
        "removed": st.booleans(),
        "history": st.none()
        | st.fixed_dictionaries(
            {
                "state": st.sampled_from(["recording", "failing"]),
                "problem": st.none() | names,
                "buffered": counts,
                "lost": counts,
                "set_aside": st.none() | names,
            }
        ),
    },
}
any_event: st.SearchStrategy[AnyEvent] = st.one_of(
    *(st.builds(cls, **ENVELOPE, **FIELDS[name]) for name, cls in EVENT_CLASSES.items())
)


def example(event_type: str) -> dict[str, Any]:
    """A fixed, valid event of a type, as it goes over the wire."""
    common = {"v": 1, "type": event_type, "station": "kitchen", "session": "7f3c", "seq": 41}
    times = {"time": 1767225600.25, "stream_time": 42.0}
    own: dict[str, dict[str, Any]] = {
        "update": {
            "state": "music",
            "genre": "jazz",
            "confidence": 0.83,
            "since": 12.0,
            "probabilities": {"blues": 0.25, "jazz": 0.75},
            "smoothed": {"blues": 0.17, "jazz": 0.83},
            "level_dbfs": -18.2,
            "peak_dbfs": -6.1,
            "loudness_lufs": -17.4,
            "speech": 0.02,
            "now_playing": None,
            "music": 0.97,
            "known": 0.88,
            "tags": {"instrumental": 0.71, "chill": 0.4},
        },
        "segment": {
            "state": "music",
            "genre": "jazz",
            "start": 12.0,
            "end": 42.0,
            "start_time": 1767225570.25,
            "mean_probability": 0.8,
            "updates": 30,
            "titles": None,
            "tags": {"instrumental": 0.66},
        },
        "gap": {"samples": 4410, "rate": 44100, "seconds": 0.1, "reason": "overflow"},
        "source": {"state": "live", "input": "hw:1", "detail": "", "rate": 44100, "channels": 2},
        "title": {"artist": "Nina Simone", "title": "Sinnerman", "raw": "Nina Simone - Sinnerman"},
        "dead_air": {"active": True, "start": 2.0, "start_time": 1.8e9, "seconds": 10.0},
        "status": {
            "uptime_s": 50.0,
            "input": "hw:1",
            "source_state": "live",
            "samples": 1852200,
            "samples_lost": 0,
            "samples_replaced": 0,
            "updates": 42,
            "last_frame_age_s": 0.02,
            "latency_ms": {"p50": 4.0, "p99": 9.0, "max": 11.0},
            "cpu_share": 0.01,
            "rss_bytes": 90_000_000,
            "model": "lstm",
            "model_sha256": "0" * 64,
            "subscribers": 2,
            "subscribers_slow": 0,
            "events_dropped": 0,
            "connections_refused": 0,
            "open_files": 20,
            "threads": 9,
            "clock_drift_ppm": -12.5,
            "clock_steps": 0,
            "clock_step_s": None,
            "history": None,
            "worker": "2",
            "worker_cpu_share": 0.4,
            "worker_rss_bytes": 60_000_000,
            "worker_restarts": 0,
            "station_cpu_share": 0.008,
            "removed": True,
        },
    }
    return common | times | own[event_type]


# --- schema and class agree ----------------------------------------------------------------------


@pytest.mark.parametrize("name", events.TYPES)
def test_schema_is_a_draft_7_schema(name: str) -> None:
    Draft7Validator.check_schema(events.schema(name))


@pytest.mark.parametrize(("name", "cls"), EVENT_CLASSES.items())
def test_schema_and_class_have_the_same_fields(name: str, cls: type[AnyEvent]) -> None:
    schema = events.schema(name)
    of_json = [field for field in dataclasses.fields(cls) if field.name != "levels"]
    expected = {"v", "type", *(field.name for field in of_json)}
    added = {f.name for f in of_json if f.default is not dataclasses.MISSING}
    assert set(schema["properties"]) == expected
    assert set(schema["required"]) == expected - added
    for field in of_json:
        if field.name in added:
            assert schema["properties"][field.name]["default"] == field.default
    assert schema["properties"]["type"] == {"const": name}
    assert schema["properties"]["v"]["const"] == events.VERSION
    assert set(FIELDS[name]) | set(ENVELOPE) | {"v", "type"} == expected | {
        field.name for field in dataclasses.fields(cls)
    }


@pytest.mark.parametrize(("name", "cls"), EVENT_CLASSES.items())
def test_schema_and_class_allow_the_same_strings_and_nulls(name: str, cls: type[AnyEvent]) -> None:
    hints = get_type_hints(cls)
    for field, described in events.schema(name)["properties"].items():
        if field in ("v", "type"):
            continue
        allowed = get_args(hints[field])
        if "enum" in described:
            assert set(described["enum"]) == set(allowed), field
        elif described["type"] != "boolean":
            assert ("null" in described["type"]) == (type(None) in allowed), field


@pytest.mark.parametrize("name", events.TYPES)
def test_every_property_is_described(name: str) -> None:
    for field, described in events.schema(name)["properties"].items():
        assert field == "type" or described["description"], field


@examples(300)
@given(any_event)
def test_every_event_is_valid_by_its_schema_and_comes_back_equal(event: AnyEvent) -> None:
    data = event.as_dict()
    VALIDATORS[event.TYPE].validate(data)
    topic, text, *binary = event.parts()
    assert topic.decode() == event.topic
    assert text.decode() == event.to_json()
    assert from_dict(data, *binary) == event
    assert type(from_dict(data, *binary)) is type(event)
    assert b"\n" not in text
    assert json.loads(text) == data
    assert from_json(text.decode(), *binary) == event
    assert from_json(text, *binary) == event
    if binary:
        assert from_json(inlined(text, *binary)) == event


@pytest.mark.parametrize("name", events.TYPES)
def test_the_example_of_each_type_is_valid(name: str) -> None:
    data = example(name)
    VALIDATORS[name].validate(data)
    event = from_dict(data)
    assert event.as_dict() == data
    assert event.topic == f"{name}/kitchen"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("update", {"state": "loud"}),
        ("update", {"confidence": 1.01}),
        ("update", {"probabilities": {"jazz": 1.0}}),
        ("update", {"probabilities": {"jazz": 1.5, "rock": 0.0}}),
        ("update", {"level_dbfs": "quiet"}),
        ("update", {"station": ""}),
        ("update", {"v": 2}),
        ("segment", {"updates": 0}),
        ("segment", {"mean_probability": -0.1}),
        ("gap", {"samples": 0}),
        ("gap", {"reason": "bad luck"}),
        ("source", {"rate": 0}),
        ("status", {"model_sha256": "0" * 63}),
        ("status", {"latency_ms": {"p50": 1.0, "p99": 2.0}}),
        ("status", {"seq": -1}),
    ],
)
def test_the_schema_rejects_invalid_events(name: str, changes: dict[str, Any]) -> None:
    assert not VALIDATORS[name].is_valid(example(name) | changes)


# --- reading events from other programs -----------------------------------------------------------


@pytest.mark.parametrize("name", events.TYPES)
def test_unknown_fields_are_ignored(name: str) -> None:
    assert from_dict(example(name) | {"mood": "blue", "w": 2}) == from_dict(example(name))


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_another_version_is_rejected(version: Any) -> None:
    with pytest.raises(BusError, match="version 1") as caught:
        from_dict(example("gap") | {"v": version})
    assert repr(version) in str(caught.value)


@pytest.mark.parametrize("kind", ["upgrade", "", None, 3, [], {}])
def test_an_unknown_type_is_rejected(kind: Any) -> None:
    with pytest.raises(BusError, match="unknown event type") as caught:
        from_dict(example("gap") | {"type": kind})
    assert repr(kind) in str(caught.value)
    assert ", ".join(events.TYPES) in str(caught.value)


def test_an_event_without_version_or_type_is_rejected() -> None:
    for field in ("v", "type"):
        data = example("gap")
        del data[field]
        with pytest.raises(BusError):
            from_dict(data)


@pytest.mark.parametrize("name", events.TYPES)
def test_each_missing_field_is_named(name: str) -> None:
    for field in set(events.schema(name)["required"]) - {"v", "type"}:
        data = example(name)
        del data[field]
        with pytest.raises(BusError, match=f"{name} event without {field}$"):
            from_dict(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nonsense",
        b"\xff\xfe\xfa",
        "[" * 100_000,
        '{"v": NaN}',
        "null",
        "[]",
        "7",
        '"update"',
    ],
    ids=range(10),
)
def test_an_invalid_event_is_a_bus_error(text: str | bytes) -> None:
    with pytest.raises(BusError):
        from_json(text)


@examples(200)
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_an_arbitrary_line_raises_only_bus_errors(text: str | bytes) -> None:
    with pytest.raises(BusError):
        from_json(text)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_non_finite_numbers_are_neither_sent_nor_read(number: float) -> None:
    data = example("update") | {"level_dbfs": number}
    with pytest.raises(ValueError, match="JSON"):
        dataclasses.replace(from_dict(example("gap")), seconds=number).to_json()  # type: ignore[arg-type]
    with pytest.raises(BusError, match="expected -10000 to 10000"):
        from_dict(data)
    with pytest.raises(BusError, match="not a JSON number"):
        from_json(json.dumps(data))


OUT_OF_RANGE: dict[str, dict[str, list[Any]]] = {
    "update": {
        "time": [1.7e308, -1, 253402300800, 10**40, "now", None, True],
        "stream_time": [-0.1, 1e300],
        "seq": [2**53, -1, 1.5, "1"],
        "station": ["", 7, None, ["kitchen"]],
        "state": [None, 3, {}],
        "genre": [4, ["jazz"]],
        "confidence": [1.1, -1e-9, "high"],
        "probabilities": [{}, {"jazz": 1.0}, {"jazz": 2, "rock": 0}, [0.5, 0.5], None],
        "smoothed": [{"jazz": None, "rock": 0}, {f"{n}": 0.0 for n in range(1001)}],
        "level_dbfs": [1e300, -10001, "loud", False],
        "loudness_lufs": [-71, 1e5],
        "now_playing": [{}, "song", {"artist": 3, "title": None, "raw": "", "since": 0},
                        {"artist": None, "title": None, "raw": "", "since": 1e300}],
        "retained": [1, "true", None],
    },
    "segment": {
        "start": [1e12], "end": [-5], "start_time": [1.7e308], "updates": [0, 2**54],
        "titles": [[{}], "x", [{"artist": None, "title": None, "raw": None, "since": 0}] * 2],
    },
    "gap": {"samples": [0, 10**400], "rate": [0, 1e30], "seconds": [-1, 1e200], "reason": [None]},
    "source": {"rate": [-1, "44100"], "channels": [0, 2.5], "detail": [None], "input": [1]},
    "title": {"raw": [None, 1], "artist": [1]},
    "dead_air": {"active": [0, None], "start_time": [1e308], "seconds": [1e300]},
    "status": {
        "latency_ms": [{}, {"p50": 1e300, "p99": 0, "max": 0}, {"p50": 0, "p99": None, "max": 0}],
        "cpu_share": [1e7], "rss_bytes": [-1, 1e60], "last_frame_age_s": [1e300],
        "model_sha256": ["x", "0" * 63], "clock_drift_ppm": [1e300], "removed": ["no"],
        "history": [{"state": "recording"}, [], "failing"],
        "worker": ["", 1], "worker_rss_bytes": [-1], "station_cpu_share": [-0.1],
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "fields"), OUT_OF_RANGE.items())
def test_a_field_out_of_range_is_rejected_by_name(name: str, fields: dict[str, Any]) -> None:
    for field, values in fields.items():
        for value in values:
            data = example(name) | {field: value}
            with pytest.raises(BusError, match=rf"^{name} event: {field} ") as caught:
                from_dict(data)
            assert len(str(caught.value)) < 300
            # The schema knows words, and so rejects more.
            assert not VALIDATORS[name].is_valid(data)


SPECTRUM: dict[str, Any] = {
    **{"v": 1, "type": "spectrum", "station": "kitchen", "session": "7f3c", "seq": 41},
    **{"time": 1767225600.25, "stream_time": 42.0, "rows": 2, "row_s": 0.064},
    **{"edges_hz": [0.0, 100.0, 250.5, 8000], "floor_db": -120.0, "step_db": 0.5},
}


def test_a_spectrum_has_its_levels_in_a_part_of_its_own() -> None:
    event = from_dict(SPECTRUM, b"abcdef")
    assert isinstance(event, Spectrum)
    assert (event.levels, event.bands) == (b"abcdef", 3)
    assert event.as_dict() == SPECTRUM
    VALIDATORS["spectrum"].validate(SPECTRUM)
    topic, text, binary = event.parts()
    assert (topic, json.loads(text), binary) == (b"spectrum/kitchen", SPECTRUM, b"abcdef")
    assert from_dict(SPECTRUM | {"levels": "YWJjZGVm"}) == event


@pytest.mark.parametrize(
    ("changes", "binary", "said"),
    [
        ({}, None, "levels: expected a third part"),
        ({}, b"", "levels 0 bytes: expected 6"),
        ({}, b"abcde", "levels 5 bytes: expected 6"),
        ({"levels": "YWJj"}, None, "levels 3 bytes: expected 6"),
        ({"levels": "%%%"}, None, "levels: expected a third part"),
        ({"levels": 7}, None, "levels: expected a third part"),
        ({"rows": 0}, b"", "rows 0: expected 1 to 64"),
        ({"rows": 65}, bytes(195), "rows 65: expected 1 to 64"),
        ({"edges_hz": [0.0]}, b"", "edges_hz 1 .* expected at least 2"),
        ({"edges_hz": [float(n) for n in range(130)]}, bytes(258), "edges_hz 130 .* at most 129"),
        ({"edges_hz": [0, "1", 2, 3]}, b"abcdef", "edges_hz '1': expected a number"),
        ({"edges_hz": [0, 200, 100, 300]}, b"abcdef", "edges_hz: expected ascending"),
        ({"edges_hz": 8000}, b"abcdef", "edges_hz 8000: expected an array"),
        ({"row_s": 0}, b"abcdef", "row_s 0: expected 0.001 to 60"),
        ({"step_db": -1}, b"abcdef", "step_db -1: expected"),
        ({"floor_db": None}, b"abcdef", "floor_db None: expected a number"),
    ],
)
def test_a_wrong_spectrum_is_rejected(
    changes: dict[str, Any], binary: bytes | None, said: str
) -> None:
    with pytest.raises(BusError, match=f"^spectrum event: {said}"):
        from_dict(SPECTRUM | changes, binary)


def test_what_a_newer_daemon_may_send_is_read() -> None:
    data = example("update") | {"mood": 1e308, "confidence": 1, "since": 0, "seq": 5.0}
    assert from_dict(data).seq == 5
    assert from_dict(example("source") | {"state": "warming up"}).as_dict()["state"] == "warming up"


def test_lone_surrogates_become_replacement_characters() -> None:
    text = json.dumps(example("title") | {"station": "a\ud800", "raw": "\udfff"})
    event = from_json(text)
    assert event.station == "a\ufffd"
    assert event.topic == "title/a\ufffd"
    assert json.loads(event.to_json().encode())["raw"] == "\ufffd"


def test_text_stays_readable_on_the_wire() -> None:
    event = from_dict(example("source") | {"station": "Küche", "detail": "zurück"})
    assert "Küche" in event.to_json()
    assert event.topic == "source/Küche"


def test_events_are_frozen() -> None:
    event = from_dict(example("gap"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.seq = 7  # type: ignore[misc]


@pytest.mark.parametrize("name", events.TYPES)
def test_fields_added_later_may_be_missing(name: str) -> None:
    schema = events.schema(name)
    added = set(schema["properties"]) - set(schema["required"])
    assert "retained" in added
    old = {k: v for k, v in example(name).items() if k not in added}
    VALIDATORS[name].validate(old)
    event = from_dict(old)
    for field in added:
        assert getattr(event, field) == schema["properties"][field]["default"]


def test_a_live_event_is_not_marked_as_retained() -> None:
    live = from_dict(example("update"))
    assert "retained" not in live.as_dict()
    late = dataclasses.replace(live, retained=True)
    assert late.as_dict()["retained"] is True
    VALIDATORS["update"].validate(late.as_dict())


# --- numbers -------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(events.TYPES), max_size=60))
def test_a_sequence_has_no_holes(order: list[str]) -> None:
    sequence = Sequence()
    given_out: dict[str, list[int]] = {name: [] for name in events.TYPES}
    for name in order:
        given_out[name].append(sequence.next(name))
    for numbers in given_out.values():
        assert numbers == list(range(len(numbers)))


def test_sequence_numbers_wrap_at_the_schema_maximum() -> None:
    sequence = Sequence(first=events.SEQ_MODULUS - 2)
    numbers = [sequence.next("update") for _ in range(4)]
    assert numbers == [2**53 - 2, 2**53 - 1, 0, 1]
    for name in events.TYPES:
        validator = VALIDATORS[name]
        assert all(validator.is_valid(example(name) | {"seq": n}) for n in numbers)
        assert not validator.is_valid(example(name) | {"seq": 2**53})


def test_two_stations_have_separate_sequences() -> None:
    kitchen, bath = Sequence(), Sequence()
    assert [kitchen.next("update"), kitchen.next("update"), bath.next("update")] == [0, 1, 0]


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=100).filter(lambda w: sum(w) > 0))
def test_rounding_keeps_the_sum(weights: list[float]) -> None:
    total = math.fsum(weights)
    probabilities = {f"genre {i}": weight / total for i, weight in enumerate(weights)}
    sent = rounded(probabilities)
    assert abs(math.fsum(sent.values()) - 1) <= 1e-6
    assert list(sent) == list(probabilities)
    for label, value in sent.items():
        assert 0 <= value <= 1
        assert abs(value - probabilities[label]) <= 10**-events.PROBABILITY_DIGITS
        assert len(repr(value)) <= 2 + events.PROBABILITY_DIGITS + len("e-08")
