// The examples over real TLS, and the adapter for fetch.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Gate } from "tls-client-auth";
import { fromTrustedHeader, protect } from "tls-client-auth/fetch";
import { handler } from "./examples/fetch-handler.mjs";
import {
  base64,
  clients,
  configuration,
  exchange,
  form,
  read,
  send,
  started,
  token,
} from "./support.mjs";

const running = {};

before(async () => {
  writeFileSync("gate.json", JSON.stringify(configuration));
  // The same runtime, before an application that answers with octets and cookies.
  const source = readFileSync("examples/fetch-server.mjs", "utf8");
  const cookies = `[["set-cookie", "a=1; Path=/"], ["set-cookie", "b=2"]]`;
  const octets = `() => new Response(Uint8Array.of(255, 0, 254), { headers: ${cookies} })`;
  writeFileSync(
    "examples/fetch-server-octets.mjs",
    source.replace(/(const application =)[^;]+;/, `$1 ${octets};`),
  );
  for (const name of ["node-server", "fetch-server", "fetch-server-octets"]) {
    running[name] = await started([process.execPath], `examples/${name}.mjs`, "gate.json");
  }
});

after(() => Object.values(running).forEach(({ process }) => process.kill()));

async function ask(example, as, body, { headers, ...more } = {}) {
  const { origin } = running[example];
  const answer = await send(origin, { as, body, headers: { ...form, ...headers }, ...more });
  return { ...answer, json: JSON.parse(answer.text) };
}

for (const example of ["node-server", "fetch-server"]) {
  test(`${example}: the right certificate, and every wrong one`, async () => {
    const good = await ask(example, "subject-dn", token("a"));
    assert.deepEqual([good.status, good.json], [200, { client: "a", body: token("a") }]);
    assert.deepEqual((await ask(example, "self-signed", token("self"))).json.client, "self");
    for (const [name, id] of [
      ["wrong", "a"],
      ["untrusted", "a"],
      ["expired", "a"],
      [null, "a"],
      ["self-signed-other", "self"],
      ["subject-dn", "nobody"],
    ]) {
      const { status, json, headers } = await ask(example, name, token(id));
      assert.deepEqual(
        [status, json.error, headers["cache-control"]],
        [401, "invalid_client", "no-store"],
        `${name} as ${id}`,
      );
    }
  });

  test(`${example}: what a client sends is not what the application trusts`, async () => {
    const forged = { headers: { "x-client-id": "a", "X-SSL-Client-Verify": "SUCCESS" } };
    assert.equal(
      (await ask(example, null, undefined, { path: "/userinfo", method: "GET", ...forged })).json
        .client,
      null,
    );
    assert.equal((await ask(example, "self-signed", token("self"), forged)).json.client, "self");
    assert.equal(
      (
        await ask(example, "subject-dn", token("a"), {
          headers: { "transfer-encoding": "chunked" },
        })
      ).status,
      200,
    );
    const double = await ask(example, "subject-dn", token("a"), {
      headers: { authorization: ["Basic YTpi", "Basic YTpi"] },
    });
    assert.deepEqual([double.status, double.json.error], [400, "invalid_request"]);
  });

  test(`${example}: large bodies are whole or refused`, async () => {
    for (const body of [
      `${token("a")}&x=${"y".repeat(70_000)}`,
      `${token("a")}&x=${"y".repeat(5_000_000)}`,
    ]) {
      const large = await ask(example, "subject-dn", body);
      assert.deepEqual([large.status, large.json.error], [413, "invalid_request"]);
    }
    const body = "y".repeat(5_000_000);
    const upload = await ask(example, null, body, { path: "/upload" });
    assert.deepEqual([upload.status, upload.json.client], [200, null]);
    assert.ok(upload.json.body === body, "another body");
  });
}

test("decisions are reported", () => {
  const log = running["node-server"].log();
  const certificate = ["unverified", "expired", "missing", "not_registered"].map(
    (reason) => `certificate_${reason}`,
  );
  for (const code of [
    "authenticated",
    "subject_mismatch",
    ...certificate,
    "unknown_client",
    "body_too_large",
  ]) {
    assert.ok(log.includes(`"code":"${code}"`), `${code} is not in ${log}`);
  }
});

