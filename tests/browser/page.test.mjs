// The page in a real Chromium. CHROMIUM names the browser, PAGE the directory of the page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
const desktop = { viewport: { width: 1280, height: 900 } };

let server, browser, page, origin, complaints;
// What reached the server.
const requested = [];

before(async () => {
  server = createServer((request, response) => {
    requested.push(`${request.method} ${request.url}`);
    const file = request.url === "/" ? "/index.html" : request.url;
    try {
      const body = readFileSync(join(process.env.PAGE, file));
      response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  // A sandbox of its own needs privileges that a container lacks; the page is ours.
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
});

after(async () => {
  await browser?.close();
  server.close();
});

async function open(options = desktop) {
  await page?.context().close();
  complaints = [];
  page = await (await browser.newContext(options)).newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  await page.goto(origin);
  await page.waitForSelector("#decision.refuse");
}

beforeEach(() => open());

const text = (selector) => page.locator(selector).innerText();
const example = (name) => page.getByRole("button", { name, exact: true }).click();

test("the first screen explains itself", async () => {
  assert.equal(await page.title(), "tls-client-auth: why is this client refused?");
  assert.match(await text("header"), /certificate.*registered.*token request.*Nothing leaves your browser/s);
  // What it is for is shown by an example, without scrolling.
  const box = await page.locator("#decision").boundingBox();
  assert.ok(box.y + box.height < desktop.viewport.height, `the decision ends at ${box.y + box.height}`);
  assert.match(await text("#decision"), /subject_mismatch[\s\S]*refused with 401[\s\S]*RDN 2: expected O=Other, certificate has O=Client/);
  assert.match(await text("#names tr.difference"), /2 \(first difference\)\s+O=Other\s+O=Client/);
  assert.deepEqual(complaints, []);
});

test("accepted, and refused for other reasons", async () => {
  await example("accepted");
  assert.match(await text("#decision.pass"), /authenticated[\s\S]*passes/);
  assert.match(await text("#answer"), /authorization server/);
  assert.match(await text("#details"), /CN=client\.example\.org,O=Client[\s\S]*2046-01-01T00:00:00Z/);
  assert.equal(JSON.parse(await text("#snippet")).clients[0].client_id, "s6BhdRkqt3");
  await page.getByLabel("no", { exact: true }).check();
  assert.match(await text("#decision.refuse"), /certificate_unverified/);
  await page.getByLabel("it does not say").check();
  assert.match(await text("#decision.refuse"), /certificate_unverified/);
  await example("reverse order");
  assert.match(await text("#decision"), /reverse order/);
  await example("client_id twice");
  assert.match(await text("#decision"), /duplicate_parameter/);
  assert.match(await text("#answer"), /HTTP\/1\.1 400[\s\S]*"error":"invalid_request"/);
  await page.getByLabel("Method").fill("GET");
  assert.match(await text("#decision"), /method_not_allowed/);
  assert.deepEqual(complaints, []);
});

test("bad input is told where it stands, and undone by good input", async () => {
  await example("accepted");
  const certificate = page.getByLabel("1. The client's certificate");
  await certificate.fill("-----BEGIN CERTIFICATE-----\nnoise\n-----END CERTIFICATE-----");
  assert.match(await text("#certificate-error"), /not one PEM certificate/);
  assert.equal(await certificate.getAttribute("aria-invalid"), "true");
  assert.match(await text("#decision"), /certificate_malformed/);
  await certificate.fill("");
  assert.match(await text("#decision"), /certificate_missing/);
  assert.equal(await certificate.getAttribute("aria-invalid"), "false");

  const client = page.getByLabel("2. What the client registered");
  await client.fill("{");
  assert.match(await text("#client-error"), /JSON/);
  assert.match(await text("#decision"), /cannot be read/);
  await client.fill('{"client_id": "a", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dsn": "x"}');
  assert.match(await text("#client-error"), /\/clients\/0\/tls_client_auth_san_dsn: unknown member; did you mean/);
  await client.fill('{"client_id": "<img src=x onerror=alert(1)>", "token_endpoint_auth_method": "none"}');
  await page.getByLabel("Body").fill("client_id=<img src=x onerror=alert(1)>");
  assert.match(await text("#decision"), /passed_other_method/);
  assert.equal(await page.locator("img").count(), 0);
  assert.deepEqual(complaints, []);
});

// A certificate of this test's own, in DER, and what it says of itself.
function certificateFile() {
  const directory = mkdtempSync(join(tmpdir(), "page-"));
  const [key, der] = [join(directory, "key.pem"), join(directory, "client.der")];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", der,
    "-outform", "DER", "-subj", "/O=Dropped/CN=dropped", "-addext", "subjectAltName=DNS:dropped.example.org"], { stdio: "ignore" });
  return der;
}

test("a file is dropped, or chosen", async () => {
  const der = certificateFile();
  const octets = readFileSync(der).toString("base64");
  await page.evaluate((base64) => {
    const octets = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([octets], "client.der"));
    for (const kind of ["dragenter", "dragover", "drop"]) {
      document.querySelector("#drop").dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }
  }, octets);
  await page.waitForFunction(() => document.querySelector("#details").innerText.includes("dropped.example.org"));
  assert.match(await text("#file-name"), /client\.der, \d+ bytes of DER/);
  assert.match(await text("#names tbody"), /CN=dropped/);

  await example("accepted");
  assert.equal(await text("#file-name"), "");
  await page.setInputFiles("#file", der);
  await page.waitForFunction(() => document.querySelector("#details").innerText.includes("dropped.example.org"));
  const pem = join(der, "..", "client.pem");
  writeFileSync(pem, execFileSync("openssl", ["x509", "-inform", "DER", "-in", der]));
  await page.setInputFiles("#file", pem);
  await page.waitForFunction(() => document.querySelector("#certificate").value.includes("BEGIN CERTIFICATE"));
  assert.match(await text("#details"), /dropped\.example\.org/);
  const noise = join(der, "..", "noise");
  writeFileSync(noise, Buffer.from([0x30, 0x03, 1, 2, 3]));
  await page.setInputFiles("#file", noise);
  await page.waitForFunction(() => document.querySelector("#certificate-error").textContent.includes("DER"));
  assert.deepEqual(complaints, []);
});

