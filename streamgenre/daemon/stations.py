"""Which stations are on: starts those of a configuration, and changes them to those of another."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from streamgenre.errors import InputError
from streamgenre.inference.manifest import find_model
from streamgenre.inference.models import Model, load_model
from streamgenre.sources.deferred import DeferredSource
from streamgenre.sources.factory import is_device, is_played, name_of, open_input

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.config import Config, StationSettings
    from streamgenre.engine.engine import Engine
    from streamgenre.sources.base import Source

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a new configuration changed."""

    started: tuple[str, ...] = ()
    """Stations that were not there before."""
    stopped: tuple[str, ...] = ()
    """Stations that are no longer there."""
    restarted: tuple[str, ...] = ()
    """Stations that begin anew with other settings."""
    unchanged: tuple[str, ...] = ()
    """Stations that did not notice."""
    needs_restart: tuple[str, ...] = ()
    """Keys that have changed, but hold only from the next start of the daemon."""

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
    """The stations of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._config: Config | None = None
        self._names: dict[StationSettings, str] = {}
        self._models: WeakValueDictionary[Path, Model] = WeakValueDictionary()

    def begin(self, config: Config, *, at_once: bool) -> list[Source]:
        """Add the stations, before the engine runs; return their sources.

        Parameters
        ----------
        config
            What to listen to.
        at_once
            Whether the inputs are opened here and now, so that what is wrong with one is raised;
            else each is opened by a thread of its own.

        Raises
        ------
        StreamgenreError
            If a model cannot be used, or, ``at_once``, an input.
        """
        self._config = config
        sources: list[Source] = []
        for settings, model in self._with_models(config.stations):
            source = _open_now(settings) if at_once else _opening(settings)
            name = settings.name or (source.name if at_once else name_of(settings.input))
            self._engine.add(name, source, model, settings.decision, gain_db=settings.gain_db)
            self._names[settings] = name
            sources.append(source)
        return sources

    def change(self, config: Config) -> Changes:
        """Go over to another configuration; by one thread at a time, not the engine's.

        Raises
        ------
        StreamgenreError
            If a model cannot be used; then nothing has changed.
        """
        before = dict(self._names)
        added = self._with_models([s for s in config.stations if s not in before])
        removed = {name: s for s, name in before.items() if s not in config.stations}
        new = {settings.name or name_of(settings.input): settings for settings, _ in added}
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
                # Behind the end of one of that name, should there be one that is still ending.
                self._engine.remove(name, self._starting(name, settings, model))

        self._engine.call(apply)
        self._names = {s: name for s, name in before.items() if s in config.stations}
        self._names |= {settings: name for name, settings in new.items()}
        return changes

    def _starting(self, name: str, settings: StationSettings, model: Model) -> Any:
        return lambda: self._engine.add(
            name, _opening(settings), model, settings.decision, gain_db=settings.gain_db
        )

    def _with_models(
        self, stations: tuple[StationSettings, ...] | list[StationSettings]
    ) -> list[tuple[StationSettings, Model]]:
        """Return the stations with their models; those of one folder share it."""
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


def _opening(settings: StationSettings) -> Source:
    played = is_played(settings.input)
    return DeferredSource(
        name_of(settings.input),
        lambda: _open(settings),
        waits=is_device(settings.input),
        can_wait=played and settings.pace == "fast",
        live=not played,
    )


def _needs_restart(old: Any, new: Any) -> tuple[str, ...]:
    """Return the keys of the daemon as a whole that differ."""
    return tuple(
        f"{table.name}.{field.name}"
        for table in fields(new)
        if table.name != "stations"
        for field in fields(getattr(new, table.name))
        if getattr(getattr(old, table.name), field.name)
        != getattr(getattr(new, table.name), field.name)
    )
