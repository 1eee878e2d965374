// The page in a real Chromium, for the tests beside this. CHROMIUM names the browser, PAGE the
// directory of the page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { pageName, serve } from "./serve.mjs";

export const desktop = { viewport: { width: 1280, height: 900 } };
export const phone = { viewport: { width: 360, height: 740 }, isMobile: true };

let server, browser;
export let page, origin;
/** Errors and warnings that the page or the browser wrote. */
export let complaints;
/** What reached the server. */
export const requested = [];

before(async () => {
  ({ server, origin } = await serve(process.env.PAGE, 0, (request) => requested.push(request)));
  // A sandbox of its own needs privileges that a container lacks; the page is ours.
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
});

const directories = [];

/** A directory that is removed after the tests. */
export function temporaryDirectory() {
  directories.push(mkdtempSync(join(tmpdir(), "page-")));
  return directories.at(-1);
}

after(async () => {
  directories.forEach((directory) => rmSync(directory, { recursive: true }));
  await browser?.close();
  server?.close();
});

/** The page on a disk. */
export const pageFile = join(process.env.PAGE, pageName);
export const onDisk = pathToFileURL(pageFile).href;

/** A new page in a browser without memories; `prepare` may change what it will load. */
export async function blank(options = desktop, prepare = async () => {}, address = origin) {
  await page?.context().close();
  complaints = [];
  page = await (await browser.newContext(options)).newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on(
    "console",
    (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()),
  );
  await prepare(page);
  await page.goto(address);
}

/** The same, as it is when it has started. */
export async function open(options, prepare, address) {
  await blank(options, prepare, address);
  await page.waitForSelector("#decision.refuse");
}

export const text = (selector) => page.locator(selector).innerText();
export const example = (name) => page.getByRole("button", { name, exact: true }).click();

/** Waits until the text of `selector` is as it should be: the page decides when typing is over. */
export async function sees(selector, pattern) {
  let last;
  for (let tries = 0; tries < 400; tries++) {
    last = await text(selector);
    if (pattern.test(last)) return last;
    await pause(25);
  }
  assert.match(last, pattern, selector);
}

/** A certificate of this test's own, and its key, as files in a directory. */
export function ownCertificate(subject, alternativeNames) {
  const directory = temporaryDirectory();
  const file = (name) => join(directory, name);
  const openssl = (command) => execFileSync("openssl", command.flat(), { stdio: "ignore" });
  openssl([
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ["-days", "2", "-keyout", file("key.pem"), "-out", file("client.pem"), "-subj", subject],
    alternativeNames ? ["-addext", `subjectAltName=${alternativeNames}`] : [],
  ]);
  const out = file("client.der");
  openssl(["x509", "-in", file("client.pem"), "-outform", "DER", "-out", out]);
  return { directory, file };
}
