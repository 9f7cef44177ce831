// The dashboard in trouble: what is wrong comes first, one question's trouble is not another's, and a guarded bridge is
// no silent one.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { startBridge } from "./bridge.mjs";
import { openPage, startBrowser } from "./browser.mjs";

const TOKEN = "s3cret";
let bridge;
let guarded;
let browser;

before(async () => {
  [bridge, guarded] = await Promise.all([startBridge(), startBridge({ env: { API_TOKEN: TOKEN } })]);
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await Promise.all([bridge?.stop(), guarded?.stop()]);
});

const shown = (page, name) => page.locator(`[data-testid=${name}]`);
const aReading = (page) => shown(page, "reading").filter({ hasText: /\d/ }).first();

/** The answer of the bridge to this path, changed. */
async function change(page, path, edit) {
  await page.route(`${bridge.url}/${path}`, async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    await route.fulfill({ response, json: edit(body) ?? body });
  });
}

test("what is wrong stands above the fold", async () => {
  const { page } = await openPage(browser, bridge.url);
  await change(page, "health", (health) => {
    health.warnings = ["`store` cannot deliver, and is retried: cannot reach PostgreSQL db:5432/solar"];
    const [source] = Object.values(health.dtus);
    Object.assign(source, { status: "error", last_error: "connection refused", seconds_since_last_success: 4000 });
  });
  await page.goto(bridge.url);
  const trouble = shown(page, "trouble");
  await trouble.filter({ hasText: "cannot reach PostgreSQL" }).waitFor();
  assert.match(await trouble.first().innerText(), /is offline: connection refused \(last success 67 min ago\)/);
  const fold = page.viewportSize().height;
  for (const sentence of await trouble.all()) {
    const { y, height } = await sentence.boundingBox();
    assert.ok(y + height < fold, `${await sentence.innerText()} ends at ${y + height} of ${fold}`);
  }
  await page.locator("#summary").filter({ hasText: "needs attention" }).waitFor();
  await page.context().close();
});

test("without trouble there is nothing to say", async () => {
  const { page } = await openPage(browser, bridge.url);
  await page.goto(bridge.url);
  await aReading(page).waitFor();
  await page.locator("#summary").filter({ hasText: "healthy" }).waitFor();
  assert.equal(await shown(page, "trouble").count(), 0);
  assert.equal(await page.locator("[data-testid=device][data-state=old]").count(), 0);
  await page.context().close();
});

test("an old reading is shown as old", async () => {
  const { page } = await openPage(browser, bridge.url);
  const old = new Date(Date.now() - 3_600_000).toISOString();
  await change(page, "api/inverters", ([first]) => {
    for (const row of [first, ...first.ports]) for (const name of ["timestamp", "first_seen", "last_seen"]) if (row[name]) row[name] = old;
  });
  await page.goto(bridge.url);
  const device = shown(page, "device").first();
  await device.filter({ hasText: "old: updated 60 min ago" }).waitFor();
  assert.equal(await device.getAttribute("data-state"), "old");
  const faded = await device.locator(".values").evaluate((node) => Number(getComputedStyle(node).opacity));
  assert.ok(faded < 1, `an opacity of ${faded}`);
  assert.equal(await shown(page, "device").nth(1).getAttribute("data-state"), null, "the others are not");
  await page.context().close();
});

test("a question that is not answered hides no other's answer, and what it said before stays", async () => {
  const { page } = await openPage(browser, bridge.url);
  await page.route(`${bridge.url}/stats`, () => {});
  await page.goto(bridge.url);
  await aReading(page).waitFor();
  await page.locator("[data-testid=totals] dd").filter({ hasText: /\d/ }).first().waitFor();
  const devices = await shown(page, "device").count();
  await page.route(`${bridge.url}/api/inverters`, () => {});
  await shown(page, "trouble").filter({ hasText: "Readings are not up to date: no answer" }).waitFor({ timeout: 30_000 });
  await shown(page, "trouble").filter({ hasText: "Size and row counts are not up to date: no answer" }).waitFor();
  assert.equal(await shown(page, "device").count(), devices);
  assert.ok(await page.locator("#alert").isHidden(), "the bridge itself answers");
  await page.context().close();
});

