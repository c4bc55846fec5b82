"""The flags of the commands that listen: ``listen`` and ``fleet``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamgenre.cli.arguments_bus import add_publishing
from streamgenre.cli.arguments_history import add_listen_flags
from streamgenre.cli.arguments_label import add_keep_flags
from streamgenre.cli.arguments_web import add_listen_web
from streamgenre.defaults import ENDPOINT, MODEL

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

# Repeated here, because importing them would load ZeroMQ or NumPy. A test compares them.
FORMATS: Final = ("s16le", "s16be", "s32le", "s32be", "f32le", "f32be")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")

_OF_ONE_INPUT: Final = (
    *("station", "gain", "pace", "loop", "shuffle", "duration", "rate", "channels", "format"),
    *("keep_uncertain", "keep_uncertain_device"),
)


def add_listening(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``listen`` and ``fleet``.

    Parameters
    ----------
    commands
        The commands of the main parser.
    command
        Adds the parser of one command.
    """
    _listen(commands, command)
    _fleet(commands, command)


def _listen(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    parser = command(
        commands,
        "listen",
        "listen to an input, classify it and publish the events",
        description=(
            "Listen to an input, classify it every second, publish the events over ZeroMQ and "
            "show\n"
            "them: as a dashboard in a terminal, otherwise as one line per update."
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
            "Ctrl-C or SIGTERM ends it with exit code 0, after the last events are sent. On "
            "SIGHUP\n"
            "it reads the configuration file again, if there is one."
        ),
    )
    source = parser.add_argument_group("input")
    source.add_argument(
        "--input",
        action="append",
        metavar="[NAME=]INPUT",
        help="name or id of a device (see `streamgenre devices`); path of an audio file, a folder, "
        "a playlist (.m3u, .pls, .xspf, .asx) or a named pipe; URL of a radio stream or of its "
        "playlist (http, https, rtsp, rtsps, and srt if PyAV supports it); - for standard input, "
        "in any audio format or as raw PCM; or "
        "demo for a synthesised programme (default: the stations of the configuration, else the "
        "default input device, else demo). May be repeated, with a name for each station: "
        "--input kitchen=URL. If a file's own name contains =, give its folder too: ./a=b.wav",
    )
    source.add_argument(
        "--config",
        metavar="FILE",
        help="configuration file (default: /etc/streamgenre/config.toml, overridden by "
        "~/.config/streamgenre/config.toml; see `streamgenre config`)",
    )
    source.add_argument(
        "--wait-for-device",
        action="store_true",
        help="wait for a device that is missing or cannot be opened at the start, instead of "
        "failing; devices named in a configuration file, and devices that are unplugged later, "
        "are always waited for",
    )
    source.add_argument("--station", metavar="NAME", help="name of the station in every event")
    source.add_argument(
        "--gain",
        type=float,
        metavar="DB",
        help="amplify the input, such as a quiet microphone, by this many decibels; most music is "
        "at about -15 dBFS, and `streamgenre probe` shows an input's level (default: 0)",
    )
    source.add_argument(
        "--pace",
        choices=("real", "fast"),
        help="play files in real time, or as fast as they can be classified (default: real)",
    )
    source.add_argument(
        "--loop",
        action="store_true",
        default=None,
        help="play a file, folder or playlist again and again",
    )
    source.add_argument(
        "--shuffle",
        type=int,
        metavar="SEED",
        help="play a folder or playlist in random order, reshuffled each pass; the same SEED gives "
        "the same orders",
    )
    source.add_argument(
        "--duration", type=float, metavar="SECONDS", help="end after this many seconds of audio"
    )
    raw = parser.add_argument_group("raw PCM on standard input")
    raw.add_argument("--rate", type=int, metavar="HZ", help="sample rate (default: 44100)")
    raw.add_argument("--channels", type=int, metavar="N", help="interleaved channels (default: 2)")
    raw.add_argument(
        "--format", metavar="FORMAT", help=f"one of {', '.join(FORMATS)} (default: s16le)"
    )
    _decision_flags(parser)
    work = parser.add_argument_group("processes")
    work.add_argument(
        "--workers",
        type=_number_or_word,
        metavar="N|auto",
        help="worker processes that share the stations, so that they use all cores and one that "
        "crashes ends only its own stations for a second; 0 for none; auto: none for fewer than 16 "
        "stations or on one core, else up to one per core (default: auto)",
    )
    add_keep_flags(parser)
    _output_flags(parser)


def _decision_flags(parser: argparse.ArgumentParser) -> None:
    decision = parser.add_argument_group("model and decision")
    decision.add_argument(
        "--model",
        metavar="NAME|DIR",
        help="model, shipped or your own (see `streamgenre models`), or model folder "
        f"(default: {MODEL})",
    )
    decision.add_argument(
        "--smoothing",
        type=float,
        metavar="SECONDS",
        help="time constant of the smoothing; a longer one is steadier but reacts later "
        "(default: 1)",
    )
    decision.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="smoothed probability that a genre must reach; below it the state is `unknown` "
        "(default: 0.3)",
    )
    decision.add_argument(
        "--known-threshold",
        type=float,
        metavar="P",
        help="smoothed probability of being like one of the model's genres that music must reach; "
        "below it the state is `unknown`; 0 to decide from the genres alone (default: 0.5; for "
        "the demo, whose music is synthesised, 0)",
    )
    decision.add_argument(
        "--known-smoothing",
        type=float,
        metavar="SECONDS",
        help="time constant of the smoothing of that probability (default: 3)",
    )
    decision.add_argument(
        "--silence",
        type=float,
        metavar="DBFS",
        help="RMS level below which the input counts as silent (default: -60)",
    )
    decision.add_argument(
        "--dead-air",
        type=float,
        metavar="SECONDS",
        help="length of a silence that is reported as a dead_air event; 0 for never (default: 20)",
    )


