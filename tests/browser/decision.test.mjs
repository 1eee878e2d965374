// What the page says about good input.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  complaints,
  desktop,
  example,
  open,
  ownCertificate,
  page,
  phone,
  sees,
  text,
} from "./harness.mjs";

beforeEach(() => open());

test("the first screen explains itself", async () => {
  assert.equal(await page.title(), "tls-client-auth: why is this client refused?");
  const words = [
    "invalid_client",
    "certificate",
    "registration",
    "token request",
    "Nothing leaves",
  ];
  assert.match(await text("header"), new RegExp(words.join("[\\s\\S]*")));
  const decision = await text("#decision");
  assert.match(decision, /Refused with 401: subject_mismatch\s+The certificate does not have the/);
  assert.match(decision, /The filter logs: RDN 2: expected O=Other, certificate has O=Client/);
  assert.match(await text("#comparison tr.difference"), /RDN 2\s+O=Other\s+O=Client/);
  assert.match(await text("#comparison-says"), /first difference is RDN 2/);
  // What it is for is shown by an example, without scrolling.
  for (const selector of ["#decision", "#comparison", "#certificate", "#client"]) {
    const box = await page.locator(selector).boundingBox();
    assert.ok(
      box.y + box.height < desktop.viewport.height,
      `${selector} ends at ${box.y + box.height}`,
    );
  }
  assert.equal(await page.locator('[aria-pressed="true"]').innerText(), "another subject");
  assert.deepEqual(complaints, []);
});

test("on a phone the decision is seen from the first screen on", async () => {
  await open(phone);
  const bar = page.locator("#bar");
  assert.equal(await bar.innerText(), "Refused: subject_mismatch");
  const box = await bar.boundingBox();
  assert.ok(box.y + box.height <= phone.viewport.height);
  await bar.click();
  await page.waitForFunction(() => document.querySelector("#bar").hidden);
  const decision = await page.locator("#decision").boundingBox();
  assert.ok(
    decision.y >= 0 && decision.y < phone.viewport.height,
    `the decision is at ${decision.y}`,
  );
});

test("every example shows what it says", async () => {
  await example("accepted");
  await sees("#decision.pass", /Passes: authenticated[\s\S]*goes on to the authorization server/);
  assert.equal(await page.locator("#answer-card").isVisible(), false);
  assert.equal(await text("#comparison-says"), "They agree.");
  assert.equal(await page.locator("#comparison tr.difference").count(), 0);
  const details = await text("#details");
  assert.match(details, /CN=client\.example\.org,O=Client[\s\S]*SAN dns\s+client\.example\.org/);
  assert.match(details, /2026-01-01T00:00:00Z to 2046-01-01T00:00:00Z/);
  await example("reverse order");
  await sees("#decision", /subject_mismatch[\s\S]*in reverse order\.[\s\S]*logs: reverse order/);
  await example("another host name");
  await sees("#decision", /subject_mismatch[\s\S]*DNS:client\.example\.com/);
  assert.match(
    await text("#comparison tr.difference"),
    /SAN dns\s+client\.example\.com\s+client\.example\.org/,
  );
  await example("renewed certificate");
  await sees("#decision", /certificate_not_registered/);
  assert.match(await text("#comparison tr.difference"), /jwks\s+0tTPf7ZC\S+\s+LT9VB3Wz/);
  await example("client_id twice");
  await sees("#decision", /Refused with 400: duplicate_parameter/);
  assert.match(await text("#answer"), /HTTP\/1\.1 400[\s\S]*"error":"invalid_request"/);
  await example("empty");
  await sees("#decision.undecided", /Nothing is decided\s+Paste a certificate in field 1/);
  for (const card of ["comparison", "details", "answer", "snippet"])
    assert.equal(await page.locator(`#${card}-card`).isVisible(), false, card);
  assert.deepEqual(complaints, []);
});

test("the advice on an unverified chain suffices", async () => {
  await example("accepted");
  await page.getByLabel("no", { exact: true }).check();
  const advice = "#decision p:nth-child(2)";
  await sees(advice, /Add the CA that issued this certificate to those that the TLS server trusts/);
  assert.match(await text(advice), /resume sessions[\s\S]*self_signed_tls_client_auth/);
  await page.getByLabel("it does not say").check();
  await sees(
    advice,
    /does not say whether it did[\s\S]*"peer_certificate": \{"chain": "listener"\}/,
  );
  assert.match(await text("#decision"), /certificate_unverified/);
  // The names are compared all the same.
  assert.equal(await text("#comparison-says"), "They agree.");
});