test("fetch-server: no request ends it, and no answer is bent", async () => {
  const port = Number(new URL(running["fetch-server"].origin).port);
  const end = "Connection: close\r\n\r\n";
  for (const [head, status] of [
    ["GET // HTTP/1.1\r\nHost: a", 200],
    ["GET http://[ HTTP/1.1\r\nHost: a", 400],
    ["GET https://u@a/ HTTP/1.1\r\nHost: a", 400],
    ["GET * HTTP/1.1\r\nHost: a", 400],
    ["TRACE /x HTTP/1.1\r\nHost: a", 400],
    ["GET /x HTTP/1.1\r\nHost: a b", 400],
    ["GET /x HTTP/1.1\r\nHost: a\r\nHost: b", 400],
    ["GET /x HTTP/1.1\r\nHost:", 400],
  ]) {
    assert.match(
      await exchange(port, `${head}\r\n${end}`),
      new RegExp(`^HTTP/1.1 ${status} `),
      head,
    );
  }
  // A client that goes away in the middle.
  const broken =
    "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
    "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nnoise";
  await exchange(port, broken);
  const chunked = { headers: { ...form, "transfer-encoding": "chunked" } };
  const large = await ask("fetch-server", "subject-dn", "y".repeat(1_000_000), chunked);
  assert.deepEqual([large.status, large.json.error], [413, "invalid_request"]);
  assert.equal((await ask("fetch-server", "subject-dn", token("a"))).json.client, "a");

  const octets = await exchange(
    Number(new URL(running["fetch-server-octets"].origin).port),
    `GET /x HTTP/1.1\r\nHost: a\r\n${end}`,
  );
  assert.ok(
    octets.includes("\r\n\r\n\xff\0\xfe") || octets.includes("\xff\0\xfe\r\n0\r\n"),
    octets,
  );
  assert.deepEqual(octets.match(/set-cookie: .*/gi), [
    "set-cookie: a=1; Path=/",
    "set-cookie: b=2",
  ]);
});

test("the examples speak no TLS 1.2, whose clients can change their certificate", async () => {
  for (const { origin } of Object.values(running)) {
    await assert.rejects(
      exchange(Number(new URL(origin).port), "", { maxVersion: "TLSv1.2" }),
      /protocol version/,
    );
  }
});

const gate = new Gate(configuration);
const none = () => ({ certificate: null, chainValid: null });
const a = () => ({ certificate: read("subject-dn"), chainValid: true });
const unreached = () => assert.fail("reached");
const request = (body, more = {}) =>
  new Request("https://as.example.com/token", {
    method: "POST",
    headers: form,
    body,
    duplex: "half",
    ...more,
  });

test("fetch: what goes wrong within an adapter lets nothing pass, but in shadow mode", async () => {
  const decisions = [];
  const errors = [];
  const onDecision = ({ code, pass, detail }) => decisions.push([code, pass, detail]);
  const onError = (error) => errors.push(error);
  for (const [peer, detail] of [
    [
      () => {
        throw new Error("no peer");
      },
      "Error: no peer",
    ],
    // As a runtime may say it.
    [
      () => ({ ...a(), chainValid: "FAILED:self signed certificate" }),
      "TypeError: chainValid: expected true, false or null, found a string",
    ],
    [
      () => ({ ...a(), serverName: false }),
      "TypeError: serverName: expected a string, found a boolean",
    ],
    [
      () => ({ ...a(), certificate: {} }),
      "TypeError: certificate: expected a string, an ArrayBuffer or a view of one, found an object",
    ],
  ]) {
    const handle = protect(gate, unreached, { peer, onDecision, onError });
    const response = await handle(request(token("a")));
    assert.deepEqual([response.status, (await response.json()).error], [500, "server_error"]);
    assert.equal(String(errors.pop()), detail);
    assert.deepEqual(decisions.pop(), ["host_error", false, detail]);

    const shadow = protect(
      new Gate({ ...configuration, mode: "shadow" }),
      async (seen) => new Response(seen.headers.get("x-client-id") + (await seen.text())),
      { peer, onDecision, onError },
    );
    const passed = await shadow(
      request(token("a"), { headers: { ...form, "x-client-id": "victim" } }),
    );
    assert.deepEqual([passed.status, await passed.text()], [200, `null${token("a")}`]);
    assert.deepEqual(decisions.pop(), ["host_error", true, detail]);
  }
});

