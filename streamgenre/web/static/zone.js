// The viewer's time zone, kept in a cookie; and forms that are sent as soon as something is chosen.

import { data } from "./words.js";

const YEAR = 31_536_000;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const kept = () =>
  document.cookie.split("; ").find((one) => one.startsWith("tz="))?.slice(3);

if (zone && /^[\w+/-]{1,64}$/.test(zone) && kept() !== zone) {
  const before = kept();
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `tz=${zone}; Path=${data.base}; Max-Age=${YEAR}; SameSite=Lax${secure}`;
  const asked = new URL(location.href).searchParams.has("tz");
  // Once only: a browser that refuses cookies keeps the station's times.
  if (kept() === zone && before !== zone && !asked) location.reload();
}

for (const field of document.querySelectorAll("[data-submit]")) {
  const button = field.form?.querySelector("button");
  if (field.type !== "date" && button) button.hidden = true;
  if (field.type !== "date") field.addEventListener("change", () => field.form.requestSubmit());
}
