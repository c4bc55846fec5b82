"""Finds the key, or the flag, that was meant by one that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from streamgenre.errors import alike, both_numbers, nearest, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

Path: TypeAlias = tuple[str, ...]
"""Names of the tables around a key, and its own: ``("bus", "publish")``."""

FLAGS: Final[dict[str, Path]] = {
    "model": ("model",),
    "gain": ("gain_db",),
    "pace": ("pace",),
    "loop": ("loop",),
    "shuffle": ("shuffle",),
    "rate": ("raw", "rate"),
    "channels": ("raw", "channels"),
    "format": ("raw", "format"),
    "smoothing": ("decision", "smoothing_s"),
    "threshold": ("decision", "enter"),
    "known_threshold": ("decision", "known_enter"),
    "known_smoothing": ("decision", "known_smoothing_s"),
    "silence": ("decision", "silence_dbfs"),
    "dead_air": ("engine", "dead_air_s"),
    "duration": ("engine", "duration_s"),
    "workers": ("engine", "workers"),
    "publish": ("bus", "publish"),
    "encrypt": ("bus", "encrypt"),
    "keys": ("bus", "keys"),
    "ipc_mode": ("bus", "ipc_mode"),
    "control": ("bus", "control"),
    "metrics": ("metrics", "listen"),
    "web": ("web", "listen"),
    "keep_uncertain": ("clips", "seconds"),
    "keep_uncertain_device": ("keep_clips",),
    "history": ("history", "path"),
    "history_days": ("history", "keep_days"),
    "history_detail_days": ("history", "detail_days"),
    "history_mb": ("history", "max_mb"),
}
"""The configuration key that each flag of ``listen`` sets."""

EVERYWHERE: Final[list[Callable[[], Iterable[Path]]]] = []
"""Functions that return keys of a whole configuration, where there is one."""

_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "input": ("source", "src", "url", "uri", "stream", "address", "file", "radio", "microphone"),
    "name": ("station_name", "title", "label", "id"),
    "model": ("network", "classifier"),
    "gain_db": ("volume", "amplification", "boost"),
    "loop": ("repeat",),
    "shuffle": ("random", "seed"),
    "pace": ("speed",),
    "decision.enter": ("confidence", "min_confidence", "min_probability"),
    "engine.hop_s": ("interval", "update_s", "period"),
    "engine.workers": ("processes", "jobs", "threads"),
    "bus.publish": ("endpoint", "zmq", "bind", "port", "address"),
    "metrics.listen": ("prometheus", "port", "address", "host"),
    "web.listen": ("port", "address", "host", "bind", "http"),
    "history.path": ("database", "db", "file", "sqlite", "url"),
    "history.keep_days": ("days", "retention", "max_days"),
    "history.max_mb": ("size", "limit", "mb"),
    "clips.folder": ("path", "directory", "dir"),
    "bridge.mqtt.broker": ("host", "server", "url", "address", "connect"),
    "bridge.mqtt.prefix": ("topic",),
    "bridge.webhook.url": ("address", "endpoint", "target"),
    "bridge.webhook.on": ("events", "types"),
}
"""Other words for keys."""


def meant(key: str, path: Path, known: Collection[str]) -> str:
    """Return ``"; did you mean …?"``, or ``""`` if it is not clear which key was meant.

    Parameters
    ----------
    key
        The key, which does not exist.
    path
        Names of the tables around it; empty at the top of a file and in a ``[[station]]``.
    known
        The keys that exist there.
    """
    word = plain(key)
    if hint := nearest(word, known, 0.75):
        return hint
    places = _places(word)
    inside = [place[-1] for place in places if place[:-1] == path and place[-1] in known]
    if inside:
        return f"; did you mean {inside[0]!r}?"
    if places:
        return f"; did you mean {' or '.join(_shown(place, known) for place in places[:3])}?"
    if hint := nearest(word, known, 0.6):
        return hint
    others = {plain(place[-1]): place for place in reversed(list(_everywhere()))}
    found = alike(word, others, 0.8)
    return f"; did you mean {_shown(others[found], known)}?" if found else ""


def meant_flag(flag: str, known: Collection[str]) -> str:
    """Return ``"; did you mean …?"``, or ``""`` if it is not clear which flag was meant.

    Parameters
    ----------
    flag
        The flag, which the command does not have.
    known
        The flags that it has.
    """
    word = plain(flag.lstrip("-\u2013\u2014"))  # also the dashes that text programs make of it
    flags = {plain(each.lstrip("-")): each for each in known if each.startswith("--")}
    found = [alike(word, flags, 0.75)]
    if found == [None]:
        forms = both_numbers(word)
        paths = {tuple(name.split(".")) for name, words in _WORDS.items() if word in words}
        found = [each for each, path in FLAGS.items() if path in paths or path[-1] in forms] or [
            alike(word, flags)
        ]
    shown = [repr(flags[each]) for each in found if each in flags]
    return f"; did you mean {' or '.join(shown[:3])}?" if shown else ""


def _everywhere() -> Iterator[Path]:
    """Yield every key of a configuration, and every table."""
    tables: dict[Path, None] = {}
    for function in EVERYWHERE:
        for path in function():
            yield path
            tables |= {path[:n]: None for n in range(1, len(path))}
    yield from tables


def _places(word: str) -> list[Path]:
    """Return the keys and tables anywhere that a word stands for, the likeliest first."""
    there = list(_everywhere())
    forms = both_numbers(word)
    found = [path for path in there if plain(path[-1]) in forms]
    found += [path for flag, path in FLAGS.items() if flag in forms and path in there]
    found += [
        path
        for name, words in _WORDS.items()
        if not set(forms).isdisjoint(words) and (path := tuple(name.split("."))) in there
    ]
    return sorted(dict.fromkeys(found), key=len)


def _shown(place: Path, known: Collection[str]) -> str:
    """Return where a key or table belongs.

    ``known`` are the keys of the place where it was written.
    """
    *tables, name = place
    if not tables and name in ("input", "name"):
        return f"{name!r} in a [[station]]"
    if place in {path[: len(place)] for path in _everywhere() if len(path) > len(place)}:
        return f"[{'.'.join(place)}]"
    if not tables:
        return f"{name!r}, which must be above the first [table] or in a [[station]]"
    if "input" in known and tables[0] in known:  # in a [[station]]
        return repr(".".join(place))
    return f"{name!r} in [{'.'.join(tables)}]"
