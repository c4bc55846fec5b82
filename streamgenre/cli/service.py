"""``streamgenre service``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from streamgenre.cli.connecting import endpoints, subscribe
from streamgenre.client.snapshot import SNAPSHOT_TYPES, snapshot
from streamgenre.client.workers import workers_of
from streamgenre.system import systemctl

if TYPE_CHECKING:
    import argparse

NOT_RUNNING: Final = 3
"""Exit code if the service is not active, as that of `systemctl status`."""
SILENT: Final = 4
"""Exit code if the service is active but its bus does not answer."""


def run(args: argparse.Namespace) -> int:
    """Show the state of the service as systemd and its own bus report it."""
    unit = args.unit if "." in args.unit else f"{args.unit}.service"
    state = systemctl.unit_state(unit)
    active = state.active in ("active", "reloading")
    stations: dict[str, dict[str, Any]] = {}
    if active:
        with subscribe(args, types=SNAPSHOT_TYPES) as subscriber:
            stations = snapshot(subscriber)
    if args.json:
        result = {**asdict(state), "bus": endpoints(args), "stations": list(stations.values())}
        result["workers"] = [asdict(each) for each in workers_of(stations.values())]
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(state, stations, endpoints(args) if active else None)))
    if not active:
        return NOT_RUNNING
    return 0 if stations else SILENT


def _lines(
    state: systemctl.UnitState, stations: dict[str, dict[str, Any]], bus: str | None
) -> list[str]:
    since = f" since {state.since}" if state.since else ""
    lines = [
        f"{state.unit}: {state.active} ({state.sub}){since}",
        f"  at boot    {state.enabled or 'unknown'}",
        f"  restarts   {state.restarts}"
        + (f", the last run ended by: {state.result}" if state.result != "success" else ""),
        f"  watchdog   {'off' if state.watchdog in ('0', 'infinity') else state.watchdog}",
    ]
    if state.memory_bytes is not None:
        of = f" of {state.memory_max_bytes / 1e6:.0f}" if state.memory_max_bytes else ""
        lines.append(f"  memory     {state.memory_bytes / 1e6:.0f}{of} MB")
    if state.tasks is not None:
        of = f" of {state.tasks_max}" if state.tasks_max else ""
        lines.append(f"  threads    {state.tasks}{of}")
    if state.status:
        lines.append(f"  status     {state.status}")
    if bus is None:
        lines.append(f"  it is not running: `journalctl -u {state.unit} -n 50` shows why")
    elif not stations:
        lines.append(f"  nothing from {bus}: does it publish elsewhere? (--connect URL)")
    lines += [f"  worker {each.name}   {each}" for each in workers_of(stations.values())]
    for name, station in sorted(stations.items()):
        age = station.get("last_update_age_s")
        heard = station.get("genre") or station.get("state") or "nothing yet"
        when = f", {age} s ago" if age is not None else ""
        detail = f" ({station['detail']})" if station.get("detail") else ""
        lines.append(f"  {name}: {station.get('source_state', '?')}{detail}; {heard}{when}")
    return lines
