// The package in the runtime of Cloudflare Workers, which compiles no WebAssembly while it runs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Miniflare } from "miniflare";
import { base64, clients, form } from "./support.mjs";

const home = "node_modules/tls-client-auth/";
const worker = `
  import { Gate } from "./workerd.js";
  import { fromTrustedHeader, protect } from "./fetch.js";

  const gate = new Gate({
    endpoints: ["/token"],
    forward: { client_id: "x-client-id" },
    clients: ${JSON.stringify(clients.slice(0, 1))},
  });
  const application = async (request) =>
    Response.json({
      client: request.headers.get("x-client-id"),
      body: await request.text(),
      verified: request.cf.tlsClientAuth.certVerified,
      redirect: request.redirect,
    });
  export default { fetch: protect(gate, application, { peer: fromTrustedHeader("client-cert") }) };
`;

function started(worker) {
  const { exports } = JSON.parse(readFileSync(`${home}package.json`, "utf8"));
  assert.equal(exports["."].workerd, "./workerd.js");
  const module = (path) => ({
    type: "ESModule",
    path,
    contents: readFileSync(home + path, "utf8"),
  });
  return new Miniflare({
    compatibilityDate: "2026-01-01",
    modules: [
      { type: "ESModule", path: "worker.js", contents: worker },
      ...["workerd.js", "gate.js", "expect.js", "bindings.js", "fetch.js", "adapters.js"].map(
        module,
      ),
      {
        type: "CompiledWasm",
        path: "tls_client_auth.wasm",
        contents: readFileSync(`${home}tls_client_auth.wasm`),
      },
    ],
  });
}

test("a worker decides", async () => {
  const runtime = started(worker);
  const body = "grant_type=client_credentials&client_id=a";
  const send = (headers, more) =>
    runtime.dispatchFetch("http://as.example.com/token", {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      body,
      redirect: "manual",
      cf: { tlsClientAuth: { certVerified: "NONE" } },
      ...more,
    });
  try {
    const good = await send({ "client-cert": `:${base64("subject-dn")}:` });
    // What the runtime knows of a request is still there.
    assert.deepEqual(
      [good.status, await good.json()],
      [200, { client: "a", body, verified: "NONE", redirect: "manual" }],
    );
    const large = await send(
      { "client-cert": `:${base64("subject-dn")}:` },
      { body: "y".repeat(65_537) },
    );
    assert.deepEqual([large.status, (await large.json()).error], [413, "invalid_request"]);
    for (const headers of [{}, { "client-cert": `:${base64("wrong")}:` }, { "x-client-id": "a" }]) {
      const refused = await send(headers);
      assert.deepEqual([refused.status, (await refused.json()).error], [401, "invalid_client"]);
    }
  } finally {
    await runtime.dispose();
  }
});

// The same, with what the runtime itself knows of the connection.
const bound = {
  client_id: "bound",
  token_endpoint_auth_method: "client_secret_post",
  certificate_binding: { tls_client_auth_subject_dn: clients[0].tls_client_auth_subject_dn },
};
const shop = { ...clients[0], tls_client_auth_subject_dn: "CN=another" };
const atTheEdge = `
  import { Gate } from "./workerd.js";
  import { fromCloudflare, protect } from "./fetch.js";

  const gate = new Gate({
    endpoints: ["/token", "/realms/*/token"],
    forward: { client_id: "x-client-id" },
    clients: ${JSON.stringify([clients[0], clients[2], bound])},
    tenants: [{ paths: ["/realms/shop"], clients: ${JSON.stringify([shop])} }],
  });
  const application = async (request) =>
    Response.json({
      client: request.headers.get("x-client-id"),
      forged: request.headers.get("client-cert"),
    });
  export default { fetch: protect(gate, application, { peer: fromCloudflare }) };
`;

test("a worker decides by what Cloudflare says of the certificate", async () => {
  const runtime = started(atTheEdge);
  const verified = (name, more) => ({
    certPresented: "1",
    certVerified: "SUCCESS",
    certRevoked: "0",
    certRFC9440: `:${base64(name)}:`,
    certRFC9440TooLarge: false,
    ...more,
  });
  const none = {
    certPresented: "0",
    certVerified: "NONE",
    certRevoked: "0",
    certRFC9440: "",
    certRFC9440TooLarge: false,
  };
  const failed = "FAILED:unable to get local issuer certificate";
  const good = verified("subject-dn");
  const ask = async (tlsClientAuth, { client = "a", path = "/token", headers } = {}) => {
    const answer = await runtime.dispatchFetch(`http://as.example.com${path}`, {
      method: "POST",
      headers: { ...form, ...headers },
      body: `grant_type=client_credentials&client_id=${client}`,
      ...(tlsClientAuth === undefined ? {} : { cf: { tlsClientAuth } }),
    });
    return [answer.status, await answer.json()];
  };
  try {
    const passed = (client) => [200, { client, forged: null }];
    assert.deepEqual(await ask(good), passed("a"));
    // A header of the client is neither read nor handed on.
    const forged = { "client-cert": `:${base64("subject-dn")}:` };
    const other = { "client-cert": `:${base64("wrong")}:` };
    assert.deepEqual(await ask(good, { headers: other }), passed("a"));
    const refused = [
      ["no certificate", none],
      ["no certificate, and a forged header", none, { headers: forged }],
      ["another certificate", verified("wrong")],
      ["another certificate, and a forged header", verified("wrong"), { headers: forged }],
      ["not verified", { ...good, certVerified: failed }],
      ["not verified, and a forged header", { ...good, certVerified: failed }, { headers: forged }],
      ["failed without a reason", { ...good, certVerified: "FAILED" }],
      ["verified: none", { ...good, certVerified: "NONE" }],
      ["revoked", { ...good, certRevoked: "1" }],
      ["revoked: not said", { ...good, certRevoked: "" }],
      ["revoked: a number", { ...good, certRevoked: 0 }],
      ["too large", { ...good, certRFC9440: "", certRFC9440TooLarge: true }],
      ["too large, and a certificate", { ...good, certRFC9440TooLarge: true }],
      ["presented, and not given", { ...good, certRFC9440: "" }],
      ["not presented, and given", { ...good, certPresented: "0" }],
      ["presented: a boolean", { ...good, certPresented: true }],
      ["no Byte Sequence", { ...good, certRFC9440: base64("subject-dn") }],
      ["two Byte Sequences", { ...good, certRFC9440: `${good.certRFC9440}, ${good.certRFC9440}` }],
      ["null", null],
      ["expired", verified("expired")],
      ["a self-signed client, another certificate", verified("wrong"), { client: "self" }],
      ["a bound client, another certificate", verified("wrong"), { client: "bound" }],
      ["a bound client, none", none, { client: "bound" }],
      ["a bound client, not verified", { ...good, certVerified: failed }, { client: "bound" }],
      ["a client of another realm", good, { path: "/realms/shop/token" }],
    ];
    for (const [what, known, more] of refused) {
      const [status, { error }] = await ask(known, more);
      assert.deepEqual([status, error], [401, "invalid_client"], what);
    }
    const unknown = await ask(good, { path: "/realms/SHOP/token" });
    assert.deepEqual([unknown[0], unknown[1].error], [421, "invalid_request"]);
    // A registered certificate needs no chain.
    const own = { ...verified("self-signed"), certVerified: "FAILED:self signed certificate" };
    assert.deepEqual(await ask(own, { client: "self" }), passed("self"));
    assert.deepEqual(await ask(good, { client: "bound" }), passed(null));
  } finally {
    await runtime.dispose();
  }
});