test("fetch: a listener that refuses what it cannot verify lets in nothing else", async () => {
  const peer_certificate = { chain: "listener" };
  const stated = new Gate({ ...configuration, peer_certificate });
  const forward = { thumbprint: "x-thumbprint", certificate_for: "every_request" };
  const told = new Gate({ ...configuration, peer_certificate, forward });
  const sha256 = createHash("sha256").update(Buffer.from(base64("subject-dn"), "base64"));
  const source = { source: "forwarded", dialect: "client-cert" };
  const proxied = new Gate({
    ...configuration,
    peer_certificate: { ...source, trusted_proxies: [sha256.digest("hex")], chain: "listener" },
    forward: { keep: ["client-cert"] },
  });
  const wrong = 'peer_certificate.chain is "listener", ';
  for (const [which, path, chainValid, status] of [
    [stated, "/token", true, 200],
    [stated, "/token", null, 200],
    [stated, "/token", false, 500],
    [stated, "/userinfo", false, 200],
    // What the application gets depends on the certificate.
    [told, "/userinfo", true, 200],
    [told, "/userinfo", false, 500],
    [proxied, "/userinfo", true, 200],
    [proxied, "/userinfo", false, 500],
  ]) {
    const errors = [];
    const peer = () => ({ ...a(), chainValid });
    const onError = ({ message }) => errors.push(message);
    const handle = protect(which, () => new Response(), { peer, onError });
    const headers = { ...form, "client-cert": `:${base64("subject-dn")}:` };
    const sent = { method: "POST", headers, body: token("a") };
    const answer = await handle(new Request(`https://as.example.com${path}`, sent));
    assert.equal(answer.status, status, `${path} ${chainValid}`);
    assert.deepEqual(
      errors.map((error) => error.slice(0, 38)),
      status === 500 ? [wrong] : [],
    );
  }
});

// As Deno has it: request.url is what the client sent, and what the handler sees, too.
test("fetch: a URL that a parser reads otherwise is judged as it stands", async () => {
  const asSent = (url) => Object.defineProperty(request(token("a")), "url", { value: url });
  const mixed = new Gate({
    endpoints: ["/token"],
    tenants: [
      { hosts: ["as.example.com"], mode: "shadow", clients: [] },
      { hosts: ["b.example"], clients: [] },
    ],
  });
  for (const [url, code, status] of [
    ["http://as.example.com?/token", "unknown_tenant", 421],
    ["http://as.example.com#/token", "unknown_tenant", 421],
    ["http://as.example.com\\/token", "unknown_tenant", 421],
    ["http://u@as.example.com/token", "unknown_tenant", 421],
    ["http://127.1/token", "unknown_tenant", 421],
    // A socket of Deno, without a host, and what is no URL of a request.
    ["http+unix://%2Ftmp%2Fas%2Esock/token", "unknown_tenant", 421],
    ["http+unix:///token", "unknown_tenant", 421],
    ["http+unix://as.example.com\\/token", "unknown_tenant", 421],
    ["ftp://as.example.com/token", "unknown_tenant", 421],
    ["http+unix://as.example.com/token", "certificate_missing", 401],
    ["http://as.example.com/x/../token", "certificate_missing", 401],
    ["http://as.example.com/%74oken#x", "certificate_missing", 401],
    ["HTTP://AS.example.com:80/token", "certificate_missing", 401],
  ]) {
    const codes = [];
    const peer = () => ({ certificate: null, chainValid: null });
    const onDecision = (decision) => codes.push(decision.code);
    const handle = protect(gate, unreached, { peer, onDecision });
    assert.equal((await handle(asSent(url))).status, status, url);
    assert.deepEqual(codes, [code], url);
    if (code !== "unknown_tenant") continue;
    // Whose request it is, is not clear: that one of the tenants is in shadow mode is not enough.
    assert.equal((await protect(mixed, unreached, { peer })(asSent(url))).status, status, url);
  }
  const show = ({ url }) => new Response(url);
  const handle = protect(gate, show, { peer: () => ({ certificate: null, chainValid: null }) });
  assert.equal((await handle(asSent("http://as.example.com"))).status, 200);
});