test("a guarded bridge asks for its token, says which is wrong, and is asked once per device", async () => {
  const { page } = await openPage(browser, guarded.url);
  await page.goto(guarded.url);
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  assert.ok(await page.locator("#alert").isHidden(), "it does answer");
  assert.ok(await dialog.getByText("not the token").isHidden());
  await dialog.getByLabel("Token").fill("another");
  await dialog.getByRole("button").click();
  await dialog.getByText("not the token").waitFor();
  assert.ok(await page.locator("#alert").isHidden());
  await dialog.getByLabel("Token").fill(TOKEN);
  await dialog.getByLabel("remember").check();
  await dialog.getByRole("button").click();
  await aReading(page).waitFor();
  assert.ok(await dialog.isHidden());
  await page.getByRole("link", { name: "Metrics" }).click();
  await page.getByText("smiles_build_info").first().waitFor();

  // Another tab knows it; so does the documentation.
  const second = await page.context().newPage();
  await second.goto(guarded.url);
  await aReading(second).waitFor();
  assert.ok(await second.getByRole("dialog").isHidden());
  await second.getByRole("link", { name: "API" }).click();
  await second.locator("[data-testid=operation]").first().waitFor();
  await page.context().close();

  // Another device does not, and its documentation asks too.
  const { page: other } = await openPage(browser, guarded.url);
  await other.goto(`${guarded.url}/docs`);
  await other.getByRole("textbox", { name: "Token" }).fill(TOKEN);
  await other.getByRole("dialog").getByRole("button").click();
  await other.locator("[data-testid=operation]").first().waitFor();
  await other.context().close();
});

test("a token that is no longer the right one is asked for again, also where health is told in short", async () => {
  const { page, faults } = await openPage(browser, bridge.url);
  await page.goto(bridge.url);
  await aReading(page).waitFor();
  await change(page, "health", ({ healthy, uptime_seconds }) =>
    ({ healthy, uptime_seconds, dtus: {}, bridge: { version: "3.0.0", auth: "bearer" } }));
  await page.getByRole("dialog").waitFor({ timeout: 30_000 });
  await page.locator("#summary").filter({ hasText: "asks for its token" }).waitFor();
  assert.deepEqual(faults, []);
  await page.context().close();
});

test("strangers' pages may frame the dashboard only while it has no token", async () => {
  const frames = createServer((request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<iframe src="${request.url === "/open" ? bridge.url : guarded.url}"></iframe>`);
  }).listen(0, "127.0.0.1");
  await once(frames, "listening");
  const stranger = `http://127.0.0.1:${frames.address().port}`;
  // One that may ask other origins than the bridge's.
  const page = await browser.newPage();
  await page.goto(`${stranger}/open`);
  await page.frameLocator("iframe").locator("#summary").filter({ hasText: "healthy" }).waitFor();
  const refused = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors 'self'"));
  await page.goto(`${stranger}/guarded`);
  await refused;
  assert.equal(await page.frameLocator("iframe").getByRole("dialog").count(), 0);
  await page.close();
  frames.close();
});

test("a page that is refused any storage works, and takes a token for as long as it lives", async () => {
  for (const { url, token } of [{ url: bridge.url }, { url: guarded.url, token: TOKEN }]) {
    const { page, faults } = await openPage(browser, url);
    await page.addInitScript(() => {
      const refuse = { get: () => { throw new DOMException("denied", "SecurityError"); } };
      Object.defineProperty(window, "sessionStorage", refuse);
      Object.defineProperty(window, "localStorage", refuse);
    });
    await page.goto(url);
    if (token) {
      await page.getByRole("textbox", { name: "Token" }).fill(token);
      await page.getByRole("dialog").getByRole("button").click();
    }
    await aReading(page).waitFor();
    assert.deepEqual(faults.filter((fault) => !/401/.test(fault)), []);
    await page.context().close();
  }
});
