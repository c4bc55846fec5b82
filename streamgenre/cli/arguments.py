"""The flags of every command, apart from what the commands do: ``--help`` loads nothing else."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from streamgenre.cli.arguments_bus import add_bus_arguments
from streamgenre.cli.arguments_connecting import add_connecting
from streamgenre.cli.arguments_history import add_commands
from streamgenre.cli.arguments_label import add_label
from streamgenre.cli.arguments_library import add_library_arguments
from streamgenre.cli.arguments_listen import add_listening
from streamgenre.cli.arguments_models import add_models
from streamgenre.cli.arguments_teach import add_teach_arguments
from streamgenre.cli.arguments_web import add_web
from streamgenre.defaults import MODEL

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

# Repeated here, so that `--help` does not load the events. A test compares them.
TYPES: Final = ("update", "segment", "gap", "source", "title", "dead_air", "status")


def add_arguments(commands: Commands) -> None:
    """Add every command with its flags."""
    add_listening(commands, _command)
    _dashboard(commands)
    _subscribe(commands)
    _devices(commands)
    _probe(commands)
    add_models(commands, _command)
    _config(commands)
    add_bus_arguments(commands, _command)
    add_commands(commands, _command)
    add_library_arguments(commands, _command)
    add_label(commands, _command)
    add_teach_arguments(commands, _command)
    add_web(commands, _command)


def _command(commands: Commands, name: str, summary: str, **more: Any) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **more,
    )
    # Accepted before and after the command; SUPPRESS keeps the one given before it.
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )
    return parser


def _dashboard(commands: Commands) -> None:
    parser = _command(
        commands,
        "dashboard",
        "show a daemon's events in the terminal",
        description="Show what a daemon publishes. Ctrl-C ends the dashboard; the daemon goes on.",
        epilog="keys:\n  down, up   one station after another\n"
        "  s          its spectrogram and whether the input sounds right; again for the rest\n"
        "  Esc        all stations\n  Space      the next page",
    )
    add_connecting(parser)


def _subscribe(commands: Commands) -> None:
    parser = _command(
        commands,
        "subscribe",
        "print a daemon's events as JSON lines",
        description="Print what a daemon publishes, one JSON object per line, as it was sent.",
        epilog="example:\n  streamgenre subscribe --type update | jq -r '.station, .genre'\n\n"
        'The last event of each type and station comes first, marked "retained": true.',
    )
    add_connecting(parser)
    parser.add_argument(
        "--type",
        action="append",
        metavar="T",
        help=f"only events of this type: {', '.join(TYPES)}; may be repeated. spectrum, which is "
        "made only while somebody subscribes to it, must be asked for by name; its levels are "
        "base64",
    )
    parser.add_argument("--count", type=int, metavar="N", help="end after N events")
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="end with exit code 1 if no event comes for this long",
    )


def _devices(commands: Commands) -> None:
    parser = _command(
        commands,
        "devices",
        "list the audio inputs of this machine",
        description=(
            "List input devices by the names that `listen --input` takes, and sound cards by ids\n"
            "that stay the same when other devices are plugged in:\n"
            "\n"
            "  usb:0d8c:0014:SERIAL   this USB device, in any socket\n"
            "  usb:1-1.2              the device in this USB socket (bus-port.port)\n"
            "  usb:0d8c:0014          any USB device of this vendor and product\n"
            "  alsa:Device            the card with this ALSA id (see /proc/asound/cards)\n"
            "\n"
            "The list shows the most specific id of each; `,1` after it is the card's second "
            "input.\n"
            "`pulse`, `pipewire` and `default` have no id: the sound server chooses the device."
        ),
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")


def _probe(commands: Commands) -> None:
    parser = _command(
        commands,
        "probe",
        "report what a stream, file or playlist is",
        description=(
            "Listen to an input for some seconds and report its codec, rate, channels and bit "
            "rate,\n"
            "what the station says about itself, the titles it announces, its level and the genre\n"
            "so far. A stream is tried only once; files are read as fast as possible."
        ),
        epilog="examples:\n"
        "  streamgenre probe http://radio.example/jazz.mp3\n"
        "  streamgenre probe ~/Music --seconds 60 --json\n\n"
        "The exit code is 0 if any audio was heard, else 1.",
    )
    parser.add_argument("input", metavar="INPUT", help="as for `streamgenre listen --input`")
    parser.add_argument(
        "--seconds",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="seconds of audio to listen to (default: 10)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="longest wait beyond --seconds (default: 20)",
    )
    parser.add_argument(
        "--model",
        default=MODEL,
        metavar="NAME|DIR",
        help=f"model that classifies the input (default: {MODEL})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _config(commands: Commands) -> None:
    parser = _command(
        commands,
        "config",
        "show, check and explain the configuration",
        description=(
            "The configuration of `listen` is /etc/streamgenre/config.toml, overridden by\n"
            "~/.config/streamgenre/config.toml (see $XDG_CONFIG_HOME), or only the file given "
            "with\n"
            "--config. Variables such as STREAMGENRE_BUS_PUBLISH override files; flags override "
            "both."
        ),
        epilog=(
            "example:\n"
            "  streamgenre config edit-example > config.toml\n"
            "  streamgenre config check config.toml\n"
            "  streamgenre listen --config config.toml"
        ),
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="show every setting in use, and where it comes from")
    check = actions.add_parser(
        "check",
        help="look for errors; exit code 1 if there are any",
        description=(
            "Report all errors at once: what `listen` would refuse, missing files, and folders "
            "and playlists without audio. A missing sound card is reported too, but is not an "
            "error: the daemon waits for it. Streams are not contacted."
        ),
    )
    check.add_argument("file", nargs="?", metavar="FILE", help="check this file only")
    actions.add_parser("schema", help="print a JSON Schema of the file, for editors")
    actions.add_parser("edit-example", help="print a complete file with comments, to be edited")
    for action in (show, check):
        action.add_argument("--config", metavar="FILE", help="read this file only")
        action.add_argument("--json", action="store_true", help="print JSON")
