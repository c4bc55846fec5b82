"""``streamgenre fleet``: a daemon whose workers run on the machines of a Ray cluster."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from streamgenre.cli.flags import flag_tree
from streamgenre.cli.listen import listen
from streamgenre.config.build import load
from streamgenre.errors import SettingsError
from streamgenre.fleet.launching import ClusterLauncher
from streamgenre.sources.factory import is_device

if TYPE_CHECKING:
    import argparse

    from streamgenre.config import Config
    from streamgenre.config.build import LoadedConfig


def run(args: argparse.Namespace) -> int:
    """Listen until the inputs end or a signal asks to stop."""
    if not (math.isfinite(args.worker_cpus) and args.worker_cpus > 0):
        raise SettingsError(f"--worker-cpus {args.worker_cpus}: expected a number greater than 0")
    if args.link is not None and not args.link.startswith("tcp://"):
        raise SettingsError(f"--link {args.link}: expected an endpoint such as tcp://10.0.0.5:5599")
    flags = flag_tree(args)
    stations = 0

    def read() -> LoadedConfig:
        nonlocal stations
        loaded = load(args.config, os.environ, flags)
        _check(loaded.config)
        stations = len(loaded.config.stations)
        return loaded

    def launching(loaded: LoadedConfig) -> ClusterLauncher:
        wanted = loaded.config.engine.workers
        limit = wanted if isinstance(wanted, int) else None
        return ClusterLauncher(
            args.cluster,
            link=args.link,
            cpus=args.worker_cpus,
            most=lambda: stations if limit is None else limit,
        )

    return listen(args, read, launching)


def _check(config: Config) -> None:
    """Refuse what only one machine can listen to."""
    wrong = [
        station.name or station.input or "default"
        for station in config.stations
        if station.input in (None, "-") or is_device(station.input)
    ]
    if wrong:
        raise SettingsError(
            f"stations that belong to one machine: {', '.join(map(repr, wrong[:10]))}. A fleet "
            "listens to streams, and to files that every machine has; for a sound card or standard "
            "input run `streamgenre listen` where it is"
        )
    if config.engine.workers == 0:
        raise SettingsError("workers = 0: a fleet has workers; expected 1 or more, or auto")
