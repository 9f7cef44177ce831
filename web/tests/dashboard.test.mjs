// The dashboard at `/` of a running demo, seen by a browser.
//
// Hooks the page keeps stable: `source` and `sink` carry `data-state`, `device` is one element of the first list
// resource, `reading` is one value of it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBridge } from "./bridge.mjs";
import { openPage, startBrowser } from "./browser.mjs";

let bridge;
let browser;

before(async () => {
  bridge = await startBridge();
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  if (!bridge) return;
  const code = await bridge.stop();
  assert.equal(code, 0, `the bridge ends cleanly on SIGINT; its output:\n${bridge.log()}`);
});

const shown = (page, name) => page.locator(`[data-testid=${name}]`);
const readings = (page) => shown(page, "reading").allTextContents();

/** The dashboard with its first values. */
async function openDashboard() {
  const { page, faults } = await openPage(browser, bridge.url);
  await page.goto(bridge.url);
  await shown(page, "reading").filter({ hasText: /\d/ }).first().waitFor();
  return { page, faults };
}

test("the page loads without an error and asks nobody but the bridge", async () => {
  const { page, faults } = await openDashboard();
  await page.waitForLoadState("load");
  assert.notEqual(await page.title(), "");
  assert.deepEqual(faults, []);
  await page.context().close();
});

test("the source is online and every sink is named with its state", async () => {
  const { page } = await openDashboard();
  await page.locator("[data-testid=source][data-state=online]").first().waitFor();
  assert.equal(await shown(page, "source").count(), 1);
  const sinks = await shown(page, "sink").all();
  assert.ok(sinks.length >= 1, "at least one sink");
  for (const sink of sinks) {
    assert.notEqual((await sink.getAttribute("data-state")) ?? "", "");
    assert.notEqual((await sink.innerText()).trim(), "");
  }
  await page.context().close();
});

test("every device of the API is shown with readings", async () => {
  const { page } = await openDashboard();
  const listed = await (await fetch(`${bridge.url}/api/inverters`)).json();
  const devices = shown(page, "device");
  assert.ok(listed.length > 0, "the demo serves devices");
  assert.equal(await devices.count(), listed.length);
  for (const device of await devices.all()) {
    const values = await device.locator("[data-testid=reading]").allTextContents();
    assert.ok(values.some((value) => /\d/.test(value)), `a device with a reading: ${await device.innerText()}`);
  }
  await page.context().close();
});

test("values follow the device without a reload", async () => {
  const { page, faults } = await openDashboard();
  await page.evaluate(() => (window.loadedOnce = true));
  const first = await readings(page);
  await page.waitForFunction((seen) => {
    const now = [...document.querySelectorAll("[data-testid=reading]")].map((cell) => cell.textContent);
    return now.length > 0 && now.join("\n") !== seen;
  }, first.join("\n"));
  assert.notDeepEqual(await readings(page), first);
  assert.equal(await page.evaluate(() => window.loadedOnce), true, "the page was not loaded again");
  assert.deepEqual(faults, []);
  await page.context().close();
});

test("a code is shown as its word, and one without a word as the number it is", async () => {
  const { page, faults } = await openPage(browser, bridge.url);
  const change = (path, edit) => page.route(`${bridge.url}/${path}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: edit(await response.json()) });
  });
  await change("api", (index) => {
    const columns = index.resources.find((resource) => resource.path === "/api/inverters").columns;
    Object.assign(columns.find((column) => column.name === "operating_status"), { labels: { 512: "on grid" } });
    Object.assign(columns.find((column) => column.name === "link_status"), { labels: { 512: "on grid" }, unit: "W" });
    Object.assign(columns.find((column) => column.name === "alarm_code"), { flags: { 0: "hot" } });
    return index;
  });
  const codes = { operating_status: "on grid", link_status: 45000, alarm_code: "" };
  await change("api/inverters", (rows) => rows.map((row) => ({ ...row, ...codes })));
  await page.goto(bridge.url);
  for (const [name, word] of [["Operating status", "on grid"], ["Link status", "45000"], ["Alarm code", "none"]]) {
    const pair = shown(page, "device").first().locator("dl div").filter({ hasText: name });
    await pair.first().waitFor();
    assert.equal(await pair.first().locator("dd").textContent(), word, name);
  }
  assert.deepEqual(faults, []);
  await page.context().close();
});
