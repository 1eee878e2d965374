// What the page does with bad input, with files, and with secrets.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  complaints,
  desktop,
  example,
  open,
  ownCertificate,
  page,
  pageFile,
  sees,
  text,
} from "./harness.mjs";

const { Gate } = await import(pathToFileURL(`${process.env.PAGE}/../package/index.js`));

beforeEach(() => open());

const certificate = () => page.getByLabel("1. The client's certificate");
const registered = () => page.getByLabel("2. What the client registered");

test("a bad certificate is reported at its field, and undone by a good one", async () => {
  await example("accepted");
  await certificate().fill("-----BEGIN CERTIFICATE-----\nnoise\n-----END CERTIFICATE-----");
  await sees("#certificate-error", /No certificate can be read here: not one PEM certificate/);
  assert.equal(await certificate().getAttribute("aria-invalid"), "true");
  await sees("#decision", /certificate_malformed/);
  await certificate().fill(
    "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----",
  );
  await sees("#certificate-note", /a request for a certificate/);
  await certificate().fill("");
  await sees("#decision", /certificate_missing/);
  assert.equal(await certificate().getAttribute("aria-invalid"), "false");
});

test("a bad registration is reported at its field", async () => {
  await example("accepted");
  const tls = '"client_id": "a", "token_endpoint_auth_method": "tls_client_auth"';
  const self = tls.replace("tls_", "self_signed_tls_");
  const twice = '{"keys": [{"x5t#S256": "x", "x5t#S256": "y"}]}';
  for (const [json, error] of [
    ["{", /^Not JSON: /],
    ["null", /^expected client metadata \(RFC 7591\), found null/],
    ["0", /found a number/],
    ['""', /found a string/],
    ["[[]]", /found an array/],
    ["client", /^Neither JSON nor a distinguished name \(/],
    [
      '{"client_id": "a", "client_id": "b"}',
      /^\/client_id: expected this member once, found it twice/,
    ],
    [`{${self}, "jwks": ${twice}}`, /x5t#S256: .*twice/],
    ['{"client_id": "\\ud800"}', /^\/client_id: .*half of a surrogate pair/],
    ['{"client_id": "a"}], "mode": "shadow", "x": [{}', /^Not JSON: /],
    [
      `{${tls}, "tls_client_auth_san_dsn": "x"}`,
      /^\/tls_client_auth_san_dsn: unknown member; did you mean/,
    ],
  ]) {
    await registered().fill(json);
    await sees("#client-error", error);
    assert.equal(await registered().getAttribute("aria-invalid"), "true", json);
    assert.match(
      await text("#decision.undecided"),
      /What is wrong: the registration\. See there\./,
    );
    assert.equal(await page.locator("#snippet-card").isVisible(), false);
    await example("accepted");
    await sees("#decision", /authenticated/);
    assert.equal(await text("#client-error"), "");
  }
  assert.deepEqual(complaints, []);
});

test("each of several errors is reported at its own field", async () => {
  await example("accepted");
  const endpoints = page.getByLabel("Endpoints that it guards");
  await endpoints.fill("/token https://as.example.com/token");
  await sees(
    "#endpoints-error",
    /“https:\/\/as\.example\.com\/token”: expected a path that begins with a slash/,
  );
  assert.equal(await text("#client-error"), "");
  await registered().fill("null");
  await page.getByLabel("Headers").fill("content-type: x\n\nno colon here");
  await sees("#client-error", /found null/);
  await sees("#headers-error", /^Line 3, “no colon here”, has no colon/);
  assert.match(
    await text("#decision"),
    /What is wrong: the registration, the headers, the endpoints\. See there\./,
  );
  for (const line of ["> content-type: x", ":method: POST", "content type: x"]) {
    await page.getByLabel("Headers").fill(line);
    await sees("#headers-error", /does not begin with the name of a header/);
    await page.getByLabel("Headers").fill("");
    await page.waitForFunction(() => !document.querySelector("#headers-error").textContent);
  }
  await example("accepted");
  await sees("#decision", /authenticated/);
  for (const field of ["certificate", "client", "headers", "endpoints"])
    assert.equal(await text(`#${field}-error`), "");
});

test("line ends behind a body are no part of it, blanks within are reported", async () => {
  await example("accepted");
  const body = page.getByLabel("Body");
  await body.fill("grant_type=client_credentials&client_id=s6BhdRkqt3\n\n");
  await sees("#body-note", /The line end behind the body is not sent/);
  assert.match(await text("#decision"), /authenticated/);
  await body.fill("grant_type=client_credentials&client_id=s6BhdRkqt3 ");
  await sees("#body-note", /A blank or a line end in the body is sent as it is/);
  await sees("#decision", /unknown_client[\s\S]*case and blanks count/);
  await example("accepted");
  assert.equal(await text("#body-note"), "");
});

test("text is never HTML", async () => {
  await registered().fill(
    '{"client_id": "<img src=x onerror=alert(1)>", "token_endpoint_auth_method": "none", "<b>": 1}',
  );
  await page.getByLabel("Body").fill("client_id=<img src=x onerror=alert(1)>");
  await sees("#decision", /passed_other_method/);
  await sees("#left", /<b>/);
  await page.getByLabel("Headers").fill("<img src=x>");
  await sees("#headers-error", /<img src=x>/);
  assert.equal(await page.locator("img, main b").count(), 0);
  assert.deepEqual(complaints, []);
});

test("certificates are read as people have them", async () => {
  const { file } = ownCertificate("/O=Own/CN=own", "DNS:own.example");
  const pem = readFileSync(file("client.pem"), "utf8");
  const other = await certificate().inputValue();
  const printed = execFileSync("openssl", ["x509", "-in", file("client.pem"), "-text"], {
    encoding: "utf8",
  });
  const chain = `Certificate chain\n 0 s:O = Own\n${pem} 1 s:O = Demo\n${other}`;
  const handshake = `CONNECTED(00000003)\n---\n${chain}---\nServer certificate\n100% "verified"\n`;
  for (const [given, note] of [
    [pem, /^$/],
    [printed, /^Of this text, the certificate alone is used\.$/],
    [pem + other, /^The first of 2 certificates is used: the client's own comes first\.$/],
    [handshake, /^The first of 2 certificates is used/],
    [pem.trim().replaceAll("\n", "\\n"), /^Of this text/],
    [encodeURIComponent(pem), /^$/],
    [readFileSync(file("client.der")).toString("base64"), /^Read as base64 of DER\.$/],
  ]) {
    await example("accepted");
    await sees("#details", /client\.example\.org/);
    await certificate().fill(given);
    await sees("#details", /O=Own[\s\S]*own\.example/);
    assert.match(await text("#certificate-note"), note);
    assert.equal(await text("#certificate-error"), "");
  }
});

test("a private key is removed, and reported", async () => {
  const { file } = ownCertificate("/O=Own", "DNS:own.example");
  const key = readFileSync(file("key.pem"), "utf8");
  const der = execFileSync("openssl", ["pkey", "-in", file("key.pem"), "-outform", "DER"]);
  const legacy = execFileSync("openssl", ["ec", "-in", file("key.pem")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const locked = execFileSync(
    "openssl",
    ["pkcs8", "-topk8", "-in", file("key.pem"), "-passout", "pass:x"],
    { encoding: "utf8" },
  );
  const removed = "No key is needed, and it was removed from this page\\.";
  const reported = new RegExp(`private key[^]*${removed}[^]*treat it as exposed`);
  // But in the page's own script.
  const nowhere = async (secret) => {
    const shown = await page.evaluate(() => {
      const copy = document.documentElement.cloneNode(true);
      copy.querySelectorAll("script").forEach((script) => script.remove());
      const fields = [...document.querySelectorAll("textarea")].map(({ value }) => value);
      return [copy.innerHTML, ...fields].join();
    });
    assert.ok(!shown.includes(secret));
  };
  for (const pasted of [
    key,
    legacy,
    locked,
    key.slice(0, 90),
    key.replace("-----", ""),
    encodeURIComponent(key),
    der.toString("base64"),
  ]) {
    await example("accepted");
    await certificate().fill(pasted);
    await sees("#certificate-error", reported);
    assert.equal(await certificate().inputValue(), "", pasted);
    assert.match(await text("#decision"), /certificate_missing/);
    await nowhere(pasted.trim().slice(40, 80));
  }
  // It stays away when the paste is undone and done again, and is reported until something else
  // stands there.
  await page.keyboard.press("Control+z");
  await page.keyboard.press("Control+Shift+z");
  await nowhere("PRIVATE");
  // The certificate beside it is used.
  await example("accepted");
  await certificate().fill(key + readFileSync(file("client.pem"), "utf8"));
  await sees("#certificate-error", reported);
  await sees("#details", /own\.example/);
  await nowhere("PRIVATE");
  await page.getByLabel("Method").fill("PUT");
  await sees("#decision", /method_not_allowed/);
  assert.match(await text("#certificate-error"), reported);
  await certificate().fill(readFileSync(file("client.pem"), "utf8").trim());
  await page.waitForFunction(() => !document.querySelector("#certificate-error").textContent);
  // In a file, too.
  writeFileSync(file("key.der"), der);
  execFileSync("openssl", [
    "pkcs12",
    "-export",
    "-in",
    file("client.pem"),
    "-inkey",
    file("key.pem"),
    "-passout",
    "pass:x",
    "-out",
    file("client.p12"),
  ]);
  for (const name of ["key.pem", "key.der", "client.p12"]) {
    await example("accepted");
    await page.setInputFiles("#file", file(name));
    await sees("#certificate-error", reported);
    await nowhere("PRIVATE");
    assert.match(await text("#decision"), /certificate_missing/);
  }
  assert.deepEqual(complaints, []);
});

test("secrets of a registration are not copied", async () => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const copied = async () => {
    await page.getByRole("button", { name: "Copy" }).click();
    await sees("#copied", /^Copied\.$/);
    const clipboard = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(clipboard, await text("#snippet"));
    assert.ok(!(await text("#verdict")).includes("SECRET") && !clipboard.includes("SECRET"));
    // What is copied is a configuration.
    new Gate(clipboard);
    return JSON.parse(clipboard).clients[0];
  };
  await example("accepted");
  const { client_id, ...rest } = await copied();
  assert.equal(await text("#left"), "");
  await registered().fill(
    JSON.stringify({
      client_id,
      client_secret: "SECRET",
      registration_access_token: "SECRET",
      registration_client_uri: "https://as.example.com/SECRET",
      ...rest,
      backend_authentication: { method: "client_secret_basic", client_secret: "SECRET" },
      redirect_uris: ["SECRET"],
      jwks: { keys: [{ kty: "EC", d: "SECRET" }] },
      certificate_thumbprints: ["UPAWKPJJOCak8W-U9l4EQ35ItW40YBI8BxZz13c5dHE"],
    }),
  );
  const secrets = "client_secret, registration_access_token, backend_authentication";
  await sees("#left", new RegExp(`^Left out as secret: ${secrets}, private parts of jwks\\. `));
  const unused = "registration_client_uri, redirect_uris, jwks";
  assert.match(await text("#left"), new RegExp(` Left out as unused by the filter: ${unused}\\.$`));
  assert.match(await text("#client-note"), /private key in jwks[\s\S]*exposed/);
  assert.deepEqual(await copied(), {
    client_id,
    ...rest,
    certificate_thumbprints: ["UPAWKPJJOCak8W-U9l4EQ35ItW40YBI8BxZz13c5dHE"],
  });

  const thumbprint = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
  await registered().fill(
    JSON.stringify({
      client_id,
      token_endpoint_auth_method: "self_signed_tls_client_auth",
      jwks: {
        keys: [
          { kty: "EC", d: "SECRET", kid: "SECRET", "x5t#S256": thumbprint },
          { kty: "oct", k: "SECRET" },
        ],
      },
    }),
  );
  await sees("#left", /^Left out as secret: private parts of jwks\.$/);
  // The certificate in field 1 is offered beside the one that is registered.
  const [first, second, ...others] = (await copied()).jwks.keys;
  assert.deepEqual([first, others], [{ kty: "EC", "x5t#S256": thumbprint }, []]);
  assert.equal(second["x5t#S256"], await page.locator("#details dd").last().innerText());
  await example("accepted");
  assert.equal((await text("#left")) + (await text("#client-note")), "");
});

test("without a clipboard the configuration is selected", async () => {
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await page.getByRole("button", { name: "Copy" }).click();
  await sees("#copied", /Selected: copy it with your keyboard/);
  assert.equal(
    await page.evaluate(() => getSelection().toString().trim()),
    (await text("#snippet")).trim(),
  );
});

/** Files, or items of text, dropped on the middle of an element as by hand. */
async function drop(selector, data) {
  const box = await page.locator(selector).boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + Math.min(box.height / 2, 60)];
  const session = await page.context().newCDPSession(page);
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", {
      type,
      x,
      y,
      data: { items: [], files: [], dragOperationsMask: 1, ...data },
    });
  }
}

