"""Simulate days of listening in minutes, to find memory growth, lost samples and state drift.

    python benchmarks/soak.py --hours 72 [--model lite] [--seed 0] [--figure soak.png] [--json]

Two stations run through the real engine at `--pace fast`, with the bus and the history attached.
`worn` follows a seeded schedule of music, silences, gaps, unplugged devices and streams that break;
`endless` plays music with no pause at all, so that nothing ever resets the model's state. Music is
the demo's, encoded as FLAC and decoded from files that are opened again and again, some of them
damaged.

Once a simulated hour memory, file handles, threads and the engine's CPU time an update are noted,
and a twin of `endless` with a fresh state hears the same minute: the distance between both
shows whether the model's state drifts. Exits with 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.soak_input import Part, SoakSource, schedule, write_songs
from streamgenre.bus.publisher import Publisher
from streamgenre.config import EngineSettings
from streamgenre.engine.engine import Engine
from streamgenre.events import AnyEvent, Status, Update
from streamgenre.events import Gap as GapEvent
from streamgenre.history.settings import HistorySettings
from streamgenre.history.writer import HistoryWriter
from streamgenre.inference.models import StatefulModel, load_model
from streamgenre.sources.demo import RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from streamgenre.inference.model import Model
    from streamgenre.inference.output import Output

    Samples = NDArray[np.float32]

TWIN_S: Final = 60
"""Seconds for which the twin with the fresh state hears the same."""
# The limits; main() exits with 1 if one of them is exceeded.
RSS_GROWTH_MB: Final = 10.0
"""From the second hour to the last; what comes before fills caches."""
SLOWER: Final = 1.3
"""CPU time an update, median of the last quarter over that of the first."""
DRIFT: Final = 0.10
"""Total variation distance of the worn state to the fresh one, last quarter over the first."""


class Twin:
    """Runs a second state on the same audio, restarted now and then, and compares."""

    def __init__(self, model: StatefulModel, station: str) -> None:
        self.distances: list[float] = []
        """Mean total variation distance, 0 to 1, over the second half of each comparison."""
        self._model, self._station = model, station
        self._update = model.update
        self._left = 0
        self._apart: list[float] = []
        model.update = self._watched  # type: ignore[method-assign]

    def begin(self) -> None:
        """Compare from the next update on."""
        self._model.reset("twin")
        self._left, self._apart = TWIN_S, []

    def _watched(self, stations: Sequence[str], frames: Sequence[Samples]) -> Output:
        output = self._update(stations, frames)
        if self._left and self._station in stations:
            row = list(stations).index(self._station)
            fresh = self._update(["twin"], [frames[row]])
            worn = self._model.probabilities(output)[row]
            new = self._model.probabilities(fresh)[0]
            self._apart.append(float(np.abs(worn - new).sum() / 2))
            self._left -= 1
            if self._left == 0:
                self.distances.append(statistics.mean(self._apart[TWIN_S // 2 :]))
        return output


@dataclass(frozen=True, slots=True)
class Hour:
    """What was measured at the end of a simulated hour."""

    hour: float
    rss_mb: float
    handles: int
    threads: int
    cpu_ms_per_update: float
    """Of the engine's thread; the updates of both stations count."""


class Gauge:
    """Measures this process once a simulated hour of one station; called in the engine's thread."""

    def __init__(self, station: str, every_s: float, then: Callable[[], None]) -> None:
        self.hours: list[Hour] = []
        self._station, self._every_s, self._then = station, every_s, then
        self._process = psutil.Process()
        self._updates = 0
        self._cpu: float | None = None

    def take(self, event: AnyEvent) -> None:
        """Count an update, and measure where an hour is full."""
        if not isinstance(event, Update):
            return
        if self._cpu is None:
            self._cpu = time.thread_time()
        self._updates += 1
        hour = event.stream_time / self._every_s
        if event.station != self._station or hour < len(self.hours) + 1:
            return
        cpu = time.thread_time()
        self.hours.append(
            Hour(
                hour=event.stream_time / 3600,
                rss_mb=round(self._process.memory_info().rss / 1e6, 2),
                handles=self._process.num_fds(),
                threads=self._process.num_threads(),
                cpu_ms_per_update=round(1000 * (cpu - self._cpu) / self._updates, 4),
            )
        )
        self._updates, self._cpu = 0, cpu
        self._then()


