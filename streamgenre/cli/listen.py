"""``streamgenre listen``: reads the configuration, and runs a daemon and a presenter."""

from __future__ import annotations

import os
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

from streamgenre.cli.flags import flag_tree
from streamgenre.cli.presenters import MessageSink, presenter, shows_dashboard, shows_summary
from streamgenre.config.build import load
from streamgenre.config.layers import open_secrets
from streamgenre.daemon.app import Daemon
from streamgenre.daemon.sinks import Summary
from streamgenre.errors import SettingsError
from streamgenre.logger import get_logger
from streamgenre.system.logs import logging_to_user
from streamgenre.system.quiet_libraries import quiet_libraries
from streamgenre.system.signals import stop_on_signals

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from streamgenre.config.build import LoadedConfig
    from streamgenre.supervisor.launching import Launcher

_log = get_logger(__name__)


def run(args: argparse.Namespace) -> int:
    """Listen until the inputs end, the duration is over or a signal asks to stop."""
    flags = flag_tree(args)
    return listen(args, lambda: _checked(args, load(args.config, os.environ, flags)))


def _checked(args: argparse.Namespace, loaded: LoadedConfig) -> LoadedConfig:
    if args.keep_uncertain_device and not loaded.config.clips.seconds:
        raise SettingsError(
            "--keep-uncertain-device keeps nothing by itself: give --keep-uncertain SECONDS too, "
            "or set `seconds` under [clips]"
        )
    return loaded


def listen(
    args: argparse.Namespace,
    read: Callable[[], LoadedConfig],
    launching: Callable[[LoadedConfig], AbstractContextManager[Launcher | None]] = (
        lambda loaded: nullcontext()
    ),
) -> int:
    """Listen as the configuration says; return the exit code.

    Parameters
    ----------
    args
        The flags.
    read
        Reads the configuration.
    launching
        Returns a context with what starts the workers; None for processes of this machine.
    """
    loaded = read()
    board = MessageSink()
    hold = shows_dashboard(args)
    with (
        quiet_libraries(enabled=not args.debug),
        logging_to_user(args.log_level, hold=hold, watch=board.log) as to_journal,
        ExitStack() as stack,
    ):
        present = presenter(args, board.messages)
        for file in loaded.files:
            if open_secrets(file):
                _log.warning(
                    "%s: contains a password in a URL, a header, or a webhook's URL, and is "
                    "readable by others: chmod o-r",
                    file,
                )
        summary = Summary()
        launcher = stack.enter_context(launching(loaded))
        daemon = Daemon(
            loaded,
            read,
            wait_for_device=args.wait_for_device,
            # Elsewhere the presenter shows what happens to the inputs.
            log_events=to_journal or args.log_level is not None,
            sinks=(board, summary),
            on_reload=board.on_reload,
            launcher=launcher,
        )
        reload = daemon.reloader.request if daemon.reloader else None
        with daemon, stop_on_signals(reload) as stop:
            daemon.run(present, stop)
        if shows_summary(args):
            print(summary)
        if daemon.events_not_shown:
            _log.warning(
                "%d events were not shown: the output was too slow", daemon.events_not_shown
            )
    return 0