test("files are dropped, or chosen", async () => {
  const { directory, file } = ownCertificate("/O=Dropped/CN=dropped", "DNS:dropped.example.org");
  await drop("#certificate", { files: [file("client.der")] });
  await sees("#details", /dropped\.example\.org/);
  assert.match(await text("#file-name"), /^client\.der, \d+ bytes of DER$/);
  assert.match(await text("#comparison tbody"), /CN=dropped/);
  assert.equal(await page.locator(".dropping").count(), 0);
  await example("accepted");
  assert.equal(await text("#file-name"), "");
  await drop("#drop", { files: [file("client.pem"), file("client.der")] });
  await sees("#file-name", /^client\.pem, the first of 2 files$/);
  assert.match(await text("#details"), /dropped\.example\.org/);

  await example("accepted");
  await page.setInputFiles("#file", file("client.der"));
  await sees("#details", /dropped\.example\.org/);
  await certificate().fill("x");
  await sees("#decision", /certificate_malformed/);
  assert.equal(await text("#file-name"), "");
  // The same file once more.
  await page.setInputFiles("#file", file("client.der"));
  await sees("#details", /dropped\.example\.org/);

  for (const [name, content, error] of [
    [
      "noise",
      Buffer.from([0x30, 0x82, 0, 5, 0x30, 3, 1, 2, 3]),
      /not the DER of an X\.509 certificate/,
    ],
    ["empty", "", /^$/],
    [
      "large",
      Buffer.alloc(262_145),
      /^large has 262145 bytes, which is too much for a certificate\.$/,
    ],
  ]) {
    writeFileSync(file(name), content);
    await example("accepted");
    await page.setInputFiles("#file", file(name));
    await sees("#decision", /certificate_(malformed|missing)/);
    assert.match(await text("#certificate-error"), error);
  }
  await example("accepted");
  mkdirSync(file("certificates"));
  await drop("#drop", { files: [file("certificates")] });
  await sees("#certificate-error", /^certificates cannot be read\. Is it a directory\?$/);
  assert.match(await text("#decision"), /certificate_missing/);
  assert.ok(directory);
  assert.deepEqual(complaints, []);
});

