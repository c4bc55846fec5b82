// The connection to the server: one stream of events that is opened again by itself.

import { address } from "./words.js";

const SILENT_MS = 20_000; // the server sends something at least every 10 s
const SLEPT_MS = 8_000; // a timer of 2 s that is this late: the device slept
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const HIDDEN_MS = 60_000; // a page that nobody sees for so long gives its connection back

/**
 * Opens `url` as server-sent events and calls `handlers[type](data)` for each event.
 * `handlers.link(live, seconds, complete)` is called when the connection is made, with the seconds for
 * which it was lost before and whether everything that was sent then has come since; and when it is
 * lost, with false.
 */
export class Feed {
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    this.heard = performance.now();
    this.lostAt = null;
    this.pause = FIRST_PAUSE_MS;
    this.tick = Date.now();
    this.open();
    setInterval(() => this.check(), 2_000);
    addEventListener("online", () => this.reopenIfLost());
    addEventListener("pageshow", (event) => event.persisted && this.open());
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.hiding);
      if (document.hidden) this.hiding = setTimeout(() => this.rest(), HIDDEN_MS);
      else if (this.resting) this.open();
      else this.check();
    });
  }

  open() {
    clearTimeout(this.timer);
    this.resting = false;
    this.source?.close();
    const source = new EventSource(this.url);
    this.source = source;
    this.heard = performance.now();
    source.onerror = () => {
      if (source !== this.source) return;
      this.lose();
      // The browser tries again by itself, except after an answer that is not a stream.
      if (source.readyState === EventSource.CLOSED) this.openLater();
    };
    for (const type of Object.keys(this.handlers)) {
      if (type === "link") continue;
      source.addEventListener(type, (event) => {
        if (source !== this.source) return;
        this.note(type);
        let content;
        try {
          content = JSON.parse(event.data);
        } catch {
          return; // not an event as documented: skipped, as by every subscriber
        }
        this.handlers[type](content);
      });
    }
  }

  /** Close the connection: browsers allow six of them for all pages of a server together. */
  rest() {
    this.resting = true;
    this.source.close();
    clearTimeout(this.timer);
  }

  note(type) {
    this.heard = performance.now();
    this.pause = FIRST_PAUSE_MS;
    if (!this.live) {
      this.live = true;
      const seconds = this.lostAt === null ? 0 : (Date.now() - this.lostAt) / 1000;
      this.lostAt = null;
      this.handlers.link(true, Math.max(0, seconds), !["snapshot", "hole"].includes(type));
    }
  }

  lose(since = Date.now()) {
    if (this.lostAt !== null) return;
    this.live = false;
    this.lostAt = since;
    this.handlers.link(false, 0, false);
  }

  openLater() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 2);
    this.askWhether();
  }

  /** An ended session answers with 401 for ever: the page is loaded again, which asks to log in. */
  async askWhether() {
    try {
      const answer = await fetch(address("api/stations?limit=1"), { redirect: "manual" });
      if (answer.status === 401) location.reload();
    } catch {
      // the server is away
    }
  }

  reopenIfLost() {
    if (this.lostAt !== null) this.open();
  }

  check() {
    const late = Date.now() - this.tick;
    const before = this.tick;
    this.tick = Date.now();
    if (this.resting) return;
    if (late > SLEPT_MS || late < 0) {
      this.lose(before);
      this.open();
    } else if (performance.now() - this.heard > SILENT_MS) {
      this.lose(Date.now() - SILENT_MS);
      this.open();
    }
  }
}
