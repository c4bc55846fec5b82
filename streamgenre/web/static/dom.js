// Changes to the page: only what differs is touched, and all of it in one animation frame.

/** Fields of an element by their `data-field`. */
export function fields(root) {
  const found = {};
  for (const element of root.querySelectorAll("[data-field]")) {
    found[element.dataset.field] = element;
  }
  return found;
}

/** Set the text of an element if it differs. */
export function put(element, text) {
  if (element.shownText === text) return;
  element.shownText = text;
  element.textContent = text;
}

/** Set an attribute if it differs; null removes it. */
export function attribute(element, name, value) {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** Show or hide an element. */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** Scale an element to a share of its width, without a new layout. */
export function scale(element, share) {
  const rounded = Math.round(Math.min(1, Math.max(0, share || 0)) * 1000) / 1000;
  if (element.shownShare === rounded) return;
  element.shownShare = rounded;
  element.style.transform = `scaleX(${rounded})`;
}

/** Move an element that is as wide as its box by a share of its width, without a new layout. */
export function place(element, share) {
  const rounded = Math.round(Math.min(1, Math.max(0, share || 0)) * 1000) / 10;
  if (element.shownPlace === rounded) return;
  element.shownPlace = rounded;
  element.style.transform = `translateX(${rounded}%)`;
}

/** Return a new element with a class and a text. */
export function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

const waiting = new Set();
let scheduled = false;
let last = 0;
/** Fewest milliseconds between two frames that draw; many stations share one frame. */
export const pace = { ms: 0 };

function run() {
  scheduled = false;
  last = performance.now();
  const tasks = [...waiting];
  waiting.clear();
  for (const task of tasks) task();
}

/** Call a function in the next frame that draws; once, however often this is asked. */
export function onFrame(task) {
  waiting.add(task);
  if (scheduled) return;
  scheduled = true;
  const rest = pace.ms - (performance.now() - last);
  if (rest > 0) setTimeout(() => requestAnimationFrame(run), rest);
  else requestAnimationFrame(run);
}
