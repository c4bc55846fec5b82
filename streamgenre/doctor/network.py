"""Checks of endpoints and of the service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
import zmq

from streamgenre.bus.endpoints import needs_keys
from streamgenre.bus.keys import SECRET, default_folder
from streamgenre.client.link import REFUSED
from streamgenre.client.snapshot import SNAPSHOT_TYPES, snapshot
from streamgenre.client.subscriber import Subscriber
from streamgenre.client.workers import workers_of
from streamgenre.doctor.finding import note, ok, problem
from streamgenre.system import systemctl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.doctor.finding import Finding, Subject

_RUNNING: Final = ("active", "reloading")


def ports(subject: Subject) -> Iterator[Finding]:
    """Check whether the endpoints are free, and if not, who answers there."""
    for flag, endpoint in (("publish", subject.publish), ("control", subject.control)):
        if endpoint is None or endpoint.endswith(":*"):
            continue
        folder = subject.keys or default_folder()
        if needs_keys(endpoint) and not (folder / SECRET).exists():
            do = "`streamgenre keys new`; see docs/events.md"
            yield problem(flag, f"{endpoint} is open to other machines, but there are no keys", do)
        elif _free(endpoint):
            yield ok(flag, f"{endpoint} is free: no daemon runs there")
        elif flag == "publish":
            yield from _who_publishes(endpoint)
        else:
            yield ok(flag, f"{endpoint} is in use{_owner(endpoint)}")


def _free(endpoint: str) -> bool:
    if not endpoint.startswith("tcp://"):
        return not Path(endpoint.removeprefix("ipc://")).exists()
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        try:
            socket.bind(endpoint)
        except zmq.ZMQError:
            return False
    return True


def _who_publishes(endpoint: str) -> Iterator[Finding]:
    stations, finding = _asked(endpoint)
    yield finding
    if workers := workers_of(stations.values()):
        said = "; ".join(f"{each.name}: {each}" for each in workers)
        if any(each.restarts for each in workers):
            yield note("workers", said, "the daemon's log says why one was replaced")
        else:
            yield ok("workers", said)


def _asked(endpoint: str) -> tuple[dict[str, dict[str, Any]], Finding]:
    """Return the stations of the daemon at an endpoint, and what there is to say of it."""
    with Subscriber(
        _reachable(endpoint), types=SNAPSHOT_TYPES, on_malformed=lambda text: None
    ) as subscriber:
        stations = snapshot(subscriber)
        refused = REFUSED in subscriber.link.detail
    owner = _owner(endpoint)
    if not stations and refused:
        said = f"{endpoint} is in use{owner}, it seems by a daemon that requires a key"
        do = "`streamgenre subscribe --server-key KEY` connects to it"
        return {}, note("publish", said, do)
    if not stations:
        return {}, problem(
            "publish",
            f"{endpoint} is in use{owner}, but not by a streamgenre daemon",
            "end the program that uses it, or publish elsewhere",
        )
    listed = ", ".join(
        f"{name} {station.get('source_state', '?')}" for name, station in sorted(stations.items())
    )
    failing = [s["history"]["problem"] for s in stations.values() if s.get("history")]
    if any(failing):
        said = f"a daemon runs on {endpoint}{owner}, but its history fails: {failing[0]}"
        return stations, problem("publish", said, "free disk space, or correct the permissions")
    away = [name for name, s in stations.items() if s.get("source_state") != "live"]
    said = f"a daemon answers on {endpoint}{owner}: {listed}"
    return stations, note("publish", said) if away else ok("publish", said)


def _reachable(endpoint: str) -> str:
    """Return an endpoint as reached from this machine, if it is bound on all interfaces."""
    return endpoint.replace("//0.0.0.0:", "//127.0.0.1:").replace("//*:", "//127.0.0.1:")


def _owner(endpoint: str) -> str:
    """Return which process listens there, if this user may know."""
    port = endpoint.rpartition(":")[2]
    if not endpoint.startswith("tcp://") or not port.isdecimal():
        return ""
    try:
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if local and local.port == int(port) and connection.status == psutil.CONN_LISTEN:
                return f" by process {connection.pid}" if connection.pid else ""
    except psutil.Error:
        pass
    return ""


def service(subject: Subject) -> Iterator[Finding]:
    """Check the state of the service."""
    try:
        state = systemctl.unit_state(subject.unit)
    except systemctl.ServiceError as error:
        yield note("service", str(error))
        return
    words = f"{state.unit} is {state.active} ({state.sub}), {state.restarts} restarts"
    log = f"`journalctl -u {state.unit} -n 50` shows why"
    if state.active == "failed" or state.sub == "auto-restart":
        yield problem("service", f"{words}; the last run ended with {state.result}", log)
    elif state.active not in _RUNNING:
        yield note("service", words, f"`sudo systemctl start {state.unit}`")
    elif state.restarts:
        yield note("service", f"{words}; {state.status}", log)
    else:
        yield ok("service", f"{words}; {state.status}")
