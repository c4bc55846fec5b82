// The page on which clips are labelled, one after another, with the keys of `streamgenre label`.

import { make } from "./dom.js";
import { notice, withdraw } from "./notices.js";
import { address, clean, exactClock, finePercent, known, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const audio = $("audio");
const input = $("genre");
let waiting = [];
let genres = [];
let busy = false;
const done = [];

async function load() {
  const answer = await fetch(address("api/clips"));
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error.message);
  waiting = found.clips.filter((clip) => clip.label === null && !clip.no_music);
  genres = found.genres;
  show();
}

const named = (genre) => clean(known(`genre.${genre}`, genre));

function show() {
  const clip = waiting[0];
  $("clip").hidden = !clip;
  $("none").hidden = Boolean(clip);
  $("done").hidden = Boolean(clip) || done.length === 0;
  $("waiting").textContent = clip ? t("clips.waiting", { count: waiting.length }) : "";
  if (!clip) return audio.removeAttribute("src");
  $("station").textContent = `${clean(clip.station)} · ${new Date(clip.start * 1000).toLocaleDateString()} ${exactClock(clip.start)}`;
  $("title").textContent = [clip.artist, clip.title].filter(Boolean).map((text) => clean(text)).join(" – ");
  $("tags").textContent = Object.entries(clip.tags ?? {})
    .map(([name, share]) => `${clean(name)} ${finePercent(share)}`).join(", ");
  $("top").replaceChildren(...clip.top.map(({ genre, probability }, number) => {
    const button = make("button", "button");
    button.type = "button";
    button.append(make("kbd", "", String(number + 1)), ` ${named(genre)} ${finePercent(probability)}`);
    button.addEventListener("click", () => label(genre));
    return button;
  }));
  const all = [...new Set([...clip.genres, ...genres])];
  $("genres").replaceChildren(...all.map((genre) => {
    const option = make("option");
    option.value = genre;
    return option;
  }));
  input.value = "";
  audio.src = address(`api/clips/audio?id=${clip.id}`);
  audio.play().catch(() => {}); // browsers wait for a first gesture
}

async function send(body) {
  const { csrf } = await (await fetch(address("api/session"))).json();
  const answer = await fetch(address("api/clips/change"), {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(body),
  });
  return answer.ok ? null : { code: answer.status, message: (await answer.json()).error.message };
}

/** Send a change; return whether it was made. */
async function change(body) {
  if (busy) return false;
  busy = true;
  let problem;
  try {
    problem = await send(body);
  } catch {
    problem = { code: 0, message: t("control.away") };
  }
  busy = false;
  if (!problem) {
    withdraw("clips");
    return true;
  }
  notice("clips", t("control.refused", { problem: clean(problem.message) }));
  if (problem.code === 409) await load();
  return false;
}

async function label(text) {
  const clip = waiting[0];
  const folded = text.trim().toLowerCase();
  const all = [...new Set([...clip.genres, ...genres])];
  let genre = all.find((one) => one.toLowerCase() === folded) ?? text.trim();
  const fresh = text !== "" && !all.includes(genre);
  if (fresh && !window.confirm(t("clips.new", { genre: clean(genre) }))) return;
  if (!(await change({ id: clip.id, do: "label", label: genre, ...(fresh ? { new: true } : {}) }))) return;
  if (fresh) genres.push(genre);
  next("unlabel");
}

function next(back) {
  done.push({ back, clip: waiting.shift() });
  show();
}

const actions = {
  no_music: () => label(""),
  async skip() {
    if (await change({ id: waiting[0].id, do: "skip" })) next("unskip");
  },
  async delete() {
    if (!window.confirm(t("clips.delete_sure"))) return;
    if (!(await change({ id: waiting[0].id, do: "delete" }))) return;
    waiting.shift();
    show();
  },
  async undo() {
    const last = done.at(-1);
    if (!last || !(await change({ id: last.clip.id, do: last.back }))) return;
    done.pop();
    waiting.unshift(last.clip);
    show();
  },
  play() {
    audio.currentTime = 0;
    audio.play().catch(() => {});
  },
};
const keys = { n: "no_music", s: "skip", p: "play", d: "delete", u: "undo" };

function act(name) {
  if (waiting.length > 0 || name === "undo") actions[name]();
}

for (const button of document.querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => act(button.dataset.do));
}
$("answer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (input.value.trim()) label(input.value.trim());
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, textarea")) return;
  if (event.key in keys) act(keys[event.key]);
  else if (/^[1-3]$/.test(event.key)) $("top").children[event.key - 1]?.click();
  else return;
  event.preventDefault();
});

load().catch((problem) => notice("clips", clean(problem.message)));
