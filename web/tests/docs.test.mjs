// The documentation page at `/docs` of a running demo, seen by a browser.

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
  await bridge?.stop();
});

test("every path of the document is shown, and can be tried, without asking anybody else", async () => {
  const { page, faults } = await openPage(browser, bridge.url);
  await page.goto(`${bridge.url}/docs`);
  const shown = page.locator("[data-testid=operation]");
  await shown.first().waitFor();
  const document = await (await fetch(`${bridge.url}/openapi.json`)).json();
  const summaries = await shown.locator("summary code").allTextContents();
  assert.deepEqual(summaries.sort(), Object.keys(document.paths).map((path) => `GET ${path}`).sort());
  const production = page.locator("#get_api_production_totals");
  await production.locator("summary").click();
  await production.getByRole("button", { name: "Ask" }).click();
  const answer = production.getByLabel("answer");
  await answer.filter({ hasText: "plant" }).waitFor();
  assert.match(await answer.innerText(), /^200/);
  assert.match(await production.innerText(), /total_production.*in Wh/s);
  assert.deepEqual(faults, []);
  await page.context().close();
});
