"""The stations of one engine, opened as their settings say, with the models that they share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from streamgenre.clips.choosing import Chooser
from streamgenre.clips.keeping import Keeper
from streamgenre.engine import requests
from streamgenre.errors import InputError, StreamgenreError
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model
from streamgenre.inference.models import load_model
from streamgenre.inference.settings import eased
from streamgenre.logger import get_logger
from streamgenre.sources.deferred import DeferredSource
from streamgenre.sources.factory import input_name, is_device, is_replayable, open_input

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from streamgenre.clips.settings import ClipSettings
    from streamgenre.config import StationSettings
    from streamgenre.engine.engine import Engine
    from streamgenre.engine.resume import Resume
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.inference.model import Model
    from streamgenre.sources.base import Source

_APPLIED_S: Final = 5.0
"""Seconds within which the engine has switched to another model."""
_log = get_logger(__name__)


class Unit:
    """Starts, replaces and stops the stations of one engine.

    It is the :class:`~streamgenre.supervisor.host.Host` of a daemon without workers, and the work
    of a worker process. Models are loaded by the calling thread, and stations are added between two
    rounds of the engine.

    Parameters
    ----------
    engine
        The engine, which need not run yet.
    clips
        Whether clips are kept, where, and how many; None to keep none.
    """

    def __init__(self, engine: Engine, clips: ClipSettings | None = None) -> None:
        self.engine = engine
        """The engine."""
        self._keeper = Keeper(clips) if clips is not None and clips.seconds else None
        self._models: WeakValueDictionary[Path, Model] = WeakValueDictionary()
        self._prepared: list[Model] = []  # so that they stay loaded until their stations start

    # ---- stations -------------------------------------------------------------------------------

    def prepare(self, stations: Iterable[StationSettings]) -> list[Model]:
        """Load the models of stations that are to be added; they stay loaded until the next call.

        Returns
        -------
        list of Model
            The models, in the order of the stations.

        Raises
        ------
        ModelError
            If one cannot be used.
        """
        self._prepared = [self._model(settings) for settings in stations]
        return self._prepared

    def add(
        self,
        settings: StationSettings,
        name: str | None = None,
        *,
        open_at_once: bool = False,
        resume: Resume | None = None,
    ) -> str:
        """Add a station, before the engine runs or in its thread; return its name.

        Parameters
        ----------
        settings
            Its settings.
        name
            Its name; None to derive it from the settings or the input.
        open_at_once
            Whether the input is opened before this returns, so that its error is raised; otherwise
            it is opened in a thread of its own.
        resume
            The session that goes on; None for a new one.

        Raises
        ------
        StreamgenreError
            If the model cannot be used, or, with ``open_at_once``, the input.
        """
        source = _open_now(settings) if open_at_once else _deferred(settings)
        decision = settings.decision
        if settings.input is None and source.name == "demo":  # in place of a missing device
            decision = eased(decision)
        name = name or settings.name or (source.name if open_at_once else station_name(settings))
        self.engine.add(
            name,
            source,
            self._model(settings),
            decision,
            gain_db=settings.gain_db,
            reopen=(lambda: _deferred(settings, waits=True)) if is_live(settings) else None,
            resume=resume,
            clips=self._chooser(name, settings),
        )
        return name

    def _chooser(self, name: str, settings: StationSettings) -> Chooser | None:
        keeper = self._keeper
        if keeper is None or not settings.clips_allowed:
            return None
        waits = settings.pace == "fast" and is_replayable(settings.input)
        return Chooser(
            name,
            keeper.settings,
            lambda clip: keeper.offer(clip, waits=waits),
            named=settings.keep_clips == "always",
        )

    def replace(self, name: str, settings: StationSettings) -> None:
        """Start a station after the end of one with its name, which may take a while.

        To be called in the engine's thread, after :meth:`prepare`.

        Parameters
        ----------
        name
            The name; there need not be such a station.
        settings
            Settings of the new station.
        """
        model = self._model(settings)

        def add() -> None:
            self._models[find_model(settings.model).resolve()] = model
            self.add(settings, name)

        self.engine.remove(name, add)

    def remove(self, name: str) -> None:
        """Stop a station and forget it; in the engine's thread."""
        self.engine.remove(name)

    def _model(self, settings: StationSettings) -> Model:
        """Return the model of a station; stations with the same model folder share one."""
        folder = find_model(settings.model).resolve()
        model = self._models.get(folder)
        if model is None:
            model = self._models[folder] = load_model(settings.model)
        return model

    # ---- what a daemon asks of its host ----------------------------------------------------------

    def run(self, stopping: Callable[[], bool]) -> None:
        """See :meth:`streamgenre.engine.engine.Engine.run`."""
        try:
            self.engine.run(stopping)
        finally:
            if self._keeper is not None:
                self._keeper.close()

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the engine's thread; return at once."""
        self.engine.call(function)

    @property
    def lossless(self) -> bool:
        """Whether no station plays in real time."""
        return self.engine.lossless

    @property
    def failed(self) -> Collection[str]:
        """Names of the stations that an error has ended."""
        return self.engine.failed

    @property
    def stuck(self) -> Collection[str]:
        """Names of the stations whose source hangs too often to be opened again."""
        return self.engine.stuck

    def watch_spectrum(self, names: frozenset[str]) -> None:
        """Choose the stations that publish their spectrum, by the beginnings of their names."""
        self.engine.watch_spectrum(names)

    def resize(self, settings: EngineSettings, stations: int) -> bool:
        """Return False: this process does all."""
        del settings, stations
        return False

    def is_live(self, name: str) -> bool:
        """Whether the audio of a station cannot be heard a second time."""
        return self.engine.is_live(name)

    def describe(self) -> dict[str, Any]:
        """Return the state of engine and stations as a JSON object; in the engine's thread."""
        return self.engine.describe()

    def reset(self, station: str) -> None:
        """Reset model and decision of a station; in the engine's thread."""
        requests.reset(self.engine.runners, station)

    def use_model(self, name: str, station: str | None = None) -> None:
        """Switch stations to another model; not in the engine's thread.

        Parameters
        ----------
        name
            Name of the model.
        station
            Name of the station; None for all.

        Raises
        ------
        StreamgenreError
            If the station does not exist, or the model cannot be used; then nothing has changed.
        """
        folder = find_model(name).resolve()
        model = self._models.get(folder)
        # Where all stations switch, the one that is loaded may be an older version.
        if station is None or model is None or model.manifest != parse_manifest(folder):
            model = load_model(name)
        done, errors = threading.Event(), []

        def switch() -> None:
            try:
                requests.use_model(self.engine.runners, model, station)
                self._models[folder] = model
            except StreamgenreError as error:
                errors.append(error)
            finally:
                done.set()

        self.engine.call(switch)
        done.wait(_APPLIED_S)
        if errors:
            raise errors[0]
        # A station that starts later with this model gets the same one, not an older version.
        self._models[find_model(name).resolve()] = model
        self._prepared = [model]


def station_name(settings: StationSettings) -> str:
    """Return the name of a station, by its settings or its input."""
    return settings.name or input_name(settings.input)


def is_live(settings: StationSettings) -> bool:
    """Whether a station can be opened again, but not be heard a second time."""
    return settings.input != "-" and not is_replayable(settings.input)


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
