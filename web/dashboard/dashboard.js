// The dashboard: shows what /api lists and /health says, asked again with every batch (/api/events), and every few
// seconds for what time alone changes.
//
// It knows no device: columns, units and nesting come from the index, devices are the elements of the first list.
// What is wrong comes first. Each question has a patience of its own: what one does not answer hides no other's answer.

import { headers, held, refused } from "./token.js";

const EVERY_MS = 5000;
// Where events do not come through.
const ALONE_MS = 2000;
const PATIENCE_MS = 8000;
// Counting rows costs a store more than reading the latest ones.
const STATS_EVERY_MS = 30_000;

const $ = (id) => document.getElementById(id);
let index = null;
// The index as it was last, and whether it is being asked for.
let learnt = { index: "", busy: false };
let heardAt = null;
// Why the bridge is not reached: null, "guarded" or "silent".
let away = null;
// By question: whether it is under way, when it was asked, its last good answer, and what went wrong since.
let known = {};
// The clock of the bridge beside this one's.
let skew = 0;
let following = false;
let timer = null;

/** An element; `attributes` of null are left out. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) node.setAttribute(name, value);
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

/** Makes the children of `old` those of `fresh`, touching only what differs: selections and scroll positions stay. */
function patch(old, fresh) {
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((node, place) => {
    const known = before[place];
    if (!known) old.append(node);
    else if (known.nodeName !== node.nodeName) known.replaceWith(node);
    else if (node.nodeType === Node.TEXT_NODE) {
      if (known.data !== node.data) known.data = node.data;
    } else {
      for (const { name } of [...known.attributes]) if (!node.hasAttribute(name)) known.removeAttribute(name);
      for (const { name, value } of node.attributes) if (known.getAttribute(name) !== value) known.setAttribute(name, value);
      patch(known, node);
    }
  });
  before.slice(after.length).forEach((node) => node.remove());
}

const show = (id, ...children) => patch($(id), el("div", {}, ...children));

/** JSON of any answer of the bridge, be it an error; rejects if it does not answer, or wants a token. */
async function ask(path) {
  const used = held();
  const response = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-cache", headers: headers() });
  const body = await response.json();
  // Of its health a guarded bridge tells everybody a little, and how to be told more.
  if (response.status === 401 || body?.bridge?.auth) {
    refused(used, refresh);
    throw new Error("guarded");
  }
  const date = Date.parse(response.headers.get("date"));
  if (Number.isFinite(date)) skew = date - Date.now();
  return { ok: response.ok, body };
}

/** Asks one question and shows what is known then. What was answered before stays until there is something better. */
async function question(name, path, { any = false } = {}) {
  const own = (known[name] ??= {});
  if (own.busy) return;
  own.busy = true;
  own.askedAt = Date.now();
  try {
    const answer = await ask(path);
    if (answer.ok || any) own.answer = answer.body;
    own.failure = answer.ok || any ? null : answer.body.detail;
    if (name === "health") heardAt = new Date();
  } catch (failure) {
    own.failure = failure.message === "guarded" ? "guarded" : "no answer";
  }
  own.busy = false;
  if (known[name] === own) paint();
}

// `pv_power` reads "PV power": a first word without a vowel is an abbreviation.
function words(name) {
  const [first, ...rest] = name.split("_");
  const head = /[aeiouy]/i.test(first) ? first.charAt(0).toUpperCase() + first.slice(1) : first.toUpperCase();
  return [head, ...rest].join(" ");
}

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 });
const rounded = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 5 });
const LARGER = { W: "kW", Wh: "kWh", kWh: "MWh", var: "kvar", VA: "kVA", B: "kB", kB: "MB", MB: "GB" };

function quantity(value, unit) {
  if (!(Math.abs(value) >= 10_000 && LARGER[unit])) return unit ? `${number.format(value)} ${unit}` : number.format(value);
  while (Math.abs(value) >= 1000 && LARGER[unit]) {
    value /= 1000;
    unit = LARGER[unit];
  }
  return `${rounded.format(value)} ${unit}`;
}

function text(value, column) {
  if (value == null) return "–";
  // A code: its word, or the number of one that has none; of flags, none may be set.
  if (column.labels || column.flags) return value === "" ? "none" : String(value);
  if (column.type === "time") return new Date(value).toLocaleString();
  return typeof value === "number" ? quantity(value, column.unit) : String(value);
}

function ago(seconds) {
  if (seconds == null) return "never";
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} days ago`;
}

function span(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${seconds} s`;
}

const pair = (name, value, testid) => el("div", {}, el("dt", {}, name), el("dd", { "data-testid": testid }, value));
const error = (message) => (message ? el("p", { class: "note error" }, message) : null);