// As Deno has it: of a whole URL as the target, request.url has the host, and Host is as sent.
test("fetch: the host that counts is the only one that the application sees", async () => {
  const decisions = [];
  const tenants = ["a.example", "b.example"].map((host, index) => ({
    hosts: [host],
    clients: [{ ...clients[index], client_id: "a" }],
  }));
  const handle = protect(
    new Gate({ endpoints: ["/token"], tenants }),
    ({ headers }) => new Response(headers.get("host")),
    { peer: a, onDecision: ({ code }) => decisions.push(code) },
  );
  const ask = async (url, host) => {
    const sent = request(token("a"), { headers: host === undefined ? form : { ...form, host } });
    const response = await handle(Object.defineProperty(sent, "url", { value: url }));
    return [response.status, await response.text(), decisions.pop()];
  };
  for (const [url, host, seen] of [
    ["https://a.example/token", undefined, ""],
    ["https://a.example/token", "a.example", "a.example"],
    ["https://a.example/token", "A.example:443", "A.example:443"],
    ["HTTPS://a.example:443/token", "a.example", "a.example"],
    ["https://a.example/token", "b.example", "a.example"],
    ["https://a.example/token", "a.example:80", "a.example"],
    ["https://a.example/token", "a.example/token?", "a.example"],
    ["https://a.example/token", "", "a.example"],
    ["https://a.example:8443/token", "a.example", "a.example:8443"],
    ["http://a.example/token", "a.example:80", "a.example:80"],
    ["http://a.example/token", "a.example:443", "a.example"],
    ["http+unix://a.example/token", "a.example", "a.example"],
    ["http+unix://a.example/token", "b.example", "a.example"],
  ]) {
    assert.deepEqual(await ask(url, host), [200, seen, "authenticated"], `${url} ${host}`);
  }
  const ungated = await ask("https://a.example/userinfo", "b.example");
  assert.deepEqual(ungated, [200, "a.example", "not_gated"]);
  for (const host of ["a.example, a.example", "a.example,b.example", "b.example, a.example"]) {
    const [status, , code] = await ask("https://a.example/token", host);
    assert.deepEqual([status, code], [421, "unknown_tenant"], host);
  }
});

// Octets above 127 are one octet each, to what says how much is read and to what decides.
test("the policy of a path is that of its decision", () => {
  const tenants = ["bank", "shop"].map((name) => ({
    paths: [`/realms/${name}`],
    endpoints: [`/realms/${name}/token`],
    clients: [clients[0]],
  }));
  const realms = new Gate({ tenants });
  const path = `/realms/bank/${"\xff".repeat(750)};a/../token`;
  const host = "as.example.com";
  const { tenant } = realms.decide({ host, path, headers: form, body: token("a") });
  assert.equal(tenant, "/realms/bank");
  assert.equal(realms.policy(host, path).maxBodyBytes, 65_536);
});

test("a part of a body is not decided about as the whole", async () => {
  const halved = Object.create(gate, {
    policy: { value: (...of) => ({ ...gate.policy(...of), maxBodyBytes: 3 }) },
    decide: { value: (request) => gate.decide(request) },
    decideHead: { value: (head) => gate.decideHead(head) },
  });
  const decisions = [];
  const onDecision = ({ code, detail }) => decisions.push([code, detail]);
  const handle = protect(halved, unreached, { peer: a, onDecision, onError() {} });
  assert.equal((await handle(request(token("a")))).status, 500);
  const detail = "Error: the body was decided about before its end";
  assert.deepEqual(decisions, [["host_error", detail]]);
});

