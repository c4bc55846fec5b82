// The last minutes of a station on a canvas: one colour a decision, with its letter where it fits.

import { look } from "./looks.js";

let colors = null;
const observed = new WeakMap();

/** Forget the colours of the page; they are read again at the next drawing. */
export function forgetColors() {
  colors = null;
}

function pageColors() {
  if (!colors) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    colors = {
      empty: read("--rail"), edge: read("--edge"), lost: read("--lost"),
      rem: parseFloat(style.fontSize) || 16, ground: read("--ground"), soft: read("--soft"), line: read("--line"), level: read("--level"),
    };
  }
  return colors;
}

const sizes = new ResizeObserver((entries) => {
  for (const entry of entries) {
    const size = observed.get(entry.target);
    const ratio = devicePixelRatio || 1;
    size.width = Math.round(entry.contentRect.width * ratio);
    size.height = Math.round(entry.contentRect.height * ratio);
    size.ratio = ratio;
    size.changed();
  }
});

/** Follow the size of a canvas; `changed` is called when it has a new one. */
export function follow(canvas, changed) {
  observed.set(canvas, { width: 0, height: 0, ratio: 1, changed });
  sizes.observe(canvas);
}

/** Stop following a canvas. */
export const unfollow = (canvas) => sizes.unobserve(canvas);

/** Return a 2-d context of the right size, or null while the canvas is not shown. */
export function prepared(canvas) {
  const size = observed.get(canvas);
  if (!size || size.width < 2 || size.height < 2) return null;
  if (canvas.width !== size.width || canvas.height !== size.height) {
    canvas.width = size.width;
    canvas.height = size.height;
  }
  return { context: canvas.getContext("2d", { alpha: true }), ...size, colors: pageColors() };
}

const patterns = new Map();

function hatch(context, color, ratio) {
  const key = `${color} ${ratio}`;
  if (!patterns.has(key)) {
    const tile = document.createElement("canvas");
    const step = Math.max(4, Math.round(6 * ratio));
    tile.width = tile.height = step;
    const pen = tile.getContext("2d");
    pen.strokeStyle = color;
    pen.lineWidth = Math.max(1, 2 * ratio);
    for (const shift of [-step, 0, step]) {
      pen.beginPath();
      pen.moveTo(shift - 1, step + 1);
      pen.lineTo(shift + step + 1, -1);
      pen.stroke();
    }
    patterns.set(key, context.createPattern(tile, "repeat"));
  }
  return patterns.get(key);
}

/** Draw the decisions of the `seconds` before `now` (UNIX seconds). */
export function drawRibbon(canvas, station, now, seconds, letterRem = 0.6875) {
  const ready = prepared(canvas);
  if (!ready) return;
  const letterSize = letterRem * ready.colors.rem;
  const { context, width, height, ratio, colors: tones } = ready;
  const x = (time) => Math.round(((time - now) / seconds + 1) * width);
  context.fillStyle = tones.empty;
  context.fillRect(0, 0, width, height);
  context.font = `600 ${letterSize * ratio}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const thin = Math.max(1, Math.round(ratio));
  for (const run of station.runs) {
    const right = Math.min(width, x(run.end));
    if (right <= 0) continue;
    const left = Math.max(0, x(run.start));
    const { color, ink, letter } = look(run.state, run.genre);
    context.fillStyle = color;
    context.fillRect(left, 0, Math.max(1, right - left), height);
    if (left > 0) {
      context.fillStyle = tones.edge;
      context.fillRect(left, 0, thin, height);
    }
    if (right - left > letterSize * 1.4 * ratio && height > letterSize * ratio) {
      context.fillStyle = ink;
      context.fillText(letter, (left + right) / 2, height / 2 + thin);
    }
  }
  for (const [start, end] of station.gaps) {
    const [left, right] = [x(start), x(end)];
    if (right <= 0 || left >= width) continue;
    const wide = Math.max(3 * ratio, right - left);
    context.fillStyle = tones.ground;
    context.fillRect(right - wide, 0, wide, height);
    context.fillStyle = hatch(context, tones.lost, ratio);
    context.fillRect(right - wide, 0, wide, height);
  }
}

/** Return the shares of the decisions of the last `seconds`, the largest first. */
export function ribbonShares(station, now, seconds) {
  const sums = new Map();
  let total = 0;
  for (const run of station.runs) {
    const length = run.end - Math.max(run.start, now - seconds);
    if (length <= 0) continue;
    total += length;
    const key = JSON.stringify([run.state, run.genre]);
    sums.set(key, (sums.get(key) ?? 0) + length);
  }
  return [...sums]
    .sort((a, b) => b[1] - a[1])
    .map(([key, sum]) => ({ key: JSON.parse(key), share: sum / total }));
}

const LOWEST = -60; // LUFS or dBFS at the lower edge
const GUIDES = [-48, -36, -24, -12];

/** Draw level (area) and loudness (line) of the `seconds` before `now`. */
export function drawLoudness(canvas, station, now, seconds) {
  const ready = prepared(canvas);
  if (!ready) return;
  const { context, width, height, ratio, colors: tones } = ready;
  const x = (time) => ((time - now) / seconds + 1) * width;
  const y = (value) => height * Math.min(1, Math.max(0, value / LOWEST));
  context.clearRect(0, 0, width, height);
  context.fillStyle = tones.line;
  for (const guide of GUIDES) context.fillRect(0, Math.round(y(guide)), width, Math.max(1, ratio / 2));
  const shown = station.levels.filter(([time]) => time > now - seconds - 2);
  context.fillStyle = tones.level;
  context.globalAlpha = 0.3;
  context.beginPath();
  let open = null; // where the area of the present stretch ends
  const close = () => {
    if (open !== null) context.lineTo(open, height);
    open = null;
  };
  const hop = (station.hop / seconds) * width;
  for (const [time, dbfs] of shown) {
    const right = x(time);
    if (dbfs === null || (open !== null && right - open > 3 * hop + ratio)) close();
    if (dbfs === null) continue;
    if (open === null) {
      context.moveTo(right - hop, height);
      context.lineTo(right - hop, y(dbfs));
    }
    context.lineTo(right, y(dbfs));
    open = right;
  }
  close();
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = tones.level;
  context.lineWidth = 1.75 * ratio;
  context.lineJoin = "round";
  context.beginPath();
  let before = null;
  for (const [time, , lufs] of shown) {
    if (lufs === null || lufs === undefined) {
      before = null;
      continue;
    }
    if (before === null || time - before > 3 * station.hop + 1) context.moveTo(x(time), y(lufs));
    else context.lineTo(x(time), y(lufs));
    before = time;
  }
  context.stroke();
}
