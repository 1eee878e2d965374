// The whole case table of the filter, decided by the package.

import assert from "node:assert/strict";
import { X509Certificate, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { Gate, convertClients, readCertificate, readName } from "tls-client-auth";
import { fromTrustedHeader, protect } from "tls-client-auth/fetch";

const cases = JSON.parse(readFileSync(process.env.CASES, "utf8"));
const bytes = (base64) => new Uint8Array(Buffer.from(base64, "base64"));

// The decision line of the filter, of a part of which the table speaks.
function line({ code, pass, tenant, clientId, thumbprint, detail }, path) {
  const words = [
    `code=${code}`,
    pass && detail && "mode=shadow",
    tenant && `tenant="${tenant}"`,
    clientId && `client_id="${clientId}"`,
    thumbprint && `thumbprint=${thumbprint}`,
    `endpoint="${path}"`,
    detail && `detail="${detail}"`,
  ];
  return words.filter(Boolean).join(" ");
}

test("every case is decided as the table says", () => {
  assert.ok(cases.length > 500, "that is not the table");
  const gates = new Map();
  const codes = { early: new Set(), late: new Set() };
  const options = new Set();
  for (const { name, config, headers, body, expect, ...request } of cases) {
    const text = JSON.stringify(config);
    if (!gates.has(text)) gates.set(text, new Gate(text));
    const gate = gates.get(text);
    const pairs = headers.map(([name, value]) => [name, bytes(value)]);
    const decision = gate.decide({ ...request, headers: pairs, body: bytes(body) });
    assert.equal(decision.code, expect.code, `${name}: ${decision.detail}`);
    assert.equal(decision.status, expect.status, name);
    assert.equal(decision.pass, expect.status === null, name);
    if (!decision.pass) {
      assert.equal(JSON.parse(decision.body).error, expect.error, name);
      assert.equal(decision.headers["content-type"], "application/json", name);
      assert.equal("www-authenticate" in decision.headers, expect.wwwAuthenticate, name);
    }
    if (expect.clientId) assert.equal(decision.clientId, expect.clientId, name);
    if (expect.tenant) assert.equal(decision.tenant, expect.tenant, name);
    assert.ok(
      line(decision, request.path).includes(expect.detail ?? ""),
      `${name}: ${line(decision, request.path)}`,
    );
    // What the headers alone decide is what the whole request gets.
    const early = gate.decideHead({ ...request, headers: pairs });
    if (early) assert.deepEqual(early, decision, name);
    for (const [header, value] of Object.entries(expect.forwarded)) {
      const { set, remove } = decision.forward;
      const sent = pairs
        .filter(([name]) => name.toLowerCase() === header && !remove.includes(header))
        .map(([, value]) => Buffer.from(value).toString());
      const written = set.filter(([name]) => name === header).map(([, value]) => value);
      assert.deepEqual(
        written.length ? written : sent,
        value === null ? [] : [value],
        `${name}: ${header}`,
      );
    }
    // An OPTIONS may be a preflight, which only its end shows; and at a resource a form counts only
    // where there is a body.
    if (name.startsWith("resources")) continue;
    if (request.method !== "OPTIONS") codes[early ? "early" : "late"].add(expect.code);
    else options.add(`${expect.code} ${early ? "early" : "late"}`);
  }
  assert.ok(gates.size > 50, `${gates.size} configurations`);
  for (const found of ["not_gated late", "method_not_allowed late", "method_not_allowed early"])
    assert.ok(options.has(found), `${found}: ${[...options]}`);
  for (const code of [
    "not_gated",
    "method_not_allowed",
    "encoded_body",
    "unknown_tenant",
    "server_name_mismatch",
    "upgrade_refused",
  ])
    assert.ok(!codes.late.has(code), code);
  for (const code of ["authenticated", "unknown_client", "malformed_form", "subject_mismatch"])
    assert.ok(!codes.early.has(code), code);
});

// The rows about a header that a trusted proxy writes, with the header given to the adapter for
// runtimes that know nothing of their connection.
test("a trusted header is read as the table says", async (t) => {
  const formats = { xfcc: "xfcc", "client-cert": "byte-sequence", pem: "pem", der: "der" };
  const usual = { "client-cert": "client-cert", "x-ssl-cert": "x-ssl-cert", pem: "x-ssl-cert" };
  const counted = {};
  const clock = Date.now;
  t.after(() => (Date.now = clock));
  for (const { name, config, headers, body, certificate, expect, ...known } of cases) {
    Date.now = () => known.now * 1000;
    const { source, dialect = "xfcc", header, ...policy } = config.peer_certificate ?? {};
    const { trusted_proxies: trusted, verified, chain, server_name: _, ...unknown } = policy;
    const isForwarded = source === "forwarded" && trusted && !verified && !chain && !config.tenants;
    // Of other rows the adapter cannot know what they are about: the peer of the connection.
    const isOfPeer =
      certificate === null ||
      expect.code === "certificate_unverified" ||
      !/^(certificate_|subject_mismatch|authenticated)/.test(expect.code);
    if (!isForwarded || isOfPeer || /trusted_prox|untrusted peer/.test(expect.detail + name)) continue;
    assert.deepEqual(unknown, {}, name);
    const usualName = usual[dialect] ?? "x-forwarded-client-cert";
    const read = header?.toLowerCase() ?? usualName;
    const format = formats[dialect] ?? "pem";
    const der = new X509Certificate(decodeURIComponent(certificate)).raw;
    const hash = createHash("sha256").update(der).digest("hex");
    const sent = new Headers();
    for (const [name, value] of headers.filter(([name]) => !name.startsWith(":")))
      sent.append(name, Buffer.from(value, "base64").toString("latin1"));
    const value = sent.get(read) ?? "";
    const last = value.slice(value.lastIndexOf(value.startsWith("[") ? "{" : ",") + 1);
    const options = format === "xfcc" && last.includes(hash) ? { format, hop: hash } : { format };
    const gate = new Gate({ ...config, peer_certificate: {} });
    const codes = [];
    const handle = protect(gate, () => new Response(), {
      peer: async (request) => ({ ...fromTrustedHeader(read, options)(request) }),
      onDecision: ({ code }) => codes.push(code),
    });
    const { method, path, host } = known;
    const request = { method, headers: sent, body: Buffer.from(body, "base64") };
    await handle(new Request(`https://${host}${path}`, request));
    // With a blank behind the comma, these may be two headers.
    const isTwo = /blanks (round the elements|at the commas)$/.test(name);
    const wanted = isTwo ? "certificate_malformed" : expect.code;
    assert.deepEqual(codes, [wanted], `${name}: ${read} ${JSON.stringify(options)} ${value}`);
    const kind = `${format} ${wanted}`;
    counted[kind] = (counted[kind] ?? 0) + 1;
  }
  for (const format of ["xfcc", "byte-sequence", "pem", "der"])
    for (const code of ["authenticated", "subject_mismatch", "certificate_missing"])
      assert.ok(counted[`${format} ${code}`] > 0, `${format} ${code}: ${JSON.stringify(counted)}`);
  for (const format of ["byte-sequence", "pem", "der"])
    assert.ok(counted[`${format} certificate_malformed`] > 5, JSON.stringify(counted));
});

const client = {
  client_id: "a",
  token_endpoint_auth_method: "tls_client_auth",
  tls_client_auth_subject_dn: "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP",
};
const pem = readFileSync("pki/subject-dn.pem", "utf8");

test("plain values of every kind", () => {
  const gate = new Gate({ clients: [client], forward: { client_id: "x-client-id" } });
  const form = { "Content-Type": "application/x-www-form-urlencoded" };
  const request = {
    path: "/token",
    headers: form,
    body: "client_id=a",
    certificate: pem,
    chainValid: true,
  };
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const body = new TextEncoder().encode("client_id=a");
  const padded = new TextEncoder().encode("..client_id=a..").buffer;
  const shared = new SharedArrayBuffer(body.length);
  new Uint8Array(shared).set(body);
  for (const more of [
    { headers: new Headers(form) },
    { headers: new Map(Object.entries(form)) },
    { headers: [["content-type", form["Content-Type"]]] },
    { headers: { ...form, authorization: undefined, "x-a": ["1", "2"] } },
    {
      headers: { ":method": "OPTIONS", ":path": "/other", ":authority": "as.example.com", ...form },
    },
    { body },
    { body: body.buffer },
    { body: shared },
    { body: new DataView(padded, 2, 11) },
    { body: new Uint8Array(padded, 2, 11) },
    { body: new Uint16Array(new TextEncoder().encode("client_id=a&").buffer) },
    {
      body: runInNewContext(
        "Uint8Array.from(text, (character) => character.charCodeAt(0)).buffer",
        { text: "client_id=a" },
      ),
    },
    { certificate: der },
    { certificate: new DataView(der.buffer, der.byteOffset, der.length) },
    { certificate: new TextEncoder().encode(pem) },
    { certificate: new X509Certificate(pem) },
    { certificate: encodeURIComponent(pem), now: 1_800_000_000 },
    { now: new Date("2027-01-01") },
  ]) {
    const decision = gate.decide({ ...request, ...more });
    assert.equal(decision.code, "authenticated", decision.detail);
    assert.deepEqual(decision.forward.set, [["x-client-id", "a"]]);
    assert.equal(decision.body, null);
  }
  for (const [more, code] of [
    [{ certificate: null }, "certificate_missing"],
    [{ certificate: "" }, "certificate_missing"],
    [{ certificate: undefined }, "certificate_missing"],
    [{ certificate: "noise" }, "certificate_malformed"],
    [{ chainValid: false }, "certificate_unverified"],
    [{ chainValid: null }, "certificate_unverified"],
    [{ chainValid: undefined }, "certificate_unverified"],
    [{ now: 0 }, "certificate_not_yet_valid"],
    [{ now: new Date(0) }, "certificate_not_yet_valid"],
    [{ now: Date.now() }, "certificate_expired"],
    [{ now: null }, "host_error"],
    [{ now: NaN }, "host_error"],
    [{ now: new Date("noise") }, "host_error"],
    [
      { headers: { ...form, authorization: ["Basic YQ==", "Basic YQ=="] } },
      "malformed_authorization",
    ],
    [{ headers: {} }, "unsupported_media_type"],
    [{ body: undefined }, "missing_client_id"],
    [{ body: "client_id=é" }, "unknown_client"],
    [{ headers: { ...form, authorization: "Basic \u{1F600}" } }, "malformed_authorization"],
  ]) {
    const decision = gate.decide({ ...request, ...more });
    assert.equal(decision.code, code, JSON.stringify(more));
    // A caller of this has no Envoy.
    assert.doesNotMatch(decision.detail, /Envoy|connection\./);
  }
});

test("what has not the type that it must have is nothing else", () => {
  const gate = new Gate({ clients: [client] });
  const request = {
    path: "/token",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "client_id=a",
    certificate: pem,
    chainValid: true,
  };
  const wrong = {
    chainValid: [
      "false",
      "NONE",
      "FAILED:self signed certificate",
      "SUCCESS",
      "",
      0,
      1,
      {},
      new Boolean(false),
    ],
    body: [
      null,
      20,
      -1,
      true,
      {},
      [],
      ["client_id=a"],
      new Blob(["client_id=a"]),
      new URLSearchParams("client_id=a"),
    ],
    certificate: [0, 1, true, {}, [], { raw: "DER" }, new Blob([pem])],
    headers: [
      ...[null, 1, "content-type", ["content-type", "application/x-www-form-urlencoded"], ["ab"]],
      ...[[["content-type"]], [["a", "b", "c"]], [[1, "b"]], [["a", undefined]]],
      ...[{ a: null }, { a: 1 }, { a: [["b"]] }, { a: new Blob([]) }],
    ],
    now: ["2027-01-01", "1", true, {}, 1n],
    path: [undefined, null, 1, new URL("https://as.example.com/token")],
    method: [null, 1, Symbol("POST")],
    host: [1, {}],
    // As Node's sockets have it: the adapter makes null of it.
    serverName: [false, true, 1, {}, [], new TextEncoder().encode("a.example")],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      for (const decide of name === "body" ? ["decide"] : ["decide", "decideHead"]) {
        const mistaken = () => gate[decide]({ ...request, [name]: value });
        assert.throws(
          mistaken,
          new RegExp(`^TypeError: ${name}.*: expected `),
          `${name}: ${String(value)}`,
        );
      }
    }
  }
  for (const value of wrong.certificate) assert.throws(() => readCertificate(value), TypeError);
});

