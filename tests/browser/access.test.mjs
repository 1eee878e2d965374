// Who can use the page, and what it does not do.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { beforeEach, test } from "node:test";
import {
  blank,
  complaints,
  desktop,
  example,
  onDisk,
  open,
  origin,
  ownCertificate,
  page,
  pageFile,
  phone,
  requested,
  sees,
  temporaryDirectory,
  text,
} from "./harness.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

beforeEach(() => open());

test("nothing leaves the page", async () => {
  const before = requested.length;
  const outcomes = await page.evaluate(async (origin) => {
    const loaded = (element, attributes) =>
      new Promise((resolve, reject) => {
        Object.assign(element, { onload: resolve, onerror: reject }, attributes);
        document.body.append(element);
      });
    const attempts = [
      () => fetch(origin),
      () =>
        new Promise((resolve, reject) => {
          const request = new XMLHttpRequest();
          request.onload = resolve;
          request.onerror = reject;
          request.open("GET", origin);
          request.send();
        }),
      () => loaded(new Image(), { src: `${origin}/image?x` }),
      () =>
        new Promise((resolve, reject) =>
          Object.assign(new WebSocket(origin.replace("http", "ws")), {
            onopen: resolve,
            onerror: reject,
          }),
        ),
      async () => document.body.insertAdjacentHTML("beforeend", "<p>"),
      // What the test itself evaluates may do this; what runs later may not.
      () =>
        new Promise((resolve, reject) =>
          setTimeout(() => {
            try {
              resolve(new Function("return 1")());
            } catch (error) {
              reject(error);
            }
          }),
        ),
      async () => Object.assign(document.createElement("script"), { src: "x.js" }),
      async () => {
        if (!navigator.sendBeacon(origin, "x")) throw new Error("refused");
      },
    ];
    return Promise.all(
      attempts.map((attempt) =>
        attempt().then(
          () => "left",
          () => "kept",
        ),
      ),
    );
  }, origin);
  // A beacon may be accepted by name; no request may come of it. The navigation comes after
  // whatever was sent before.
  assert.deepEqual(outcomes.slice(0, -1), Array(outcomes.length - 1).fill("kept"));
  assert.ok(
    complaints.some((complaint) => complaint.includes("Content Security Policy")),
    complaints.join(),
  );
  await page.goto(`${origin}/tls-client-auth.html?after`);
  // The browser may want an icon for what it went to.
  assert.deepEqual(
    requested.slice(before).filter((request) => request !== "GET /favicon.ico"),
    ["GET /tls-client-auth.html?after"],
  );
});

test("it keeps nothing either", async () => {
  await example("accepted");
  assert.deepEqual(
    await page.evaluate(async () => [
      localStorage.length,
      sessionStorage.length,
      document.cookie,
      (await indexedDB.databases()).length,
    ]),
    [0, 0, "", 0],
  );
  assert.equal(
    await page
      .locator(
        "textarea:not([autocomplete=off]), textarea:not([spellcheck=false]), " +
          "input:not([type]):not([autocomplete=off])",
      )
      .count(),
    0,
  );
});

