"""The configuration: settings from files, environment and flags, with every error explained."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example as always
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from support.commands import streamgenre
from support.fuzzing import examples

from streamgenre.config import Config, StationSettings
from streamgenre.config.bridges import load_bridges
from streamgenre.config.build import keys, load
from streamgenre.config.describe import example, listing, schema, settings_in_use
from streamgenre.config.layers import Setting, SettingsTree, open_secrets, put, variable
from streamgenre.config.toml_lines import lines
from streamgenre.errors import SettingsError
from streamgenre.inference.settings import DecisionSettings
from streamgenre.limits import Range, limits_of
from streamgenre.sources.stream.settings import Headers

CA = Path(__file__).parents[1] / "data" / "ca.pem"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str | bytes, name: str = "c.toml") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def wrong(
    path: Path, environment: dict[str, str] | None = None, flags: SettingsTree | None = None
) -> str:
    """The error message of an unusable configuration."""
    with pytest.raises(SettingsError) as caught:
        load(str(path), environment or {}, flags)
    return str(caught.value)


# ---- good ones ----------------------------------------------------------------------------------


def test_the_example_is_complete_and_shows_the_defaults(write: Any) -> None:
    text = example()
    assert str(Path.home()) not in text
    loaded = load(str(write(text)), {})
    assert [s.name for s in loaded.config.stations] == ["line-in", "jazz"]
    defaults = Config()
    for table in ("engine", "bus", "metrics", "history"):
        assert getattr(loaded.config, table) == getattr(defaults, table)
    for station in loaded.config.stations:
        blank = StationSettings(input=station.input, name=station.name)
        assert station == blank
    Draft7Validator(schema()).validate(tomllib.loads(text))
    for path in keys():
        assert re.search(rf"^(# )?{path[-1]} = ", text, re.MULTILINE), path
    # Settings that are commented out are correct too.
    bare = re.sub(r"^# ([a-z_.]+ = (?!…|\"…))", r"\1", text, flags=re.MULTILINE)
    bare = bare.replace("duration_s = 0", "duration_s = 1")
    assert load(str(write(bare)), {}).config.stations[1].model == "lite"


def test_later_layers_override_earlier_ones(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = write(
        "[decision]\nenter = 0.5\nmargin = 0.2\n[engine]\nhop_s = 2\nstatus_s = 5\n"
        '[[station]]\nname = "a"\ninput = "A"\n'
    )
    user = tmp_path / "streamgenre" / "config.toml"
    user.parent.mkdir()
    user.write_text(
        "[decision]\nenter = 0.6\n[engine]\nstatus_s = 6\n"
        '[[station]]\nname = "b"\ninput = "B"\ndecision.enter = 0.7\nmodel = "cnn"\n'
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("streamgenre.config.layers.SYSTEM_FILE", system)
    loaded = load(None, {"STREAMGENRE_ENGINE_STATUS_S": "7", "STREAMGENRE_BUS_ENCRYPT": "yes"})
    config = loaded.config
    assert loaded.files == (system, user)
    assert [(s.name, s.input, s.model) for s in config.stations] == [("b", "B", "cnn")]
    assert (config.engine.hop_s, config.engine.status_s, config.bus.encrypt) == (2, 7, True)
    assert (config.stations[0].decision.enter, config.stations[0].decision.margin) == (0.7, 0.2)
    # A variable or flag applies to every station; a given file is read alone.
    flags = SettingsTree()
    put(flags, ("decision", "enter"), Setting(0.1, "--threshold"))
    (station,) = load(str(user), {"STREAMGENRE_MODEL": "lite"}, flags).config.stations
    assert (station.model, station.decision.enter, station.decision.keep) == ("lite", 0.1, 0.1)
    assert station.decision.margin == DecisionSettings().margin
    (station,) = load(str(user), {"STREAMGENRE_INPUT": "demo"}).config.stations
    assert (station.input, station.name) == ("demo", None)


def test_every_key_can_be_set_by_a_variable() -> None:
    """Convert text to the type of its setting."""
    for path, hint in keys().items():
        default = _value(Config(), path)
        text = {float: "0.31", int: "5000"}.get(type(default), "x")
        if isinstance(default, bool):
            text = str(not default).lower()
        text = {
            **{"pace": "fast", "format": "f32le", "ipc_mode": "660", "channels": "3"},
            **{"duration_s": "3", "max_mb": "7", "shuffle": "5", "model": "lite"},
            **{"listen": ":9757", "publish": "ipc:///tmp/x", "control": "tcp://[::1]:*"},
            **{"charset": "cp1251", "ca_file": str(CA), "headers": '{ X-A = "b" }'},
            **{"timeout_s": "3", "url": "https://h.example/x", "on": "segment"},
            **{"public_url": "https://h.example/x", "proxies": "10.0.0.1", "login": "proxy"},
            "language": "de",
            **{"broker": "mqtts://h.example", "spool_mb": "3", "dead_air_after_s": "3"},
            **{"workers": "3", "keep_clips": "always", "seconds": "5"},
            "keep": "all" if path[0] == "history" else "0.3",
        }.get(path[-1], text)
        if path == ("bridge", "webhook", "format"):
            text = "slack"
        if any(isinstance(limit, Range) and limit.high == 0 for limit in limits_of(hint)):
            text = "-3"
        loaded = load("/dev/null", {variable(path): text})
        found = _value(loaded.config, path)
        assert found != default, path
        if path[-1] == "headers":
            assert found == Headers([("X-A", "b")])
            continue
        assert str(found).lower() == text or float(found) == float(text), path


def _value(config: Config, path: tuple[str, ...]) -> Any:
    value: Any = config if hasattr(config, path[0]) else config.stations[0]
    for name in path:
        value = getattr(value, name)
    return value


def test_bridges_are_settings_of_the_same_file_and_their_secrets_are_never_shown(
    write: Any,
) -> None:
    path = write(
        '[[station]]\nname = "a"\ninput = "demo"\n[bridge.webhook]\n'
        'url = "https://hooks.example/T0/hush"\nheaders = { X-Key = "hush" }\nformat = "slack"\n'
        '[bridge.mqtt]\nbroker = "mqtts://house@h.example"\ndiscovery = ""\n'
    )
    loaded = load(str(path), {})
    assert loaded.config.bridge.webhook.format == "slack"
    assert loaded.config.bridge.mqtt.discovery == ""
    rows = settings_in_use(loaded)
    assert "hush" not in json.dumps(rows) + listing(rows)
    found = {row["key"]: (row["value"], row["from"]) for row in rows}
    assert found["bridge.webhook.url"] == ("…", f"{path}:5")
    assert found["bridge.mqtt.broker"][1] == f"{path}:9"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('[bridge.mqtt]\nbroker = "mqtts://house@h.example:1"', False),
        ('[history]\npath = "postgresql://radio@h.example/radio"', False),
        ('[history]\npath = "postgresql://radio:hush@h.example/radio"', True),
        ('[history]\npath = "postgres://h.example/radio?password=hush"', True),
        ('[bridge.webhook]\nurl = "https://h.example/x"', True),
        ('bridge.webhook.url = "https://h.example/x"', True),
        ('bridge.webhook = { on = "all", url = "https://h.example/x" }', True),
        ('[bridge.webhook]\n# url = "https://h.example/x"', False),
    ],
)
def test_a_webhook_in_a_file_that_others_can_read_is_a_secret(
    text: str, secret: bool, write: Any
) -> None:
    path = write(text)
    path.chmod(0o644)
    assert open_secrets(path) is secret


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('[bridge]\nconect = "x"', "did you mean 'connect'"),
        ("bridge = 5", "expected a table"),
        ('[bridge.webhok]\nurl = "x"', "did you mean 'webhook'"),
        ('[bridge.webhook]\nurl = "ftp://hush"', "expected https://HOST/…"),
        ('[bridge.webhook]\nurl = "https://u:hush@h/"', "no user name here"),
        ("[bridge.webhook]\nurl = 5", "expected"),
        ('[bridge.webhook]\nformat = "slak"', "did you mean 'slack'"),
        ("[bridge.webhook]\ntimeout_s = 0", "expected 1 to 300 seconds"),
        ("[bridge.webhook]\nspool_hours = nan", "expected"),
        ('[bridge.webhook]\nheaders = { Host = "hush" }', "expected other headers"),
        ('[bridge.webhook]\nheaders = { X = "hush\\r\\nY: z" }', "printable ASCII"),
        ('[bridge.webhook]\nuser = "a:hush"', "without a colon"),
        ('[bridge.mqtt]\nbroker = "mqtt://u:hush@h"', "no password here"),
        ('[bridge.mqtt]\nbroker = "tcp://h"', "expected mqtt://"),
        ('[bridge.mqtt]\nprefix = "a/#"', "without + and #"),
        ('[bridge.mqtt]\nprefix = ""', "expected"),
    ],
)
def test_wrong_settings_of_bridges_are_reported_with_their_line(
    line: str, expected: str, write: Any
) -> None:
    path = write(f"{line}\n")
    with pytest.raises(SettingsError, match=rf"{re.escape(str(path))}:\d") as caught:
        load(str(path), {})
    assert expected in str(caught.value)
    with pytest.raises(SettingsError) as again:
        load_bridges(str(path), {}, SettingsTree())
    assert expected in str(again.value)
    if "user =" not in line:
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[bridge.webhook]\ntemplate = '{\"a\": $text}'", "[bridge.webhook] the template does not"),
        ('[bridge.webhook]\ntemplate_file = "/no/such"', "template_file /no/such: cannot be read"),
        ('[bridge.webhook]\nca_file = "/no/such"', "[bridge.webhook] ca_file /no/such: cannot be"),
        ('[bridge.mqtt]\nca_file = "/etc"', "[bridge.mqtt] ca_file /etc: a directory"),
    ],
)
def test_config_check_knows_what_a_bridge_would_refuse(
    line: str, expected: str, write: Any
) -> None:
    done = streamgenre("config", "check", write(f"{line}\n"))
    assert done.returncode == 1
    assert expected in done.stderr


def test_a_bridge_reads_its_tables_alone_and_flags_override(write: Any) -> None:
    path = write(
        '[bus]\npublish = "ipc:///run/x"\nwrong = 1\n[engine]\nhop_s = "no"\n'
        '[bridge.mqtt]\nprefix = "file"\ndiscovery = "file"\n'
    )
    flags = SettingsTree()
    put(flags, ("mqtt", "prefix"), Setting("flag", "--prefix"))
    given = {"STREAMGENRE_BRIDGE_MQTT_PREFIX": "v", "STREAMGENRE_BRIDGE_MQTT_DISCOVERY": "v"}
    settings, publish = load_bridges(str(path), given, flags)
    assert (settings.mqtt.prefix, settings.mqtt.discovery) == ("flag", "v")
    assert publish == "ipc:///run/x"


def test_show_says_where_each_value_comes_from_and_hides_credentials(write: Any) -> None:
    path = write(
        'model = "lite"\n[[station]]\nname = "jazz"\ninput = "http://u:hush@h.example/x?k=hush"\n'
        "decision.enter = 0.5\n"
    )
    path.chmod(0o644)
    rows = settings_in_use(load(str(path), {"STREAMGENRE_BUS_IPC_MODE": "660"}))
    found = {(row.get("station"), row["key"]): (row["value"], row["from"]) for row in rows}
    assert found["jazz", "model"] == ("lite", f"{path}:1")
    assert found["jazz", "input"] == ("http://h.example/x?…", f"{path}:4")
    assert found["jazz", "decision.enter"] == (0.5, f"{path}:5")
    assert found[None, "bus.ipc_mode"] == ("660", "$STREAMGENRE_BUS_IPC_MODE")
    assert found[None, "bus.encrypt"] == (False, "default")
    shown = streamgenre("config", "show", "--config", path)
    result = json.loads(streamgenre("config", "show", "--json", "--config", path).stdout)
    assert result["files"] == [str(path)]
    assert {row["key"] for row in result["settings"]} == {row["key"] for row in rows}
    checked = streamgenre("config", "check", path)
    assert "password" in checked.stderr
    path.chmod(0o640)
    assert streamgenre("config", "check", path).stderr == ""
    for done in (shown, checked):
        assert done.returncode == 0
        assert "hush" not in done.stdout + done.stderr
    assert f"{path}:5" in shown.stdout


def test_the_commands_agree_with_each_other(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(streamgenre("config", "edit-example").stdout)
    done = streamgenre("config", "check", path, "--json")
    (note,) = json.loads(done.stdout)["notes"]  # the sound card of its station is not here
    assert (done.returncode, done.stderr, "input 'USB Audio'" in note) == (0, "", True)
    result = json.loads(streamgenre("config", "schema").stdout)
    Draft7Validator.check_schema(result)
    assert result == schema()
    path.write_text('[decision]\nentre = 0.5\n[[station]]\nname="x"\ninput="y"\nmodel = "lstn"\n')
    # A variable must neither hide an error in the file nor be wrong itself.
    variables = {"STREAMGENRE_BUS_NOSUCH": "3", "STREAMGENRE_INPUT": "demo"}
    done = streamgenre("config", "check", path, "--json", env=variables)
    assert done.returncode == 1
    problems = "\n".join(json.loads(done.stdout)["problems"])
    assert f"{path}:2: unknown key 'entre'" in problems
    assert f"{path}:6: no model 'lstn'" in problems
    assert "$STREAMGENRE_BUS_NOSUCH: unknown key 'nosuch'" in problems
    path.write_text('[[station]]\nname="x"\ninput="y"\n')
    assert streamgenre("config", "check", path).stdout == f"{path}: no errors, 1 station\n"


def test_inputs_and_models_of_stations_are_checked(tmp_path: Path) -> None:
    """A missing file is an error; a missing device is waited for, and a stream is retried."""
    path, song = tmp_path / "c.toml", tmp_path / "song.wav"
    inputs = (song, "No Such Card", "http://127.0.0.1:1/x", "demo", "default")
    tables = (f'[[station]]\nname = "{n}"\ninput = "{each}"\n' for n, each in enumerate(inputs))
    path.write_text("modl = 1\n" + "".join(tables))
    done = streamgenre("config", "check", path, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    result = json.loads(done.stdout)
    unknown, missing = result["problems"]  # one error does not hide the other
    assert unknown.startswith(f"{path}:1: unknown key 'modl'")
    assert missing == f"{path}:4: input '{song}': no such file; correct the path"
    card, default = result["notes"]
    assert card.startswith(f"{path}:7: input 'No Such Card': no input device")
    assert card.endswith("the daemon waits for it")
    assert default.startswith(f"{path}:16: input the default input device: no ")
    path.write_text(path.read_text().replace("modl = 1\n", "\n"))
    song.touch()
    done = streamgenre("config", "check", path)
    assert (done.returncode, done.stdout) == (0, f"{path}: no errors, 5 stations\n")
    assert done.stderr == "".join(f"streamgenre: {note}\n" for note in (card, default))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("source = 'x'", "did you mean 'input' in a [[station]]?"),
        ("[[station]]\nname = 'a'\nsource = 'x'", "did you mean 'input'?"),
        ("[[stations]]\nname = 'a'\ninput = 'x'", "did you mean 'station'?"),
        ("[[station]]\nname = 'a'\ninput = 'x'\nenter = 0.3", "did you mean 'decision.enter'?"),
        ("threshold = 0.4", "did you mean 'enter' in [decision]?"),
        ("keep-days = 3", "'keep_days' in [history] or 'keep_days' in [clips]?"),
        ("[history]\nkeep-days = 3", "did you mean 'keep_days'?"),
        ("[engine]\nworker = 2", "did you mean 'workers'?"),
        ("[decision]\nsilence = 3", "did you mean 'silence_dbfs'?"),
        ("[webhook]\nurl = 'x'", "did you mean [bridge.webhook]?"),
        ("[bus]\nmodel = 'lite'", "'model', which must be above the first [table]"),
        ("[web]\nport = 3", "did you mean 'listen'?"),
        ("history_days = 3", "did you mean 'keep_days' in [history]?"),
        ("zork = 1", None),
    ],
)
def test_the_key_that_was_meant_is_suggested(text: str, hint: str | None, write: Any) -> None:
    """Singular and plural, dashes, other words, names of flags, and keys of other tables."""
    with pytest.raises(SettingsError) as caught:
        load(str(write(text)), {})
    (line,) = [each for each in str(caught.value).splitlines() if "unknown key" in each]
    assert (hint in line) if hint else ("did you mean" not in line)


# ---- bad ones -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("modl = 'lite'", 1, ["unknown key 'modl'", "did you mean 'model'"]),
        ("\n[buss]\npublish='x'", 2, ["unknown key 'buss'", "did you mean 'bus'"]),
        ("[bus]\n\npublsh='x'", 3, ["'publsh' in [bus]", "did you mean 'publish'"]),
        ("[bus]\npublish = 3", 2, ["bus.publish = 3", "expected text"]),
        ("[bus]\nencrypt = 'yes'", 2, ["expected true or false"]),
        ("[bus]\nipc_mode = '999'", 2, ["three octal digits"]),
        ("[engine]\nhop_s = 'a'", 2, ["engine.hop_s = 'a'", "0.1 to 60 seconds"]),
        ("[engine]\nhop_s = nan", 2, ["0.1 to 60 seconds"]),
        ("[engine]\nhop_s = 1e999", 2, ["0.1 to 60 seconds"]),
        ("[engine]\nhop_s = 1979-05-27", 2, ["1979-05-27"]),
        ("[engine]\nduration_s = 0", 2, ["more than 0"]),
        ("engine = 3", 1, ["expected a table"]),
        ("[engine.hop_s]\nx = 1", 1, ["engine.hop_s is a table"]),
        ("[raw]\nrate = 3.5", 2, ["4000 to 768000 Hz"]),
        ("[raw]\nrate = true", 2, ["raw.rate = true"]),
        ("raw = { rate = 8000, chanels = 2 }", 1, ["did you mean 'channels'"]),
        ("pace = 'rael'", 1, ["one of real, fast", "did you mean 'real'"]),
        ("[decision]\nkeep = 0.5\n", 1, ["keep 0.5, enter 0.3", "expected keep at most"]),
        ("[history]\npath = ''", 2, ["history.path", "expected a path"]),
        ("[station]\nname = 'a'", 1, ["[[station]]", "double brackets"]),
        ("station = [1]", 1, ["double brackets"]),
        ("station = 'a'", 1, ["double brackets"]),
        ("[[station]]\ninput = 'x'", 1, ["without a name"]),
        ("[[station]]\nname = 'x'", 1, ["without an input", '"default" for the default device']),
        ("station = [{name='a', input='a'},\n {name='a', input='b'}]", 2, [":1 has it too"]),
        ("station = [{name='a', input='-'},\n {name='b', input='-'}]", 2, ["only one of them can"]),
        ("[[station]]\ninput = 'x'\nname = \"a\\nb\"", 3, ["printable"]),
        ("[[station]]\ninput = 'x'\nname = ' '", 3, ["printable"]),
        ("[[station]]\nname = 'a'\ninput = ' '", 3, ["a device, a path, a URL"]),
        ("[[station]]\nname = 'a'\ninput = 'x'\nmodel = ''", 4, ["not empty"]),
        ("[[station]]\nname='a'\ninput=''\nimput='http://u:hush@h/x'", 3, ["mean 'input'"]),
        ("[[station]]\nname='a'\ninput='foo://u:hush@h/x'", 3, ["expected http://", "pipe in"]),
        ("model = 'lstn'", 1, ["no model 'lstn'", "did you mean 'lstm'"]),
        ("shuffle = -1", 1, ["shuffle = -1", "expected 0 or more"]),
        ("[bus]\npublish = 'bogus'", 2, ["'bogus'", "expected tcp://127.0.0.1:PORT"]),
        ("[bus]\ncontrol = 'tcp://127.0.0.1:99999'", 2, ["no such port", "tcp://127.0.0.1:PORT"]),
        ("[metrics]\nlisten = 'zork'", 2, ["expected :PORT or HOST:PORT"]),
        ("a = 1\nb = ", "2:5", ["not valid TOML: found the end of the file: expected text in q"]),
        ("a = [1", "1:7", ["found the end of the file: expected a comma"]),
        ("a = {b = 1", "1:11", ["found the end of the file: expected a comma", "} at the end"]),
        ("a = 1\nb = \"x\x01y\"", "2:7", ["found U+0001 (a control character): expected no"]),
        ("b = \"kitchen\nc = 'd'\n", "1:13", ["the end of the line: text without its closing"]),
        ("a = 1 # it's\nb = 'kitchen\nc = 3\n", "2:5", ["text without its closing quote"]),
        ("a = 1\nb = \"\"\"kitchen\n\nc = ''\n", "2:5", ["text without its closing quote"]),
        ("a = 1\nb = \'\'\'kitchen\n\nc = 1\n", "2:5", ["text without its closing quote"]),
        ("a = 'it's'\n", "1:9", ["found \"s'\": expected the end of the line"]),
        ("\n\na =\xc2\xa03\n", "3:4", ["found U+00A0 (no-break space): expected text in quotes"]),
        ("input = http://joe:hush@h/x?t=hush", "1:9", ["found 'http://h/x?…': expected text in"]),
        ("[decision]\nenter = .3", "2:9", ["found '.3': a number needs a digit on both sides"]),
        ("[engine]\nhop_s = 3.  # s\nx = 1", "2:10", ["found '.': a number needs a digit"]),
        ("raw = { gain = -.5e3 }", "1:16", ["found '-.5e3 }': a number needs a digit"]),
        ("a = [1.5,\n  2., 3]", "2:4", ["found '., 3]': a number needs a digit"]),
        ("a = ['x?token=hush', .3]", "1:22", ["found '.3]': a number needs a digit"]),
        ("a = ./song.wav", "1:5", ["found './song.wav': "]),
        ("a = song.wav", "1:5", ["found 'song.wav': expected text in quotes"]),
        ("a = 1979-05-27x", "1:15", ["found 'x': expected the end of the line"]),
        ("a = True", "1:5", ["found 'True': expected", "true, false"]),
        ("a: 3", "1:2", ["found ': 3': expected = and a value"]),
        ("= 3", "1:1", ["found '= 3': expected KEY = VALUE"]),
        ("a.. = 3", "1:3", ["found '. = 3': "]),
        ("a = \"C:\\new\\users\"", "1:14", ["a backslash: write", "single quotes"]),
        ("[bus]\n[bus]", "2:5", ["given twice"]),
        ("a = 1\na = 2", "2:6", ["given twice"]),
        ("[[station]\n", "1:10", ["found ']': expected the closing bracket"]),
        ("ok = 1\n\xff", 2, ["UTF-8"]),
        ("a = " + "[" * 5000, 0, ["nested too deeply"]),
        ("a = " + "9" * 5000, 0, ["not valid TOML"]),
    ],
)  # fmt: skip
def test_an_error_is_reported_with_its_line(
    write: Any, text: str, line: int | str, words: list[str]
) -> None:
    path = write(text.encode("latin-1"))
    message = wrong(path)
    assert message.startswith(f"{path}:{line}: " if line else f"{path}:"), message
    for word in words:
        assert word in message
    assert "hush" not in message


def test_typographic_quotes_are_named_as_such(write: Any) -> None:
    assert ":2:5: not valid TOML: found '“x”': expected" in wrong(write("\na = “x”\n"))
    for text in ("a = “x”", 'a = "kitchen”'):
        assert "is a typographic quote: use \" or '" in wrong(write(f"{text}\n"))


def test_values_are_shown_verbatim_except_for_unprintable_characters() -> None:
    url = "rtmp://u:hush@radio.example/ö\x1b[31m\u202e?token=hush"
    env = {**os.environ, "LC_ALL": "C"}
    done = streamgenre("listen", "--input", url, env=env)
    assert done.returncode == 2
    assert "'rtmp://radio.example/ö\\x1b[31m\\u202e?…'" in done.stderr


def test_all_errors_are_reported_together_in_file_order(write: Any) -> None:
    path = write("modl = 1\n[bus]\npublish = 1\n[[station]]\nname = 'a'\nraw.rate = 1\n")
    message = wrong(path, {"STREAMGENRE_BUS_PUBLSH": "x", "STREAMGENRE_ENGINE_HOP_S": "abc"})
    found = [line.split(": ")[0] for line in message.splitlines()]
    assert found[2:] == [f"{path}:{line}" for line in (1, 3, 4, 6)]
    assert set(found[:2]) == {"$STREAMGENRE_BUS_PUBLSH", "$STREAMGENRE_ENGINE_HOP_S 'abc'"} or (
        set(found[:2]) == {"$STREAMGENRE_BUS_PUBLSH", "$STREAMGENRE_ENGINE_HOP_S abc"}
    )


def test_no_error_hides_another_and_none_is_invented(write: Any) -> None:
    path = write(
        "pace = 'slow'\n[[station]]\nname = 'a'\ninptu = 'x'\nmodel = 'lstn'\n"
        "[decision]\nenter = 1.5\nkeep = 0.9\n"
    )
    lines = [line.removeprefix(f"{path}:").split(":")[0] for line in wrong(path).splitlines()]
    assert lines == ["1", "2", "4", "5", "7"]  # but no error that keep exceeds the default of enter


def test_a_missing_input_means_the_demo_only_when_run_by_hand(write: Any, tmp_path: Path) -> None:
    file = str(write("[bus]\nencrypt = false\n"))
    nobody = {"XDG_CONFIG_HOME": str(tmp_path)}
    for path, environment, expected in (
        (None, nobody, None),
        (None, {**nobody, "NOTIFY_SOCKET": "/x"}, "default"),
        (file, {}, "default"),
        (file, {"STREAMGENRE_INPUT": "demo"}, "demo"),
    ):
        loaded = load(path, environment)
        assert loaded.config.stations[0].input == expected
        assert loaded.named == (expected == "demo")


def test_unreadable_files_are_reported(write: Any, tmp_path: Path) -> None:
    assert "No such file" in wrong(tmp_path / "none.toml")
    assert "is a folder" in wrong(tmp_path)
    assert "longer than" in wrong(write(b"#" * (1 << 21)))
    assert "expected at most 10000" in wrong(write("[[station]]\nname='a'\ninput='a'\n" * 10_001))


def test_variables_of_other_commands_are_ignored(write: Any) -> None:
    path = str(write(""))
    others = {"STREAMGENRE_MQTT_PASSWORD": "x", "STREAMGENRE_TEST_ALL": "1"}
    assert load(path, others) == load(path, {})


# ---- fuzz ---------------------------------------------------------------------------------------

_words = st.sampled_from(
    [".".join(path) for path in keys()]
    + ["station", "name", "input", "x", "raw", "bus", "engine", "'a.b'", '"q\\u00e9"', "decision"]
)
_scalars = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.booleans().map(lambda b: str(b).lower()),
    st.text(max_size=8).map(json.dumps),
    st.sampled_from(["'''a\n[x]\ny = 1'''", '"""\n"" \\" """', "1979-05-27 07:32:00", "[]", "{}"]),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda v: "[ " + ",\n".join(v) + " ]"),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=2).map(
            lambda d: "{" + ", ".join(f"{k} = {v}" for k, v in d.items()) + "}"
        ),
    ),
    max_leaves=4,
)
_documents = st.lists(
    st.one_of(
        st.tuples(_words, _values).map(lambda pair: f"{pair[0]} = {pair[1]}"),
        _words.map(lambda word: f"[{word}]"),
        st.just("[[station]]"),
        st.just("# [no] table = 1"),
    ),
    max_size=8,
).map("\n".join)