function source([name, state]) {
  const failed = state.status === "error" ? state.last_error : null;
  return el(
    "article",
    { class: "card", "data-testid": "source", "data-state": state.status },
    el("div", { class: "head" }, el("h3", {}, name), el("span", { class: "state" }, state.status)),
    el("p", { class: "note" }, `${state.address} · last success ${ago(state.seconds_since_last_success)}`),
    el("p", { class: "note" }, `${number.format(state.query_count)} queries, ${number.format(state.error_count)} errors${state.stretched ? ", polled less often" : ""}`),
    error(failed),
  );
}

function sink([name, state]) {
  const odd = ["dead_lettered", "dropped", "lost"].filter((book) => state[book] > 0);
  const books = state.accepted > 0 || state.waiting > 0
    ? `${number.format(state.delivered)} of ${number.format(state.accepted)} rows delivered, ${number.format(state.waiting)} waiting`
    : "follows the latest rows";
  return el(
    "article",
    { class: "card", "data-testid": "sink", "data-state": state.state },
    el("div", { class: "head" }, el("h3", {}, name), el("span", { class: "state" }, state.state)),
    el("p", { class: "note" }, `${state.type} · ${books}`),
    error(odd.map((book) => `${number.format(state[book])} rows ${words(book).toLowerCase()}`).join(", ")),
    error(state.last_error),
  );
}

// Columns worth a cell: no documents, no row numbers, and no times, which stand in the head.
const readable = (column) => column.type !== "json" && column.type !== "time" && column.name !== "id";

/** The newest time of a row, in milliseconds; null: it has none. */
function newest(columns, row) {
  const times = columns.filter((column) => column.type === "time").map((column) => Date.parse(row[column.name]));
  const found = Math.max(...times.filter(Number.isFinite));
  return Number.isFinite(found) ? found : null;
}

/** How old a reading may be and still be shown as one of now: three polls, or a minute. */
function oldAfter() {
  const every = Object.values(known.health?.answer?.[index.sources_key] ?? {}).map((source) => source.every_seconds ?? 0);
  return 1000 * Math.max(60, ...every.map((seconds) => 3 * seconds));
}

const isOld = (at, now) => at !== null && now - at > oldAfter();

function nested(name, columns, rows, title, now) {
  const shown = columns.filter((column) => readable(column) && column.name !== title);
  if (!rows?.length || !shown.length) return null;
  const head = el("tr", {}, shown.map((column) => el("th", { scope: "col" }, words(column.name))));
  const body = rows.map((row) => {
    const at = newest(columns, row);
    const age = isOld(at, now) ? { "data-state": "old", title: `updated ${ago((now - at) / 1000)}` } : {};
    return el("tr", age, shown.map((column) => el("td", { "data-testid": "reading" }, text(row[column.name], column))));
  });
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": words(name) },
    el("table", {}, el("caption", {}, words(name)), el("thead", {}, head), el("tbody", {}, body)),
  );
}

function device(resource, row, now) {
  const [title, ...others] = resource.columns.filter(readable);
  const at = newest(resource.columns, row);
  const old = isOld(at, now);
  const note = at === null ? null : el("span", { class: old ? "note error" : "note" }, `${old ? "old: " : ""}updated ${ago((now - at) / 1000)}`);
  return el(
    "article",
    { class: "card device", "data-testid": "device", "data-state": old ? "old" : null },
    el("div", { class: "head" }, el("h3", {}, title ? text(row[title.name], title) : "Reading"), note),
    el("dl", { class: "values" }, others
      .filter((column) => row[column.name] != null)
      .map((column) => pair(words(column.name), text(row[column.name], column), "reading"))),
    Object.entries(resource.nest).map(([name, columns]) => nested(name, columns, row[name], title?.name, now)),
  );
}

/** What is wrong, as sentences; the worst comes first. */
function troubles(health, now) {
  const sources = Object.entries(health[index.sources_key]).filter(([, state]) => state.status === "error");
  const unheard = sources.map(([name, state]) => {
    const since = state.seconds_since_last_success;
    const gone = since == null || since * 1000 > oldAfter();
    return `${name} ${gone ? "is offline" : "did not answer the last poll"}: ${state.last_error ?? "no answer"} (last success ${ago(since)})`;
  });
  const named = { devices: "Readings", totals: "Sums", stats: "Size and row counts" };
  const unanswered = Object.entries(named).filter(([name]) => known[name]?.failure && known[name].failure !== "guarded");
  return [
    ...unheard,
    ...health.warnings.map((warning) => warning.charAt(0).toUpperCase() + warning.slice(1)),
    ...unanswered.map(([name, label]) => `${label} are not up to date: ${known[name].failure}`),
  ];
}

function showHealth(health, now) {
  document.title = `${health.pipeline} · S-Miles`;
  const wrong = troubles(health, now);
  show("title", health.pipeline);
  const state = !health.healthy ? "no fresh reading" : wrong.length ? "needs attention" : "healthy";
  show("summary", el("span", { class: state === "healthy" ? null : "bad" }, state), ` · running for ${span(health.uptime_seconds)}`);
  show("trouble", wrong.map((sentence) => el("p", { "data-testid": "trouble" }, sentence)));
  show("sources", Object.entries(health[index.sources_key]).map(source));
  show("sinks", Object.entries(health.sinks).map(sink));
}

