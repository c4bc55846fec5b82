"""The flags of every sub-command; kept apart from what they do, so that --help loads nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from streamgenre.cli.arguments_bus import add_bus_arguments, add_connecting, add_publishing
from streamgenre.cli.history_arguments import add_commands, add_listen_flags

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

# Stand here once more and not by import: these modules load ZeroMQ or numpy. A test compares them.
ENDPOINT: Final = "tcp://127.0.0.1:5757"
MODEL: Final = "lstm"
FORMATS: Final = ("s16le", "s16be", "s32le", "s32be", "f32le", "f32be")
TYPES: Final = ("update", "segment", "gap", "source", "title", "dead_air", "status")


def add_arguments(commands: Commands) -> None:
    """Add every sub-command with its flags."""
    _listen(commands)
    _dashboard(commands)
    _subscribe(commands)
    _devices(commands)
    _models(commands)
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
            "  streamgenre listen --input http://radio.example/jazz.mp3\n"
            "  streamgenre listen --input set.flac --pace fast --json > events.jsonl\n"
            "  arecord -f cd -t raw | streamgenre listen --input -\n"
            "\n"
            "Ctrl-C or SIGTERM ends it with exit code 0, after the last events are sent."
        ),
    )
    source = parser.add_argument_group("input")
    source.add_argument(
        "--input",
        metavar="INPUT",
        help="name of a device (see `streamgenre devices`), path of an audio file, URL of a radio "
        "stream or station list (http, https), - for raw PCM "
        "on standard input, or demo for a synthesised programme (default: the default input "
        "device; where there is none, demo)",
    )
    source.add_argument("--station", metavar="NAME", help="name of the station in every event")
    source.add_argument(
        "--pace",
        choices=("real", "fast"),
        default="real",
        help="play a file as a clock would, or as fast as it can be classified (default: real)",
    )
    source.add_argument(
        "--duration", type=float, metavar="SECONDS", help="end after so many seconds of audio"
    )
    raw = parser.add_argument_group("raw PCM on standard input")
    raw.add_argument("--rate", type=int, default=44_100, help="samples a second (default: 44100)")
    raw.add_argument("--channels", type=int, default=2, help="interleaved channels (default: 2)")
    raw.add_argument(
        "--format", default="s16le", metavar="FORMAT", help=f"{', '.join(FORMATS)} (default: s16le)"
    )
    decision = parser.add_argument_group("model and decision")
    decision.add_argument(
        "--model",
        default=MODEL,
        metavar="NAME|DIR",
        help=f"shipped model (see `streamgenre models`) or model folder (default: {MODEL})",
    )
    decision.add_argument(
        "--smoothing",
        type=float,
        default=4.0,
        metavar="SECONDS",
        help="time constant of the smoothing; longer is calmer and later (default: 4)",
    )
    decision.add_argument(
        "--threshold",
        type=float,
        default=0.35,
        metavar="P",
        help="decide on a genre from this smoothed probability on; else `unknown` (default: 0.35)",
    )
    decision.add_argument(
        "--silence",
        type=float,
        default=-60.0,
        metavar="DBFS",
        help="RMS level under which it is silent (default: -60)",
    )
    decision.add_argument(
        "--dead-air",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="silence for so long is told as a dead_air event; 0 for never (default: 20)",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--publish",
        default=ENDPOINT,
        metavar="ENDPOINT",
        help=f"ZeroMQ endpoint to publish on (default: {ENDPOINT}; port * takes any free one)",
    )
    add_publishing(output)
    add_listen_flags(parser)
    show = output.add_mutually_exclusive_group()
    show.add_argument("--json", action="store_true", help="print every event as one JSON line")
    show.add_argument("--no-dashboard", action="store_true", help="print lines, in a terminal too")
    show.add_argument("-q", "--quiet", action="store_true", help="print nothing, only publish")


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
        description="List input devices by the names that `listen --input` takes.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def _models(commands: Commands) -> None:
    parser = _command(
        commands,
        "models",
        "list the shipped models",
        description="List the models that came with streamgenre, checked against their hashes.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")
