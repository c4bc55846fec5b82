// The buttons of a page that may change the daemon.

import { notice } from "./notices.js";
import { address, clean, data, t } from "./words.js";

async function change(kind) {
  // Asked for now: the one of the page is out of date after a restart of the server.
  const { csrf } = await (await fetch(address("api/session"))).json();
  const answer = await fetch(address(`api/control/${kind}`), {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(kind === "reset" ? { station: data.station } : {}),
  });
  return answer.ok ? "" : (await answer.json()).error.message;
}

for (const button of document.querySelectorAll("[data-control]")) {
  button.addEventListener("click", async () => {
    const kind = button.dataset.control;
    button.disabled = true;
    let problem;
    try {
      problem = await change(kind);
    } catch {
      problem = t("control.away");
    }
    button.disabled = false;
    const menu = button.closest("details");
    menu.open = false; // it covers the message
    menu.querySelector("summary").focus();
    if (problem) notice("control", t("control.refused", { problem: clean(problem) }));
    else notice("control", t(`control.${kind}_done`), { tone: "good" });
  });
}
