"""Bodies of posts for known services and by templates: titles of strangers stay text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.sample_events import SampleStation

from streamgenre.bridges.bodies import FORMATS, NAMES, body_format, sentence
from streamgenre.cli.arguments_bridge import FORMATS as FLAG_FORMATS
from streamgenre.config.bridges import WebhookSettings
from streamgenre.errors import SettingsError
from streamgenre.limits import hints

EVIL = '"}, "x": "<!channel> @everyone *b* [l](http://h) & `\\\n\u2028\x00 $text ${station} %s {0}'


def event(kind: str = "segment", **more: Any) -> dict[str, Any]:
    sample = SampleStation(more.pop("station", "kitchen"))
    found = sample.segment() if kind == "segment" else sample.dead_air()
    return {**found.as_dict(), **more}


def test_the_names_of_formats_are_the_same_everywhere() -> None:
    assert FORMATS == FLAG_FORMATS
    assert f"Literal{list(FORMATS)!r}" in str(hints(WebhookSettings)["format"]).replace(
        "typing.", ""
    )


def test_json_is_the_event_itself() -> None:
    body = event(station=EVIL)
    assert json.loads(body_format().body(body)) == body
    assert body_format().content_type == "application/json"


def test_known_services_get_what_they_expect() -> None:
    text = "kitchen: rock for 1 min 5 s"
    body = event(start=0.0, end=65.0)
    slack = json.loads(body_format("slack").body(body))
    assert slack == {"text": text}
    discord = json.loads(body_format("discord").body(body))
    assert discord == {"content": text.replace(":", r"\:"), "allowed_mentions": {"parse": []}}
    assert body_format("ntfy").body(body).decode() == text
    assert body_format("ntfy").content_type.startswith("text/plain")
    alarm = event("dead_air", active=True)
    apprise = json.loads(body_format("apprise").body(alarm))
    assert apprise["body"] == "kitchen: dead air for 20 s"
    assert (apprise["title"], apprise["type"]) == ("streamgenre", "warning")
    over = event("dead_air", active=False)
    assert json.loads(body_format("apprise").body(over))["type"] == "success"


def test_a_hostile_name_stays_text_in_every_format() -> None:
    body = event(station=EVIL)
    slack = json.loads(body_format("slack").body(body))
    assert list(slack) == ["text"]
    assert "<" not in slack["text"]
    assert "&lt;!channel&gt;" in slack["text"]
    discord = json.loads(body_format("discord").body(body))
    assert set(discord) == {"content", "allowed_mentions"}
    assert discord["allowed_mentions"] == {"parse": []}
    assert r"\[l\]\(http" in discord["content"]
    plain = body_format("ntfy").body(body).decode()
    assert "\n" not in plain
    assert "\x00" not in plain
    assert "$text ${station}" in plain  # values are not templates
    template = body_format(template='{"text": "$station|$text|$genre"}')
    assert list(json.loads(template.body(body))) == ["text"]


@examples(150)
@given(
    st.dictionaries(
        st.sampled_from(["station", "genre", "state", "seconds", "start", "end", "titles", "type"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=5,
        ),
    )
)
def test_any_event_makes_a_body(body: dict[str, Any]) -> None:
    whole = "".join(f'"{name}": "${name}", ' for name in NAMES if name != "json")
    formats = [body_format("slack"), body_format("discord"), body_format("apprise")]
    for form in (*formats, body_format(template=f'{{{whole}"z": 1}}')):
        json.loads(form.body(body))
    body_format("ntfy").body(body)
    sentence(body)


def test_long_values_are_cut() -> None:
    text = json.loads(body_format("discord").body(event(station="x" * 10_000)))["content"]
    assert len(text) <= 2000


@pytest.mark.parametrize(
    ("template", "content_type", "expected"),
    [
        ("$", None, r"\$\$ for a \$"),
        ("${station", None, r"expected \$NAME"),
        ('"$staton"', None, "did you mean 'station'"),
        ('"$__class__"', None, "expected one of"),
        ('{"a": $station}', None, "not make valid JSON"),
        ('{"a": $mean_probability}', None, "not make valid JSON"),
        ("$text", "application/vnd.x+json; charset=utf-8", "not make valid JSON"),
        ("x" * 100_000, None, "longer than"),
    ],
)
def test_a_wrong_template_is_explained(
    template: str, content_type: str | None, expected: str
) -> None:
    with pytest.raises(SettingsError, match=expected):
        body_format(template=template, content_type=content_type)


def test_a_template_is_filled_and_never_run() -> None:
    form = body_format(template='{"s": "$station", "cost": "$$5", "m": "${genre}!", "n": $json}')
    body = json.loads(form.body(event(station="a", titles=None)))
    assert (body["s"], body["cost"], body["m"]) == ("a", "$5", "rock!")
    assert body["n"]["station"] == "a"
    titles = [{"artist": "Parker", "title": "Ko-Ko"}, {"artist": None, "title": "x"}, 5]
    plain = body_format(template="$titles", content_type="text/plain")
    assert plain.body(event(titles=titles)) == b"Parker - Ko-Ko; x"
