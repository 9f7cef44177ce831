// Makes the pictures of the documentation from a running demo: npm run screenshots (or make screenshots).

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { startBridge } from "./tests/bridge.mjs";
import { startBrowser } from "./tests/browser.mjs";

const IMAGES = fileURLToPath(new URL("../docs/images/", import.meta.url));
const PICTURES = [
  { file: "dashboard.png", path: "/", width: 1100, height: 760 },
  { file: "api-docs.png", path: "/docs", width: 1100, height: 760 },
];
// Time for the demo's curve to become one.
const POLLS = 8;

await mkdir(IMAGES, { recursive: true });
const bridge = await startBridge({
  args: ["demo", "--seed", "1", "--time-scale", "120"],
  env: { QUERY_PERIOD: "5", TIMEZONE: "UTC" },
});
const browser = await startBrowser();
try {
  for (let polls = 0; polls < POLLS; ) {
    const health = await (await fetch(`${bridge.url}/health`)).json();
    polls = health.dtus.DTU.query_count;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  for (const { file, path, width, height } of PICTURES) {
    const page = await browser.newPage({ viewport: { width, height } });
    await page.goto(`${bridge.url}${path}`, { waitUntil: "load" });
    // Both pages fill themselves.
    await page.waitForFunction(() => document.body.innerText.length > 300);
    await page.waitForTimeout(1_000);
    await page.screenshot({ path: IMAGES + file });
    await page.close();
    console.log(`docs/images/${file}`);
  }
} finally {
  await browser.close();
  await bridge.stop();
}