test("fetch: the name of the TLS handshake is compared where the runtime gives it", async () => {
  const tenants = ["as.example.com", "b.example"].map((host) => ({
    hosts: [host],
    clients: [clients[0]],
  }));
  const decisions = [];
  const two = new Gate({ endpoints: ["/token"], tenants });
  for (const [serverName, status, code] of [
    ["as.example.com", 200, "authenticated"],
    ["b.example", 421, "server_name_mismatch"],
    [null, 421, "server_name_mismatch"],
    [undefined, 200, "authenticated"],
  ]) {
    const handle = protect(two, () => new Response(), {
      peer: () => ({ ...a(), serverName }),
      onDecision: ({ code }) => decisions.push(code),
    });
    assert.deepEqual(
      [(await handle(request(token("a")))).status, decisions.pop()],
      [status, code],
      String(serverName),
    );
    const other = new Request("https://as.example.com/userinfo");
    assert.deepEqual(
      [(await handle(other)).status, decisions.pop()],
      [200, "not_gated"],
      String(serverName),
    );
  }
});

test("fetch: OPTIONS is a preflight, or as any other method", async () => {
  const decisions = [];
  const seen = [];
  const application = async (request) =>
    new Response(
      String(seen.push([request.method, request.headers.get("x-client-id"), await request.text()])),
    );
  const handle = protect(gate, application, {
    peer: none,
    onDecision: ({ code }) => decisions.push(code),
  });
  const ask = (more) =>
    handle(
      request(undefined, {
        method: "OPTIONS",
        headers: { "x-client-id": "victim", origin: "https://app.example" },
        ...more,
      }),
    );
  const empty = () => new ReadableStream({ start: (controller) => controller.close() });
  for (const more of [{}, { body: "" }, { body: empty() }]) {
    assert.equal((await ask(more)).status, 200);
    assert.deepEqual([decisions.pop(), seen.pop()], ["not_gated", ["OPTIONS", null, ""]]);
  }
  for (const more of [
    { body: token("a") },
    { body: "y".repeat(70_000) },
    { headers: { authorization: "Basic YTo=" } },
    { headers: { "x-method-override": "POST" } },
    { headers: { expect: "x", authorization: "Bearer x" } },
  ]) {
    const refused = await ask(more);
    assert.equal(decisions.pop(), more.headers?.expect ? "upgrade_refused" : "method_not_allowed");
    assert.equal(refused.status, more.headers?.expect ? 400 : 405);
  }
  const upgrade = await handle(request(token("a"), { headers: { ...form, upgrade: "websocket" } }));
  assert.deepEqual([upgrade.status, decisions.pop(), seen.length], [400, "upgrade_refused", 0]);
});

test("fetch: what the application gets is the request, but for its headers", async () => {
  let seen;
  const peer = (_request, name) => ({
    ...a(),
    path: "/userinfo",
    method: "OPTIONS",
    headers: {},
    host: name,
  });
  const handle = protect(
    gate,
    (request, name) => {
      seen = request;
      return new Response(name);
    },
    { peer },
  );
  const more = { redirect: "manual", cache: "no-store", credentials: "omit" };
  for (const [sent, client] of [
    [new Request("https://as.example.com/x?y", more), null],
    [request(token("a"), more), "a"],
  ]) {
    assert.equal(await (await handle(sent, "name")).text(), "name");
    for (const [name, value] of Object.entries(more)) assert.equal(seen[name], value, name);
    assert.deepEqual(
      [seen.url, seen.method, seen.headers.get("x-client-id")],
      [sent.url, sent.method, client],
    );
  }
  assert.equal(await seen.text(), token("a"));
  // `peer` tells of the connection, and of nothing else.
  assert.equal(
    (
      await protect(gate, unreached, { peer: () => ({ ...none(), path: "/userinfo" }) })(
        request(token("a")),
      )
    ).status,
    401,
  );
});