test("the host is said once", () => {
  const tenants = ["a.example", "b.example"].map((host) => ({
    hosts: [host],
    clients: [{ ...client, client_id: host }],
  }));
  const gate = new Gate({
    mode: "shadow",
    max_body_bytes: 7,
    tenants: [
      {
        ...tenants[0],
        mode: "enforce",
        peer_certificate: { chain: "listener" },
        max_body_bytes: 9,
      },
      tenants[1],
    ],
  });
  for (const [head, tenant] of [
    [{ host: "a.example" }, "a.example"],
    [{ host: "a.example", headers: { host: "b.example" } }, "a.example"],
    [{ headers: { Host: "b.example" } }, "b.example"],
    [{ headers: { host: new TextEncoder().encode("b.example") } }, "b.example"],
    [{ headers: { ":authority": "b.example" } }, "b.example"],
    [{ headers: { ":authority": "b.example", host: "b.example" } }, "b.example"],
    [{ headers: { ":authority": "b.example", host: "a.example" } }, null],
    [
      {
        headers: [
          ["host", "a.example"],
          ["Host", "b.example"],
        ],
      },
      null,
    ],
    [{ headers: {} }, null],
  ]) {
    assert.equal(gate.decide({ path: "/token", ...head }).tenant, tenant, JSON.stringify(head));
  }
  assert.deepEqual(gate.policy("A.example:443"), {
    mode: "enforce",
    modeOfAll: "enforce",
    chain: "listener",
    maxBodyBytes: 9,
  });
  assert.deepEqual(gate.policy("b.example"), {
    mode: "shadow",
    modeOfAll: "enforce",
    chain: "connection",
    maxBodyBytes: 7,
  });
  assert.deepEqual(gate.policy("c.example"), {
    mode: "shadow",
    modeOfAll: "enforce",
    chain: "connection",
    maxBodyBytes: 0,
  });
  assert.deepEqual(new Gate({ clients: [] }).policy(), {
    mode: "enforce",
    modeOfAll: "enforce",
    chain: "connection",
    maxBodyBytes: 65_536,
  });
  assert.throws(() => gate.policy(null), TypeError);
});