test("every spelling of a guarded path can be tried", async () => {
  await example("accepted");
  const path = page.getByLabel("Path", { exact: true });
  await path.fill("/elsewhere");
  await sees("#decision", /not_gated[\s\S]*none of the endpoints in field 4/);
  for (const spelling of [
    "/%74oken",
    "//token",
    "/token;x=1",
    "/TOKEN/",
    "/a/../token",
    "https://as.example.com/token",
    "/token?x=1",
    "/token#x",
  ]) {
    await path.fill(spelling);
    await sees("#decision", /authenticated/);
    await path.fill("/elsewhere");
    await sees("#decision", /not_gated/);
  }
  await path.fill("/token?client_id=x");
  await sees("#decision", /client_id_mismatch/);
  await page.getByLabel("Endpoints that it guards").fill("/oauth2/token, /par");
  await sees("#decision", /not_gated/);
  assert.deepEqual(JSON.parse(await text("#snippet")).endpoints, ["/oauth2/token", "/par"]);
  await path.fill("/oauth2/%74oken");
  await sees("#decision", /authenticated/);
  await path.fill("/anything");
  await sees("#decision", /not_gated/);
  await page.getByLabel("Endpoints that it guards").fill("");
  await sees("#decision", /authenticated/);
  assert.equal(JSON.parse(await text("#snippet")).endpoints, undefined);
  assert.deepEqual(complaints, []);
});

test("every code has words that say what to do", async () => {
  const { adviceOn } = await import(pathToFileURL("edge/playground/advice.js"));
  const types = readFileSync(`${process.env.PAGE}/../package/index.d.ts`, "utf8");
  const [, unions] = types.match(/export type PassCode =([\s\S]*?)export type Code =/);
  const codes = [...unions.matchAll(/"(\w+)"/g)].map(([, code]) => code);
  assert.ok(codes.length >= 30, codes.join());
  for (const code of codes)
    assert.match(adviceOn({ code, detail: null }, true), /^[A-Z].*\.$/, code);
});

test("a request is refused for its own reasons", async () => {
  await example("accepted");
  await page.getByLabel("Method").fill("GET");
  await sees("#decision", /method_not_allowed[\s\S]*Token requests are POST/);
  // A preflight has no body and no credentials.
  await page.getByLabel("Method").fill("OPTIONS");
  await sees("#decision", /method_not_allowed[\s\S]*only as a preflight: without a body/);
  await page.getByLabel("Body").fill("");
  await sees("#decision", /not_gated[\s\S]*or the request is a preflight/);
  await example("accepted");
  await page
    .getByLabel("Headers")
    .fill("content-type: application/x-www-form-urlencoded\nupgrade: websocket");
  await sees("#decision", /upgrade_refused[\s\S]*must not ask for another protocol/);
  await page.getByLabel("Headers").fill("content-type: application/x-www-form-urlencoded");
  await page.getByLabel("Body").fill("client_id=s6BhdRkqt3&client_secret%5B%5D=x");
  await sees(
    "#decision",
    /duplicate_parameter[\s\S]*read as client_id, client_secret or client_assertion by some/,
  );
  await example("accepted");
  await page
    .getByLabel("Headers")
    .fill("content-type: application/x-www-form-urlencoded\nauthorization: Basic eDp5");
  await sees("#decision", /client_id_mismatch/);
  await page
    .getByLabel("Headers")
    .fill("content-type: application/x-www-form-urlencoded\ncontent-encoding: gzip");
  await sees("#decision", /encoded_body[\s\S]*must not compress/);
  await page.getByLabel("Headers").fill("");
  await sees("#decision", /unsupported_media_type/);
});

