// What is known about the stations, built from events alone, bounded in size.

export const SPAN = 1800; // seconds of decisions that are kept
const MAX_RUNS = 1800;
const MAX_GAPS = 64;
const MAX_LEVELS = 1800;
const MAX_SEGMENTS = 50;
const MAX_LOG = 50;
const MAX_STATIONS = 256;
const STALE = 3; // seconds without an update after which a station is marked
const AWAY = ["connecting", "lost", "ended"];
const TRIED = ["connecting", "lost"];

/** The time of the server, from its events: the clock of this device may differ. */
export const serverClock = {
  offset: null, // seconds between the server's clock and this page's steady one
  note(time) {
    const found = time - performance.now() / 1000;
    const off = found - this.offset;
    // An event may come late, never early. A large step means that the clock was set.
    if (this.offset === null || off > 0 || off < -5) this.offset = found;
  },
  now() {
    return this.offset === null ? Date.now() / 1000 : performance.now() / 1000 + this.offset;
  },
  /** Seconds by which the clock of this device is ahead of the server's. */
  skew() {
    return Date.now() / 1000 - this.now();
  },
};

export class Station {
  constructor(name, session) {
    this.name = name;
    this.session = session;
    this.runs = []; // {start, end, state, genre}
    this.gaps = []; // [start, end]
    this.levels = []; // [time, dbfs, lufs, peak]
    this.segments = [];
    this.log = []; // {time, kind, event}
    this.restart(session);
  }

  restart(session) {
    this.session = session;
    this.update = this.status = this.source = this.title = null;
    this.changed = null; // UNIX seconds at which the source stopped or started playing
    this.deadAirSince = null;
    this.arrival = performance.now();
    this.hop = 1;
    this.missed = 0;
    this.seq = {};
  }

  get sourceState() {
    const { source, status } = this;
    if (source && (!status || source.time >= status.time)) return source.state;
    return status ? status.source_state : null;
  }

  get input() {
    return (this.source ?? this.status)?.input ?? "";
  }

  /** Why the station does not play; empty while it plays or if unknown. */
  get reason() {
    if (!this.source || !AWAY.includes(this.sourceState)) return "";
    const { detail, input } = this.source;
    return detail.startsWith(`${input}: `) ? detail.slice(input.length + 2) : detail;
  }

  /** Seconds without an update; null if none is overdue. */
  get stale() {
    if (AWAY.includes(this.sourceState)) return null;
    const quiet = (performance.now() - this.arrival) / 1000;
    return quiet > Math.max(STALE, 2.5 * this.hop) ? quiet : null;
  }

  /** The state in one word, and since when (UNIX seconds) if that matters. */
  get state() {
    const word = this.sourceState;
    if (word === null) return { word: "no word yet", since: null };
    if (AWAY.includes(word)) return { word, since: word === "ended" ? null : this.changed };
    const stale = this.stale;
    if (stale !== null) return { word: "no update", since: serverClock.now() - stale };
    if (this.deadAirSince !== null) return { word: "dead air", since: this.deadAirSince };
    return { word, since: null };
  }

  /** Whether update and level describe the present. */
  get playing() {
    return this.update !== null && ["live", "dead air"].includes(this.state.word);
  }

  /** UNIX seconds since which state and genre hold. */
  get since() {
    const { update } = this;
    return update ? update.time - Math.max(0, update.stream_time - update.since) : null;
  }

  addRun(end, state, genre) {
    const { runs, hop } = this;
    let start = end - hop;
    while (runs.length && runs.at(-1).start >= start) runs.pop();
    const last = runs.at(-1);
    if (last) {
      const joins = start <= last.end + 0.25 * hop;
      if (joins && last.state === state && last.genre === genre) {
        last.end = end;
        return;
      }
      if (start < last.end) last.end = start;
      else if (joins) start = last.end;
    }
    runs.push({ start, end, state, genre });
    while (runs.length > MAX_RUNS || runs[0].end < end - SPAN) runs.shift();
  }
}

function keep(list, entry, most) {
  list.push(entry);
  if (list.length > most) list.splice(0, list.length - most);
}

export class Stations {
  constructor() {
    this.all = new Map();
    this.removed = new Set();
  }

