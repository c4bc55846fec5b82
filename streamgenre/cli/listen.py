"""``streamgenre listen``: the daemon.

The engine runs in a thread of its own and is the only one that publishes; the main thread shows
the events and waits for signals.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from streamgenre.cli.keeping import keep_history
from streamgenre.cli.noise import quiet_libraries
from streamgenre.cli.serving import open_bus, open_metrics
from streamgenre.cli.signals import ask_to_stop
from streamgenre.config import EngineSettings, ListenSettings
from streamgenre.decision import DecisionSettings
from streamgenre.engine import Engine
from streamgenre.errors import SettingsError
from streamgenre.events import Segment, Status
from streamgenre.feed import Feed
from streamgenre.models import load_model
from streamgenre.sources.choose import open_input
from streamgenre.sources.stdin import RawFormat

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from streamgenre.events import AnyEvent


def run(args: argparse.Namespace) -> int:
    """Listen until the input ends, the duration is over or the user says stop."""
    settings = _settings(args)
    with quiet_libraries(enabled=not args.debug):
        return _listen(args, settings)


def _listen(args: argparse.Namespace, settings: ListenSettings) -> int:
    model = load_model(settings.model)
    source, announcement = open_input(settings)
    show = _presenter(args)
    # What is live must reach the bus in time, whether or not somebody reads our output.
    feed = Feed(lossless=not source.real_time)
    heard: Counter[str] = Counter()
    with ExitStack() as stack:
        history = stack.enter_context(keep_history(args, source))
        metrics = stack.enter_context(open_metrics(settings.metrics))

        def publish(event: AnyEvent) -> None:
            if history is not None:
                if isinstance(event, Status):
                    event = dataclasses.replace(event, history=history.state())
                history.put(event)
            publisher.send(event)
            metrics(event)
            feed.put(event)
            if isinstance(event, Segment):
                heard[event.genre or event.state] += round(event.end - event.start)

        engine = Engine(publish, settings.engine, lambda: publisher.traffic)
        publisher = stack.enter_context(open_bus(settings, engine))
        if announcement:
            print(f"streamgenre: {announcement}", file=sys.stderr, flush=True)
        if settings.publish.endswith(":*"):
            print(f"streamgenre: publishing on {publisher.endpoint}", file=sys.stderr, flush=True)
        engine.add(settings.station or source.name, source, model, settings.decision)
        _run(engine, feed, show)
    if sys.stdout.isatty() and not args.json and not args.quiet:
        print(_summary(heard))  # the dashboard has taken its screen with it
    if feed.dropped:
        print(
            f"streamgenre: {feed.dropped} events were not shown: the output was too slow",
            file=sys.stderr,
        )
    return 0


def _summary(heard: Counter[str]) -> str:
    """Return in one line for how many seconds each genre and state held."""
    parts = ", ".join(f"{what} {seconds} s" for what, seconds in heard.most_common())
    return f"heard: {parts or 'nothing'}"


def _settings(args: argparse.Namespace) -> ListenSettings:
    if args.station is not None and (not args.station.strip() or not args.station.isprintable()):
        raise SettingsError(f"--station {args.station!r}: expected a name of printable characters")
    if not 0 <= args.threshold <= 1:
        raise SettingsError(f"--threshold {args.threshold}: expected a probability from 0 to 1")
    try:
        decision = DecisionSettings(
            smoothing_s=args.smoothing,
            enter=args.threshold,
            keep=min(args.threshold, DecisionSettings().keep),
            silence_dbfs=args.silence,
        )
    except ValueError as error:
        raise SettingsError(f"--smoothing or --silence: {error}") from error
    return ListenSettings(
        input=args.input,
        station=args.station,
        publish=args.publish,
        encrypt=args.encrypt,
        keys=Path(args.keys).expanduser() if args.keys else None,
        ipc_mode=_file_mode(args.ipc_mode),
        control=args.control,
        metrics=args.metrics,
        model=args.model,
        pace=args.pace,
        raw=RawFormat(rate=args.rate, channels=args.channels, format=args.format),
        engine=EngineSettings(
            duration_s=args.duration, dead_air_s=None if args.dead_air == 0 else args.dead_air
        ),
        decision=decision,
    )


def _file_mode(text: str) -> int:
    if not re.fullmatch(r"(0|0o)?[0-7]{3}", text) or not int(text, 8) & 0o600 == 0o600:
        raise SettingsError(
            f"--ipc-mode {text}: expected three octal digits that let the owner read and write, "
            "such as 660"
        )
    return int(text, 8)


def _run(engine: Engine, feed: Feed, show: Callable[[Feed, Callable[[], bool]], None]) -> None:
    """Run the engine in its thread and the presenter in this one until both are done."""
    failures: list[BaseException] = []
    with ask_to_stop() as stop:

        def listen() -> None:
            try:
                engine.run(stop.is_set)
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                failures.append(error)
            finally:
                feed.end()

        thread = threading.Thread(target=listen, name="engine")
        thread.start()
        try:
            show(feed, lambda: False)
        finally:
            stop.set()
            feed.abandon()
            thread.join()
    if failures:
        raise failures[0]


def _presenter(args: argparse.Namespace) -> Callable[[Feed, Callable[[], bool]], None]:
    if args.json:
        return _show_json
    if args.quiet:
        return _show_nothing
    from streamgenre.dashboard.app import run_dashboard
    from streamgenre.dashboard.lines import run_lines

    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if args.no_dashboard or not terminal:
        return lambda feed, stop: run_lines(feed, file=sys.stdout, stop=stop)
    return lambda feed, stop: run_dashboard(feed, stop=stop)


def _show_json(feed: Feed, _stop: Callable[[], bool]) -> None:
    for event in feed:
        if event is not None:
            sys.stdout.write(event.to_json() + "\n")
            sys.stdout.flush()


def _show_nothing(feed: Feed, _stop: Callable[[], bool]) -> None:
    for _ in feed:
        pass
