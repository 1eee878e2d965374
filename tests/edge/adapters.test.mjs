// The adapters and their examples, over real TLS.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { after, before, test } from "node:test";
import { createServer } from "node:http";
import { Gate } from "tls-client-auth";
import { protect } from "tls-client-auth/fetch";
import { protect as protectNode } from "tls-client-auth/node";
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

let log = "";
const servers = [];
const origins = {};

before(async () => {
  writeFileSync("gate.json", JSON.stringify(configuration));
  for (const example of ["node-server", "fetch-server"]) {
    const server = spawn(process.execPath, [`examples/${example}.mjs`, "gate.json", "pki/server.pem", "pki/server.key", "pki/ca.pem"]);
    servers.push(server);
    server.stderr.on("data", (chunk) => (log += chunk));
    const [line] = await once(server.stdout, "data");
    origins[example] = String(line).trim();
  }
});

after(() => servers.forEach((server) => server.kill()));

// One request on a connection of its own, with this certificate or none.
function ask(example, name, body, { path = "/token", method = "POST", headers = {} } = {}) {
  const credential = name ? { cert: read(name), key: read(name, "key") } : {};
  const agent = new Agent({ ca: read("ca"), ...credential });
  return new Promise((resolve, reject) => {
    const type = { "content-type": "application/x-www-form-urlencoded" };
    const request = httpsRequest(origins[example] + path, { agent, method, headers: { ...type, ...headers } }, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      agent.destroy();
      resolve({ status: response.statusCode, headers: response.headers, json: JSON.parse(text) });
    });
    // A refusal may come before the body is sent, and the connection end.
    request.on("error", (error) => request.res ?? reject(error));
    request.end(body);
  });
}

for (const example of ["node-server", "fetch-server"]) {
  test(`${example}: the right certificate, and every wrong one`, async () => {
    const good = await ask(example, "subject-dn", token("a"));
    assert.deepEqual([good.status, good.json], [200, { client: "a", length: token("a").length }]);
    assert.deepEqual((await ask(example, "self-signed", token("self"))).json.client, "self");
    for (const [name, id] of [["wrong", "a"], ["untrusted", "a"], ["expired", "a"], [null, "a"], ["self-signed-other", "self"], ["subject-dn", "nobody"]]) {
      const { status, json, headers } = await ask(example, name, token(id));
      assert.deepEqual([status, json.error, headers["cache-control"]], [401, "invalid_client", "no-store"], `${name} as ${id}`);
    }
  });

  test(`${example}: what a client sends is not what the application believes`, async () => {
    const forged = { headers: { "x-client-id": "a", "X-SSL-Client-Verify": "SUCCESS" } };
    assert.equal((await ask(example, null, undefined, { path: "/userinfo", method: "GET", ...forged })).json.client, null);
    assert.equal((await ask(example, "self-signed", token("self"), forged)).json.client, "self");
    assert.equal((await ask(example, "subject-dn", token("a"), { headers: { "transfer-encoding": "chunked" } })).status, 200);
    const double = await ask(example, "subject-dn", token("a"), { headers: { authorization: ["Basic YTpi", "Basic YTpi"] } });
    assert.deepEqual([double.status, double.json.error], [400, "invalid_request"]);
  });

  test(`${example}: large bodies are whole or refused`, async () => {
    for (const body of [`${token("a")}&x=${"y".repeat(70_000)}`, `${token("a")}&x=${"y".repeat(5_000_000)}`]) {
      const large = await ask(example, "subject-dn", body);
      assert.deepEqual([large.status, large.json.error], [413, "invalid_request"]);
    }
    const upload = await ask(example, null, "y".repeat(5_000_000), { path: "/upload" });
    assert.deepEqual([upload.status, upload.json], [200, { client: null, length: 5_000_000 }]);
  });
}

test("decisions are told", () => {
  for (const code of ["authenticated", "subject_mismatch", "certificate_unverified", "certificate_expired", "certificate_missing", "certificate_not_registered", "unknown_client", "body_too_large"]) {
    assert.ok(log.includes(`"code":"${code}"`), `${code} is not in ${log}`);
  }
});

test("what goes wrong within an adapter lets nobody past", async () => {
  const application = () => assert.fail("reached");
  const told = [];
  const broken = protect(new Gate(configuration), application, { peer: () => { throw new Error("no peer"); }, onDecision: ({ code, detail }) => told.push([code, detail]) });
  const response = await broken(new Request("https://as.example.com/userinfo"));
  assert.deepEqual([response.status, (await response.json()).error], [500, "server_error"]);
  assert.deepEqual(told, [["host_error", "Error: no peer"]]);

  // Without TLS there is no certificate to be asked for.
  const plain = createServer(protectNode(new Gate(configuration), application));
  await new Promise((resolve) => plain.listen(0, "127.0.0.1", resolve));
  const answer = await fetch(`http://127.0.0.1:${plain.address().port}/token`, { method: "POST", body: token("a") });
  assert.equal(answer.status, 500);
  await answer.arrayBuffer();
  plain.closeAllConnections();
  plain.close();
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
