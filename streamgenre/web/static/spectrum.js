// The spectrogram of a station on a canvas, and a verdict on its sound. It is requested, and made by
// the daemon, only while it can be seen.

import { attribute, fields, put } from "./dom.js";
import { follow, prepared } from "./ribbon.js";
import { address, data, t } from "./words.js";

const COLUMNS = 1024; // rows that are kept, one a column
const LOWEST_DB = -95; // with the darkest colour
const HIGHEST_DB = -15; // with the brightest
const TICKS_HZ = [100, 1000, 4000, 8000, 2000, 500, 200, 16000]; // the most important first
const COLUMN_PX = 4; // least width of a row
const SPAN_S = [6, 30];
const LATE_S = 0.15; // what the network may delay an event
const FRAME_MS = 60;
const RETRY_MS = 15_000;
const TONES = { fine: "good", clipping: "bad", silence: "lost", quiet: "lost", hum: "lost" };

/** Colours by byte, as pixels of an image. */
function palette({ floor_db: floor, step_db: step }) {
  const colors = data.heat.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const pixels = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(pixels.buffer);
  for (let byte = 0; byte < 256; byte++) {
    const share = (floor + step * byte - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB);
    const at = Math.round(Math.min(1, Math.max(0, share)) * (colors.length - 1));
    bytes.set([...colors[at], 255], 4 * byte);
  }
  return pixels;
}

/** The last rows as an image, whose columns are a ring: a row's column follows from its time. */
class Rows {
  constructor(event) {
    this.session = event.session;
    this.edges = event.edges_hz;
    this.rowS = event.row_s;
    this.bands = event.edges_hz.length - 1;
    this.pixels = palette(event);
    this.image = document.createElement("canvas");
    this.image.width = COLUMNS;
    this.image.height = this.bands;
    this.pen = this.image.getContext("2d");
    this.last = null; // number of the newest row
    this.end = 0; // stream time of its end
  }

  fits(event) {
    return (
      event.session === this.session && event.row_s === this.rowS &&
      event.edges_hz.length === this.edges.length &&
      event.edges_hz.every((hz, at) => hz === this.edges[at])
    );
  }

  take(event, levels) {
    const newest = Math.round(event.stream_time / this.rowS);
    const first = newest - event.rows + 1;
    for (let row = Math.max((this.last ?? first) + 1, first - COLUMNS); row < first; row++) {
      this.pen.clearRect(row % COLUMNS, 0, 1, this.bands); // nothing was heard
    }
    for (let row = 0; row < event.rows; row++) {
      const column = new ImageData(1, this.bands);
      const pixels = new Uint32Array(column.data.buffer);
      for (let band = 0; band < this.bands; band++) {
        pixels[this.bands - 1 - band] = this.pixels[levels[row * this.bands + band]];
      }
      this.pen.putImageData(column, (first + row) % COLUMNS, 0);
    }
    this.last = newest;
    this.end = event.stream_time;
  }

  /** Draw the rows of `seconds` before a stream time. */
  draw(context, until, seconds, left, width, height) {
    const right = Math.min(until / this.rowS, this.last + 1);
    const count = Math.min(COLUMNS - 1, seconds / this.rowS);
    let start = right - count;
    context.imageSmoothingEnabled = false;
    while (start < right - 1e-6) {
      const at = ((start % COLUMNS) + COLUMNS) % COLUMNS;
      const part = Math.min(right - start, COLUMNS - at);
      const x = left + ((start - (right - count)) / count) * width;
      context.drawImage(this.image, at, 0, part, this.bands, x, 0, (part / count) * width, height);
      start += part;
    }
  }
}

export class Spectrogram {
  constructor(root, station) {
    this.root = root;
    this.parts = fields(root);
    this.canvas = this.parts.spectrum;
    this.url = address(`api/spectrum?${new URLSearchParams({ station })}`);
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.seen = false;
    this.rows = null;
    this.shift = 0; // stream time shown, less the clock of this page
    this.drawnAt = 0;
    follow(this.canvas, () => this.draw());
    new IntersectionObserver((entries) => {
      this.seen = entries.at(-1).isIntersecting;
      this.update();
    }).observe(this.canvas);
    document.addEventListener("visibilitychange", () => this.update());
    addEventListener("pagehide", () => this.stop());
    addEventListener("pageshow", () => this.update());
  }

