// The package in the runtime of Cloudflare Workers, which compiles no WebAssembly while it runs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Miniflare } from "miniflare";
import { clients } from "./support.mjs";

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

test("a worker decides", async () => {
  const { exports } = JSON.parse(readFileSync(`${home}package.json`, "utf8"));
  assert.equal(exports["."].workerd, "./workerd.js");
  const module = (path) => ({
    type: "ESModule",
    path,
    contents: readFileSync(home + path, "utf8"),
  });
  const runtime = new Miniflare({
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
  const base64 = (name) =>
    readFileSync(`pki/${name}.pem`, "utf8").replace(/-----[^-]+-----|\s/g, "");
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
