// The day: reading under the pointer, parts enlarged by dragging or keys, a click to the title.

const WIDTH = { wide: 1200, narrow: 340 };
const SHORTEST = 30; // seconds
const overview = document.getElementById("overview");
const whole = { start: Number(overview.dataset.start), end: Number(overview.dataset.end) };
const left = Number(overview.dataset.left);
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);
const said = document.getElementById("said");

/** Move the texts of a chart from the browser's slow tooltips into attributes. */
function enliven(chart) {
  chart.classList.add("live");
  for (const title of chart.querySelectorAll("title")) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }
}

const charts = () => document.querySelectorAll(".chart");
for (const chart of charts()) enliven(chart);

addEventListener("pointermove", (event) => {
  const found = event.target.closest?.("[data-tip]");
  tip.hidden = !found;
  if (!found) return;
  tip.textContent = found.dataset.tip;
  const box = tip.getBoundingClientRect();
  const x = Math.min(innerWidth - box.width - 8, Math.max(8, event.clientX - box.width / 2));
  const above = event.clientY - box.height - 14;
  tip.style.left = `${x}px`;
  tip.style.top = `${above > 8 ? above : event.clientY + 20}px`;
});
document.addEventListener("pointerleave", () => { tip.hidden = true; });
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// ---- titles --------------------------------------------------------------------------------------

function reach(unix) {
  const row = document.getElementById(`t${Math.round(Number(unix) * 1000)}`);
  if (!row) return false;
  for (const old of document.querySelectorAll(".reached")) old.classList.remove("reached");
  row.classList.add("reached");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  row.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
  row.querySelector("a")?.focus({ preventScroll: true });
  history.replaceState(null, "", `#${row.id}`);
  return true;
}

addEventListener("click", (event) => {
  const title = event.target.closest?.("[data-title]");
  if (title) reach(title.dataset.title);
});

/** Return the id of the title that plays at a time: the last line that starts before it. */
function lineAt(unix) {
  let found = null;
  for (const row of document.getElementById("playlist").querySelectorAll("tr[id]")) {
    if (Number(row.id.slice(1)) / 1000 > unix) break;
    found = row;
  }
  return found;
}

// ---- zoom ----------------------------------------------------------------------------------------

let request = 0;

async function show(address, focus) {
  const url = new URL(address, location.href);
  url.hash = "";
  const own = ++request;
  const part = new URL(url);
  part.searchParams.set("part", "zoom");
  let text;
  try {
    const answer = await fetch(part);
    if (!answer.ok) throw new Error(answer.statusText);
    text = await answer.text();
  } catch {
    location.assign(address); // the page itself says what is wrong
    return;
  }
  if (own !== request) return;
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("zoom");
  const old = document.getElementById("zoom");
  const button = document.activeElement?.dataset?.zoom;
  old.replaceWith(fresh);
  for (const chart of fresh.querySelectorAll(".chart")) enliven(chart);
  history.replaceState(null, "", url);
  if (button && old.contains(document.activeElement) === false) {
    fresh.querySelector(`[data-zoom="${button}"]`)?.focus({ preventScroll: true });
  }
  if (focus && !fresh.hidden) fresh.scrollIntoView({ block: "nearest" });
  mark();
  said.textContent = fresh.querySelector("h2")?.textContent ?? "";
}

function zoomed() {
  const chart = document.querySelector("#zoom .chart");
  return chart ? { start: Number(chart.dataset.start), end: Number(chart.dataset.end) } : null;
}

function zoomTo(start, end, focus = false) {
  const length = Math.min(whole.end - whole.start, Math.max(SHORTEST, end - start));
  const from = Math.min(Math.max(start, whole.start), whole.end - length);
  const url = new URL(location.href);
  url.searchParams.set("start", from.toFixed(0));
  url.searchParams.set("end", (from + length).toFixed(0));
  show(url, focus);
}

addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-zoom]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.href, link.dataset.zoom === "hour");
});

// ---- the overview: drag to enlarge ---------------------------------------------------------------

const brush = document.createElement("div");
brush.className = "brush";
brush.hidden = true;
overview.append(brush);

function scale() {
  const narrow = getComputedStyle(overview.querySelector(".narrow")).display !== "none";
  const box = overview.getBoundingClientRect();
  const points = box.width / WIDTH[narrow ? "narrow" : "wide"];
  return { box, first: left * points, width: box.width - left * points };
}

function timeAt(x) {
  const { box, first, width } = scale();
  const share = Math.min(1, Math.max(0, (x - box.left - first) / width));
  return whole.start + share * (whole.end - whole.start);
}

function place(start, end) {
  const { first, width } = scale();
  const at = (unix) => first + ((unix - whole.start) / (whole.end - whole.start)) * width;
  brush.hidden = false;
  brush.style.left = `${at(start)}px`;
  brush.style.width = `${Math.max(2, at(end) - at(start))}px`;
}

function mark() {
  const part = zoomed();
  if (part) place(part.start, part.end);
  else brush.hidden = true;
}

let from = null;
overview.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  from = { x: event.clientX, unix: timeAt(event.clientX) };
  overview.setPointerCapture(event.pointerId);
});
overview.addEventListener("pointermove", (event) => {
  if (!from) return;
  const to = timeAt(event.clientX);
  place(Math.min(from.unix, to), Math.max(from.unix, to));
});
overview.addEventListener("pointerup", (event) => {
  if (!from) return;
  const [start, moved] = [from, Math.abs(event.clientX - from.x)];
  from = null;
  const to = timeAt(event.clientX);
  if (moved < 6) zoomTo(start.unix - 1800, start.unix + 1800, true); // a click: the hour around it
  else zoomTo(Math.min(start.unix, to), Math.max(start.unix, to), true);
});
overview.addEventListener("pointercancel", () => { from = null; mark(); });
addEventListener("resize", mark);

// ---- keys ----------------------------------------------------------------------------------------

overview.tabIndex = 0;
overview.setAttribute("role", "group");
overview.setAttribute("aria-label", overview.dataset.label);
overview.title = overview.dataset.hint;
overview.addEventListener("keydown", (event) => {
  const part = zoomed() ?? { start: whole.start, end: whole.end };
  const length = part.end - part.start;
  const middle = part.start + length / 2;
  const keys = {
    ArrowLeft: () => zoomTo(part.start - length / 4, part.end - length / 4),
    ArrowRight: () => zoomTo(part.start + length / 4, part.end + length / 4),
    "+": () => zoomTo(middle - length / 4, middle + length / 4),
    "=": () => zoomTo(middle - length / 4, middle + length / 4),
    "-": () => zoomTo(middle - length, middle + length),
    Home: () => zoomTo(whole.start, whole.start + length),
    End: () => zoomTo(whole.end - length, whole.end),
    Escape: () => document.querySelector('#zoom [data-zoom="close"]')?.click(),
    Enter: () => { const row = lineAt(part.start); if (row) reach(Number(row.id.slice(1)) / 1000); },
  };
  if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
});

mark();
if (location.hash.startsWith("#t")) reach(Number(location.hash.slice(2)) / 1000);
