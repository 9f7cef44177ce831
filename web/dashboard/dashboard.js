// The dashboard: shows what /api lists and /health says, asked again with every batch (/api/events), and every few
// seconds for what time alone changes.
//
// It knows no device: columns, units and nesting come from the index, devices are the elements of the first list.

const EVERY_MS = 5000;
// Where events do not come through.
const ALONE_MS = 2000;
const PATIENCE_MS = 8000;
// Counting rows costs a store more than reading the latest ones.
const STATS_EVERY_MS = 30_000;

const $ = (id) => document.getElementById(id);
let index = null;
let heardAt = null;
let stats = { askedAt: 0, answer: null };
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

/** What a guarded bridge wants to see; kept for as long as the tab lives. */
function headers() {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** JSON of any answer of the bridge, be it an error; rejects if it does not answer. */
async function ask(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-cache", headers: headers() });
  if (response.status === 401) askForToken();
  return { ok: response.ok, body: await response.json() };
}

function askForToken() {
  if ($("token").open) return;
  $("token").showModal();
  $("token").querySelector("form").onsubmit = (event) => {
    sessionStorage.setItem("token", new FormData(event.target).get("token"));
    refresh();
  };
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

function nested(name, columns, rows, title) {
  const shown = columns.filter((column) => readable(column) && column.name !== title);
  if (!rows?.length || !shown.length) return null;
  const head = el("tr", {}, shown.map((column) => el("th", { scope: "col" }, words(column.name))));
  const body = rows.map((row) =>
    el("tr", {}, shown.map((column) => el("td", { "data-testid": "reading" }, text(row[column.name], column)))),
  );
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": words(name) },
    el("table", {}, el("caption", {}, words(name)), el("thead", {}, head), el("tbody", {}, body)),
  );
}

function device(resource, row, now) {
  const [title, ...others] = resource.columns.filter(readable);
  const times = resource.columns.filter((column) => column.type === "time").map((column) => Date.parse(row[column.name]));
  const newest = Math.max(...times.filter(Number.isFinite));
  const note = Number.isFinite(newest) ? el("span", { class: "note" }, `updated ${ago((now - newest) / 1000)}`) : null;
  return el(
    "article",
    { class: "card device", "data-testid": "device" },
    el("div", { class: "head" }, el("h3", {}, title ? text(row[title.name], title) : "Reading"), note),
    el("dl", { class: "values" }, others
      .filter((column) => row[column.name] != null)
      .map((column) => pair(words(column.name), text(row[column.name], column), "reading"))),
    Object.entries(resource.nest).map(([name, columns]) => nested(name, columns, row[name], title?.name)),
  );
}

function showHealth(health) {
  document.title = `${health.pipeline} · S-Miles`;
  show("title", health.pipeline);
  show("summary", `${health.healthy ? "healthy" : "no fresh reading"} · running for ${span(health.uptime_seconds)}`);
  show("sources", Object.entries(health[index.sources_key]).map(source));
  show("sinks", Object.entries(health.sinks).map(sink));
}

function showDevices(resource, answer, now) {
  if (!resource) return show("devices", el("p", { class: "note" }, "This pipeline declares no list of readings."));
  if (!answer.ok) return show("devices", error(answer.body.detail));
  const rows = answer.body;
  if (!rows.length) return show("devices", el("p", { class: "note" }, "No reading has been stored yet."));
  return show("devices", rows.map((row) => device(resource, row, now)));
}

function showStore(answer, journal, warnings) {
  const fields = answer?.ok ? index.stats : [];
  const values = fields.map(({ name, unit }) => pair(words(name), text(answer.body[name], { unit })));
  const size = `${quantity(journal.size_bytes, "B")} of ${quantity(journal.max_size_bytes, "B")}`;
  const state = journal.full ? "full: polls wait" : journal.writable ? size : "cannot be written";
  show("store", values, pair("Journal", state), warnings.map((warning) => pair("Warning", warning)));
}

function showReach(reached) {
  document.body.classList.toggle("stale", !reached);
  const since = heardAt ? ` since ${heardAt.toLocaleTimeString()}; what you see is old` : "";
  if ($("alert").hidden !== reached) $("alert").hidden = reached;
  show("alert", reached ? "" : `The bridge does not answer${since}.`);
}

function totals(name, values, answer) {
  const shown = values.filter((value) => answer[value.name] != null && typeof answer[value.name] === "number");
  if (!shown.length) return null;
  return el("dl", { class: "values", "data-testid": "totals" }, shown.map((value) =>
    pair(`${words(value.name)}${name ? ` (${name})` : ""}`, quantity(answer[value.name], value.unit))));
}

function showTotals(resource, answer) {
  if (!resource?.totals || !answer?.ok) return show("totals");
  const { whole, each, values } = resource.totals;
  const sources = Object.entries(answer.body[each]);
  const several = sources.length > 1 ? sources.map(([name, own]) => totals(name, values, own)) : [];
  return show("totals", totals("", values, answer.body[whole]), several);
}

async function refresh() {
  clearTimeout(timer);
  try {
    if (!index) {
      const answer = await ask("api");
      if (!answer.ok) throw new Error(answer.body.detail);
      index = answer.body;
    }
    const list = index.resources.find((resource) => resource.shape === "list" && !resource.path.includes("{"));
    const sums = index.resources.find((resource) => resource.shape === "totals");
    const [health, devices, summed] = await Promise.all([
      ask("health"),
      list ? ask(list.path.slice(1)) : null,
      sums ? ask(sums.path.slice(1)) : null,
    ]);
    if (index.stats.length && Date.now() - stats.askedAt >= STATS_EVERY_MS) {
      stats = { askedAt: Date.now(), answer: await ask("stats") };
    }
    heardAt = new Date();
    showHealth(health.body);
    showTotals(sums, summed);
    showDevices(list, devices, Date.now());
    showStore(stats.answer, health.body.journal, health.body.warnings);
    showReach(true);
  } catch (failure) {
    // After a restart the pipeline may be another one.
    index = null;
    stats.askedAt = 0;
    console.debug("the bridge does not answer", failure);
    showReach(false);
  }
  timer = setTimeout(refresh, following ? EVERY_MS : ALONE_MS);
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

refresh();
follow();