test("nothing leaves the page", async () => {
  const before = requested.length;
  const outcomes = await page.evaluate(async (origin) => {
    const attempts = [
      () => fetch(origin),
      () => new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.onload = resolve;
        request.onerror = reject;
        request.open("GET", origin);
        request.send();
      }),
      () => new Promise((resolve, reject) => {
        const image = new Image();
        image.onload = resolve;
        image.onerror = reject;
        image.src = `${origin}/style.css?x`;
      }),
      async () => { if (!navigator.sendBeacon(origin, "x")) throw new Error("refused"); },
    ];
    return Promise.all(attempts.map((attempt) => attempt().then(() => "left", () => "kept")));
  }, origin);
  assert.deepEqual(outcomes.slice(0, 3), ["kept", "kept", "kept"]);
  // A beacon may be accepted by name; no request may come of it. The reload comes after whatever was sent before.
  assert.ok(complaints.some((complaint) => complaint.includes("Content Security Policy")), complaints.join());
  await page.goto(`${origin}/style.css`);
  assert.deepEqual(requested.slice(before), ["GET /style.css"]);
});

test("with the keyboard alone", async () => {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.match(await text("#decision.pass"), /authenticated/);
  const reached = new Set();
  for (let presses = 0; presses < 30; presses++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.name));
  }
  for (const id of ["certificate", "file", "client", "method", "path", "headers", "body", "chain", "copy"]) assert.ok(reached.has(id), `${id} is not reached`);
});

test("the configuration is copied", async () => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy" }).click();
  await page.waitForFunction(() => document.querySelector("#copied").textContent === "Copied.");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await text("#snippet"));
});

for (const [name, options] of [["light", desktop], ["dark", { ...desktop, colorScheme: "dark" }], ["a phone", { viewport: { width: 360, height: 740 }, isMobile: true }]]) {
  test(`readable by everybody: ${name}`, async () => {
    await open({ ...options, bypassCSP: true });
    for (const shown of ["accepted", "another subject"]) {
      await example(shown);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run());
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, "it scrolls sideways");
    if (options.colorScheme === "dark") {
      assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(18, 22, 29)");
    }
  });
}
