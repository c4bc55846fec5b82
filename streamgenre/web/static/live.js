// The live page: reads the events of the server and draws all stations, or one.

import { Cards } from "./cards.js";
import { put } from "./dom.js";
import { Feed } from "./feed.js";
import { learn, stateWord } from "./looks.js";
import { notice, say, withdraw } from "./notices.js";
import { forgetColors } from "./ribbon.js";
import { StationView } from "./station.js";
import { serverClock, Stations } from "./stations.js";
import { address, clean, counted, data, duration, exactClock, t } from "./words.js";

const SKEW = 5; // seconds between the clocks that are worth a message
const TYPES = "update,segment,gap,source,title,dead_air,status";

const stations = new Stations();
const single = data.station;
const view = single === null ? new Cards(stations) : new StationView(stations, single);
const words = new Map(); // the last state of each station, in a word

function learnGenres(station) {
  if (!station.update) return;
  // Stretches and segments may be those of a model that the station had before.
  const past = [...station.runs, ...station.segments].map(({ genre }) => genre).filter(Boolean);
  learn(station.name, [...Object.keys(station.update.smoothed), ...past], () => view.redraw());
}

function tellState(station) {
  const { word } = station.state;
  const before = words.get(station.name);
  words.set(station.name, word);
  if (before === undefined || before === word) return;
  const name = clean(station.name);
  if (word === "live") say(t("say.back", { station: name }));
  else if (station.reason) {
    say(t("say.reason", { station: name, state: stateWord(word), reason: clean(station.reason) }));
  } else say(t("say.changed", { station: name, state: stateWord(word) }));
}

function apply(event) {
  const known = stations.all.has(event.station);
  const station = stations.apply(event);
  if (!station) return;
  if (event.type === "update") learnGenres(station);
  if (!known || event.removed) {
    if (event.removed) words.delete(event.station);
    view.arrange();
  }
  tellState(station);
  view.changed(station);
}

let busLostAt = null;

function bus({ state, since }) {
  const away = state === "lost" || (state === "connecting" && stations.all.size === 0);
  if (state === "lost") {
    busLostAt ??= since;
    const time = exactClock(busLostAt, serverClock.now());
    notice("bus", t("link.bus_lost", { time }), { tone: "bad", dismissible: false });
  } else if (state === "live" && busLostAt !== null) {
    const to = Math.max(since, busLostAt);
    withdraw("bus");
    notice("bus-back", t("link.bus_back", between(busLostAt, to)));
    busLostAt = null;
  }
  document.documentElement.dataset.bus = away ? "away" : "here";
}

function between(from, to) {
  const now = serverClock.now();
  return {
    from: exactClock(from, now), to: exactClock(to, now), duration: duration(Math.max(1, to - from)),
  };
}

function link(live, seconds, complete) {
  const mark = document.getElementById("link");
  mark.dataset.tone = live ? "good" : "bad";
  put(mark.querySelector("[data-field=text]"), t(live ? "link.live" : "link.away"));
  if (live) {
    withdraw("link");
    const now = serverClock.now();
    const key = complete ? "link.back" : "link.back_with_hole";
    if (seconds >= 1) notice("link-back", t(key, between(now - seconds, now)));
  } else {
    const time = exactClock(serverClock.now(), serverClock.now());
    notice("link", t("link.lost", { time }), { tone: "bad", dismissible: false });
  }
}

const handlers = {
  snapshot(content) {
    stations.restore(content);
    for (const station of stations.all.values()) {
      learnGenres(station);
      words.set(station.name, station.state.word);
    }
    if (content.bus) bus(content.bus);
    view.arrange();
    view.redraw();
    const skew = Math.abs(serverClock.skew());
    if (skew > SKEW) notice("clock", t("link.clock", { duration: duration(skew) }));
    document.documentElement.dataset.ready = "yes";
  },
  bus,
  hole({ station, count, seconds }) {
    if (station && single !== null && station !== single) return;
    if (!(count > 0)) return;
    notice("hole", counted("link.hole", count, { seconds: duration(Math.max(1, seconds ?? 0)) }));
  },
  tick: ({ now }) => serverClock.note(now),
  link,
};
for (const type of TYPES.split(",")) handlers[type] = apply;

// Cards show no segments.
const types = single === null ? TYPES.replace("segment,", "") : TYPES;
const query = new URLSearchParams({ types });
if (single !== null) query.set("station", single);
const feed = new Feed(address(`api/events?${query}`), handlers);

setInterval(() => {
  for (const station of stations.all.values()) tellState(station);
  view.tick();
}, 1000);

addEventListener("themechange", () => {
  forgetColors();
  view.redraw();
});

addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input,select")) return;
  const goal = { Escape: "all", ArrowLeft: "previous", ArrowRight: "next" }[event.key];
  const element = goal && document.getElementById(goal);
  if (element && !element.hidden) element.click();
});

/** A tablet that shows the big view stays awake, where the browser allows it. */
async function stayAwake() {
  if (data.view !== "big" || document.hidden) return;
  try {
    await navigator.wakeLock?.request("screen");
  } catch {
    // not allowed now
  }
}

document.addEventListener("visibilitychange", stayAwake);
stayAwake();
document.getElementById("full-screen")?.addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
});

export { feed, stations };
