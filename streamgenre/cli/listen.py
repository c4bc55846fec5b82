"""``streamgenre listen``: the daemon.

The engine runs in a thread of its own and is the only one that publishes; the main thread shows
the events and waits for signals.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import Counter
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Literal

from streamgenre.cli.flags import flag_tree
from streamgenre.config.build import load
from streamgenre.config.layers import open_secrets
from streamgenre.daemon.event_log import log_event
from streamgenre.daemon.history import keep_history
from streamgenre.daemon.reload import ABOUT, Reloader
from streamgenre.daemon.serving import open_bus, open_metrics
from streamgenre.daemon.stations import StationSet
from streamgenre.daemon.watchdog import Notifier, Watchdog
from streamgenre.dashboard.messages import Message, Messages
from streamgenre.engine.engine import Engine
from streamgenre.events import Segment, SourceChange
from streamgenre.events.queue import EventQueue
from streamgenre.system.logs import logging_to_user
from streamgenre.system.quiet_libraries import quiet_libraries
from streamgenre.system.signals import ask_to_stop

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from streamgenre.config.build import Loaded
    from streamgenre.events import AnyEvent

_log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Listen until the inputs end, the duration is over or the user says stop."""
    flags = flag_tree(args)

    def read() -> Loaded:
        return load(args.config, os.environ, flags)

    loaded = read()
    messages = Messages()

    def watch(record: logging.LogRecord, text: str) -> None:
        station = getattr(record, "station", None)
        about = _about(station) if station is not None else getattr(record, "about", "")
        messages.put(Message(record.created, text, record.levelno >= logging.WARNING, about))

    with (
        quiet_libraries(enabled=not args.debug),
        logging_to_user(args.log_level, hold=_in_dashboard(args), watch=watch) as journal,
    ):
        # Elsewhere the output shows what happens to the inputs.
        log_events = journal or args.log_level is not None
        log = log_event if log_events else lambda event: None
        return _listen(args, loaded, read, log, messages)


def _listen(
    args: argparse.Namespace,
    loaded: Loaded,
    read: Callable[[], Loaded],
    log: Callable[[AnyEvent], None],
    messages: Messages,
) -> int:
    config = loaded.config
    show = _presenter(args, messages)
    for file in loaded.files:
        if open_secrets(file):
            _log.warning("%s: has a password in a URL, and others may read it: chmod o-r", file)
    heard: Counter[str] = Counter()

    def publish(event: AnyEvent) -> None:
        event = keep(event, engine.keeps(event.station))
        publisher.send(event)
        if metrics is not None:
            metrics.take(event)
        feed.put(event)
        service.take(event)
        if isinstance(event, SourceChange) and event.state == "live":
            messages.mended(_about(event.station))
        log(event)
        if isinstance(event, Segment):
            heard[event.genre or event.state] += round(event.end - event.start)

    def on_failure(name: str, error: Exception) -> None:
        why = f"{error}".removeprefix(f"{name}: ")
        _log.error("%s has failed: %s", name, why, extra={"station": name})

    def on_removed(name: str) -> None:
        publisher.forget(name)
        messages.mended(_about(name))
        if metrics is not None:
            metrics.forget(name)

    def on_reload(phase: Literal["begin", "done", "refused"]) -> None:
        service.on_reload(phase)
        if phase == "done":
            messages.mended(ABOUT["about"])

    service = Watchdog(Notifier.from_environment(), config.engine.hop_s)
    engine = Engine(
        publish,
        config.engine,
        lambda: publisher.traffic,
        on_failure,
        on_turn=service.turn,
        on_removed=on_removed,
    )
    lineup = StationSet(engine)
    reloader = None
    if loaded.files:
        reloader = Reloader(read, lineup, engine, on_reload, named=loaded.named)
    with ExitStack() as stack:
        alone = len(config.stations) == 1 and loaded.by_hand
        sources = lineup.begin(config, at_once=alone and not args.wait_for_device)
        # What is live must reach the bus in time, whether or not somebody reads our output.
        lossless = not any(source.real_time for source in sources)
        feed = EventQueue(lossless=lossless)
        keep = stack.enter_context(keep_history(config.history, lossless=lossless))
        metrics = stack.enter_context(open_metrics(config.metrics.listen))
        publisher = stack.enter_context(
            open_bus(config.bus, engine, reloader.reload if reloader else None)
        )
        if config.bus.publish.endswith(":*"):
            _log.info("publishing on %s", publisher.endpoint)
        stack.callback(service.stopping)
        _run(engine, feed, show, reloader)
    if sys.stdout.isatty() and not args.json and not args.quiet:
        print(_summary(heard))  # the dashboard has taken its screen with it
    if feed.dropped:
        _log.warning("%d events were not shown: the output was too slow", feed.dropped)
    return 0


def _about(station: str) -> str:
    """Return what a message about a station is about."""
    return f"station {station}"


def _in_dashboard(args: argparse.Namespace) -> bool:
    plain = args.json or args.quiet or args.no_dashboard
    return not plain and sys.stdout.isatty() and sys.stderr.isatty()


def _summary(heard: Counter[str]) -> str:
    """Return in one line for how many seconds each genre and state held."""
    parts = ", ".join(f"{what} {seconds} s" for what, seconds in heard.most_common())
    return f"heard: {parts or 'nothing'}"


def _run(
    engine: Engine,
    feed: EventQueue,
    show: Callable[[EventQueue, Callable[[], bool]], None],
    reloader: Reloader | None,
) -> None:
    """Run the engine in its thread and the presenter in this one until both are done."""
    failures: list[BaseException] = []
    with (
        reloader.running() if reloader else nullcontext(),
        ask_to_stop(reloader.ask if reloader else None) as stop,
    ):

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


def _presenter(
    args: argparse.Namespace, messages: Messages
) -> Callable[[EventQueue, Callable[[], bool]], None]:
    if args.json:
        return _show_json
    if args.quiet:
        return _show_nothing
    from streamgenre.dashboard.app import run_dashboard
    from streamgenre.dashboard.lines import run_lines

    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if args.no_dashboard or not terminal:
        return lambda feed, stop: run_lines(feed, file=sys.stdout, stop=stop)
    return lambda feed, stop: run_dashboard(feed, stop=stop, messages=messages)


def _show_json(feed: EventQueue, _stop: Callable[[], bool]) -> None:
    for event in feed:
        if event is not None:
            sys.stdout.write(event.to_json() + "\n")
            sys.stdout.flush()


def _show_nothing(feed: EventQueue, _stop: Callable[[], bool]) -> None:
    for _ in feed:
        pass