test("the name of the TLS handshake must be of the tenant, where it is given", () => {
  const tenant = (host, more) => ({ hosts: [host], clients: [{ ...client }], ...more });
  const gate = new Gate({
    tenants: [
      tenant("a.example"),
      tenant("b.example"),
      tenant("localhost"),
      tenant("c.example", { peer_certificate: { server_name: "ignore" } }),
    ],
  });
  const request = {
    path: "/token",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "client_id=a",
    certificate: pem,
    chainValid: true,
  };
  for (const [host, serverName, code] of [
    ["a.example", "a.example", "authenticated"],
    ["a.example:443", "A.example", "authenticated"],
    ["a.example", "b.example", "server_name_mismatch"],
    ["a.example", "unknown.example", "server_name_mismatch"],
    ["a.example", null, "server_name_mismatch"],
    ["a.example", "", "server_name_mismatch"],
    ["a.example", "a.example\0", "server_name_mismatch"],
    ["a.example", undefined, "authenticated"],
    ["localhost", null, "authenticated"],
    ["localhost", "", "authenticated"],
    ["localhost", "(unknown: a resumed session)", "server_name_mismatch"],
    ["c.example", "b.example", "authenticated"],
  ]) {
    const decision = gate.decide({ ...request, host, serverName });
    assert.equal(decision.code, code, `${host} ${serverName}: ${decision.detail}`);
    const early = gate.decideHead({ ...request, host, serverName });
    assert.equal(early?.code, code === "authenticated" ? undefined : code, `${host} ${serverName}`);
  }
  assert.equal(gate.decide({ ...request, host: "a.example", serverName: "b.example" }).status, 421);
});

