// Texts, numbers and times in the language of the page; text from outside is made safe to show.

const page = JSON.parse(document.getElementById("page-data").textContent);

/** What the server knows about this page: `base`, `language`, `texts`, `genres`, `station`, `view`. */
export const data = page;

const locale =
  navigator.languages.find((one) => one.split("-")[0] === page.language) ?? page.language;

/** Return the text of a key, with `{name}` replaced by `values.name`. */
export function t(key, values = {}) {
  const text = page.texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** Return the text of a key if there is one, else another text. */
export const known = (key, otherwise) => page.texts[key] ?? otherwise;

const plurals = new Intl.PluralRules(locale);

/** Return the text for a number: `key.one`, `key.other` and so on, with `{count}` in it. */
export function counted(key, count, values = {}) {
  const form = `${key}.${plurals.select(count)}`;
  return t(form in page.texts ? form : `${key}.other`, { count: number(count), ...values });
}

const whole = new Intl.NumberFormat(locale);
const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const shares = new Intl.NumberFormat(locale, { style: "percent" });
const fineShares = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
const clocks = new Intl.DateTimeFormat(locale, {
  hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const exactClocks = new Intl.DateTimeFormat(locale, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const dates = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const days = new Intl.DateTimeFormat("en-CA");
const collator = new Intl.Collator(locale, { numeric: true });

export const number = (value) => whole.format(value);
export const decimal = (value) => tenths.format(value);
export const percent = (share) => shares.format(Math.min(1, Math.max(0, share || 0)));
export const finePercent = (share) => fineShares.format(Math.max(0, share || 0));
export const compare = (a, b) => collator.compare(a, b) || (a < b ? -1 : 1);

const LATEST = 8.64e12; // seconds; later ones are no dates

function moment(format, unix, now) {
  if (!(Math.abs(unix) < LATEST)) return "–";
  const date = new Date(unix * 1000);
  const text = format.format(date);
  const otherDay = now !== undefined && days.format(date) !== days.format(new Date(now * 1000));
  return otherDay ? `${dates.format(date)}, ${text}` : text;
}

/** Return UNIX seconds as `14:03`, with the date in front if it is not the day of `now`. */
export const clock = (unix, now) => moment(clocks, unix, now);

/** The same with seconds. */
export const exactClock = (unix, now) => moment(exactClocks, unix, now);

/** Return a duration in its two largest units. */
export function duration(seconds) {
  const rounded = Number.isFinite(seconds) && seconds > 0 ? Math.round(seconds) : 0;
  const parts = [
    ["d", Math.floor(rounded / 86400)],
    ["h", Math.floor(rounded / 3600) % 24],
    ["min", Math.floor(rounded / 60) % 60],
    ["s", rounded % 60],
  ];
  const first = parts.findIndex(([, count]) => count > 0);
  if (first < 0) return t("unit.s", { n: 0 });
  return parts
    .slice(first, first + 2)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => t(`unit.${unit}`, { n: number(count) }))
    .join(" ");
}

/** Return a level in dBFS in words; null is digital silence. */
export const level = (dbfs) =>
  Number.isFinite(dbfs) ? t("unit.dbfs", { n: decimal(dbfs) }) : t("level.none");

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Me}\uFE00-\uFE0F]+/gu;
const MARKS = /(\p{Mn}{2})\p{Mn}+/gu;

/** Return text from outside on one line: no control or direction characters, no stacked marks. */
export function clean(text) {
  if (typeof text !== "string") return "";
  return text
    .slice(0, 256)
    .normalize("NFC")
    .replace(/[\t\r\n]/g, " ")
    .replace(UNSAFE, "")
    .replace(MARKS, "$1")
    .replace(/\s+/g, " ")
    .trim();
}

/** Return what is playing as one line: artist and title, else the text as it was sent. */
export function song(playing) {
  if (!playing) return "";
  const [artist, title] = [clean(playing.artist), clean(playing.title)];
  return artist && title ? `${artist} – ${title}` : title || clean(playing.raw);
}

/** Return the address of a path of this server. */
export const address = (path) => page.base + path;
