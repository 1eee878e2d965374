// The servers in edge/examples, one for each framework, with clients over TLS.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { Agent } from "node:https";
import { clients, exchange, form, post, protocols, read, started, token } from "./support.mjs";

const paths = ["/token", "/revoke"];
const frameworks = {
  "node-server": { raw: true },
  "http2-server": { raw: true, both: true },
  "express-server": { more: "/revoke" },
  "express-middleware": {},
  "fastify-server": {},
  "hono-server": { more: "/revoke" },
  "koa-server": {},
  "nest-server": { created: 201 },
};

const running = {};

before(async () => {
  const forward = { client_id: "x-client-id" };
  writeFileSync("frameworks.json", JSON.stringify({ endpoints: paths, forward, clients }));
  const all = Object.keys(frameworks).map(async (name) => {
    running[name] = await started([process.execPath], `examples/${name}.mjs`, "frameworks.json");
  });
  await Promise.all(all);
});

after(() => Object.values(running).forEach(({ process }) => process.kill()));

// A body as the application answers it: the text, or the parameters that a parser made of it.
const text = (body) => (typeof body === "string" ? body : new URLSearchParams(body).toString());

for (const [name, { both, created = 200, more, raw }] of Object.entries(frameworks)) {
  for (const [protocol, { send }] of Object.entries(protocols)) {
    if (protocol === "HTTP/2" && !both) continue;
    test(`${name}: ${protocol}: what passes has its whole body`, async () => {
      const { origin } = running[name];
      // In one piece, each octet for itself, and as much as the gate looks at.
      const long = `${token("a")}&scope=${"y".repeat(65_536 - token("a").length - 7)}`;
      for (const path of more ? ["/token", more] : ["/token"]) {
        for (const body of [token("a"), [...token("a")], [long.slice(0, 9), long.slice(9)], long]) {
          const answer = await send(origin, { as: "subject-dn", path, body });
          assert.equal(answer.status, created, answer.text);
          const answered = JSON.parse(answer.text);
          assert.equal(answered.client, "a");
          assert.equal(text(answered.body), [body].flat().join(""));
        }
        const dns = await send(origin, { as: "san-dns", path, body: token("dns") });
        assert.equal(JSON.parse(dns.text).client, "dns");
        for (const [as, body, status] of [
          [null, token("a"), 401],
          ["wrong", token("a"), 401],
          ["untrusted", token("a"), 401],
          ["subject-dn", token("dns"), 401],
          ["subject-dn", `${long}y`, 413],
        ]) {
          const refused = await send(origin, { as, path, body });
          assert.equal(refused.status, status, as);
          const error = status === 401 ? "invalid_client" : "invalid_request";
          assert.equal(JSON.parse(refused.text).error, error);
        }
      }
      // Elsewhere nothing is held back.
      if (!raw) return;
      const upload = "y".repeat(1_000_000);
      const answer = await send(origin, { path: "/upload", body: upload });
      assert.deepEqual(JSON.parse(answer.text), { client: null, body: upload });
    });
  }

  test(`${name}: one connection carries several requests, one after the other`, async () => {
    const { origin } = running[name];
    const port = Number(new URL(origin).port);
    const close = "Connection: close\r\n";
    const requests = [
      post(token("a"), { more: "Expect: 100-continue\r\n" }),
      post(token("nobody")),
      post(token("a")),
      post(`${token("a")}&scope=last`, { more: close }),
    ];
    for (const sent of [requests.join(""), requests]) {
      const answer = await exchange(port, sent, { as: "subject-dn" });
      const expected = [100, created, 401, created, created].map((status) => `HTTP/1.1 ${status}`);
      assert.deepEqual(answer.match(/HTTP\/1.1 \d+/g), expected, answer);
      assert.equal(answer.match(/"client":"a"/g).length, 3, answer);
      assert.match(answer, /scope[=":]+last/);
    }
    const agent = new Agent({
      ca: read("ca"),
      cert: read("subject-dn"),
      key: read("subject-dn", "key"),
      keepAlive: true,
      maxSockets: 1,
    });
    for (let round = 0; round < 3; round++) {
      const answer = await protocols["HTTP/1.1"].send(origin, { agent, body: token("a") });
      assert.equal(JSON.parse(answer.text).client, "a");
    }
    agent.destroy();
  });

  test(`${name}: clients that go away end nothing but their own requests`, async () => {
    const { origin, process } = running[name];
    const port = Number(new URL(origin).port);
    const whole = post(token("a"));
    for (const part of [whole.slice(0, -5), whole, post(token("a"), { path: "/elsewhere" })]) {
      const options = { port, host: "127.0.0.1", servername: "localhost", ca: read("ca") };
      const socket = connect(options);
      await once(socket, "secureConnect");
      socket.on("error", () => {});
      socket.end(part);
      socket.destroy();
      await once(socket, "close");
    }
    const answer = await protocols["HTTP/1.1"].send(origin, { as: "subject-dn", body: token("a") });
    assert.equal(JSON.parse(answer.text).client, "a");
    assert.equal(process.exitCode, null);
  });
}