test("fetch: large bodies are refused where that is seen, and whole in shadow mode", async () => {
  for (const chunk of [1_000, 70_000]) {
    let sent = 0;
    const pull = (controller) => {
      sent += chunk;
      if (sent > 1_000_000) controller.close();
      else controller.enqueue(new Uint8Array(chunk).fill(121));
    };
    const body = () => new ReadableStream({ pull });
    const decisions = [];
    const onDecision = ({ code }) => decisions.push(code);
    const refused = await protect(gate, unreached, { peer: a, onDecision })(request(body()));
    assert.equal(refused.status, 413);
    assert.ok(sent < 300_000, String(sent));

    sent = 0;
    const shadow = protect(
      new Gate({ ...configuration, mode: "shadow" }),
      async (seen) => new Response(String((await seen.text()).length)),
      { peer: a, onDecision },
    );
    assert.equal(
      await (await shadow(request(body()))).text(),
      String(Math.floor(1_000_000 / chunk) * chunk),
    );
    assert.deepEqual(decisions, ["body_too_large", "body_too_large"]);
  }
  // What is announced as too large is not read at all.
  const unread = request(new ReadableStream({ pull: unreached }, { highWaterMark: 0 }), {
    headers: { ...form, "content-length": "65537" },
  });
  assert.equal((await protect(gate, unreached, { peer: a })(unread)).status, 413);
  const limited = new Gate({ ...configuration, max_body_bytes: 1000 });
  assert.equal(
    (await protect(limited, unreached, { peer: a })(request("y".repeat(1001)))).status,
    413,
  );
});

test("fetch: a body that was read before the gate saw it is no empty one", async () => {
  const errors = [];
  const options = { peer: none, onError: ({ message, advice }) => errors.push(message + advice) };
  const open = new Gate({ ...configuration, unidentified_clients: "pass" });
  const handle = protect(open, unreached, options);
  for (const take of [(request) => request.text(), (request) => request.body.getReader()]) {
    const taken = request("client_secret=x");
    await take(taken);
    assert.equal((await handle(taken)).status, 500);
    assert.match(errors.pop(), /the body was read, .*wrap the outermost handler/);
  }
  assert.equal((await handle(request("client_secret=x"))).status, 400);
});

test("fetch: of a client that goes away nothing is reported", async () => {
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) });
  const reports = [];
  const onDecision = ({ code }) => reports.push(code);
  const onError = ({ message }) => reports.push(message);
  const handle = protect(gate, unreached, { peer: a, onDecision, onError });
  assert.equal((await handle(request(body))).status, 400);
  assert.deepEqual(reports, []);
});

test("fetch: who listens to decisions changes none, and gets no secret", async () => {
  const decisions = [];
  const errors = [];
  const backend_authentication = { method: "client_secret_basic", client_secret: "kept" };
  const secret = new Gate({
    ...configuration,
    clients: [{ ...clients[0], client_id: "ключ", backend_authentication }],
  });
  for (const onDecision of [
    (decision) => {
      decisions.push(decision);
      throw new Error("x");
    },
    async (decision) => {
      decisions.push(decision);
      throw new Error("x");
    },
  ]) {
    const handle = protect(secret, (seen) => Response.json([...seen.headers]), {
      peer: a,
      onDecision,
      onError: (error) => errors.push(error.message),
    });
    const headers = new Map(
      await (await handle(request(token(encodeURIComponent("ключ"))))).json(),
    );
    assert.match(headers.get("authorization"), /^Basic /);
    assert.equal(Buffer.from(headers.get("x-client-id"), "latin1").toString(), "ключ");
  }
  assert.ok(
    decisions.length === 2 &&
      decisions.every((decision) => !("forward" in decision)) &&
      !JSON.stringify(decisions).includes("Basic"),
  );
  assert.deepEqual(errors, ["x", "x"]);
});