test("without scripts, and with a script that does not run, it says so", async () => {
  await blank({ ...desktop, javaScriptEnabled: false });
  assert.match(await text("#decision"), /This page needs JavaScript/);
  await blank(desktop, (page) => page.addInitScript(() => delete globalThis.WebAssembly));
  await sees(
    "#decision",
    /^This page could not start \(.+\)\. It needs a browser of 2023 or later/,
  );
  const html = readFileSync(pageFile, "utf8");
  for (const [changed, says, options] of [
    // As by a browser that does not know the language of the script.
    [["=> {", "=#> {"], /^This page could not start \(.*SyntaxError/, { bypassCSP: true }],
    // Its policy lets nothing run but the scripts that it was made with.
    [["=> {", "=> { window.changed = true;"], /^It appears here when the page has started\.$/],
  ]) {
    const at = html.lastIndexOf("<script>");
    const body = html.slice(0, at) + html.slice(at).replace(...changed);
    await blank({ ...desktop, ...options }, (page) =>
      page.route("**/", (route) => route.fulfill({ contentType: "text/html", body })),
    );
    await sees("#decision", says);
    assert.equal(await page.evaluate(() => window.changed), undefined);
  }
});

test("on a disk it is the same page, and asks for nothing else", async () => {
  for (const options of [desktop, phone]) {
    const asked = [];
    const note = (page) => page.on("request", (request) => asked.push(request.url()));
    await open(options, note, onDisk);
    await example("accepted");
    await sees("#decision.pass", /Passes: authenticated/);
    await example("Keycloak");
    await sees("#client-note", /Read as a client of Keycloak/);
    assert.match(await text("#decision"), /authenticated/);
    await example("renewed certificate");
    await sees("#decision.refuse", /certificate_not_registered/);
    const { file } = ownCertificate("/O=Disk", "DNS:disk.example");
    await page.setInputFiles("#file", file("client.der"));
    await sees("#details", /disk\.example/);
    const outcome = await page.evaluate(
      (origin) =>
        fetch(origin).then(
          () => "left",
          () => "kept",
        ),
      origin,
    );
    assert.equal(outcome, "kept");
    const refused = complaints.filter(
      (complaint) => !/Content Security Policy|fetch/.test(complaint),
    );
    assert.deepEqual(refused, []);
    // The icon is none.
    assert.deepEqual(
      asked.filter((url) => url !== "data:,"),
      [onDisk],
    );
  }
});

test("it names its version, and where the rules are", async () => {
  const { version, homepage } = JSON.parse(readFileSync("edge/package.json", "utf8"));
  assert.ok((await text("footer")).startsWith(`tls-client-auth ${version}, Apache-2.0.`));
  const links = await page.locator("footer a").evaluateAll((all) => all.map(({ href }) => href));
  const rules = ["rfc8705", "rfc7591", "rfc4514"].map(
    (rfc) => `https://www.rfc-editor.org/rfc/${rfc}`,
  );
  assert.deepEqual(links, homepage ? [homepage, ...rules] : rules);
});

test("the page is made of what it knows how to put into one file", () => {
  const from = temporaryDirectory();
  const file = (name, content) => writeFileSync(join(from, name), content);
  const made = () =>
    spawnSync(process.execPath, ["edge/playground/bundle.mjs", from, from], { encoding: "utf8" });
  file("package.json", '{"version": "1.2.3", "homepage": "https://a.example/?a&b"}');
  file(
    "index.html",
    "{{project}} {{version}} {{script-hashes}} <style>{{style}}</style>{{script}}",
  );
  file("style.css", "p { color: red }");
  file("start.js", "start();");
  file("b.js", "export const c = 1;\nexport { c as d };\n");
  file("app.js", 'import { c, d as e } from "./b.js";\nwindow.result = [c, e];\n');
  const { stdout, stderr } = made();
  assert.equal(stderr, "");
  assert.match(
    stdout,
    /^<a href="https:\/\/a\.example\/\?a&#38;b">tls-client-auth<\/a> 1\.2\.3 'sha256/,
  );
  const window = {};
  new Function("window", stdout.slice(stdout.indexOf("</style>") + 8))(window);
  assert.deepEqual(window.result, [1, 1]);
  for (const [name, content, says] of [
    ["app.js", 'import "./b.js";', /app\.js: cannot be put into the page: import "\.\/b\.js"/],
    ["app.js", 'const b = import("./b.js");', /cannot be put into the page/],
    ["app.js", "export default 1;", /cannot be put into the page/],
    ["app.js", 'import { readFile } from "node:fs";', /node:fs is not a file of the page/],
    ["app.js", 'const end = "</script>";', /script would end its element/],
    ["index.html", "{{other}}", /index\.html: there is no other/],
  ]) {
    const before = readFileSync(join(from, name), "utf8");
    file(name, content);
    const { status, stderr } = made();
    assert.equal(status, 1, content);
    assert.match(stderr, says);
    file(name, before);
  }
});

test("a screen reader does not read every keystroke aloud", async () => {
  await page.evaluate(() => {
    window.reported = [];
    for (const region of document.querySelectorAll("[role=status], [role=alert]")) {
      new MutationObserver(() => reported.push(region.id)).observe(region, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    }
  });
  const reported = () => page.evaluate(() => reported.splice(0));
  // By the page's own clock, so that a slow machine types slowly and waits long.
  const type = (id, text) =>
    page.evaluate(
      async ([id, text]) => {
        const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
        const field = document.getElementById(id);
        field.value = "";
        for (const letter of text) {
          field.value += letter;
          field.dispatchEvent(new InputEvent("input", { bubbles: true }));
          await pause(10);
        }
        await pause(1000);
      },
      [id, text],
    );
  // Another error at every letter.
  await type("client", '{"client_id": "abcdefghij", "x"');
  assert.deepEqual((await reported()).sort(), ["client-error", "decision"]);
  // Nothing changes: nothing is reported.
  await example("accepted");
  await sees("#decision", /authenticated/);
  await reported();
  await type("body", "client_id=s6BhdRkqt3&grant_type=authorization_code");
  assert.deepEqual(await reported(), []);
});

test("with the keyboard alone", async () => {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await sees("#decision.pass", /authenticated/);
  const reached = new Set();
  for (let presses = 0; presses < 30; presses++) {
    await page.keyboard.press("Tab");
    const { name, hidden } = await page.evaluate(() => {
      const element = document.activeElement;
      const box = (element.closest(".button") ?? element).getBoundingClientRect();
      const top = document.elementFromPoint(
        box.x + box.width / 2,
        Math.min(box.y + box.height / 2, innerHeight - 1),
      );
      return {
        name: element.id || element.name,
        hidden:
          element !== document.body && top && document.querySelector(".top, #bar").contains(top),
      };
    });
    reached.add(name);
    assert.ok(!hidden, `${name} is behind the decision`);
  }
  for (const id of [
    "certificate",
    "file",
    "client",
    "method",
    "path",
    "headers",
    "body",
    "endpoints",
    "chain",
    "copy",
  ])
    assert.ok(reached.has(id), `${id} is not reached`);
});

test("what belongs to a field is said with it", async () => {
  const fields = await page.evaluate(() =>
    [...document.querySelectorAll("textarea, input")].map((field) => ({
      id: field.id || field.name,
      label: field.labels[0]?.textContent.trim(),
      missing: (field.getAttribute("aria-describedby") ?? "")
        .split(" ")
        .filter((id) => id && !document.getElementById(id)),
      error:
        document.getElementById(`${field.id}-error`) &&
        !field.getAttribute("aria-describedby").includes(`${field.id}-error`),
    })),
  );
  for (const { id, label, missing, error } of fields)
    assert.ok(label && !missing.length && !error, `${id}: ${label}, ${missing}`);
});

// The states of which each looks different.
const states = {
  accepted: () => example("accepted"),
  "another subject": () => example("another subject"),
  "renewed certificate": () => example("renewed certificate"),
  "reverse order": () => example("reverse order"),
  "certificate only": () => example("certificate only"),
  empty: () => example("empty"),
  "long names and errors": async () => {
    const name = "AnOrganisationWithoutBlanks".repeat(20);
    await example("accepted");
    await page.getByLabel("2. What the client registered").fill(
      JSON.stringify({
        client_id: "s6BhdRkqt3",
        [name]: 1,
        client_secret: "x",
        token_endpoint_auth_method: "tls_client_auth",
        tls_client_auth_subject_dn: `O=${name}`,
      }),
    );
    await page.getByLabel("Path", { exact: true }).fill(`/${name}`);
    const certificate = page.getByLabel("1. The client's certificate");
    await certificate.fill(`-----BEGIN PRIVATE KEY-----\n${await certificate.inputValue()}`);
    await page.getByLabel("Body").fill(`${name} \n`);
    await sees("#certificate-error", /private key/);
    await page.getByLabel("Headers").fill(name);
    await page.getByLabel("Endpoints that it guards").fill(`${name} ${name}`);
    await sees("#endpoints-error", /expected a path that begins with a slash/);
  },
};

for (const [name, options] of [
  ["light", desktop],
  ["dark", { ...desktop, colorScheme: "dark" }],
  ["a phone", phone],
  ["forced colours", { ...desktop, forcedColors: "active" }],
  ["a narrow window", { viewport: { width: 320, height: 600 } }],
]) {
  test(`readable: ${name}`, async () => {
    await open({ ...options, bypassCSP: true });
    for (const [state, show] of Object.entries(states)) {
      await show();
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() =>
        axe.run({
          runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
        }),
      );
      assert.deepEqual(
        violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
        [],
        state,
      );
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.equal(overflow, 0, `it scrolls sideways: ${state}`);
    }
    if (options.colorScheme === "dark") {
      assert.equal(
        await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
        "rgb(18, 22, 29)",
      );
    }
  });
}

test("what colours say is also said without them", async () => {
  await open({ ...desktop, forcedColors: "active" });
  const shown = await page.evaluate(() => {
    const style = (selector) => getComputedStyle(document.querySelector(selector));
    return {
      border: style("#decision").borderTopStyle,
      difference: style("tr.difference td").fontWeight,
      other: style("tr:not(.difference) td").fontWeight,
      pressed:
        style('[aria-pressed="true"]').backgroundColor !==
        style('[aria-pressed="false"]').backgroundColor,
    };
  });
  assert.deepEqual(shown, { border: "solid", difference: "600", other: "400", pressed: true });
  assert.match(await text("#comparison-says"), /RDN 2/);
  assert.match(await text("#decision"), /Refused/);
});

test("nothing moves", async () => {
  for (const name of ["accepted", "another subject"]) {
    await example(name);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  }
  assert.deepEqual(
    await page.evaluate(
      () =>
        [...document.querySelectorAll("*")].filter((element) => {
          const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(element);
          return (
            transitionDuration !== "0s" || animationName !== "none" || scrollBehavior !== "auto"
          );
        }).length,
    ),
    0,
  );
});