test("a file beside the drop area is not opened, and text is dropped where it falls", async () => {
  await example("accepted");
  const { file } = ownCertificate("/O=Dropped", "DNS:dropped.example.org");
  const before = page.url();
  await page.evaluate(() => {
    window.dragged = [];
    window.addEventListener("dragover", ({ defaultPrevented, dataTransfer }) =>
      dragged.push(`${defaultPrevented} ${dataTransfer.dropEffect}`),
    );
  });
  const dragged = () => page.evaluate(() => [...new Set(dragged.splice(0))]);
  for (const selector of ["h1", "#client", "#decision"]) {
    await drop(selector, { files: [file("client.pem")] });
    // Not every browser opens what is dropped by a test; each does without this.
    assert.deepEqual(await dragged(), ["true none"], selector);
  }
  assert.equal(page.url(), before);
  assert.match(await text("#decision"), /authenticated/);
  assert.doesNotMatch(await text("#details"), /dropped/);
  await registered().fill("");
  await drop("#client", {
    items: [
      {
        mimeType: "text/plain",
        data: '{"client_id": "dragged", "token_endpoint_auth_method": "none"}',
      },
    ],
  });
  await sees("#snippet", /dragged/);
  assert.match((await dragged()).join(), /^false /);
  await certificate().fill("");
  await drop("#certificate", {
    items: [{ mimeType: "text/plain", data: readFileSync(file("client.pem"), "utf8") }],
  });
  await sees("#details", /dropped\.example\.org/);
});

test("a decision that fails leaves none on the screen", async () => {
  const failing = `  decide(request) {
    if (request.path === "/fails") throw new TypeError("cannot decide");
`;
  const body = readFileSync(pageFile, "utf8").replace("  decide(request) {\n", failing);
  assert.ok(body.includes(failing));
  // Its own policy would not let a script run that was changed.
  await open({ ...desktop, bypassCSP: true }, (page) =>
    page.route("**/", (route) => route.fulfill({ contentType: "text/html", body })),
  );
  await example("accepted");
  await sees("#decision", /authenticated/);
  await page.getByLabel("Path", { exact: true }).fill("/fails");
  await sees(
    "#decision.undecided",
    /Nothing is decided[\s\S]*The filter's code failed: cannot decide/,
  );
  assert.doesNotMatch(await text("#verdict"), /authenticated|They agree/);
  await page.getByLabel("Path", { exact: true }).fill("/token");
  await sees("#decision.pass", /authenticated/);
});
