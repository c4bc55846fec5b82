// One station large: decision, bars, timeline, loudness, health, what happened; and the big view.

import { attribute, fields, make, onFrame, place, put, scale, show } from "./dom.js";
import { look, nameOf, paint } from "./looks.js";
import { drawLoudness, drawRibbon, follow } from "./ribbon.js";
import {
  drawDecision, drawLevel, drawSong, drawState, drawTags, heldWords, ribbonWords, trouble,
} from "./shown.js";
import { health, logWords, segmentRow } from "./station_words.js";
import { serverClock } from "./stations.js";
import { clean, clock, data, decimal, exactClock, percent, t } from "./words.js";

const SPAN = 600;
const WORDS_MS = 15_000;
const ROWS = 8; // of each list

/** One bar: smoothed as its length, the last hop as a mark. */
class Bar {
  constructor(template) {
    this.root = template.content.firstElementChild.cloneNode(true);
    this.parts = fields(this.root);
  }

  draw(state, genre, smoothed, raw, chosen) {
    const { parts } = this;
    paint(this.root, state, genre);
    put(parts.letter, look(state, genre).letter);
    put(parts.name, nameOf(state, genre));
    scale(parts.bar, smoothed);
    put(parts.smoothed, percent(smoothed));
    put(parts.raw, raw === null ? "" : percent(raw));
    show(parts.mark, raw !== null);
    if (raw !== null) place(parts.mark, raw);
    attribute(this.root, "data-chosen", chosen ? "yes" : null);
  }
}

export class StationView {
  constructor(stations, name) {
    this.stations = stations;
    this.name = name;
    this.root = document.getElementById("station");
    this.parts = { root: this.root, ...fields(this.root) };
    this.bars = new Map();
    this.barTemplate = document.getElementById("bar");
    this.wordsAt = -Infinity;
    this.draw = () => this.drawNow();
    put(this.parts.name, clean(name));
    for (const canvas of [this.parts.ribbon, this.parts.loudness]) {
      if (canvas) follow(canvas, () => onFrame(this.draw));
    }
  }

  get station() {
    return this.stations.all.get(this.name);
  }

  changed(station) {
    if (station.name === this.name) onFrame(this.draw);
  }

  arrange() {
    onFrame(this.draw);
  }

  tick() {
    onFrame(this.draw);
  }

  redraw() {
    this.root.paintedColor = null;
    this.segmentsOf = null;
    for (const bar of this.bars.values()) bar.root.paintedColor = null;
    onFrame(this.draw);
  }

  drawNow() {
    const { parts, station } = this;
    show(document.getElementById("waiting"), !station);
    show(this.root, Boolean(station));
    if (!station) return;
    const state = drawState(parts, station);
    const why = state.word === "live" ? "" : trouble(station, state);
    put(parts.why, why);
    show(parts.why, why !== "");
    drawDecision(parts, station);
    put(parts.since, heldWords(station, true));
    const song = drawSong(parts.song, station);
    show(parts.playing, song !== "");
    drawTags(parts.tags, station);
    drawLevel(parts, station);
    const { update } = station;
    const lufs = station.playing ? update.loudness_lufs : null;
    const loud = Number.isFinite(lufs) ? t("unit.lufs", { n: decimal(lufs) }) : "–";
    put(parts.lufs, loud);
    const now = station.playing ? update.time : serverClock.now();
    drawRibbon(parts.ribbon, station, now, SPAN, data.view === "big" ? 1.25 : 0.8125);
    const renew = performance.now() - this.wordsAt >= WORDS_MS;
    if (renew) {
      this.wordsAt = performance.now();
      attribute(parts.ribbon, "aria-label", ribbonWords(station, SPAN));
    }
    if (data.view === "big") {
      put(parts.clock, clock(serverClock.now()));
      return;
    }
    drawLoudness(parts.loudness, station, now, SPAN);
    if (renew) {
      const words = t("live.loudness_chart", { minutes: SPAN / 60, lufs: loud });
      attribute(parts.loudness, "aria-label", words);
    }
    this.drawBars(station);
    this.drawHealth(station);
    this.drawLists(station);
  }

  drawBars(station) {
    const { update } = station;
    if (!update) return;
    const genres = Object.keys(update.smoothed);
    const rows = genres.map((genre) => ["music", genre]);
    if (update.speech != null) rows.push(["speech", null]);
    const key = JSON.stringify(rows);
    if (this.barsOf !== key) {
      this.barsOf = key;
      this.bars = new Map(rows.map((row) => [JSON.stringify(row), new Bar(this.barTemplate)]));
      this.parts.bars.replaceChildren(...[...this.bars.values()].map((bar) => bar.root));
    }
    for (const row of rows) {
      const [state, genre] = row;
      const bar = this.bars.get(JSON.stringify(row));
      const chosen = station.playing && update.state === state && update.genre === genre;
      if (genre === null) bar.draw(state, null, update.speech, null, chosen);
      else bar.draw(state, genre, update.smoothed[genre], update.probabilities[genre] ?? 0, chosen);
    }
  }

  drawHealth(station) {
    const rows = health(station);
    const list = this.parts.health;
    const key = rows.map(([name]) => name).join("\n");
    if (this.healthOf !== key) {
      this.healthOf = key;
      this.values = rows.map(() => make("dd"));
      list.replaceChildren(
        ...rows.map(([name], at) => {
          const box = make("div");
          box.append(make("dt", "", name), this.values[at]);
          return box;
        }),
      );
    }
    rows.forEach(([, value, tone], at) => {
      put(this.values[at], value);
      attribute(this.values[at], "data-tone", tone ?? null);
    });
  }

  drawLists(station) {
    const segments = station.segments.slice(-ROWS).reverse();
    const log = station.log.slice(-ROWS).reverse();
    const key = `${segments[0]?.session}/${segments[0]?.seq}/${segments.length}`;
    if (this.segmentsOf !== key) {
      this.segmentsOf = key;
      this.parts.segments.replaceChildren(...segments.map(segmentRow));
      show(this.parts.noSegments, segments.length === 0);
    }
    const logKey = `${log.length}/${log[0]?.time}/${log[0]?.kind}`;
    if (this.logOf !== logKey) {
      this.logOf = logKey;
      this.parts.log.replaceChildren(
        ...log.map((entry) => {
          const item = make("li");
          const { text, tone } = logWords(entry);
          const what = make("span", "", text);
          what.dir = "auto";
          if (tone) what.dataset.tone = tone;
          const time = make("time", "", exactClock(entry.time, serverClock.now()));
          item.append(time, what);
          return item;
        }),
      );
      show(this.parts.noLog, log.length === 0);
    }
  }
}
