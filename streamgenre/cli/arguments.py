"""The flags of every sub-command; kept apart from what they do, so that --help loads nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from streamgenre.cli.arguments_bus import add_bus_arguments, add_connecting, add_publishing
from streamgenre.cli.arguments_history import add_commands, add_listen_flags
from streamgenre.defaults import ENDPOINT, MODEL

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

# Stand here once more and not by import: these modules load ZeroMQ or numpy. A test compares them.
FORMATS: Final = ("s16le", "s16be", "s32le", "s32be", "f32le", "f32be")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
TYPES: Final = ("update", "segment", "gap", "source", "title", "dead_air", "status")


def add_arguments(commands: Commands) -> None:
    """Add every sub-command with its flags."""
    _listen(commands)
    _dashboard(commands)
    _subscribe(commands)
    _devices(commands)
    _probe(commands)
    _models(commands)
    _config(commands)
    add_bus_arguments(commands, _command)
    add_commands(commands, _command)


def _command(commands: Commands, name: str, summary: str, **more: Any) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **more,
    )
    # Accepted on either side of the command; SUPPRESS keeps the one given before it.
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )
    return parser


def _listen(commands: Commands) -> None:
    parser = _command(
        commands,
        "listen",
        "listen to an input, classify it and publish the events",
        description=(
            "Listen to an input, classify what is heard every second, publish it over ZeroMQ\n"
            "and show it: as a dashboard in a terminal, else as a line an update."
        ),
        epilog=(
            "examples:\n"
            "  streamgenre listen                          the default input device\n"
            '  streamgenre listen --input "USB Audio"      a device, by (part of) its name\n'
            "  streamgenre listen --input usb:1-1.2 --wait-for-device\n"
            "  streamgenre listen --input http://radio.example/jazz.mp3\n"
            "  streamgenre listen --input ~/Music --loop --shuffle 1\n"
            "  streamgenre listen --input set.flac --pace fast --json > events.jsonl\n"
            "  streamgenre listen --input jazz=http://radio.example/jazz --input hall=hw:1\n"
            "  arecord -f cd -t raw | streamgenre listen --input -\n"
            "\n"
            "Ctrl-C or SIGTERM ends it with exit code 0, after the last events are sent. SIGHUP\n"
            "has the configuration file read again, where there is one."
        ),
    )
    source = parser.add_argument_group("input")
    source.add_argument(
        "--input",
        action="append",
        metavar="[NAME=]INPUT",
        help="name or id of a device (see `streamgenre devices`), path of an audio file, of a "
        "folder of them or of a list (.m3u, .pls, .xspf, .asx), URL of a radio stream or station "
        "list (http, https, rtsp, rtsps, and srt where PyAV has it), - for raw PCM "
        "on standard input, or demo for a synthesised programme (default: the stations of the "
        "configuration; where it has none, the default input device, else demo). May be given "
        "again, with a name for each station in front: --input kitchen=URL. A file whose name has "
        "a = in it is meant where it exists, or with its folder: ./a=b.wav",
    )
    source.add_argument(
        "--config",
        metavar="FILE",
        help="configuration file (default: /etc/streamgenre/config.toml, and over it "
        "~/.config/streamgenre/config.toml; see `streamgenre config`)",
    )
    source.add_argument(
        "--wait-for-device",
        action="store_true",
        help="wait for a device that is not there or cannot be opened at the start, instead of an "
        "error; what a configuration names is always waited for, and so is a device that was "
        "heard and is unplugged",
    )
    source.add_argument("--station", metavar="NAME", help="name of the station in every event")
    source.add_argument(
        "--gain",
        type=float,
        metavar="DB",
        help="put so many decibels on the input, such as on a quiet microphone's; most music is at "
        "about -15 dBFS, and `streamgenre probe` says what there is (default: 0)",
    )
    source.add_argument(
        "--pace",
        choices=("real", "fast"),
        help="play files as a clock would, or as fast as they can be classified (default: real)",
    )
    source.add_argument(
        "--loop",
        action="store_true",
        default=None,
        help="play a file, folder or list again and again",
    )
    source.add_argument(
        "--shuffle",
        type=int,
        metavar="SEED",
        help="play a folder or list in an order of chance, another one each time; the same SEED "
        "gives the same orders",
    )
    source.add_argument(
        "--duration", type=float, metavar="SECONDS", help="end after so many seconds of audio"
    )
    raw = parser.add_argument_group("raw PCM on standard input")
    raw.add_argument("--rate", type=int, metavar="HZ", help="samples a second (default: 44100)")
    raw.add_argument("--channels", type=int, metavar="N", help="interleaved channels (default: 2)")
    raw.add_argument("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)} (default: s16le)")
    decision = parser.add_argument_group("model and decision")
    decision.add_argument(
        "--model",
        metavar="NAME|DIR",
        help=f"shipped model (see `streamgenre models`) or model folder (default: {MODEL})",
    )
    decision.add_argument(
        "--smoothing",
        type=float,
        metavar="SECONDS",
        help="time constant of the smoothing; longer is calmer and later (default: 1)",
    )
    decision.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="decide on a genre from this smoothed probability on; else `unknown` (default: 0.3)",
    )
    decision.add_argument(
        "--silence",
        type=float,
        metavar="DBFS",
        help="RMS level under which it is silent (default: -60)",
    )
    decision.add_argument(
        "--dead-air",
        type=float,
        metavar="SECONDS",
        help="silence for so long is told as a dead_air event; 0 for never (default: 20)",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--publish",
        metavar="ENDPOINT",
        help=f"ZeroMQ endpoint to publish on (default: {ENDPOINT}; port * takes any free one)",
    )
    add_publishing(output)
    add_listen_flags(parser)
    show = output.add_mutually_exclusive_group()
    show.add_argument("--json", action="store_true", help="print every event as one JSON line")
    show.add_argument("--no-dashboard", action="store_true", help="print lines, in a terminal too")
    show.add_argument("-q", "--quiet", action="store_true", help="print nothing, only publish")
    output.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        help="say on stderr, from this level on, what happens to the inputs: lost, live again, "
        "gaps (default: where stderr is systemd's journal, info)",
    )


def _dashboard(commands: Commands) -> None:
    parser = _command(
        commands,
        "dashboard",
        "show a daemon's events in the terminal",
        description="Show what a daemon publishes. Ctrl-C ends it; the daemon does not notice.",
    )
    add_connecting(parser)


def _subscribe(commands: Commands) -> None:
    parser = _command(
        commands,
        "subscribe",
        "print a daemon's events as JSON lines",
        description="Print what a daemon publishes, one JSON object a line, as it was sent.",
        epilog="example:\n  streamgenre subscribe --type update | jq -r '.station, .genre'\n\n"
        'The last event of each type and station comes first, marked "retained": true.',
    )
    add_connecting(parser)
    parser.add_argument(
        "--type",
        action="append",
        metavar="T",
        help=f"only events of this type: {', '.join(TYPES)}; may be given again",
    )
    parser.add_argument("--count", type=int, metavar="N", help="end after N events")
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="end with exit code 1 where no event came for so long",
    )


def _devices(commands: Commands) -> None:
    parser = _command(
        commands,
        "devices",
        "list the audio inputs of this machine",
        description=(
            "List input devices by the names that `listen --input` takes, and sound cards by the\n"
            "ids that stay the same wherever a card comes in the list:\n"
            "\n"
            "  usb:0d8c:0014:SERIAL   this very USB device, in any socket\n"
            "  usb:1-1.2              what is in this USB socket (bus-port.port)\n"
            "  usb:0d8c:0014          the USB device of this vendor and product\n"
            "  alsa:Device            the card of this ALSA id (see /proc/asound/cards)\n"
            "\n"
            "The list shows the most lasting of them; `,1` behind it is the card's second input.\n"
            "`pulse`, `pipewire` and `default` have none: there the sound server has the say."
        ),
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def _probe(commands: Commands) -> None:
    parser = _command(
        commands,
        "probe",
        "tell what a stream, file or playlist is",
        description=(
            "Hear an input for some seconds and tell what it is: codec, rate, channels, bit rate,\n"
            "what the station says of itself, the titles it announces, its level and the genre so\n"
            "far. One attempt is made; files are heard as fast as they can be."
        ),
        epilog="examples:\n"
        "  streamgenre probe http://radio.example/jazz.mp3\n"
        "  streamgenre probe ~/Music --seconds 60 --json\n\n"
        "The exit code is 0 where anything was heard, else 1.",
    )
    parser.add_argument("input", metavar="INPUT", help="as of `streamgenre listen --input`")
    parser.add_argument(
        "--seconds",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="seconds of audio to hear (default: 10)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="seconds to wait beyond them at most (default: 20)",
    )
    parser.add_argument(
        "--model",
        default=MODEL,
        metavar="NAME|DIR",
        help=f"model that is asked for the genre (default: {MODEL})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _models(commands: Commands) -> None:
    parser = _command(
        commands,
        "models",
        "list the shipped models",
        description="List the models that came with streamgenre, checked against their hashes.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def _config(commands: Commands) -> None:
    parser = _command(
        commands,
        "config",
        "show, check and explain the configuration",
        description=(
            "The configuration of `listen`: /etc/streamgenre/config.toml, over it\n"
            "~/.config/streamgenre/config.toml ($XDG_CONFIG_HOME), or only the file of --config.\n"
            "Over files stand variables such as STREAMGENRE_BUS_PUBLISH, over those the flags."
        ),
        epilog=(
            "example:\n"
            "  streamgenre config edit-example > config.toml\n"
            "  streamgenre config check config.toml\n"
            "  streamgenre listen --config config.toml"
        ),
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="every setting in use, and where it comes from")
    check = actions.add_parser(
        "check",
        help="look for faults; exit code 1 where there are any",
        description=(
            "Say every fault at once: what `listen` would refuse, files that are not there, and "
            "folders and lists without any. A sound card that is away is told too, but is no "
            "fault: the daemon waits for it. Streams are not called."
        ),
    )
    check.add_argument("file", nargs="?", metavar="FILE", help="the one file to check")
    actions.add_parser("schema", help="a JSON Schema of the file, for editors")
    actions.add_parser("edit-example", help="a whole file with comments, to be edited")
    for action in (show, check):
        action.add_argument("--config", metavar="FILE", help="read this file only")
        action.add_argument("--json", action="store_true", help="print JSON")