test("fetch: a certificate from a trusted header", async () => {
  const { fetch } = handler(configuration);
  const der = base64("subject-dn");
  const send = (headers, body = token("a"), path = "/token") =>
    fetch(
      new Request(`https://as.example.com${path}`, {
        method: "POST",
        headers: { ...form, ...headers },
        body,
      }),
    );
  const good = await send({ "client-cert": `:${der}:` });
  assert.deepEqual([good.status, await good.json()], [200, { client: "a", body: token("a") }]);
  for (const value of [undefined, "", der, `:${der}:;a=1`, `:${der}:, :${der}:`, "::", ":AAAA:"]) {
    const refused = await send(value === undefined ? {} : { "client-cert": value });
    assert.deepEqual(
      [refused.status, (await refused.json()).error],
      [401, "invalid_client"],
      value,
    );
  }
  const forged = await send({ "x-client-id": "a", "client-cert": `:${der}:` }, "x=y", "/userinfo");
  assert.deepEqual(await forged.json(), { client: null, body: "x=y" });
});

// The values as the documents of the CDNs describe them.
test("fetch: the headers of CloudFront and of Fastly", async () => {
  const gate = new Gate({ ...configuration, forward: { strip: ["x-fastly-client-cert"] } });
  const percent = (name) => read(name).replace(/[^A-Za-z0-9+/=-]/g, encodeURIComponent);
  const rfc9440 = (name) => `:${base64(name)}:`;
  const ofPem = (name) => Buffer.from(read(name)).toString("base64");
  const codes = [];
  const onDecision = ({ code }) => codes.push(code);
  const fastly = "x-fastly-client-cert";
  const ways = [
    // CloudFront in its modes "required" and "optional".
    ["cloudfront-viewer-cert-pem", undefined, percent, "authenticated"],
    ["CloudFront-Viewer-Cert-Pem", {}, (name) => encodeURIComponent(read(name)), "authenticated"],
    // CloudFront in its mode "passthrough": nothing was verified.
    ["client-cert", { verified: false }, rfc9440, "certificate_unverified"],
    ["client-cert", { verified: true }, rfc9440, "authenticated"],
    // Fastly's tls.client.certificate.raw_certificate_b64.
    [fastly, { format: "base64" }, ofPem, "authenticated"],
    [fastly, { format: "base64" }, base64, "authenticated"],
    [fastly, { format: "base64", verified: false }, ofPem, "certificate_unverified"],
  ];
  for (const [name, options, write, wanted] of ways) {
    const peer = fromTrustedHeader(name, options);
    const seen = [];
    const application = (request) => {
      seen.push(request.headers.get(name));
      return new Response("passed");
    };
    const handle = protect(gate, application, { peer, onDecision });
    const ask = async (headers, id = "a") => {
      const request = { method: "POST", headers: { ...form, ...headers }, body: token(id) };
      await handle(new Request("https://as.example.com/token", request));
      return codes.pop();
    };
    const what = `${name} ${JSON.stringify(options)}`;
    assert.equal(await ask({ [name]: write("subject-dn") }), wanted, what);
    const another = wanted === "authenticated" ? "subject_mismatch" : wanted;
    assert.equal(await ask({ [name]: write("wrong") }), another, what);
    for (const nothing of [{}, { [name]: "" }, { [name]: " " }]) {
      assert.equal(await ask(nothing), "certificate_missing", what);
    }
    const twice = `${write("subject-dn")}, ${write("subject-dn")}`;
    for (const broken of ["x", ":", ":AA", "AAAA", write("subject-dn").slice(1, -9), twice]) {
      assert.equal(await ask({ [name]: broken }), "certificate_malformed", `${what}: ${broken}`);
    }
    // A registered certificate needs no chain.
    assert.equal(await ask({ [name]: write("self-signed") }, "self"), "authenticated", what);
    // What a client writes beside it, in another header or another spelling, changes nothing.
    const forged = {
      "x-forwarded-client-cert": `Cert="${encodeURIComponent(read("subject-dn"))}"`,
      "client-cert": rfc9440("subject-dn"),
      "cloudfront-viewer-cert-pem": percent("subject-dn"),
      [fastly]: ofPem("subject-dn"),
      [name.replaceAll("-", "_")]: write("subject-dn"),
    };
    for (const [other, value] of Object.entries(forged)) {
      if (other === name.toLowerCase()) continue;
      assert.equal(await ask({ [other]: value }), "certificate_missing", `${what}: ${other}`);
      const beside = { [name]: write("wrong"), [other]: value };
      assert.equal(await ask(beside), another, `${what}: ${other}`);
    }
    // The header itself goes no further.
    assert.ok(seen.length > 0 && seen.every((value) => value === null), what);
  }
});

