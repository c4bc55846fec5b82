// The health of a station, its segments and what happened to it, in words.

import { make } from "./dom.js";
import { nameOf, paint, stateWord } from "./looks.js";
import { serverClock } from "./stations.js";
import {
  clean, clock, counted, decimal, duration, finePercent, known, level, number, percent, song, t,
} from "./words.js";

/** Return how much audio was lost: in ms below a second. */
const length = (seconds) =>
  seconds < 1 ? t("unit.ms", { n: number(Math.round(seconds * 1000)) }) : duration(seconds);

/** Return the health as `[name, value, tone]`. */
export function health(station) {
  const { source, status, update } = station;
  const rows = [];
  const row = (name, value, tone) => rows.push([t(`health.${name}`), value, tone]);
  row("source", stateWord(station.sourceState ?? "unknown"));
  row("input", clean(station.input) || "–");
  const rate = source?.rate;
  if (rate) {
    const channels = counted("health.channels", source.channels ?? 1);
    row("rate", t("health.rate_value", { khz: number(rate / 1000), channels }));
  }
  if (Number.isFinite(update?.peak_dbfs)) {
    row("peak", level(update.peak_dbfs), update.peak_dbfs > -0.3 ? "lost" : null);
  }
  row("missed", station.missed ? number(station.missed) : t("health.none"), station.missed ? "lost" : null);
  if (!status) return rows;
  if (status.samples_lost && rate) {
    const share = finePercent(status.samples_lost / (status.samples + status.samples_lost));
    const seconds = length(status.samples_lost / rate);
    row("lost", t("health.lost_value", { seconds, share }), "lost");
  } else {
    row("lost", status.samples_lost ? number(status.samples_lost) : t("health.none"));
  }
  const { latency_ms: latency, clock_drift_ppm: drift } = status;
  if (latency) {
    const [p50, p99] = [latency.p50, latency.p99].map((ms) => number(Math.round(ms)));
    row("latency", t("health.latency_value", { p50, p99 }));
  }
  row("cpu", t("health.cpu_value", { percent: finePercent(status.cpu_share) }));
  if (status.worker != null) {
    const cpu = finePercent(status.worker_cpu_share);
    row("worker", t("health.worker_value", { worker: clean(status.worker), cpu }));
  }
  row("memory", t("health.memory_value", { n: number(Math.round(status.rss_bytes / 1e6)) }));
  row("uptime", duration(status.uptime_s));
  row("model", clean(status.model));
  row("drift", drift == null ? t("health.measuring") : t("health.drift_value", { n: decimal(drift) }));
  const { history } = status;
  if (!history) row("history", t("health.off"));
  else if (history.state === "recording") row("history", t("health.recording"));
  else row("history", t("health.failing", { problem: clean(history.problem) || "–" }), "bad");
  if (Number.isFinite(status.subscribers)) row("subscribers", number(status.subscribers));
  return rows;
}

/** Return an entry of the log in words, with its tone. */
export function logWords({ kind, event }) {
  switch (kind) {
    case "gap": {
      const seconds = length(event.seconds);
      const reason = known(`log.${event.reason}`, clean(event.reason));
      return { text: t("log.gap", { seconds, reason }), tone: "lost" };
    }
    case "source": {
      const word = stateWord(event.state);
      const detail = clean(event.detail);
      return { text: detail ? `${word}: ${detail}` : word, tone: event.state === "lost" ? "bad" : null };
    }
    case "title":
      return { text: song(event) || t("log.title_none"), tone: null };
    case "dead_air": {
      const key = event.active ? "log.dead_air" : "log.dead_air_over";
      return { text: t(key, { duration: duration(event.seconds) }), tone: event.active ? "lost" : null };
    }
    default:
      return { text: known(`log.${kind}`, clean(kind)), tone: null };
  }
}

/** Return a finished segment as a row of a list. */
export function segmentRow(segment) {
  const item = make("li");
  const dot = make("span", "dot");
  paint(dot, segment.state, segment.genre);
  const what = make("span", "what", nameOf(segment.state, segment.genre));
  what.dir = "auto";
  const titles = (segment.titles ?? []).map(song).filter(Boolean).join(" · ");
  if (titles) {
    const line = make("span", "titles", titles);
    line.dir = "auto";
    what.append(line);
  }
  const mean = segment.mean_probability;
  item.append(
    make("time", "", clock(segment.start_time, serverClock.now())),
    dot,
    what,
    make("span", "number", duration(segment.end - segment.start)),
    make("span", "number", mean === null ? "" : percent(mean)),
  );
  return item;
}