  /** Take the state of everything; stations that are not in it no longer exist. */
  restore(snapshot) {
    if (Number.isFinite(snapshot.now)) serverClock.note(snapshot.now);
    const kept = snapshot.stations ?? {};
    const kinds = ["source", "status", "title", "dead_air", "segment", "update"];
    for (const one of Object.values(kept)) {
      for (const kind of kinds) if (one[kind]) this.apply(one[kind], { repeated: true });
      const station = this.all.get(one.station);
      if (station) restoreRecent(station, one);
    }
    for (const name of this.all.keys()) if (!Object.hasOwn(kept, name)) this.all.delete(name);
  }

  /** Apply an event; return its station, or null if the event changes nothing. */
  apply(event, { repeated = false } = {}) {
    if (typeof event.station !== "string" || this.removed.has(event.session)) return null;
    let station = this.all.get(event.station);
    if (!station) {
      if (this.all.size >= MAX_STATIONS) return null;
      station = new Station(event.station, event.session);
      this.all.set(event.station, station);
    } else if (station.session !== event.session) {
      station.restart(event.session);
      if (!repeated) keep(station.log, { time: event.time, kind: "session", event }, MAX_LOG);
    }
    const last = station.seq[event.type];
    if (last !== undefined) {
      if (event.seq <= last) return null;
      if (!repeated) station.missed += event.seq - last - 1;
    }
    station.seq[event.type] = event.seq;
    changes[event.type]?.(station, event, repeated);
    if (event.type === "status" && event.removed) {
      this.removed.add(event.session);
      this.all.delete(event.station);
    }
    return station;
  }

  inOrder(compare) {
    const ended = (one) => one.sourceState === "ended";
    return [...this.all.values()].sort(
      (a, b) => ended(a) - ended(b) || compare(a.name, b.name),
    );
  }
}

const changes = {
  update(station, event, repeated) {
    const before = station.update;
    if (before && event.seq === before.seq + 1) {
      const hop = event.stream_time - before.stream_time;
      if (hop > 0 && hop <= 30) station.hop = hop;
    }
    station.update = event;
    if (repeated) return;
    serverClock.note(event.time);
    station.arrival = performance.now();
    station.addRun(event.time, event.state, event.genre);
    const { time, level_dbfs, loudness_lufs = null, peak_dbfs = null } = event;
    keep(station.levels, [time, level_dbfs, loudness_lufs, peak_dbfs], MAX_LEVELS);
  },
  segment(station, event) {
    keep(station.segments, event, MAX_SEGMENTS);
  },
  gap(station, event) {
    keep(station.gaps, [event.time - event.seconds, event.time], MAX_GAPS);
    keep(station.log, { time: event.time, kind: "gap", event }, MAX_LOG);
  },
  source(station, event, repeated) {
    const before = station.source?.state;
    const retried = TRIED.includes(before) && TRIED.includes(event.state);
    if (before !== event.state && !retried) station.changed = event.time;
    station.source = event;
    if (!repeated) keep(station.log, { time: event.time, kind: "source", event }, MAX_LOG);
  },
  title(station, event, repeated) {
    station.title = event;
    if (!repeated) keep(station.log, { time: event.time, kind: "title", event }, MAX_LOG);
  },
  dead_air(station, event, repeated) {
    station.deadAirSince = event.active ? event.start_time : null;
    if (!repeated) keep(station.log, { time: event.time, kind: "dead_air", event }, MAX_LOG);
  },
  status(station, event) {
    station.status = event;
  },
};

/** Take the last minutes as the server remembers them: it has what this page has missed. */
function restoreRecent(station, kept) {
  let before = -Infinity;
  station.runs = (kept.recent ?? []).map(({ start, end, state, genre }) => {
    // A run begins one hop before its first update, or at the end of the run before it.
    const from = start - before < 5 ? before : start - station.hop;
    before = end;
    return { start: from, end, state, genre };
  });
  station.gaps = kept.gaps ?? station.gaps;
  if (kept.levels) station.levels = kept.levels;
  if (kept.segments) station.segments = kept.segments;
  if (kept.log) station.log = kept.log;
  if (Number.isFinite(kept.changed)) station.changed = kept.changed;
  if (station.update) {
    const quiet = Math.max(0, serverClock.now() - station.update.time);
    station.arrival = performance.now() - quiet * 1000;
  }
}