function showDevices(resource, { answer, failure } = {}, now) {
  if (!resource) return show("devices", el("p", { class: "note" }, "This pipeline declares no list of readings."));
  if (!answer) return show("devices", error(failure));
  if (!answer.length) return show("devices", el("p", { class: "note" }, "No reading has been stored yet."));
  return show("devices", answer.map((row) => device(resource, row, now)));
}

function showStore(answer, journal) {
  const values = (answer ? index.stats : []).map(({ name, unit }) => pair(words(name), text(answer[name], { unit })));
  const size = `${quantity(journal.size_bytes, "B")} of ${quantity(journal.max_size_bytes, "B")}`;
  const state = journal.full ? "full: polls wait" : journal.writable ? size : "cannot be written";
  show("store", values, pair("Journal", state));
}

function showReach() {
  const silent = away === "silent";
  document.body.classList.toggle("stale", away !== null);
  const since = heardAt ? ` since ${heardAt.toLocaleTimeString()}; what you see is old` : "";
  if ($("alert").hidden === silent) $("alert").hidden = !silent;
  show("alert", silent ? `The bridge does not answer${since}.` : "");
  if (away === "guarded") show("summary", "asks for its token");
}

function totals(name, values, answer) {
  return el("dl", { class: "values", "data-testid": "totals" }, values.map((value) =>
    pair(`${words(value.name)}${name ? ` (${name})` : ""}`, text(answer[value.name], value))));
}

function showTotals(resource, answer) {
  if (!resource?.totals || !answer) return show("totals");
  const { whole, each, values } = resource.totals;
  const sources = Object.entries(answer[each]);
  const several = sources.length > 1 ? sources.map(([name, own]) => totals(name, values, own)) : [];
  return show("totals", totals("", values, answer[whole]), several);
}

/** The resources shown: the first list of everything, and the sums. */
const shown = () => [
  index.resources.find((resource) => resource.shape === "list" && !resource.path.includes("{")),
  index.resources.find((resource) => resource.shape === "totals"),
];

/** Shows what is known, be it of different questions at different times. */
function paint() {
  const { health, devices, totals: summed, stats } = known;
  if (health && !health.busy) {
    away = health.failure === "guarded" ? "guarded" : health.failure ? "silent" : null;
    // After a restart the pipeline may be another one.
    if (away !== null) index = null;
  }
  if (index && health?.answer) {
    const [list, sums] = shown();
    const now = Date.now() + skew;
    showHealth(health.answer, now);
    showTotals(sums, summed?.answer);
    if (!list || devices?.answer || devices?.failure) showDevices(list, devices, now);
    showStore(stats?.answer, health.answer.journal);
  }
  showReach();
}

/** What the bridge serves. Another pipeline than before has nothing in common with what was shown. */
async function learn() {
  if (learnt.busy) return;
  learnt.busy = true;
  try {
    const answer = await ask("api");
    if (!answer.ok) throw new Error(answer.body.detail);
    index = answer.body;
    if (JSON.stringify(index) !== learnt.index) known = {};
    learnt.index = JSON.stringify(index);
  } catch (failure) {
    away = failure.message === "guarded" ? "guarded" : "silent";
    showReach();
  }
  learnt.busy = false;
}

async function refresh() {
  clearTimeout(timer);
  timer = setTimeout(refresh, following ? EVERY_MS : ALONE_MS);
  if (!index) {
    await learn();
    if (!index) return;
  }
  const [list, sums] = shown();
  question("health", "health", { any: true });
  if (list) question("devices", list.path.slice(1));
  if (sums) question("totals", sums.path.slice(1));
  if (index.stats.length && Date.now() - (known.stats?.askedAt ?? 0) >= STATS_EVERY_MS) question("stats", "stats");
}

/** Opens what a link of a guarded bridge would be refused: a link carries no token. */
async function openGuarded(event) {
  const link = event.target.closest("a[data-guarded]");
  if (!link || held() === null) return;
  event.preventDefault();
  const response = await fetch(link.href, { signal: AbortSignal.timeout(PATIENCE_MS), headers: headers() });
  location.assign(URL.createObjectURL(new Blob([await response.text()], { type: "text/plain" })));
}

/** Refreshes with every batch. A stream that ends is opened again; without one, time alone must do. */
async function follow() {
  try {
    const response = await fetch("api/events", { headers: headers() });
    if (!response.ok) throw new Error(response.statusText);
    following = true;
    let text = "";
    const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
      text += piece.value;
      if (text.includes("\n\n")) {
        if (text.includes("data:")) refresh();
        text = text.slice(text.lastIndexOf("\n\n") + 2);
      }
    }
  } catch (failure) {
    console.debug("no events", failure);
  }
  following = false;
  setTimeout(follow, EVERY_MS);
}

document.addEventListener("click", openGuarded);
refresh();
follow();
