// All stations as cards.

import { attribute, fields, onFrame, pace, put, show } from "./dom.js";
import { nameOf, stateWord } from "./looks.js";
import { drawRibbon, follow, unfollow } from "./ribbon.js";
import {
  drawDecision, drawLevel, drawSong, drawState, drawTags, heldWords, ribbonWords, trouble,
} from "./shown.js";
import { serverClock } from "./stations.js";
import { address, clean, compare, counted, data } from "./words.js";

const SPAN = 600; // seconds of a ribbon
const WORDS_MS = 15_000; // how often the words of a ribbon are renewed
const MANY = 12; // stations from which a filter is offered, and frames are shared
const MANY_MS = 150; // milliseconds between frames then

class Card {
  constructor(station, template, visibility) {
    this.station = station;
    this.root = template.content.firstElementChild.cloneNode(true);
    this.parts = { root: this.root, ...fields(this.root) };
    this.parts.name.textContent = clean(station.name) || "?";
    const query = new URLSearchParams({ station: station.name });
    if (data.view === "big") query.set("view", "big");
    this.parts.name.href = `${address("")}?${query}`;
    this.visible = true;
    this.wordsAt = -Infinity;
    this.ribbonAt = -Infinity;
    this.draw = () => this.drawNow();
    visibility.observe(this.root);
    this.root.card = this;
    follow(this.parts.ribbon, () => {
      this.ribbonAt = -Infinity;
      onFrame(this.draw);
    });
  }

  /** What the filter looks through. */
  get text() {
    const { update } = this.station;
    const genre = update ? nameOf(update.state, update.genre) : "";
    const state = stateWord(this.station.state.word);
    return `${this.station.name} ${genre} ${update?.genre ?? ""} ${state} ${this.parts.song.textContent}`;
  }

  drawNow() {
    if (!this.visible) return;
    const { parts, station } = this;
    const state = drawState(parts, station);
    const inTrouble = !["live", "dead air"].includes(state.word);
    drawDecision(parts, station);
    const why = state.word === "live" ? "" : trouble(station, state);
    put(parts.since, inTrouble || state.word === "dead air" ? why : heldWords(station, false));
    drawSong(parts.song, station);
    drawTags(parts.tags, station);
    drawLevel(parts, station);
    const now = serverClock.now();
    const pixel = (SPAN * 1000) / (parts.ribbon.width || 300);
    const { update } = station;
    const changed = this.ribbonOf !== station.runs.length + station.gaps.length;
    if (changed || Math.abs(performance.now() - this.ribbonAt) >= pixel) {
      this.ribbonOf = station.runs.length + station.gaps.length;
      this.ribbonAt = performance.now();
      drawRibbon(parts.ribbon, station, update && station.playing ? update.time : now, SPAN);
    }
    if (performance.now() - this.wordsAt >= WORDS_MS) {
      this.wordsAt = performance.now();
      attribute(parts.ribbon, "aria-label", ribbonWords(station, SPAN));
    }
  }

  redraw() {
    this.ribbonAt = this.wordsAt = -Infinity;
    this.root.paintedColor = null;
    onFrame(this.draw);
  }

  remove() {
    unfollow(this.parts.ribbon);
    this.root.remove();
  }
}

export class Cards {
  constructor(stations) {
    this.stations = stations;
    this.list = document.getElementById("cards");
    this.template = document.getElementById("card");
    this.filter = document.getElementById("filter");
    this.trouble = document.getElementById("trouble-first");
    this.cards = new Map();
    this.visibility = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const { card } = target;
          card.visible = isIntersecting;
          if (isIntersecting) onFrame(card.draw);
        }
      },
      { rootMargin: "100px" },
    );
    this.filter.addEventListener("input", () => this.arrange());
    this.trouble.addEventListener("change", () => this.arrange());
    addEventListener("resize", () => this.fitWall(this.list.childElementCount));
    this.order = null; // what the server drew is replaced at the first arrangement
  }

  /** Make cards for new stations, remove those of old ones, and put them in order. */
  arrange() {
    const { all } = this.stations;
    for (const [name, card] of this.cards) {
      if (all.get(name) !== card.station) {
        card.remove();
        this.cards.delete(name);
      }
    }
    for (const [name, station] of all) {
      if (!this.cards.has(name)) {
        this.cards.set(name, new Card(station, this.template, this.visibility));
      }
    }
    const many = all.size > MANY;
    pace.ms = many ? MANY_MS : 0;
    show(document.getElementById("tools"), many);
    let order = this.stations.inOrder(compare);
    if (many && this.trouble.checked) {
      const rank = (one) => (one.state.word === "live" ? 1 : 0);
      order = order.map((one) => [rank(one), one]).sort((a, b) => a[0] - b[0]).map(([, one]) => one);
    }
    const wanted = many ? this.filter.value.trim().toLowerCase() : "";
    const shown = order
      .map((station) => this.cards.get(station.name))
      .filter((card) => !wanted || card.text.toLowerCase().includes(wanted));
    const key = shown.map((card) => card.station.name).join("\n");
    if (key !== this.order) {
      this.order = key;
      this.list.replaceChildren(...shown.map((card) => card.root));
      this.fitWall(shown.length);
    }
    show(document.getElementById("nothing-found"), all.size > 0 && shown.length === 0);
    show(document.getElementById("waiting"), all.size === 0);
    this.summarise();
  }

  /** The big view of all stations fills the screen with tiles. */
  fitWall(count) {
    if (data.view !== "big") return;
    const shape = innerWidth / innerHeight / 1.4; // a tile is wider than high
    const columns = Math.max(1, Math.min(count, Math.ceil(Math.sqrt(count * shape))));
    this.list.style.setProperty("--columns", columns);
  }

  /** Count the stations by state. */
  summarise() {
    const counts = new Map();
    for (const station of this.stations.all.values()) {
      const { word } = station.state;
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const parts = [...counts].map(([word, count]) => `${count} ${stateWord(word)}`);
    const total = counted("live.total", this.stations.all.size);
    put(document.getElementById("summary"), parts.length ? `${total}: ${parts.join(", ")}` : "");
  }

  changed(station) {
    const card = this.cards.get(station.name);
    if (!card || card.station !== station) onFrame((this.arranging ??= () => this.arrange()));
    else if (card.visible) onFrame(card.draw);
  }

  /** What passes without an event: silence, and the time in ribbons of stations that do not play. */
  tick() {
    if (this.trouble.checked || this.filter.value) this.arrange();
    else this.summarise();
    for (const card of this.cards.values()) {
      if (card.visible && !card.station.playing) onFrame(card.draw);
    }
  }

  redraw() {
    for (const card of this.cards.values()) card.redraw();
  }
}