def attempt(path: str, environment: dict[str, str]) -> tuple[Config | None, list[str]]:
    """The configuration; or None and its error messages."""
    try:
        return load(path, environment).config, []
    except SettingsError as error:
        return None, str(error).split("\n")


@given(st.one_of(_documents.map(str.encode), st.binary(max_size=200)))
@always(b'[[station]]\nname = "a"\ninput = "demo"\nstation = []')
@examples(300)
def test_no_file_causes_more_than_a_settings_error(document: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(document)
        file.flush()
        config, problems = attempt(file.name, {})
        if config is None:
            assert all(line.startswith(f"{file.name}:") for line in problems), problems
            return
    # Accepted values are sane.
    assert 0.1 <= config.engine.hop_s <= 60
    names = [s.name for s in config.stations]
    assert len(set(names)) == len(names)
    for station in config.stations:
        assert 0 <= station.decision.keep <= station.decision.enter <= 1
        assert not math.isnan(station.decision.silence_dbfs)


@given(_documents)
@examples(300)
def test_every_key_is_found_on_its_line(document: str) -> None:
    try:
        parsed = tomllib.loads(document)
    except (ValueError, RecursionError):
        return
    found = lines(document)
    text = document.split("\n")

    def look(value: Any, path: tuple[Any, ...]) -> None:
        for key, part in (
            value.items() if isinstance(value, dict)
            else enumerate(value) if isinstance(value, list) else ()
        ):  # fmt: skip
            line = found[(*path, key)]
            assert 1 <= line <= len(text)
            if isinstance(key, str) and key.isascii() and key.isidentifier():
                assert key in text[line - 1]
            look(part, (*path, key))

    look(parsed, ())


@given(st.dictionaries(st.sampled_from([variable(path) for path in keys()]), st.text(max_size=6)))
@examples(200)
def test_no_variable_causes_more_than_a_settings_error(environment: dict[str, str]) -> None:
    _, problems = attempt("/dev/null", environment)
    assert all(line.startswith("$STREAMGENRE_") for line in problems), problems
