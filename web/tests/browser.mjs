// Chromium for the tests: a page that writes down what must not happen while it is used.

import { chromium } from "playwright-core";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser; close it with `close()`. */
export function startBrowser() {
  return chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
}

/**
 * A fresh page of its own context, and `faults`: every console error, uncaught exception, failed or refused
 * request, and every request to anything but the bridge at `origin`, as one line each.
 */
export async function openPage(browser, origin) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const faults = [];
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message}`));
  page.on("response", (response) => {
    if (response.status() >= 400) faults.push(`status ${response.status()}: ${response.url()}`);
  });
  // Requests to others are stopped here, so that a fault cannot leave the machine.
  await context.route("**/*", (route) => {
    const url = new URL(route.request().url());
    if (url.origin === origin || url.protocol === "data:" || url.protocol === "blob:") return route.continue();
    faults.push(`request to another host: ${url}`);
    return route.abort();
  });
  return { page, faults };
}
