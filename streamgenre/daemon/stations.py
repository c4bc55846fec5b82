"""Starts the stations of a configuration, and replaces them with those of another one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from streamgenre.errors import InputError
from streamgenre.inference.manifest import find_model
from streamgenre.inference.models import Model, load_model
from streamgenre.logger import get_logger
from streamgenre.sources.deferred import DeferredSource
from streamgenre.sources.factory import input_name, is_device, is_replayable, open_input

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamgenre.config import Config, StationSettings
    from streamgenre.engine.engine import Engine
    from streamgenre.sources.base import Source

_log = get_logger(__name__)


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
    """Starts, replaces and stops the stations of one engine as the configuration says.

    Parameters
    ----------
    engine
        The engine, which need not run yet.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._config: Config | None = None
        self._names: dict[StationSettings, str] = {}
        self._models: WeakValueDictionary[Path, Model] = WeakValueDictionary()

    def start(self, config: Config, *, open_at_once: bool) -> list[Source]:
        """Add the stations of a configuration, before the engine runs.

        Parameters
        ----------
        config
            The configuration.
        open_at_once
            Whether the inputs are opened before this returns, so that their errors are raised;
            otherwise each is opened in a thread of its own.

        Returns
        -------
        list of Source
            The sources of the stations, in their order.

        Raises
        ------
        StreamgenreError
            If a model cannot be used, or, with ``open_at_once``, an input.
        """
        self._config = config
        sources: list[Source] = []
        for settings, model in self._with_models(config.stations):
            source = _open_now(settings) if open_at_once else _deferred(settings)
            name = settings.name or (source.name if open_at_once else input_name(settings.input))
            self._add(name, source, settings, model)
            self._names[settings] = name
            sources.append(source)
        return sources

    def change(self, config: Config) -> Changes:
        """Change to another configuration; not in the engine's thread, one call at a time.

        Stations whose settings stay the same go on undisturbed; those of them that have failed are
        tried again.

        Parameters
        ----------
        config
            The new configuration.

        Returns
        -------
        Changes
            What the engine will change.

        Raises
        ------
        StreamgenreError
            If a model cannot be used; then nothing has changed.
        """
        failed = self._engine.failed
        before = {s: name for s, name in self._names.items() if name not in failed}
        added = self._with_models([s for s in config.stations if s not in before])
        removed = {
            name: s for s, name in self._names.items() if s not in config.stations or name in failed
        }
        new = {self._names.get(s) or s.name or input_name(s.input): s for s, _ in added}
        changes = Changes(
            started=tuple(name for name in new if name not in removed),
            stopped=tuple(name for name in removed if name not in new),
            restarted=tuple(name for name in new if name in removed),
            unchanged=tuple(name for s, name in before.items() if s in config.stations),
            needs_restart=_needs_restart(self._config, config),
        )

        def apply() -> None:
            for name in changes.stopped:
                self._engine.remove(name)
            for (settings, model), name in zip(added, new, strict=True):
                # After the end of an old station of this name, which may take a while.
                self._engine.remove(name, self._adding(name, settings, model))

        self._engine.call(apply)
        self._names = {s: name for s, name in before.items() if s in config.stations}
        self._names |= {settings: name for name, settings in new.items()}
        return changes

    def _adding(self, name: str, settings: StationSettings, model: Model) -> Callable[[], None]:
        return lambda: self._add(name, _deferred(settings), settings, model)

    def _add(self, name: str, source: Source, settings: StationSettings, model: Model) -> None:
        replaceable = settings.input != "-" and not is_replayable(settings.input)
        self._engine.add(
            name,
            source,
            model,
            settings.decision,
            gain_db=settings.gain_db,
            reopen=(lambda: _deferred(settings, waits=True)) if replaceable else None,
        )

    def _with_models(
        self, stations: tuple[StationSettings, ...] | list[StationSettings]
    ) -> list[tuple[StationSettings, Model]]:
        """Return the stations with their models; stations with the same model folder share one."""
        loaded = []
        for settings in stations:
            folder = find_model(settings.model).resolve()
            model = self._models.get(folder)
            if model is None:
                model = self._models[folder] = load_model(settings.model)
            loaded.append((settings, model))
        return loaded


def _open(settings: StationSettings, *, waits: bool = True) -> Source:
    source, announcement = open_input(settings, waits=waits)
    if announcement:
        _log.info("%s", announcement)
    return source


def _open_now(settings: StationSettings) -> Source:
    try:
        return _open(settings, waits=False)
    except InputError as error:
        if is_device(settings.input):
            raise InputError(f"{error}; --wait-for-device waits until it is there") from error
        raise


def _deferred(settings: StationSettings, *, waits: bool = False) -> Source:
    played = is_replayable(settings.input)
    return DeferredSource(
        input_name(settings.input),
        lambda: _open(settings),
        waits=waits or is_device(settings.input),
        as_fast_as_possible=played and settings.pace == "fast",
        live=not played,
    )


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