  update() {
    if (this.seen && !document.hidden) this.start();
    else this.stop();
  }

  start() {
    if (this.source) return;
    const source = new EventSource(this.url);
    this.source = source;
    attribute(this.root, "data-active", "yes");
    source.addEventListener("spectrum", (event) => this.take(JSON.parse(event.data)));
    source.addEventListener("sound", (event) => this.judge(JSON.parse(event.data).verdict));
    source.onerror = () => {
      // The browser tries again by itself, except after an answer that is not a stream.
      if (source.readyState !== EventSource.CLOSED || source !== this.source) return;
      this.stop();
      this.timer = setTimeout(() => this.update(), RETRY_MS);
    };
  }

  stop() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    cancelAnimationFrame(this.frame);
    this.frame = null;
    attribute(this.root, "data-active", null);
  }

  judge(verdict) {
    const known = Object.hasOwn(TONES, verdict);
    put(this.parts.sound, known ? t(`sound.${verdict}`) : "");
    attribute(this.parts.sound, "data-tone", known ? TONES[verdict] : null);
  }

  take(event) {
    const levels = Uint8Array.from(atob(event.levels), (char) => char.charCodeAt(0));
    if (!this.rows?.fits(event)) this.rows = new Rows(event);
    if (this.rows.last !== null && event.stream_time <= this.rows.end) return;
    this.rows.take(event, levels);
    // The rows of an event appear one after another, in the time that they took.
    const length = Math.min(2, event.rows * event.row_s);
    const wanted = event.stream_time - length - LATE_S - performance.now() / 1000;
    const wrong = wanted - this.shift;
    this.shift = Math.abs(wrong) > 0.5 ? wanted : this.shift + 0.1 * wrong;
    if (this.calm.matches) this.draw();
    else this.frame ??= requestAnimationFrame((now) => this.move(now));
  }

  move(now) {
    this.frame = null;
    if (!this.source) return;
    if (now - this.drawnAt >= FRAME_MS) this.draw();
    // Nothing moves once all rows are shown.
    if (this.shift + performance.now() / 1000 < this.rows.end) {
      this.frame = requestAnimationFrame((then) => this.move(then));
    }
  }

  draw() {
    const ready = prepared(this.canvas);
    if (!ready || !this.rows) return;
    this.drawnAt = performance.now();
    const { context, width, height, ratio, colors } = ready;
    const size = 0.6875 * colors.rem * ratio;
    const left = Math.round(4.2 * size);
    const wide = width - left;
    const { rows } = this;
    const seconds = Math.min(SPAN_S[1], Math.max(SPAN_S[0], (wide / ratio / COLUMN_PX) * rows.rowS));
    const until = this.calm.matches ? rows.end : this.shift + this.drawnAt / 1000;
    context.clearRect(0, 0, width, height);
    context.fillStyle = colors.empty;
    context.fillRect(left, 0, wide, height);
    rows.draw(context, until, seconds, left, wide, height);
    context.fillStyle = colors.soft;
    context.font = `${size}px system-ui, sans-serif`;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [y, words] of this.ticks(height, size)) {
      context.fillText(words, left - size / 2, y);
      context.fillRect(left - size / 3, Math.round(y), size / 3, Math.max(1, Math.round(ratio)));
    }
    put(this.parts.spectrumFrom, t("sound.seconds_ago", { n: Math.round(seconds) }));
  }

  /** Heights of the labels of the frequency axis; those too close to another are left out. */
  ticks(height, size) {
    const { edges, bands } = this.rows;
    const found = [];
    for (const hz of TICKS_HZ) {
      const band = edges.findIndex((edge, at) => at < bands && edge <= hz && hz <= edges[at + 1]);
      if (band < 0) continue;
      const place = band + (hz - edges[band]) / (edges[band + 1] - edges[band]);
      const y = Math.min(height - size * 0.6, Math.max(size * 0.6, height * (1 - place / bands)));
      if (found.every(([other]) => Math.abs(other - y) > 1.4 * size)) {
        found.push([y, hz < 1000 ? `${hz} Hz` : `${hz / 1000} kHz`]);
      }
    }
    return found;
  }
}

const root = document.getElementById("spectrum");
if (root && data.station !== null) new Spectrogram(root, data.station);
