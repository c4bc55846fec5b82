"""Made-up stations on a real bus, for pages that show many of them at once.

Usage: ``python tests/support/made_up_stations.py ENDPOINT --stations 8 [--past 600]``; prints
the endpoint, then publishes until SIGTERM; SIGUSR1 removes the last station. Genres change at
random, seeded. With ``--troubles`` the last stations are lost, silent and connecting.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import select
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.sample_events import GENRES, SampleStation

from streamgenre.bus.publisher import Publisher
from streamgenre.events import DeadAir, Gap, Segment, SourceChange, Status, Title, Update

NAMES = (
    *("Studio 1", "Radio Paradise", "FIP", "kitchen", "KEXP 90.3", "Jazz Radio", "Rehearsal room"),
    *("BBC Radio 6 Music", "Linn Classical", "Rock Antenne", "Foyer", "SomaFM Groove Salad"),
)
STATES = ("music", "speech", "unknown", "noise")
SONGS = (
    ("Nina Simone", "Feeling Good"),
    ("Charlie Parker", "Ko-Ko"),
    ("Björk", "Jóga"),
    ("Queens of the Stone Age", "No One Knows"),
    ("Bob Marley & The Wailers", "Concrete Jungle"),
    ("Клавдия Шульженко", "Синий платочек"),
    ("A Tribe Called Quest", "Electric Relaxation"),
    ("Johann Sebastian Bach", "Brandenburg Concerto No. 3 in G major, BWV 1048: I. Allegro"),
)


class MadeUpStation(SampleStation):
    """A station that wanders through a few genres."""

    def __init__(
        self,
        name: str,
        seed: int,
        genres: tuple[str, ...] = GENRES,
        songs: tuple[tuple[str, str], ...] = SONGS,
    ) -> None:
        super().__init__(name, f"session of {name} {time.time()}")
        self.random = random.Random(seed)
        self.genres = genres
        self.songs = songs
        self.favourites = self.random.sample(genres, 3)
        self.genre: str | None = self.favourites[0]
        self.state = "music"
        self.shares = dict.fromkeys(genres, 1 / len(genres))
        self.at = 0.0
        self.began = 0.0
        self.song = self.random.randrange(len(songs))

    def step(self, now: float) -> list[Any]:
        """Return the events of the next second; ``now`` in UNIX seconds."""
        self.at += 1.0
        events: list[Any] = []
        if self.random.random() < 0.012:
            events.append(self.finish(now))
            self.state = self.random.choices(STATES, (16, 2, 1, 1))[0]
            self.genre = self.random.choice(self.favourites) if self.state == "music" else None
            self.began = self.at
            if self.state == "music":
                self.song = self.random.randrange(len(self.songs))
                artist, title = self.songs[self.song]
                head = self.dated("title", now)
                events.append(Title(**head, artist=artist, title=title, raw=f"{artist} - {title}"))
        return [*events, self.heard(now)]

    def heard(self, now: float) -> Update:
        target = {genre: 0.02 + 0.05 * self.random.random() for genre in self.genres}
        if self.genre is not None:
            target[self.genre] += 1.6 + 0.8 * self.random.random()
            target[self.favourites[-1]] += 0.3 * self.random.random()
        total = sum(target.values())
        raw = {genre: round(part / total, 8) for genre, part in target.items()}
        self.shares = {g: round(0.7 * self.shares[g] + 0.3 * raw[g], 8) for g in self.genres}
        artist, title = self.songs[self.song]
        level = -19 + 4 * math.sin(self.at / 7) + 2 * self.random.random()
        playing = {"artist": artist, "title": title, "raw": f"{artist} - {title}", "since": 0.0}
        return Update(
            **self.dated("update", now),
            state=self.state,  # type: ignore[arg-type]
            genre=self.genre,
            confidence=self.shares[self.genre] if self.genre else max(self.shares.values()),
            since=self.began,
            probabilities=raw,
            smoothed=self.shares,
            level_dbfs=round(level, 2),
            peak_dbfs=round(level + 9, 2),
            loudness_lufs=round(level + 0.8, 2),
            speech=0.93 if self.state == "speech" else 0.01,
            tags={"instrumental": 0.62, "chill <i>": 0.41} if self.state == "music" else None,
            now_playing=playing if self.state == "music" else None,
        )

    def finish(self, now: float) -> Segment:
        return Segment(
            **self.dated("segment", now),
            state=self.state,  # type: ignore[arg-type]
            genre=self.genre,
            start=self.began,
            end=self.at,
            start_time=now - (self.at - self.began),
            mean_probability=0.8 if self.genre else None,
            updates=max(1, int(self.at - self.began)),
        )

    def dated(self, kind: str, now: float) -> dict[str, Any]:
        return {**self._head(kind), "time": now, "stream_time": self.at}

    def source_is(self, state: str, detail: str, now: float) -> SourceChange:
        return SourceChange(
            **self.dated("source", now),
            state=state,  # type: ignore[arg-type]
            input="http://radio.example/stream",
            detail=detail,
            rate=44_100,
            channels=2,
        )

    def condition(self, now: float, state: str = "live") -> Status:
        return Status(
            **self.dated("status", now),
            uptime_s=86_400.0 + self.at,
            input="http://radio.example/stream",
            source_state=state,  # type: ignore[arg-type]
            samples=int(44_100 * self.at),
            samples_lost=0,
            samples_replaced=0,
            updates=int(self.at),
            last_frame_age_s=0.1,
            latency_ms={"p50": 24.0, "p99": 61.0, "max": 80.0},
            cpu_share=0.031,
            rss_bytes=162_000_000,
            model="lstm",
            model_sha256="0" * 64,
            clock_drift_ppm=-12.4,
            history={
                **{"state": "recording", "problem": None, "buffered": 3, "lost": 0},
                "set_aside": None,
            },
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("--stations", type=int, default=8)
    parser.add_argument("--names", type=Path, help="JSON list of names, also of titles")
    parser.add_argument("--genres", type=Path, help="JSON list of labels")
    parser.add_argument("--past", type=int, default=0, help="seconds published at once before")
    parser.add_argument("--troubles", action="store_true")
    args = parser.parse_args()
    names = json.loads(args.names.read_text()) if args.names else list(NAMES)
    names += [f"Station {number}" for number in range(len(names) + 1, args.stations + 1)]
    genres = tuple(json.loads(args.genres.read_text())) if args.genres else GENRES
    songs = tuple((f"by {name}", name) for name in names) if args.names else SONGS
    stations = [
        MadeUpStation(name, seed, genres, songs) for seed, name in enumerate(names[: args.stations])
    ]
    ill = stations[-3:] if args.troubles else []
    stop: list[int] = []
    removed: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    signal.signal(signal.SIGUSR1, lambda *_: removed.append(1))
    with Publisher(args.endpoint) as publisher:
        print(publisher.endpoint, flush=True)
        if args.past:
            sys.stdin.readline()  # the reader is there
        began = time.time()
        for station in stations:
            publisher.send(station.source_is("live", "", began - args.past))
        for second in range(args.past):
            for station in stations:
                for event in station.step(began - args.past + second):
                    publisher.send(event)
            select.select([], [], [], 0.002)
        if ill:
            lost, silent, connecting = ill
            detail = "http://radio.example/stream: the server refused the connection"
            publisher.send(lost.source_is("lost", detail, began - 130))
            publisher.send(connecting.source_is("connecting", "the device is missing", began - 40))
            gap = {"samples": 88_200, "rate": 44_100, "seconds": 20.0, "reason": "source"}
            for station in stations[:2]:
                head = station.dated("gap", began - 200)
                publisher.send(Gap(**head, **gap))  # type: ignore[arg-type]
            silent.state, silent.genre = "silence", None
            publisher.send(
                DeadAir(
                    **silent.dated("dead_air", began),
                    active=True,
                    start=0.0,
                    start_time=began - 45,
                    seconds=45.0,
                )
            )
        count = 0
        while not stop:
            if removed:
                removed.clear()
                gone = stations.pop()
                publisher.send(gone.source_is("ended", "removed", time.time()))
                publisher.send(replace(gone.condition(time.time(), "ended"), removed=True))
            due = began + count / len(stations)
            station = stations[count % len(stations)]
            now = time.time()
            if due > now:
                select.select([], [], [], due - now)
            if ill and station in (ill[0], ill[2]):
                if count // len(stations) % 4 == 0:
                    state = "lost" if station is ill[0] else "connecting"
                    publisher.send(station.condition(time.time(), state))
            else:
                for event in station.step(time.time()):
                    publisher.send(event)
                if count // len(stations) % 4 == 0:
                    publisher.send(station.condition(time.time()))
            count += 1


if __name__ == "__main__":
    main()
