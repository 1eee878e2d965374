// The adapter for Node in runtimes that call themselves Node, which npm has, too.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "node:tls";
import { configuration, exchange, post, protocols, read, started, token } from "./support.mjs";

// npm may run no install scripts, without which Bun's own package has no program.
const bun = ["node_modules/.bin/bun"].concat(
  readdirSync("node_modules/@oven").map((name) => `node_modules/@oven/${name}/bin/bun`),
);
const works = (program) => spawnSync(program, ["--version"]).status === 0;
const runtimes = {
  Node: [process.execPath],
  Deno: ["node_modules/.bin/deno", "run", "--allow-read", "--allow-net", "--allow-env"],
  Bun: [bun.find(works) ?? "bun", "run"],
};
const options = { env: { ...process.env, DENO_DIR: "deno", DENO_NO_UPDATE_CHECK: "1" } };

// What each runs; the others of Bun are below.
const all = ["node-server", "http2-server", "express-server", "fastify-server", "hono-server"];
const examples = {
  Node: ["node-server", "http2-server"],
  Deno: [...all, "koa-server", "nest-server", "express-middleware"],
  Bun: ["http2-server"],
};
const running = {};

async function start(runtime, name) {
  const example = `examples/${name}.mjs`;
  const one = await started(runtimes[runtime], example, "runtimes.json", options);
  running[`${runtime}: ${name}`] = one;
}

before(async () => {
  writeFileSync("runtimes.json", JSON.stringify(configuration));
  for (const [runtime, names] of Object.entries(examples)) {
    for (const name of names) await start(runtime, name);
  }
});

// Deno's HTTP/2 can abort at a GOAWAY, by an assertion of nghttp2, which is no fault of an adapter.
// What was asked then is asked once more; everything else that ends a server fails the test.
const surviving = (runtime, name, work) => async () => {
  const one = running[`${runtime}: ${name}`];
  try {
    await work();
  } catch (error) {
    const { process } = one;
    if (process.exitCode === null && process.signalCode === null) await pause(500);
    if (process.exitCode === null && process.signalCode === null) throw error;
    if (!/nghttp2_session\.c.*Assertion/.test(one.log())) {
      throw new Error(`the server ended: ${process.exitCode} ${process.signalCode} ${one.log()}`);
    }
    await start(runtime, name);
    await work();
  }
};

after(() => Object.values(running).forEach(({ process }) => process.kill()));

// The answers on two connections, the second of which resumes the session of the first.
async function resumed(port, as, body, maxVersion) {
  const credential = as ? { cert: read(as), key: read(as, "key") } : {};
  const trust = { ca: read("ca"), servername: "localhost" };
  const answers = [];
  let session;
  for (const isResumed of [false, true]) {
    const at = { port, host: "127.0.0.1", ALPNProtocols: ["http/1.1"], maxVersion, session };
    const socket = connect({ ...at, ...trust, ...credential });
    let answer = "";
    socket.on("session", (ticket) => (session ??= ticket)).on("data", (data) => (answer += data));
    await once(socket, "secureConnect");
    assert.equal(socket.isSessionReused(), isResumed, `${as} in ${maxVersion}`);
    socket.write(post(body, { more: "Connection: close\r\n" }));
    await once(socket, "close");
    answers.push(Number(answer.split(" ")[1]));
  }
  return answers;
}

for (const [runtime, names] of Object.entries(examples)) {
  for (const name of names) {
    const title = `${runtime}: ${name}`;
    const both = name === "http2-server" ? Object.values(protocols) : [protocols["HTTP/1.1"]];
    const testIt = (what, work) => test(`${title}: ${what}`, surviving(runtime, name, work));
    testIt("what passes has its whole body", async () => {
      const { origin } = running[title];
      const long = `${token("a")}&scope=`.padEnd(50_000, "y");
      for (const { send } of both) {
        for (const body of [token("a"), [...token("a")], long, [long.slice(0, 9), long.slice(9)]]) {
          const answer = await send(origin, { as: "subject-dn", body });
          assert.equal(Math.floor(answer.status / 100), 2, answer.text);
          const answered = JSON.parse(answer.text);
          const raw = typeof answered.body === "string";
          const text = raw ? answered.body : new URLSearchParams(answered.body).toString();
          assert.deepEqual([answered.client, text], ["a", [body].flat().join("")]);
        }
        for (const [as, body, status] of [
          ["self-signed", token("self"), null],
          ["self-signed-other", token("self"), 401],
          [null, token("a"), 401],
          ["wrong", token("a"), 401],
          ["untrusted", token("a"), 401],
          ["expired", token("a"), 401],
          ["subject-dn", token("a").padEnd(70_000, "y"), 413],
        ]) {
          const answer = await send(origin, { as, body });
          const { client, error } = JSON.parse(answer.text);
          if (status) assert.deepEqual([answer.status, Boolean(error)], [status, true], as);
          else assert.equal(client, "self");
        }
      }
    });

    testIt("a resumed session is what its handshake was", async () => {
      const port = Number(new URL(running[title].origin).port);
      // In the order of an attack: the first certificate has the subject of a's client.
      for (const [as, id, passes] of [
        ["untrusted", "a", false],
        ["expired", "a", false],
        [null, "a", false],
        ["subject-dn", "a", true],
        ["self-signed", "self", true],
        ["untrusted", "a", false],
      ]) {
        const statuses = await resumed(port, as, token(id), "TLSv1.3");
        const expected = passes ? [2, 2] : [4, 4];
        const kinds = statuses.map((status) => Math.floor(status / 100));
        assert.deepEqual(kinds, expected, `${as}: ${statuses}`);
      }
    });

    testIt("one connection carries several requests", async () => {
      const port = Number(new URL(running[title].origin).port);
      const last = post(token("a"), { more: "Connection: close\r\n" });
      const requests = [post(token("a")), post(token("nobody")), last];
      for (const sent of [requests.join(""), requests]) {
        const answer = await exchange(port, sent, { as: "subject-dn" });
        const kinds = answer.match(/(?<=HTTP\/1.1 )\d/g);
        assert.deepEqual(kinds, ["2", "4", "2"], answer);
      }
    });
  }
}

test("Bun: what its node:https lacks is said before anything listens", () => {
  const [program, ...words] = runtimes.Bun;
  const files = ["runtimes.json", "pki/server.pem", "pki/server.key", "pki/ca.pem"];
  for (const name of all.concat("express-middleware").filter((name) => name !== "http2-server")) {
    const run = spawnSync(program, [...words, `examples/${name}.mjs`, ...files], {
      ...options,
      encoding: "utf8",
      timeout: 20_000,
    });
    assert.equal(run.status, 1, name);
    assert.equal(run.stdout, "", name);
    const said = run.stderr.match(/Bun [\d.]+ lacks client certificates in node:https.*/g);
    assert.match(said[0], /use guard\(\) with http2\.createSecureServer/, name);
  }
});
