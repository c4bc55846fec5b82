// What cards and the large view show alike.

import { attribute, place, put, scale, show } from "./dom.js";
import { look, nameOf, paint, sign, stateWord } from "./looks.js";
import { ribbonShares } from "./ribbon.js";
import { serverClock } from "./stations.js";
import { clean, clock, data, duration, level, percent, song, t } from "./words.js";

const LOWEST = -60; // dBFS at the left end of the level meter
const MAX_TAGS = 5;

export const meterShare = (dbfs) => (Number.isFinite(dbfs) ? 1 - dbfs / LOWEST : 0);

/** Show the state of a station: its sign, word and since when; return the state. */
export function drawState(parts, station) {
  const state = station.state;
  const { sign: glyph, tone } = sign(state.word);
  attribute(parts.state, "data-tone", tone);
  put(parts.sign, glyph);
  put(parts.word, stateWord(state.word));
  return state;
}

/** Why a station does not play, and since when, as one line. */
export function trouble(station, state) {
  const now = serverClock.now();
  const since = state.since === null ? "" : t("live.since", { time: clock(state.since, now) });
  return [since, clean(station.reason)].filter(Boolean).join(" · ");
}

/** Show genre (or state), its letter, and how sure it is; grey where nothing is heard now. */
export function drawDecision(parts, station) {
  const { update } = station;
  const playing = station.playing;
  const [state, genre] = update ? [update.state, update.genre] : ["unknown", null];
  paint(parts.root, playing ? state : "silence", playing ? genre : null);
  attribute(parts.root, "data-playing", playing ? "yes" : "no");
  const { letter } = look(state, genre);
  put(parts.letter, playing ? letter : sign(station.state.word).sign);
  // Large, an old genre would be taken for the present one, even in grey.
  if (!playing && (data.view === "big" || data.station !== null)) put(parts.genre, stateWord(station.state.word));
  else put(parts.genre, update ? nameOf(state, genre) : "–");
  const confidence = state === "speech" ? update?.speech : update?.confidence;
  const certain = playing && (genre !== null || state === "speech") && confidence != null;
  put(parts.sure, certain ? percent(confidence) : "");
}

/** Show what is playing; return the line. */
export function drawSong(element, station) {
  const playing = station.playing ? station.update.now_playing ?? station.title : null;
  const text = song(playing);
  put(element, text);
  return text;
}

/** Return the tags of an update, the likeliest first. */
const tagsOf = (update) => Object.keys(update?.tags ?? {}).slice(0, MAX_TAGS);

/** Show tags as a list. */
export function drawTags(list, station) {
  const tags = station.playing ? tagsOf(station.update) : [];
  const key = tags.join("\n");
  show(list, tags.length > 0);
  if (list.shownTags === key) return;
  list.shownTags = key;
  list.replaceChildren(
    ...tags.map((name) => {
      const item = document.createElement("li");
      item.textContent = clean(name);
      return item;
    }),
  );
}

/** Show the level: a bar, the number, and a mark at the largest sample. */
export function drawLevel(parts, station) {
  const { update } = station;
  const dbfs = station.playing ? update.level_dbfs : null;
  scale(parts.meter, meterShare(dbfs));
  put(parts.level, station.playing ? level(dbfs) : "");
  if (!parts.peak) return;
  const peak = station.playing ? update.peak_dbfs : null;
  show(parts.peak, Number.isFinite(peak));
  if (Number.isFinite(peak)) place(parts.peak, meterShare(peak));
}

/** Say in words what a ribbon shows. */
export function ribbonWords(station, seconds) {
  const minutes = Math.round(seconds / 60);
  const shares = ribbonShares(station, serverClock.now(), seconds)
    .slice(0, 3)
    .map(({ key, share }) => t("live.share", { name: nameOf(...key), percent: percent(share) }))
    .join(", ");
  return shares ? t("live.ribbon", { minutes, shares }) : t("live.ribbon_empty", { minutes });
}

/** How long the decision has held, in words. */
export function heldWords(station, exact) {
  const { since, update } = station;
  if (!station.playing || since === null) return "";
  const now = serverClock.now();
  if (!exact) return t("live.since", { time: clock(since, now) });
  const held = duration(update.stream_time - update.since);
  return t("live.held", { time: clock(since, now), duration: held });
}
