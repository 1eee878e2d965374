// The whole case table of the filter, decided by the package.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Gate, readCertificate, readName } from "tls-client-auth";

const cases = JSON.parse(readFileSync(process.env.CASES, "utf8"));
const bytes = (base64) => new Uint8Array(Buffer.from(base64, "base64"));

test("every case is decided as the table says", () => {
  assert.ok(cases.length > 500, "that is not the table");
  const gates = new Map();
  for (const { name, config, headers, body, expect, ...request } of cases) {
    const text = JSON.stringify(config);
    if (!gates.has(text)) gates.set(text, new Gate(text));
    const pairs = headers.map(([name, value]) => [name, bytes(value)]);
    const decision = gates.get(text).decide({ ...request, headers: pairs, body: bytes(body) });
    assert.equal(decision.code, expect.code, `${name}: ${decision.detail}`);
    assert.equal(decision.status, expect.status, name);
    assert.equal(decision.pass, expect.status === null, name);
    if (!decision.pass) {
      assert.equal(JSON.parse(decision.body).error, expect.error, name);
      assert.equal(decision.headers["content-type"], "application/json", name);
    }
    if (expect.clientId) assert.equal(decision.clientId, expect.clientId, name);
    if (expect.tenant) assert.equal(decision.tenant, expect.tenant, name);
    if (expect.detail && !/[=]/.test(expect.detail)) assert.ok(decision.detail.includes(expect.detail), `${name}: ${decision.detail}`);
    for (const [header, value] of Object.entries(expect.forwarded)) {
      const { set, remove } = decision.forward;
      const sent = pairs.filter(([name]) => name.toLowerCase() === header && !remove.includes(header)).map(([, value]) => Buffer.from(value).toString());
      const written = set.filter(([name]) => name === header).map(([, value]) => value);
      assert.deepEqual(written.length ? written : sent, value === null ? [] : [value], `${name}: ${header}`);
    }
  }
  assert.ok(gates.size > 50, `${gates.size} configurations`);
});

const client = { client_id: "a", token_endpoint_auth_method: "tls_client_auth", tls_client_auth_subject_dn: "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP" };
const pem = readFileSync("pki/subject-dn.pem", "utf8");

test("plain values of every kind", () => {
  const gate = new Gate({ clients: [client], forward: { client_id: "x-client-id" } });
  const form = { "Content-Type": "application/x-www-form-urlencoded" };
  const request = { path: "/token", body: "client_id=a", certificate: pem, chainValid: true };
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  for (const more of [
    { headers: form },
    { headers: new Headers(form) },
    { headers: [["content-type", form["Content-Type"]]], body: new TextEncoder().encode("client_id=a") },
    { headers: form, certificate: der },
    { headers: form, certificate: new TextEncoder().encode(pem) },
    { headers: form, certificate: encodeURIComponent(pem), now: 1_800_000_000 },
  ]) {
    const decision = gate.decide({ ...request, ...more });
    assert.equal(decision.code, "authenticated", decision.detail);
    assert.deepEqual(decision.forward.set, [["x-client-id", "a"]]);
    assert.equal(decision.body, null);
  }
  for (const [more, code] of [
    [{ certificate: null }, "certificate_missing"],
    [{ certificate: "noise" }, "certificate_malformed"],
    [{ chainValid: null }, "certificate_unverified"],
    [{ chainValid: undefined }, "certificate_unverified"],
    [{ now: 0 }, "certificate_not_yet_valid"],
    [{ now: NaN }, "host_error"],
    [{ headers: { ...form, authorization: ["Basic YQ==", "Basic YQ=="] } }, "malformed_authorization"],
    [{ headers: {} }, "unsupported_media_type"],
    [{ body: "client_id=é" }, "unknown_client"],
    [{ headers: { ...form, authorization: "Basic \u{1F600}" } }, "malformed_authorization"],
  ]) {
    assert.equal(gate.decide({ ...request, headers: form, ...more }).code, code, JSON.stringify(more));
  }
});

test("mistakes are told with their place", () => {
  assert.throws(() => new Gate({ clients: [{ client_id: "" }] }), /\/clients\/0\/client_id: expected/);
  assert.throws(() => new Gate("no JSON"), /not JSON/);
  assert.throws(() => readCertificate("noise"), /PEM/);
  assert.throws(() => readName("CN"), /byte 2/);
});

test("certificates and names are read", () => {
  const certificate = readCertificate(pem);
  assert.equal(certificate.subject, client.tls_client_auth_subject_dn);
  assert.equal(certificate.rdns[4], "C=JP");
  assert.match(certificate.thumbprint, /^[\w-]{43}$/);
  assert.deepEqual(readName("/C=JP/CN=a").rdns, ["CN=a", "C=JP"]);
});
