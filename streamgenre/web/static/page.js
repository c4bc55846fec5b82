// What every page has: the choice of colours and language, kept in cookies of this server.

import { data } from "./words.js";

const YEAR = 31_536_000;

function keep(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=${data.base}; Max-Age=${YEAR}; SameSite=Lax${secure}`;
}

const changed = () => dispatchEvent(new Event("themechange"));

const theme = document.getElementById("theme");
theme?.addEventListener("change", () => {
  keep("theme", theme.value);
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  changed();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);

// Escape closes the menu before it does anything else.
document.addEventListener(
  "keydown",
  (event) => {
    const menu = document.querySelector(".menu[open]");
    if (event.key !== "Escape" || !menu) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary").focus();
  },
  true,
);

const language = document.getElementById("language");
language?.addEventListener("change", () => {
  keep("language", language.value);
  const url = new URL(location.href);
  url.searchParams.delete("lang");
  location.replace(url);
});
