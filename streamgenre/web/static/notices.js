// Messages above the content, and what a screen reader is told.

import { make } from "./dom.js";
import { t } from "./words.js";

const MAX = 4;
const area = document.getElementById("notices");
const said = document.getElementById("said");
const shown = new Map();

/** Show a message about a subject; a newer one about the same subject replaces it. */
export function notice(about, text, { tone = "lost", dismissible = true } = {}) {
  withdraw(about);
  const box = make("div", "notice");
  box.dataset.tone = tone;
  box.append(make("p", "", text));
  if (dismissible) {
    const close = make("button", "close", "×");
    close.type = "button";
    close.setAttribute("aria-label", t("link.dismiss"));
    close.addEventListener("click", () => withdraw(about));
    box.append(close);
  }
  area.append(box);
  shown.set(about, box);
  while (shown.size > MAX) withdraw(shown.keys().next().value);
}

/** Remove the message about a subject. */
export function withdraw(about) {
  shown.get(about)?.remove();
  shown.delete(about);
}

let last = 0;

/** Let screen readers say something; at most one thing in 3 s, so that they are not drowned. */
export function say(text) {
  if (Date.now() - last < 3000) return;
  last = Date.now();
  said.textContent = text;
}
