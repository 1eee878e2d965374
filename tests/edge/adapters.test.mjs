// The adapters and their examples, over real TLS.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { after, before, test } from "node:test";
import { handler } from "./examples/fetch-handler.mjs";

const read = (name, kind = "pem") => readFileSync(`pki/${name}.${kind}`, "utf8");
const configuration = {
  endpoints: ["/token"],
  forward: { client_id: "x-client-id" },
  clients: [
    { client_id: "a", token_endpoint_auth_method: "tls_client_auth", tls_client_auth_subject_dn: "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP" },
    { client_id: "self", token_endpoint_auth_method: "self_signed_tls_client_auth", jwks: { keys: [{ kty: "EC", x5c: [read("self-signed").replace(/-----[^-]+-----|\s/g, "")] }] } },
  ],
};
const token = (id) => `grant_type=client_credentials&client_id=${id}`;

let server;
let origin;
let log = "";

before(async () => {
  writeFileSync("gate.json", JSON.stringify(configuration));
  server = spawn(process.execPath, ["examples/node-server.mjs", "gate.json", "pki/server.pem", "pki/server.key", "pki/ca.pem"]);
  server.stderr.on("data", (chunk) => (log += chunk));
  const [line] = await once(server.stdout, "data");
  origin = String(line).trim();
});

after(() => server.kill());

// One request on a connection of its own, with this certificate or none.
function ask(name, body, { path = "/token", method = "POST", headers = {} } = {}) {
  const credential = name ? { cert: read(name), key: read(name, "key") } : {};
  const agent = new Agent({ ca: read("ca"), ...credential });
  return new Promise((resolve, reject) => {
    const type = { "content-type": "application/x-www-form-urlencoded" };
    const request = httpsRequest(origin + path, { agent, method, headers: { ...type, ...headers } }, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      agent.destroy();
      resolve({ status: response.statusCode, headers: response.headers, json: JSON.parse(text) });
    });
    request.on("error", reject);
    request.end(body);
  });
}

test("node:https: the right certificate, and every wrong one", async () => {
  const good = await ask("subject-dn", token("a"));
  assert.deepEqual([good.status, good.json], [200, { client: "a", length: token("a").length }]);
  assert.deepEqual((await ask("self-signed", token("self"))).json.client, "self");
  for (const [name, id] of [["wrong", "a"], ["untrusted", "a"], ["expired", "a"], [null, "a"], ["self-signed-other", "self"], ["subject-dn", "nobody"]]) {
    const { status, json, headers } = await ask(name, token(id));
    assert.deepEqual([status, json.error, headers["cache-control"]], [401, "invalid_client", "no-store"], `${name} as ${id}`);
  }
  for (const code of ["authenticated", "subject_mismatch", "certificate_unverified", "certificate_expired", "certificate_missing", "certificate_not_registered", "unknown_client"]) {
    assert.ok(log.includes(`"code":"${code}"`), `${code} is not in ${log}`);
  }
});

test("node:https: what a client sends is not what the application believes", async () => {
  const forged = { headers: { "x-client-id": "a", "X-SSL-Client-Verify": "SUCCESS" } };
  assert.equal((await ask(null, "", { path: "/userinfo", method: "GET", ...forged })).json.client, null);
  assert.equal((await ask("self-signed", token("self"), forged)).json.client, "self");
  const large = await ask("subject-dn", `${token("a")}&x=${"y".repeat(70_000)}`);
  assert.deepEqual([large.status, large.json.error], [413, "invalid_request"]);
  assert.equal((await ask("subject-dn", token("a"), { headers: { "transfer-encoding": "chunked" } })).status, 200);
});

test("fetch: a certificate from a trusted header", async () => {
  const { fetch } = handler(configuration);
  const base64 = read("subject-dn").replace(/-----[^-]+-----|\s/g, "");
  const send = (headers, body = token("a"), path = "/token") =>
    fetch(new Request(`https://as.example.com${path}`, { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded", ...headers }, body }));
  const good = await send({ "client-cert": `:${base64}:` });
  assert.deepEqual([good.status, await good.json()], [200, { client: "a", length: token("a").length }]);
  for (const value of [undefined, "", base64, `:${base64}:;a=1`, `:${base64}:, :${base64}:`, "::", ":AAAA:"]) {
    const refused = await send(value === undefined ? {} : { "client-cert": value });
    assert.deepEqual([refused.status, (await refused.json()).error], [401, "invalid_client"], value);
  }
  const forged = await send({ "x-client-id": "a", "client-cert": `:${base64}:` }, "x=y", "/userinfo");
  assert.deepEqual(await forged.json(), { client: null, length: 3 });
});
