// The documentation page: shows what /openapi.json says, and asks the API what it documents.

import { headers, held, refused } from "./token.js";

const $ = (id) => document.getElementById(id);

/** An element; `attributes` of null are left out. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) node.setAttribute(name, value);
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

let document_ = null;
const resolved = (schema) => (schema?.$ref ? document_.components.schemas[schema.$ref.split("/").pop()] : schema);

/** A type as people say it: `number, in V`, `list of objects`. */
function kind(schema) {
  schema = resolved(schema) ?? {};
  const types = [schema.type].flat().filter((type) => type && type !== "null");
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (types[0] === "array") return `list of ${kind(schema.items) || "values"}`;
  const parts = [types.join(" or ") || "any"];
  if (schema.format && schema.format !== "int64" && schema.format !== "double") parts.push(schema.format);
  if (schema["x-unit"]) parts.push(`in ${schema["x-unit"]}`);
  if (schema.minimum != null || schema.maximum != null) parts.push(`${schema.minimum ?? "…"} to ${schema.maximum ?? "…"}`);
  if (schema.default != null) parts.push(`default ${schema.default}`);
  return parts.join(", ");
}

/** A value of the schema, out of its examples. */
function example(schema) {
  schema = resolved(schema) ?? {};
  if (schema.examples?.length) return schema.examples[0];
  if (schema.const != null) return schema.const;
  if (schema.anyOf) return example(schema.anyOf[0]);
  if (schema.enum) return schema.enum[0];
  const type = [schema.type].flat()[0];
  if (type === "array") return [example(schema.items)];
  if (type === "object") {
    const members = Object.entries(schema.properties ?? {}).map(([name, member]) => [name, example(member)]);
    if (schema.additionalProperties?.type) members.push(["NAME", example(schema.additionalProperties)]);
    return Object.fromEntries(members);
  }
  return { integer: 1, number: 1.5, boolean: true, string: "text" }[type] ?? null;
}

function table(head, rows) {
  if (!rows.length) return null;
  const cells = (tag, values) => el("tr", {}, values.map((value) => el(tag, {}, value)));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, cells("th", head)), el("tbody", {}, rows.map((row) => cells("td", row)))));
}

function members(schema, prefix = "") {
  schema = resolved(schema) ?? {};
  if (schema.anyOf) return schema.anyOf.flatMap((one) => members(one, prefix));
  if (schema.items) return members(schema.items, `${prefix}[]`);
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const path = prefix.endsWith("[]") && prefix.length === 2 ? name : prefix ? `${prefix}.${name}` : name;
    return [[el("code", {}, path), kind(member)], ...members(member, path)];
  });
}

/** Fields for the parameters, a button, and what the API answers. */
function attempt(path, parameters) {
  const inputs = parameters.filter((parameter) => parameter.in !== "header").map((parameter) => {
    const field = parameter.schema.enum
      ? el("select", { name: parameter.name }, el("option", { value: "" }, ""), parameter.schema.enum.map((value) => el("option", {}, value)))
      : el("input", { name: parameter.name, placeholder: parameter.example ?? parameter.schema.default, required: parameter.required ? "" : null });
    return [parameter, field];
  });
  const out = el("pre", { hidden: "", tabindex: "0", "aria-label": "answer" });
  const form = el("form", {}, inputs.map(([parameter, field]) => el("label", {}, parameter.name, field)), el("button", {}, "Ask"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let target = path;
    const query = new URLSearchParams();
    for (const [parameter, field] of inputs) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(field.value));
      else if (field.value) query.set(parameter.name, field.value);
    }
    const url = `.${target}${query.size ? `?${query}` : ""}`;
    out.hidden = false;
    try {
      const response = await fetch(url, { headers: headers(), signal: AbortSignal.timeout(15_000) });
      const body = await response.text();
      let shown = body;
      if (response.headers.get("content-type")?.includes("json")) shown = JSON.stringify(JSON.parse(body), null, 2);
      const link = response.headers.get("link");
      out.textContent = `${response.status} ${response.statusText}\n${link ? `link: ${link}\n` : ""}\n${shown.slice(0, 100_000)}`;
    } catch (failure) {
      out.textContent = `no answer: ${failure.message}`;
    }
  });
  return [form, out];
}

function operation([path, { get }]) {
  const parameters = get.parameters ?? [];
  const content = Object.entries(get.responses["200"].content ?? {});
  const json = content.find(([type]) => type === "application/json");
  const answers = Object.entries(get.responses).map(([status, response]) => [el("code", {}, status), response.description]);
  return el(
    "details",
    { "data-testid": "operation", id: get.operationId },
    el("summary", {}, el("code", {}, `GET ${path}`), el("span", { class: "note" }, get.summary)),
    parameters.length ? el("h3", {}, "Parameters") : null,
    table(["name", "in", "type", "meaning"], parameters.map((it) => [el("code", {}, it.name), it.in, kind(it.schema), it.description])),
    path === "/api/events" ? el("p", {}, "A stream: follow it with an EventSource, or with curl -N.") : attempt(path, parameters),
    el("h3", {}, "Answers"),
    table(["status", "meaning"], answers),
    el("p", { class: "note" }, `as ${content.map(([type]) => type).join(", ")}`),
    json ? [el("h3", {}, "Members"), table(["name", "type"], members(json[1].schema)), el("h3", {}, "Example"), el("pre", { tabindex: "0" }, JSON.stringify(example(json[1].schema), null, 2))] : null,
  );
}

async function show() {
  const used = held();
  const response = await fetch("openapi.json", { headers: headers() });
  if (response.status === 401) return refused(used, begin);
  if (!response.ok) throw new Error((await response.json()).detail);
  document_ = await response.json();
  document.title = `${document_.info.title} · API`;
  $("title").textContent = document_.info.title;
  $("about").textContent = document_.info.description;
  const paths = Object.entries(document_.paths);
  for (const tag of new Set(paths.map(([, { get }]) => get.tags[0]))) {
    const own = paths.filter(([, { get }]) => get.tags[0] === tag);
    $("operations").append(el("section", {}, el("h2", {}, tag.charAt(0).toUpperCase() + tag.slice(1)), own.map(operation)));
  }
}

async function begin() {
  try {
    await show();
  } catch (failure) {
    $("alert").hidden = false;
    $("alert").textContent = `The description of the API cannot be had: ${failure.message}`;
  }
}

begin();
