// Colours and letters of genres and states. The server decides them: the ten genres come with the
// page, others (of a model with labels of its own) are requested once.

import { address, clean, data, known, t } from "./words.js";

const looks = new Map(Object.entries(data.genres));
const asked = new Map();

const UNKNOWN = { color: data.states.unknown.color, ink: data.states.unknown.ink, letter: "#" };

/** Return `{color, ink, letter}` of a genre, or of the state if there is none. */
export function look(state, genre) {
  if (genre != null) return looks.get(genre) ?? UNKNOWN;
  return data.states[state] ?? data.states.unknown;
}

/** Return the name of a genre or state in the language of the page. */
export function nameOf(state, genre) {
  if (genre == null) return known(`state.${state}`, clean(state));
  return known(`genre.${genre.toLowerCase().replace(/[ \-_&']/g, "")}`, clean(genre));
}

/** Request the looks of the genres of a station that are unknown here; then call `ready`. */
export async function learn(station, genres, ready) {
  const missing = genres.filter((genre) => !looks.has(genre));
  if (missing.length === 0) return;
  const key = `${station}\n${missing.join("\n")}`;
  if (asked.has(key)) return;
  asked.set(key, true);
  try {
    const answer = await fetch(address(`api/genres?station=${encodeURIComponent(station)}`));
    if (!answer.ok) throw new Error(answer.statusText);
    for (const [genre, one] of Object.entries((await answer.json()).genres)) {
      if (!looks.has(genre)) looks.set(genre, one);
    }
    ready();
  } catch {
    setTimeout(() => asked.delete(key), 10_000); // asked again at a later update
  }
}

/** Give an element the colours of a genre or state: `--genre` and `--on` in the style sheet. */
export function paint(element, state, genre) {
  const { color, ink } = look(state, genre);
  if (element.paintedColor === color) return;
  element.paintedColor = color;
  element.style.setProperty("--genre", color);
  element.style.setProperty("--on", ink);
}

/** Sign, style and word of the states of a station; the dashboard shows the same signs. */
export const sign = (word) => data.signs[word] ?? data.signs.connecting;
export const stateWord = (word) => known(`source.${word}`, clean(word) || t("source.unknown"));