def soak(
    folder: Path, model: Model, *, hours: float, seed: int = 0, measure_s: float = 3600
) -> dict[str, Any]:
    """Run both stations for a number of simulated hours; return the measurements.

    Parameters
    ----------
    folder
        For the audio files and the history.
    model
        What listens.
    hours, seed
        Length and seed of the schedule.
    measure_s
        Simulated seconds between two measurements.
    """
    songs, broken = write_songs(folder)
    seconds = 3600 * hours
    worn_rng, endless_rng = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    endless_parts = iter([Part("music", seconds)])
    stations = {
        "worn": SoakSource("worn", schedule(worn_rng, seconds), songs, broken, worn_rng),
        "endless": SoakSource("endless", endless_parts, songs, broken, endless_rng),
    }
    twin = Twin(model, "endless") if isinstance(model, StatefulModel) else None
    gauge = Gauge("endless", measure_s, twin.begin if twin else lambda: None)
    reported: dict[str, Counter[str]] = {name: Counter() for name in stations}
    lost: dict[str, Counter[str]] = {name: Counter() for name in stations}
    last: dict[str, Status] = {}
    publisher = Publisher("tcp://127.0.0.1:*")
    history = HistoryWriter(HistorySettings(path=folder / "soak.db"), lossless=True, say=print)
    history.start()

    def publish(event: AnyEvent) -> None:
        publisher.send(event)
        history.put(event)
        gauge.take(event)
        reported[event.station][event.TYPE] += 1
        if isinstance(event, GapEvent):
            lost[event.station][event.reason] += event.samples
        elif isinstance(event, Status):
            last[event.station] = event

    engine = Engine(publish, EngineSettings(), lambda station: asdict(publisher.stats))
    for name, source in stations.items():
        engine.add(name, source, model)
    began = time.monotonic()
    try:
        engine.run(lambda: False)
    finally:
        history.close()
        publisher.close()
    return {
        "model": model.manifest.name,
        "seed": seed,
        "simulated_hours": hours,
        "took_s": round(time.monotonic() - began, 1),
        "hours": [asdict(hour) for hour in gauge.hours],
        "twin_distance": [round(d, 4) for d in twin.distances] if twin else [],
        "stations": {
            name: {
                "parts": dict(source.ledger.parts),
                "heard": source.ledger.heard,
                "lost": dict(source.ledger.lost),
                "reported_lost": dict(lost[name]),
                "reported": dict(reported[name]),
                "status": {"heard": last[name].samples, "lost": last[name].samples_lost},
                "stream_samples": round(last[name].stream_time * RATE),
            }
            for name, source in stations.items()
        },
    }