test("mistakes are reported with their place", () => {
  assert.throws(
    () => new Gate({ clients: [{ client_id: "" }] }),
    /\/clients\/0\/client_id: expected/,
  );
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

test("client lists of other servers are converted, or the reason is said", () => {
  const dn = { tls_client_auth_subject_dn: "CN=a, O=b" };
  const tls = { token_endpoint_auth_method: "tls_client_auth", ...dn };
  const keycloak = (id, attributes) => ({
    clientId: id,
    clientAuthenticatorType: "client-x509",
    attributes: { "x509.subjectdn": "CN=a, O=b", ...attributes },
  });
  const bearer = { clientId: "k", clientAuthenticatorType: "client-secret", bearerOnly: true };
  const list = [keycloak("a"), keycloak("b", { "x509.casubjectdn": "CN=CA" }), bearer];
  assert.deepEqual(convertClients(JSON.stringify({ realm: "r", clients: list }), "keycloak"), [
    {
      pointer: "/clients/0",
      clientIds: ["a"],
      clients: [{ client_id: "a", ...tls }],
      error: null,
      neverAuthenticates: false,
    },
    {
      pointer: "/clients/1",
      clientIds: ["b"],
      clients: [{ client_id: "b", ...tls, trust_anchors: [{ subject: "CN=CA" }] }],
      error: null,
      neverAuthenticates: false,
    },
    {
      pointer: "/clients/2",
      clientIds: ["k"],
      clients: null,
      error: {
        pointer: "/clients/2/bearerOnly",
        message: "a bearer-only client does not authenticate",
      },
      neverAuthenticates: true,
    },
  ]);
  const authlete = {
    clientId: 7,
    clientIdAlias: "a",
    clientIdAliasEnabled: true,
    tokenAuthMethod: "TLS_CLIENT_AUTH",
    tlsClientAuthSubjectDn: "CN=a, O=b",
  };
  const duende = { ClientId: "a", ClientSecrets: [{ Type: "X509Name", Value: "CN=a, O=b" }] };
  const settings = { "settings.client.x509-certificate-subject-dn": "CN=a,O=b" };
  const spring = {
    client_id: "a",
    client_authentication_methods: "tls_client_auth",
    client_settings: JSON.stringify(settings),
  };
  for (const [from, entry, ids, subject] of [
    ["authlete", authlete, ["7", "a"], "CN=a, O=b"],
    ["duende", duende, ["a"], "CN=a, O=b"],
    ["spring", spring, ["a"], "CN=a,O=b"],
  ]) {
    const [{ pointer, clients }] = convertClients(JSON.stringify(entry), from);
    assert.equal(pointer, "");
    const expected = { ...tls, tls_client_auth_subject_dn: subject };
    assert.deepEqual(
      clients,
      ids.map((client_id) => ({ client_id, ...expected })),
      from,
    );
    // What is converted is a configuration.
    new Gate({ clients });
  }
  assert.throws(() => convertClients("{}", "keycloak"), /expected an array of clients/);
  assert.throws(() => convertClients("[", "keycloak"), /not JSON/);
});
