"""Starts the stations of a configuration, and replaces them with those of another one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from streamgenre.worker.unit import station_name

if TYPE_CHECKING:
    from streamgenre.config import Config, StationSettings
    from streamgenre.supervisor.host import Host


@dataclass(frozen=True, slots=True)
class Changes:
    """What a new configuration changed."""

    started: tuple[str, ...] = ()
    """Stations that were not there before."""
    stopped: tuple[str, ...] = ()
    """Stations that are no longer there."""
    restarted: tuple[str, ...] = ()
    """Stations that restarted with other settings."""
    unchanged: tuple[str, ...] = ()
    """Stations that went on undisturbed."""
    needs_restart: tuple[str, ...] = ()
    """Keys that have changed but take effect only when the daemon is restarted."""

    def __str__(self) -> str:
        words = [
            f"{what}: {', '.join(names)}"
            for what, names in asdict(self).items()
            if names and what not in ("unchanged", "needs_restart")
        ]
        if self.needs_restart:
            words.append(f"needs a restart: {', '.join(self.needs_restart)}")
        return "; ".join(words) or "nothing has changed"


class StationSet:
    """Starts, replaces and stops the stations of one host as the configuration says.

    Parameters
    ----------
    host
        What runs the stations; it need not run yet.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._config: Config | None = None
        self._names: dict[StationSettings, str] = {}

    def start(self, config: Config, *, open_at_once: bool) -> None:
        """Add the stations of a configuration, before the host runs.

        Parameters
        ----------
        config
            The configuration.
        open_at_once
            Whether the inputs are opened before this returns, so that their errors are raised;
            otherwise each is opened in a thread of its own.

        Raises
        ------
        StreamgenreError
            If a model cannot be used, or, with ``open_at_once``, an input.
        """
        self._config = config
        self._host.prepare(config.stations)
        for settings in config.stations:
            self._names[settings] = self._host.add(settings, open_at_once=open_at_once)

    def change(self, config: Config) -> Changes:
        """Change to another configuration; not in the host's thread, one call at a time.

        Stations whose settings stay the same go on undisturbed; those of them that have failed are
        tried again.

        Parameters
        ----------
        config
            The new configuration.

        Returns
        -------
        Changes
            What the host will change.

        Raises
        ------
        StreamgenreError
            If a model cannot be used; then nothing has changed.
        """
        failed = self._host.failed
        before = {s: name for s, name in self._names.items() if name not in failed}
        added = [settings for settings in config.stations if settings not in before]
        self._host.prepare(added)
        resized = self._host.resize(config.engine, len(config.stations))
        removed = {
            name: s for s, name in self._names.items() if s not in config.stations or name in failed
        }
        new = {self._names.get(s) or station_name(s): s for s in added}
        changes = Changes(
            started=tuple(name for name in new if name not in removed),
            stopped=tuple(name for name in removed if name not in new),
            restarted=tuple(name for name in new if name in removed),
            unchanged=tuple(name for s, name in before.items() if s in config.stations),
            needs_restart=tuple(
                key
                for key in _needs_restart(self._config, config)
                if key != "engine.workers" or not resized
            ),
        )

        def apply() -> None:
            for name in changes.stopped:
                self._host.remove(name)
            for name, settings in new.items():
                self._host.replace(name, settings)

        self._host.call(apply)
        self._names = {s: name for s, name in before.items() if s in config.stations}
        self._names |= {settings: name for name, settings in new.items()}
        return changes


def _needs_restart(old: Any, new: Any) -> tuple[str, ...]:
    """Return the keys outside the stations that differ."""
    return tuple(
        f"{table.name}.{field.name}"
        for table in fields(new)
        if table.name not in ("stations", "bridge")  # the bridges are other processes
        for field in fields(getattr(new, table.name))
        if getattr(getattr(old, table.name), field.name)
        != getattr(getattr(new, table.name), field.name)
    )
