// For whom the page works, and what it does not do.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { beforeEach, test } from "node:test";
import {
  blank,
  complaints,
  desktop,
  example,
  open,
  origin,
  page,
  phone,
  requested,
  sees,
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
      () => loaded(new Image(), { src: `${origin}/style.css?x` }),
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
  // A beacon may be accepted by name; no request may come of it. The navigation comes after whatever was sent before.
  assert.deepEqual(outcomes.slice(0, -1), Array(outcomes.length - 1).fill("kept"));
  assert.ok(
    complaints.some((complaint) => complaint.includes("Content Security Policy")),
    complaints.join(),
  );
  await page.goto(`${origin}/style.css`);
  // The browser may want an icon for what it went to.
  assert.deepEqual(
    requested.slice(before).filter((request) => request !== "GET /favicon.ico"),
    ["GET /style.css"],
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
        "textarea:not([autocomplete=off]), textarea:not([spellcheck=false]), input:not([type]):not([autocomplete=off])",
      )
      .count(),
    0,
  );
});

test("without scripts, and with scripts that do not come, it says so", async () => {
  await blank({ ...desktop, javaScriptEnabled: false });
  assert.match(await text("#decision"), /This page needs JavaScript/);
  for (const missing of ["wasm.js", "app.js", "view.js"]) {
    await blank(desktop, (page) =>
      page.route(`**/${missing}`, (route) => route.fulfill({ status: 404 })),
    );
    await sees(
      "#decision",
      /This page could not start \([\s\S]+\)\. It needs a browser with JavaScript modules and WebAssembly, and a web server/,
    );
  }
  await blank(desktop, (page) => page.addInitScript(() => delete globalThis.WebAssembly));
  await sees("#decision", /This page could not start/);
  await blank(desktop, (page) =>
    page.route("**/start.js", (route) => route.fulfill({ status: 404 })),
  );
  assert.match(await text("#decision"), /It appears here when the page has started/);
});

test("who listens is not told of every keystroke", async () => {
  await page.evaluate(() => {
    window.told = [];
    for (const region of document.querySelectorAll("[role=status], [role=alert]")) {
      new MutationObserver(() => told.push(region.id)).observe(region, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    }
  });
  const told = () => page.evaluate(() => told.splice(0));
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
  assert.deepEqual((await told()).sort(), ["client-error", "decision"]);
  // Nothing changes: nothing is told.
  await example("accepted");
  await sees("#decision", /authenticated/);
  await told();
  await type("body", "client_id=s6BhdRkqt3&grant_type=authorization_code");
  assert.deepEqual(await told(), []);
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
  empty: () => example("empty"),
  "long names and errors": async () => {
    const name = "AnOrganisationWithoutBlanks".repeat(20);
    await example("accepted");
    await page
      .getByLabel("2. What the client registered")
      .fill(
        JSON.stringify({
          client_id: "s6BhdRkqt3",
          [name]: 1,
          client_secret: "x",
          token_endpoint_auth_method: "tls_client_auth",
          tls_client_auth_subject_dn: `O=${name}`,
        }),
      );
    await page.getByLabel("Path", { exact: true }).fill(`/${name}`);
    await page
      .getByLabel("1. The client's certificate")
      .fill(
        `-----BEGIN PRIVATE KEY-----\n${await page.getByLabel("1. The client's certificate").inputValue()}`,
      );
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
  test(`readable by everybody: ${name}`, async () => {
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