test("every kind of alternative name is compared", async () => {
  const { file } = ownCertificate(
    "/O=Own",
    "DNS:a.example,DNS:b.example,URI:urn:x:y,IP:192.0.2.7,IP:2001:db8::1,email:ops@Example.org",
  );
  await page
    .getByLabel("1. The client's certificate")
    .fill(readFileSync(file("client.pem"), "utf8"));
  const registered = page.getByLabel("2. What the client registered");
  const client = (members) =>
    JSON.stringify({
      client_id: "s6BhdRkqt3",
      token_endpoint_auth_method: "tls_client_auth",
      ...members,
    });
  for (const [type, same, other, found] of [
    ["dns", "B.example", "c.example", /a\.example\s+b\.example/],
    ["uri", "urn:x:y", "urn:x:Y", /urn:x:y/],
    ["ip", "2001:DB8:0::1", "::ffff:192.0.2.7", /192\.0\.2\.7\s+2001:db8::1/],
    ["email", "ops@example.ORG", "OPS@example.org", /ops@example\.org/],
  ]) {
    await registered.fill(client({ [`tls_client_auth_san_${type}`]: other }));
    await sees("#comparison-says", /None of the certificate's names/);
    assert.match(
      await text("#comparison tr.difference"),
      new RegExp(`SAN ${type}\\s+${other}\\s+${found.source}`),
    );
    await registered.fill(client({ [`tls_client_auth_san_${type}`]: same }));
    await sees("#comparison-says", /They agree/);
  }
  await example("another host name");
  await page
    .getByLabel("2. What the client registered")
    .fill(client({ tls_client_auth_san_ip: "192.0.2.7" }));
  await sees("#comparison tr.difference", /SAN ip\s+192\.0\.2\.7\s+none of this type/);
});

test("thumbprints are compared in one spelling", async () => {
  const { file } = ownCertificate("/O=Own", "DNS:a.example");
  const base64 = readFileSync(file("client.der")).toString("base64");
  const hex = execFileSync(
    "openssl",
    ["x509", "-in", file("client.pem"), "-noout", "-fingerprint", "-sha256"],
    { encoding: "utf8" },
  )
    .split("=")[1]
    .trim();
  const own = Buffer.from(hex.replaceAll(":", ""), "hex").toString("base64url");
  const other = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
  await page
    .getByLabel("1. The client's certificate")
    .fill(readFileSync(file("client.pem"), "utf8"));
  const registered = page.getByLabel("2. What the client registered");
  const client = (members) =>
    registered.fill(
      JSON.stringify({
        client_id: "s6BhdRkqt3",
        token_endpoint_auth_method: "self_signed_tls_client_auth",
        ...members,
      }),
    );
  const ec = { kty: "EC" };
  for (const key of [
    { ...ec, x5c: [base64] },
    { ...ec, "x5t#S256": hex },
  ]) {
    await client({ jwks: { keys: [ec, { ...ec, "x5t#S256": other }, key] } });
    await sees("#decision", /authenticated/);
    await sees("#comparison tbody", new RegExp(`jwks\\s+${other}\\s+${own}\\s+${own}`));
    await client({ jwks: { keys: [{ ...ec, "x5t#S256": other }] } });
    await sees("#decision", /certificate_not_registered/);
  }
  // What the filter leaves out is not shown as registered, and not copied: without its purpose it
  // would count.
  const leftOut = [
    { ...ec, use: "enc", "x5t#S256": own },
    { "x5t#S256": own },
    { ...ec, key_ops: ["wrapKey"], "x5t#S256": own },
    { ...ec, x5c: [base64], "x5t#S256": other },
    { ...ec, x5c: ["AAAA"] },
  ];
  await client({ jwks: { keys: [...leftOut, { ...ec, "x5t#S256": other }] } });
  await sees("#decision", /certificate_not_registered/);
  await sees("#comparison tbody", new RegExp(`^jwks\\s+${other}\\s+${own}\\s*$`));
  // What is offered has the certificate, too.
  assert.deepEqual(JSON.parse(await text("#snippet")).clients[0].jwks, {
    keys: [
      { ...ec, "x5t#S256": other },
      { ...ec, "x5t#S256": own },
    ],
  });
  await client({ jwks: { keys: [{ ...ec, "x5t#S256": own }] }, certificate_thumbprints: [other] });
  await sees("#comparison tr.difference", new RegExp(`thumbprints\\s+${other}\\s+${own}`));
  assert.equal(await page.locator("#comparison tr.difference").count(), 1);
});
