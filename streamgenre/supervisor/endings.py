"""The ends of stations: what is published for them, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.errors import InputError
from streamgenre.events.encoded import Encoded
from streamgenre.supervisor.record import StationRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from streamgenre.events import SourceState
    from streamgenre.supervisor.crew import Crew


class Endings:
    """Ends the stations of a supervisor, or has them continued elsewhere.

    Parameters
    ----------
    records
        The supervisor's stations by name, to which it adds and from which it removes.
    crew
        The workers.
    publish
        Takes every event.
    say
        Publishes the status of a station without a worker.
    on_failure
        Called with the name of a station that failed while others go on, and the error.
    on_removed
        Called with the name of a removed station, after its last event.
    """

    def __init__(
        self,
        records: dict[str, StationRecord],
        crew: Crew,
        publish: Callable[[Encoded], None],
        say: Callable[[StationRecord], None],
        on_failure: Callable[[str, Exception], None],
        on_removed: Callable[[str], None],
    ) -> None:
        self._records = records
        self._crew = crew
        self._publish = publish
        self._say = say
        self._on_failure = on_failure
        self._on_removed = on_removed

    def lose(self, record: StationRecord, why: str) -> None:
        """Publish that a station has lost its worker.

        Parameters
        ----------
        record
            The station.
        why
            The reason in words.
        """
        leaves = record.removing or record.successor is not None
        self._close(record, "ended" if leaves else "lost", why)
        if leaves:
            self.ended(record)

    def _close(self, record: StationRecord, state: SourceState, why: str) -> None:
        """Publish the end of what is open, unless the worker has."""
        if record.source_state != "ended":
            for event in record.lose(state, why):
                self._publish(Encoded.of(event))

    def ended(self, record: StationRecord) -> None:
        """Do what is to follow the end of a station."""
        worker, record.worker = record.worker, None
        member = self._crew.member(worker)
        if member is not None:
            member.records.pop(record.name, None)
        if record.removing or record.successor is not None:
            self._close(record, "ended", "stopped")
        if record.removing:
            self._forget(record)
        elif record.successor is not None:
            settings = record.successor
            self._crew.forget(record)
            del self._records[record.name]
            fresh = self._records[record.name] = StationRecord(record.name, settings)
            self._crew.place([fresh])
        elif record.moving is not None:
            target, _ = record.moving
            record.moving = None
            self._crew.hand_over(record, self._crew.member(target))
        else:
            record.worker = worker  # to tell where it was
            self._fail_or_end(record)

    def _fail_or_end(self, record: StationRecord) -> None:
        self.finish(record, record.failure or "stopped")
        if record.failure is not None and len(self._records) > 1:
            self._on_failure(record.name, InputError(record.failure))

    def finish(self, record: StationRecord, why: str) -> None:
        """Note that a station has ended, and publish so if its worker could not.

        Parameters
        ----------
        record
            The station.
        why
            The reason in words.
        """
        record.ended = True
        if record.source_state != "ended":  # its worker could not say so
            self._close(record, "ended", why)
            self._say(record)

    def _forget(self, record: StationRecord) -> None:
        self._say(record)
        del self._records[record.name]
        self._crew.forget(record)
        self._on_removed(record.name)


def raise_if_all_failed(records: Collection[StationRecord]) -> None:
    """Raise the error of the only station, or a summary, if every station ended with an error.

    Raises
    ------
    InputError
        In that case.
    """
    failures = [r.failure for r in records if r.failure is not None]
    if not failures or len(failures) < len(records):
        return
    if len(failures) == 1:
        raise InputError(failures[0])
    raise InputError(f"all {len(failures)} stations have failed; the first of them: {failures[0]}")
