"""Models of stations in workers: checked before they are used, and switched on request."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.engine.model_change import check_features, unknown_station
from streamgenre.errors import ControlError, ModelError
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model, shipped_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streamgenre.config import StationSettings
    from streamgenre.supervisor.member import Member
    from streamgenre.supervisor.record import StationRecord

_CHECK_S: Final = 120.0
"""Seconds for loading a model once."""
_SWITCH_S: Final = 30.0
"""Seconds in which all workers switch to another model."""
_CHECK: Final = (
    "import sys; sys.path.append(sys.argv[2])\n"
    "from streamgenre.errors import StreamgenreError\n"
    "from streamgenre.inference.models import load_model\n"
    "try:\n"
    "    load_model(sys.argv[1])\n"
    "except StreamgenreError as error:\n"
    "    sys.exit(str(error))\n"
)


def check_models(names: Iterable[str]) -> None:
    """Check models without loading them into this process; those that are shipped are known.

    Parameters
    ----------
    names
        Names or folders of the models.

    Raises
    ------
    ModelError
        If one cannot be used.
    """
    shipped = shipped_models()
    for name in dict.fromkeys(names):
        parse_manifest(find_model(name))
        if name not in shipped:
            _load_apart(name)


def _load_apart(name: str) -> None:
    """Load a model in a process of its own, and raise the error that this brings."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CHECK, name, str(Path(__file__).parents[2])],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CHECK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"model {name!r}: cannot be checked: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise ModelError(said or f"model {name!r}: loading it ended with code {done.returncode}")


class ModelSwitch:
    """A switch of stations to another model.

    Parameters
    ----------
    name
        Name of the model.
    stations
        Settings of all stations, by name.
    station
        Name of the station to switch; None for all.

    Raises
    ------
    StreamgenreError
        If the station does not exist, or the model cannot be used.
    """

    def __init__(
        self, name: str, stations: Mapping[str, StationSettings], station: str | None = None
    ) -> None:
        self._name = name
        self._station = station
        self._waiting: set[str] = set()
        self._errors: list[str] = []
        self._done = threading.Event()
        wanted = parse_manifest(find_model(name))
        if station is not None:
            if station not in stations:
                raise unknown_station(station, stations)
            stations = {station: stations[station]}
        present = {each.model: parse_manifest(find_model(each.model)) for each in stations.values()}
        check_features(wanted, {name: present[each.model] for name, each in stations.items()})

    def begin(
        self,
        members: Iterable[Member],
        records: Iterable[StationRecord],
        send: Callable[[Member, Mapping[str, Any]], None],
    ) -> None:
        """Send the command to the workers of the stations; in the supervisor's thread.

        Parameters
        ----------
        members
            The workers.
        records
            The stations; a worker that is replaced from now on uses the new model.
        send
            Sends a command to a worker.
        """
        chosen = [each for each in records if self._station in (None, each.name)]
        for record in chosen:
            record.settings = replace(record.settings, model=self._name)
        workers = {record.worker for record in chosen}
        running = [
            member
            for member in members
            if member.running and (self._station is None or member.name in workers)
        ]
        self._waiting = {member.name for member in running}
        for member in running:
            send(
                member,
                {"do": "model", "model": self._name, "station": self._station, "id": id(self)},
            )
        if not running:
            self._done.set()

    def answered(self, member: Member, number: int, error: str | None) -> None:
        """Take the answer of a worker.

        Parameters
        ----------
        member
            The worker.
        number
            Number of the command.
        error
            The error in words; None for none.
        """
        if number != id(self):
            return
        self._waiting.discard(member.name)
        if error is not None:
            self._errors.append(error)
        self.only(self._waiting)

    def only(self, running: Iterable[str]) -> None:
        """Wait no longer for workers that do not run; ``running`` are the names of the others."""
        self._waiting &= set(running)
        if not self._waiting:
            self._done.set()

    def wait(self) -> None:
        """Wait until all workers have answered.

        Raises
        ------
        ControlError
            If one of them could not.
        """
        if not self._done.wait(_SWITCH_S):
            raise ControlError("not every worker has switched to the model yet", "timeout")
        if self._errors:
            raise ControlError(self._errors[0], "failed")