test("fetch: Envoy's header, of which the last element counts", async () => {
  const digest = (name) => createHash("sha256").update(Buffer.from(base64(name), "base64"));
  const hash = (name) => digest(name).digest("hex");
  const element = (name) =>
    `By=spiffe://a/b;Hash=${hash(name)};Cert="${encodeURIComponent(read(name))}";Subject="CN=a, b"`;
  const [own, wrong] = [element("subject-dn"), element("wrong")];
  // As an inner Envoy appends it, without the certificate.
  const hop = `By=spiffe://a/c;Hash=${hash("server")};Subject="";URI=`;
  const gate = new Gate({ ...configuration, forward: { strip: ["x-forwarded-client-cert"] } });
  const codes = [];
  const onDecision = ({ code }) => codes.push(code);
  const ask = async (values, options, id = "a") => {
    const peer = fromTrustedHeader("X-Forwarded-Client-Cert", options);
    const seen = [];
    const application = (request) => seen.push(request.headers.get("x-forwarded-client-cert"));
    const handle = protect(gate, async (request) => Response.json(application(request)), {
      peer,
      onDecision,
    });
    const headers = new Headers(form);
    for (const value of values) headers.append("x-forwarded-client-cert", value);
    const request = { method: "POST", headers, body: token(id) };
    await handle(new Request("https://as.example.com/token", request));
    assert.ok(seen.every((value) => value === null));
    return codes.pop();
  };
  const base64url = digest("server").digest("base64url");
  for (const [values, options, wanted] of [
    [[own], undefined, "authenticated"],
    [[wrong], undefined, "subject_mismatch"],
    [[own], { verified: false }, "certificate_unverified"],
    [[`${wrong},${own}`], undefined, "authenticated"],
    [[`${own},${wrong}`], undefined, "subject_mismatch"],
    // Two headers are none, whichever comes last.
    [[wrong, own], undefined, "certificate_malformed"],
    [[own, wrong], undefined, "certificate_malformed"],
    [["", own], undefined, "certificate_malformed"],
    [['Subject="', own], undefined, "certificate_malformed"],
    [['Subject="\\', own], undefined, "certificate_malformed"],
    [[`[{"hash":"${hash("wrong")}"}]`, own], undefined, "certificate_malformed"],
    [[], undefined, "certificate_missing"],
    [[""], undefined, "certificate_missing"],
    [["(null)"], undefined, "certificate_missing"],
    // The hop that an inner Envoy names.
    [[`${own},${hop}`], { hop: hash("server") }, "authenticated"],
    [[`${own},${hop}`], { hop: base64url }, "authenticated"],
    [[`${wrong},${own},${hop}`], { hop: hash("server") }, "authenticated"],
    [[`${wrong},${hop}`], { hop: hash("server") }, "subject_mismatch"],
    [[`${own},${hop}`], undefined, "certificate_malformed"],
    [[`${own},${hop}`], { hop: hash("wrong") }, "certificate_malformed"],
    [[`${own},${wrong}`], { hop: hash("server") }, "certificate_missing"],
    [[own], { hop: hash("server") }, "certificate_missing"],
    [[hop], { hop: hash("server") }, "certificate_missing"],
    [[own, hop], { hop: hash("server") }, "certificate_malformed"],
  ]) {
    assert.equal(await ask(values, options), wanted, JSON.stringify([values, options]));
  }
  const json = (...names) => JSON.stringify(names.map((name) => ({ cert: read(name) })), null, " ");
  const line = (...names) => json(...names).replaceAll("\n ", " ").replaceAll("\n", "");
  assert.equal(await ask([line("wrong", "subject-dn")]), "authenticated");
  assert.equal(await ask([line("wrong"), line("subject-dn")]), "certificate_malformed");
  assert.equal(await ask([element("self-signed")], { verified: false }, "self"), "authenticated");
});