def problems(result: dict[str, Any], *, slower: float = SLOWER) -> list[str]:
    """Describe every limit exceeded; ``slower`` is how much slower updates may become."""
    found = []
    for name, station in result["stations"].items():
        heard, lost, reported = station["heard"], station["lost"], station["reported_lost"]
        if reported != lost:
            found.append(f"{name}: lost were {lost}, reported were {reported}")
        if station["status"] != {"heard": heard, "lost": sum(lost.values())}:
            found.append(f"{name}: the status says {station['status']}; {heard} heard, {lost} lost")
        if abs(station["stream_samples"] - heard - sum(lost.values())) > RATE / 100:
            found.append(f"{name}: stream time and samples do not agree")
    hours = result["hours"]
    if len(hours) < 4:
        return [*found, f"only {len(hours)} measurements; expected 4 or more"]
    early, late = hours[1 : 1 + len(hours) // 4], hours[-(len(hours) // 4) :]

    def middle(rows: list[dict[str, float]], key: str) -> float:
        return statistics.median(row[key] for row in rows)

    grown = middle(late, "rss_mb") - middle(early, "rss_mb")
    if grown > RSS_GROWTH_MB:
        found.append(f"memory grew by {grown:.1f} MB")
    found += [
        f"{key}: {middle(early, key):g} at first, {middle(late, key):g} at the end"
        for key in ("handles", "threads")
        if middle(late, key) > middle(early, key) + 4  # a song more or less is open
    ]
    cost = middle(late, "cpu_ms_per_update") / middle(early, "cpu_ms_per_update")
    if cost > slower:
        found.append(f"updates cost {cost:.2f} times what they did")
    apart = result["twin_distance"]
    if apart:
        quarter = max(1, len(apart) // 4)
        drift = statistics.mean(apart[-quarter:]) - statistics.mean(apart[:quarter])
        if drift > DRIFT:
            found.append(f"the model's state wears out: {drift:.3f} further from a fresh one")
    return found


def table(result: dict[str, Any]) -> str:
    """Return the result as text."""
    hours, apart = result["hours"], result["twin_distance"]
    first, last = hours[0], hours[-1]
    lines = [
        f"{result['simulated_hours']:g} simulated hours of two stations with "
        f"{result['model']}, seed {result['seed']}, in {result['took_s'] / 60:.1f} min",
        f"{'':26}after hour 1  at the end  highest",
    ]
    for key, unit in (
        ("rss_mb", "resident memory, MB"),
        ("handles", "file handles"),
        ("threads", "threads"),
        ("cpu_ms_per_update", "engine CPU an update, ms"),
    ):
        highest = max(hour[key] for hour in hours)
        lines.append(f"{unit:26}{first[key]:>12g}{last[key]:>12g}{highest:>9g}")
    if apart:
        quarter = max(1, len(apart) // 4)
        lines.append(
            f"worn state to a fresh one: total variation {statistics.mean(apart[:quarter]):.3f} in "
            f"the first quarter, {statistics.mean(apart[-quarter:]):.3f} in the last, "
            f"highest {max(apart):.3f}"
        )
    for name, station in result["stations"].items():
        lost = sum(station["lost"].values())
        parts = ", ".join(f"{n} {kind}" for kind, n in sorted(station["parts"].items()))
        lines.append(
            f"{name}: {parts}; {station['heard'] / RATE / 3600:.2f} h heard, "
            f"{lost / RATE / 3600:.2f} h lost in {station['reported'].get('gap', 0)} gaps, "
            f"{station['reported']['update']} updates"
        )
    broken = problems(result)
    return "\n".join([*lines, *(broken or ["every promise is kept"])])


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw memory, CPU time and the distance to a fresh state over the simulated hours."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    hours = [row["hour"] for row in result["hours"]]
    figure, axes = plt.subplots(3, 1, sharex=True, figsize=(8, 6), layout="constrained")
    for axis, label, values in (
        (axes[0], "resident memory, MB", [row["rss_mb"] for row in result["hours"]]),
        (axes[1], "CPU an update, ms", [row["cpu_ms_per_update"] for row in result["hours"]]),
        (axes[2], "distance to a fresh state", result["twin_distance"]),
    ):
        axis.plot(hours[: len(values)], values, marker=".", linewidth=1)
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[2].set_xlabel("simulated hours")
    axes[0].set_title(f"{result['model']}, {result['simulated_hours']:g} h, seed {result['seed']}")
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=72, help="simulated hours (default: 72)")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="file to draw the chart to")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = soak(
            Path(folder),
            load_model(args.model, trusted=True),
            hours=args.hours,
            seed=args.seed,
            measure_s=min(3600, 3600 * args.hours / 12),
        )
    print(json.dumps(result, indent=2) if args.json else table(result))
    if args.figure:
        draw(result, args.figure)
    return 1 if problems(result) else 0


if __name__ == "__main__":
    sys.exit(main())