def _output_flags(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument(
        "--publish",
        metavar="ENDPOINT",
        help=f"ZeroMQ endpoint to publish on (default: {ENDPOINT}; port * for any free port)",
    )
    add_publishing(output)
    add_listen_web(output)
    add_listen_flags(parser)
    show = output.add_mutually_exclusive_group()
    show.add_argument("--json", action="store_true", help="print every event as one line of JSON")
    output.add_argument(
        "--no-dashboard", action="store_true", help="print lines, even in a terminal"
    )
    show.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="print nothing; events are still published and recorded",
    )
    output.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        help="log what happens to the inputs (lost, live again, gaps) on stderr, from this level "
        "on (default: info if stderr is systemd's journal, else not at all)",
    )


def _fleet(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    parser = command(
        commands,
        "fleet",
        "listen to many stations on the machines of a Ray cluster",
        description=(
            "Listen like `streamgenre listen`, with workers on the machines of a Ray cluster, and\n"
            "one bus, history, dashboard and web page here. Stations of a machine that is lost go\n"
            "on on the others. Every machine needs the same version of streamgenre:\n"
            "pip install 'streamgenre[listen,cluster]'."
        ),
        epilog=(
            "examples:\n"
            "  streamgenre fleet --config stations.toml --cluster local\n"
            "  streamgenre fleet --config stations.toml --cluster 10.0.0.5:6379 "
            "--link tcp://10.0.0.5:5599\n"
            "  streamgenre fleet --config stations.toml --cluster auto --worker-cpus 0.5\n"
            "\n"
            "Events come from the workers over ZeroMQ, encrypted (CURVE) with keys that are made\n"
            "for each run. See docs/fleet.md."
        ),
    )
    source = parser.add_argument_group("input")
    source.add_argument(
        "--config",
        metavar="FILE",
        help="configuration file with the stations (default: as `listen`)",
    )
    source.add_argument(
        "--input",
        action="append",
        metavar="[NAME=]INPUT",
        help="URL of a stream, or a path that every machine has, instead of the stations of the "
        "configuration; may be repeated, with a name for each",
    )
    cluster = parser.add_argument_group("cluster")
    cluster.add_argument(
        "--cluster",
        required=True,
        metavar="ADDRESS",
        help="address of a Ray cluster: HOST:6379 of its head, auto on one of its machines, or "
        "local to start one on this machine",
    )
    cluster.add_argument(
        "--link",
        metavar="ENDPOINT",
        help="where the workers reach this machine, such as tcp://10.0.0.5:5599 (default: its "
        "address in the cluster, at any free port; with local: loopback)",
    )
    cluster.add_argument(
        "--worker-cpus",
        type=float,
        default=1.0,
        metavar="N",
        help="CPUs of a machine that one worker takes (default: 1)",
    )
    cluster.add_argument(
        "--workers",
        type=_number_or_word,
        metavar="N|auto",
        help="most workers; auto: as many as the machines have CPUs for, and at most one per "
        "station (default: auto)",
    )
    _decision_flags(parser)
    _output_flags(parser)
    parser.set_defaults(wait_for_device=True, **dict.fromkeys(_OF_ONE_INPUT))


def _number_or_word(text: str) -> int | str:
    return int(text) if text.isdecimal() and text.isascii() else text
