// The adapter for node:https and node:http2, over real TLS.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { constants } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { Agent } from "node:https";
import { TLSSocket, connect } from "node:tls";
import { test } from "node:test";
import { promisify } from "node:util";
import express from "express";
import { Gate } from "tls-client-auth";
import { guard, peerOf, protect } from "tls-client-auth/node";
import {
  clients,
  configuration,
  exchange,
  form,
  post,
  protocols,
  read,
  send,
  serving,
  token,
} from "./support.mjs";

const secret = "kept-between-gate-and-application";
const backend = { method: "client_secret_basic", client_secret: secret };
const all = {
  ...configuration,
  clients: [
    ...clients,
    { client_id: "basic", token_endpoint_auth_method: "client_secret_basic" },
    {
      client_id: "secret",
      token_endpoint_auth_method: "tls_client_auth",
      tls_client_auth_san_uri: "spiffe://client.example.org/ns/payments/sa/ledger",
      backend_authentication: backend,
    },
  ],
};
const gate = new Gate(all);
const shadow = new Gate({ ...all, mode: "shadow" });
const basic = { ...form, authorization: `Basic ${Buffer.from("basic:x").toString("base64")}` };

async function textOf(request) {
  let body = "";
  for await (const chunk of request) body += chunk;
  return body;
}

// What an application may look at.
async function show(request, response) {
  const body = await textOf(request);
  const { headers, headersDistinct, trailers, trailersDistinct, rawTrailers, url } = request;
  const raw = request.rawHeaders.filter(
    (name, index) => index % 2 === 0 && name.toLowerCase() === "x-client-id",
  ).length;
  const isOne = response.req === request;
  response.setHeader("content-type", "application/json");
  response.end(
    JSON.stringify({
      url,
      body,
      headers,
      headersDistinct,
      rawHeaders: request.rawHeaders,
      raw,
      isOne,
      trailers: { ...trailers, ...trailersDistinct, rawTrailers },
    }),
  );
}

const unreached = () => assert.fail("reached");
// Two tenants that have the same client_id, each for a client of its own.
const twoTenants = () =>
  ["a.example", "b.example"].map((host, index) => ({
    hosts: [host],
    clients: [{ ...clients[index], client_id: "shared" }],
  }));
const json = async (answer) => JSON.parse((await answer).text);

for (const [protocol, { create, send }] of Object.entries(protocols)) {
  test(`${protocol}: bodies reach the application as they came, however it reads them`, async () => {
    const ways = [
      textOf,
      (request) =>
        new Promise((done) => {
          let body = "";
          request.on("data", (part) => (body += part)).on("end", () => done(body));
        }),
      (request) =>
        new Promise((done) => {
          let body = "";
          request
            .on("readable", () => {
              for (let part; (part = request.read()) !== null;) body += part;
            })
            .on("end", () => done(body));
        }),
      (request) => new Promise((done) => setTimeout(() => textOf(request).then(done), 20)),
      (request) => textOf(request.setEncoding("utf8")),
    ];
    const long = `${token("a")}&x=`;
    const bodies = [
      token("a"),
      [...token("a")],
      long.padEnd(65_536, "y"),
      [long, "y".repeat(30_000), "z".repeat(30_000)],
    ];
    for (const way of ways) {
      const application = async (request, response) => response.end(await way(request));
      await serving(create(protect(gate, application)), async (port) => {
        for (const body of bodies)
          assert.equal((await send(port, { as: "subject-dn", body })).text, [body].flat().join(""));
        for (const body of ["", ["", ""]]) {
          for (const more of [{}, { "content-length": "0" }]) {
            const { status, text } = await send(port, { body, headers: { ...basic, ...more } });
            assert.deepEqual([status, text], [200, ""]);
          }
        }
        const upload = "y".repeat(300_000);
        assert.equal((await send(port, { path: "/upload", body: upload })).text, upload);
        assert.equal((await send(port, { path: "/upload", method: "GET" })).text, "");
      });
    }
  });

  test(`${protocol}: what is refused does not reach the application`, async () => {
    await serving(create(protect(gate, unreached)), async (port) => {
      for (const [more, status, error] of [
        [{ body: token("a") }, 401, "invalid_client"],
        [{ as: "untrusted", body: token("a") }, 401, "invalid_client"],
        [{ as: "subject-dn", body: "x=y" }, 400, "invalid_request"],
        [{ as: "subject-dn", body: "" }, 400, "invalid_request"],
        [{ as: "subject-dn", method: "GET" }, 405, "invalid_request"],
        [{ as: "subject-dn", body: token("a").padEnd(65_537, "y") }, 413, "invalid_request"],
        [
          { as: "subject-dn", body: ["y".repeat(60_000), "y".repeat(60_000)] },
          413,
          "invalid_request",
        ],
        [
          {
            as: "subject-dn",
            body: "y".repeat(60_000),
            headers: { ...form, "content-length": "5000000" },
          },
          413,
          "invalid_request",
        ],
      ]) {
        const answer = await send(port, more);
        assert.deepEqual(
          [answer.status, JSON.parse(answer.text).error, answer.headers["cache-control"]],
          [status, error, "no-store"],
        );
      }
    });
  });

  test(`${protocol}: identity is what the gate says, wherever the application looks`, async () => {
    await serving(create(protect(gate, show)), async (port) => {
      const forged = [
        "X-SSL-Client-Verify",
        "x-clientcert",
        "X-Forwarded-Tls-Client-Cert",
        "cf-client-cert-sha256",
        "l5d-client-id",
        "client_cert",
        "X.Client.Id",
      ];
      const headers = {
        ...form,
        "x-client-id": "victim",
        ...Object.fromEntries(forged.map((name) => [name, "SUCCESS"])),
        cookie: ["a=1", "b=2"],
        "x-two": ["1", "2"],
      };
      const trailers = {
        "x-client-id": "victim",
        "client-cert": ":AAAA:",
        "x-clientcert": "SUCCESS",
        l5d_client_id: "victim",
      };
      for (const [more, client] of [
        [{ as: "subject-dn", body: token("a") }, "a"],
        [{ path: "/userinfo", body: "x" }, undefined],
      ]) {
        const seen = await json(send(port, { ...more, headers, trailers }));
        assert.equal(seen.headers["x-client-id"], client);
        for (const name of forged) {
          assert.ok(
            !(name.toLowerCase() in seen.headers) &&
              !(name.toLowerCase() in (seen.headersDistinct ?? {})),
            name,
          );
          assert.ok(
            !seen.rawHeaders.some((other) => other.toLowerCase() === name.toLowerCase()),
            name,
          );
        }
        assert.equal(seen.raw, client ? 1 : 0);
        assert.ok(seen.isOne);
        assert.deepEqual(seen.trailers, { rawTrailers: [] });
        assert.deepEqual([seen.headers.cookie, seen.headers["x-two"]], ["a=1; b=2", "1, 2"]);
        if (protocol === "HTTP/2") continue;
        assert.deepEqual(seen.headersDistinct["x-client-id"], client && [client]);
        assert.deepEqual(seen.headersDistinct["x-two"], ["1", "2"]);
      }
    });
  });

  test(`${protocol}: in shadow mode everything passes, whole, and without what it says of identity`, async () => {
    const told = [];
    const server = create(
      protect(shadow, show, { onDecision: ({ code, pass }) => told.push([code, pass]) }),
    );
    await serving(server, async (port) => {
      const large = `${token("a")}&x=${"y".repeat(400_000)}`;
      for (const [more, code] of [
        [{ body: token("a") }, "certificate_missing"],
        [{ body: large }, "body_too_large"],
        [{ body: [large, "z"] }, "body_too_large"],
        [{ method: "GET" }, "method_not_allowed"],
        [{ path: "//host/token", body: token("a") }, "unknown_tenant"],
      ]) {
        const seen = await json(
          send(port, { ...more, headers: { ...form, "x-client-id": "victim" } }),
        );
        assert.deepEqual(told.pop(), [code, true]);
        assert.equal(seen.body, [more.body ?? ""].flat().join(""), code);
        assert.equal(seen.headers["x-client-id"], undefined);
      }
      assert.equal(
        (await json(send(port, { as: "subject-dn", body: token("a") }))).headers["x-client-id"],
        "a",
      );
    });
    // What the application leaves unread blocks nothing.
    await serving(
      create(protect(shadow, (_request, response) => response.end("{}"))),
      async (port) => {
        const agent = new Agent({ ca: read("ca"), keepAlive: true, maxSockets: 1 });
        for (let round = 0; round < 3; round++)
          assert.equal((await send(port, { body: "y".repeat(3_000_000), agent })).status, 200);
        agent.destroy();
      },
    );
  });

  test(`${protocol}: who listens to decisions changes none, and gets no secret`, async () => {
    const told = [];
    const errors = [];
    for (const [onDecision, onError] of [
      [
        (decision) => {
          told.push(decision);
          throw new Error("no metrics");
        },
        (error) => {
          errors.push(error.message);
          throw new Error("and again");
        },
      ],
      [
        async (decision) => {
          told.push(decision);
          throw new Error("no metrics");
        },
        async (error) => {
          errors.push(error.message);
          throw new Error("and again");
        },
      ],
    ]) {
      await serving(create(protect(gate, show, { onDecision, onError })), async (port) => {
        const seen = await json(send(port, { as: "san-uri", body: token("secret") }));
        assert.equal(
          seen.headers.authorization,
          `Basic ${Buffer.from(`secret:${secret}`).toString("base64")}`,
        );
        assert.equal((await send(port, { body: token("a") })).status, 401);
      });
    }
    assert.deepEqual(
      told.map(({ code }) => code),
      ["authenticated", "certificate_missing", "authenticated", "certificate_missing"],
    );
    assert.deepEqual(errors, Array(4).fill("no metrics"));
    assert.ok(
      told.every((decision) => !("forward" in decision)) && !JSON.stringify(told).includes("Basic"),
    );
  });

  test(`${protocol}: an application that throws ends its own request and nothing else`, async () => {
    const errors = [];
    const applications = [
      () => {
        throw new Error("at once");
      },
      async (_request, response) => {
        response.setHeader("set-cookie", "half=done");
        throw new Error("later");
      },
      async (_request, response) => {
        response.write("{");
        await new Promise(setImmediate);
        throw new Error("half");
      },
      async (_request, response) => {
        response.end("{}");
        throw new Error("after");
      },
    ];
    let application;
    const server = create(
      protect(gate, (...all) => application(...all), {
        onError: (error) => errors.push(error.message),
      }),
    );
    await serving(server, async (port) => {
      for (application of applications.slice(0, 2)) {
        const { status, text, headers } = await send(port, { as: "subject-dn", body: token("a") });
        assert.deepEqual(
          [status, JSON.parse(text).error, headers["set-cookie"]],
          [500, "server_error", undefined],
        );
      }
      application = applications[2];
      await assert.rejects(send(port, { path: "/userinfo" }));
      application = applications[3];
      assert.equal((await send(port, { path: "/userinfo" })).text, "{}");
    });
    assert.deepEqual(errors, ["at once", "later", "half", "after"]);
  });

  test(`${protocol}: the host that counts is the only one that the application sees`, async () => {
    const two = new Gate({
      endpoints: ["/token"],
      forward: { client_id: "x-client-id" },
      tenants: twoTenants(),
    });
    const told = [];
    const server = create(
      protect(two, show, { onDecision: ({ code, tenant }) => told.push([code, tenant]) }),
    );
    await serving(server, async (port) => {
      const ask = (as, host) =>
        send(port, {
          as,
          body: token("shared"),
          headers: { ...form, host },
          servername: host.split(":")[0],
        });
      assert.equal((await ask("subject-dn", "a.example")).status, 200);
      assert.equal((await ask("subject-dn", "B.example:443")).status, 401);
      assert.equal((await ask("san-dns", "b.example")).status, 200);
      assert.equal((await ask("subject-dn", "c.example")).status, 421);
      if (protocol === "HTTP/2") {
        const headers = { ...form, ":authority": "b.example", host: "a.example" };
        assert.equal(
          (
            await json(
              send(port, {
                as: "san-dns",
                body: token("shared"),
                headers,
                servername: "b.example",
              }),
            )
          ).headers.host,
          "b.example",
        );
        assert.deepEqual(told.pop(), ["authenticated", "b.example"]);
      }
      for (const [path, host] of [
        ["//b.example/token", "a.example"],
        ["/\\b.example/token", "a.example"],
        ["///b.example/token", "a.example"],
      ]) {
        const answer = await send(port, {
          as: "subject-dn",
          path,
          body: token("shared"),
          headers: { ...form, host },
        });
        assert.deepEqual(
          [answer.status, JSON.parse(answer.text).error],
          [400, "invalid_request"],
          path + host,
        );
      }
    });
    const known = [
      ["authenticated", "a.example"],
      ["subject_mismatch", "b.example"],
      ["authenticated", "b.example"],
    ];
    assert.deepEqual(told, [...known, ...Array(4).fill(["unknown_tenant", null])]);
  });

  test(`${protocol}: of a client that goes away nothing is told`, async () => {
    const told = [];
    const settled = [];
    const serve = protect(gate, unreached, {
      onDecision: ({ code }) => told.push(code),
      onError: (error) => told.push(error),
    });
    const server = create((request, response) => settled.push(serve(request, response)));
    await serving(server, async (port) => {
      const head = { ...form, "content-length": "100" };
      if (protocol === "HTTP/2") {
        const session = connectHttp2(`https://localhost:${port}`, { ca: read("ca") });
        const request = session.request({ ":method": "POST", ":path": "/token", ...head });
        request.on("error", () => {}).write("client_id=");
        await once(server, "stream");
        await new Promise((done) => setTimeout(done, 50));
        request.destroy();
        await once(request, "close");
        session.close();
      } else {
        const socket = connect({
          port,
          host: "127.0.0.1",
          servername: "localhost",
          ca: read("ca"),
        });
        socket.write(
          "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nclient_id=",
        );
        await once(server, "request");
        await new Promise((done) => setTimeout(done, 50));
        socket.destroy();
      }
      await Promise.all(settled);
      assert.equal(settled.length, 1);
      assert.equal((await send(port, { body: token("a") })).status, 401);
    });
    assert.deepEqual(told, ["certificate_missing"]);
  });
}

test("a request line with a whole URL names its host, and an application that reads Host sees the same", async () => {
  const two = new Gate({
    endpoints: ["/token"],
    forward: { client_id: "x-client-id" },
    tenants: twoTenants(),
  });
  const close = { more: "Connection: close\r\n", host: "a.example" };
  await serving(protocols["HTTP/1.1"].create(protect(two, show)), async (port) => {
    const ask = async (as, more) => {
      const servername = /b\.example/i.test(more.path) ? "b.example" : "a.example";
      const answer = await exchange(port, post(token("shared"), { ...close, ...more }), {
        as,
        servername,
      });
      return [
        Number(answer.split(" ")[1]),
        JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))).headers?.host,
      ];
    };
    assert.deepEqual(await ask("subject-dn", { path: "https://b.example/token" }), [
      401,
      undefined,
    ]);
    assert.deepEqual(await ask("san-dns", { path: "https://b.example/token" }), [200, "b.example"]);
    assert.deepEqual(await ask("san-dns", { path: "HTTPS://b.example:443/token?x" }), [
      200,
      "b.example:443",
    ]);
    for (const rest of [
      "/token",
      "a.example:@b.example/token",
      "a.example@b.example/token",
      "b.example//a/token",
    ]) {
      assert.deepEqual(await ask("san-dns", { path: `https://${rest}` }), [400, undefined], rest);
    }
    assert.deepEqual(await ask("san-dns", { path: "ftp://b.example/token" }), [400, undefined]);
    assert.deepEqual(
      await ask("subject-dn", { more: "Host: b.example\r\nConnection: close\r\n" }),
      [400, undefined],
    );
    // An application that puts `https://`, Host and target together reads another path. Node's HTTP/2 lets none of these in.
    // Nor may it read another host: an empty one is that of the path, and numbers are an address.
    for (const host of [
      "a.example/token?",
      "a.example#",
      "b.example@a.example",
      "a.example\\token",
      "",
      " ",
      "127.1",
      "0x7f.1",
      "%61.example",
      "[",
      "a:99999",
      "xn--b.example",
    ]) {
      assert.deepEqual(
        await ask("subject-dn", { path: "/userinfo", host }),
        [400, undefined],
        host,
      );
    }
    for (const host of ["A.example:8443", "a.example.", "a.example:443"])
      assert.equal((await ask("subject-dn", { host }))[0], 200, host);
    assert.deepEqual(await ask("subject-dn", { path: "/b.example/token", host: "" }), [
      400,
      undefined,
    ]);
    assert.deepEqual(
      await ask("subject-dn", { more: "Host: a.example\r\nConnection: close\r\n" }),
      [400, undefined],
    );
  });
});

for (const [protocol, { create, send }] of Object.entries(protocols)) {
  test(`${protocol}: a connection is for the tenant whose name the client asked for`, async () => {
    const tenants = [
      ...twoTenants(),
      { hosts: ["localhost"], clients: [{ ...clients[0], client_id: "shared" }] },
    ];
    for (const [server_name, isCompared] of [
      [undefined, true],
      ["ignore", false],
    ]) {
      const told = [];
      const which = new Gate({
        endpoints: ["/token"],
        forward: { client_id: "x-client-id" },
        tenants,
        ...(server_name && { peer_certificate: { server_name } }),
      });
      const server = create(
        protect(which, show, { onDecision: ({ code, tenant }) => told.push([code, tenant]) }),
      );
      await serving(server, async (port) => {
        for (const [servername, host, as] of [
          ["a.example", "a.example", "subject-dn"],
          ["b.example", "b.example:443", "san-dns"],
          ["A.Example", "a.EXAMPLE", "subject-dn"],
          // An empty name is none, as a host without a dot has none.
          ["", "localhost", "subject-dn"],
        ]) {
          const answer = await send(port, {
            as,
            body: token("shared"),
            headers: { ...form, host },
            servername,
          });
          assert.deepEqual(
            [answer.status, JSON.parse(answer.text).headers?.["x-client-id"]],
            [200, "shared"],
            `${servername} ${host}`,
          );
        }
        for (const [servername, host, as] of [
          ["b.example", "a.example", "subject-dn"],
          ["a.example", "b.example", "san-dns"],
          ["c.example", "a.example", "subject-dn"],
          ["", "a.example", "subject-dn"],
        ]) {
          const answer = await send(port, {
            as,
            body: token("shared"),
            headers: { ...form, host },
            servername,
          });
          assert.deepEqual(
            [answer.status, JSON.parse(answer.text).error],
            isCompared ? [421, "invalid_request"] : [200, undefined],
            `${servername} ${host}`,
          );
          assert.equal(told.at(-1)[0], isCompared ? "server_name_mismatch" : "authenticated");
          assert.equal(
            (await send(port, { path: "/userinfo", body: "x", headers: { host }, servername }))
              .status,
            200,
          );
        }
      });
      assert.equal(told.length, 12);
    }
  });

  test(`${protocol}: where names have CAs of their own, a resumed session is nobody's`, async () => {
    // "untrusted" has the subject of a's client, and b's CA vouches for it.
    const tenants = ["a.example", "b.example"].map((host) => ({
      hosts: [host],
      clients: [clients[0]],
    }));
    const told = [];
    const onDecision = ({ code, detail }) => told.push(`${code} ${detail ?? ""}`);
    const context = (ca) => ({ cert: read("server"), key: read("server", "key"), ca: read(ca) });
    for (const [more, isSafe] of [
      [{}, false],
      [{ secureOptions: constants.SSL_OP_NO_TICKET }, true],
    ]) {
      const server = create(
        protect(
          new Gate({ endpoints: ["/token"], tenants }),
          (_request, response) => response.end(),
          { onDecision },
        ),
        { ca: [], allowHTTP1: true, ...more },
      );
      server.addContext("a.example", context("ca"));
      server.addContext("b.example", context("other-ca"));
      await serving(server, async (port) => {
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"]) {
          let session;
          for (const [servername, status, isResumed] of [
            ["b.example", 200, false],
            ["a.example", isSafe ? 401 : 421, true],
            ["b.example", isSafe ? 200 : 421, true],
          ]) {
            const options = {
              port,
              host: "127.0.0.1",
              servername,
              ca: read("ca"),
              cert: read("untrusted"),
              key: read("untrusted", "key"),
              maxVersion,
              session,
              checkServerIdentity: () => undefined,
            };
            const socket = connect({ ...options, ALPNProtocols: ["http/1.1"] });
            let answer = "";
            socket
              .on("session", (ticket) => (session ??= ticket))
              .on("data", (data) => (answer += data));
            await once(socket, "secureConnect");
            assert.equal(
              socket.isSessionReused(),
              isResumed && !isSafe,
              `${servername} ${maxVersion}`,
            );
            socket.write(post(token("a"), { host: servername, more: "Connection: close\r\n" }));
            await once(socket, "close");
            assert.equal(
              Number(answer.split(" ")[1]),
              status,
              `${servername} ${maxVersion}, safe: ${isSafe}`,
            );
          }
        }
      });
    }
    const resumed = told.filter((line) => line.startsWith("server_name_mismatch"));
    assert.ok(
      resumed.length === 4 && resumed.every((line) => line.includes("a resumed session")),
      told.join("\n"),
    );
  });

  test(`${protocol}: OPTIONS is a preflight, or as any other method`, async () => {
    const told = [];
    const server = create(protect(gate, show, { onDecision: ({ code }) => told.push(code) }));
    await serving(server, async (port) => {
      const origin = { origin: "https://app.example", "access-control-request-method": "POST" };
      for (const more of [
        { headers: { ...origin, "access-control-request-headers": "authorization" } },
        { headers: { ...origin, "content-length": "0" } },
        { headers: { ...origin, "x-client-id": "victim", "x-clientcert": "victim" } },
        { path: "/userinfo", body: token("a") },
        { path: "/token?x=y" },
      ]) {
        const { headers, body } = await json(send(port, { method: "OPTIONS", ...more }));
        assert.deepEqual(
          [headers["x-client-id"], headers["x-clientcert"], body],
          [undefined, undefined, more.body ?? ""],
        );
        assert.equal(told.pop(), "not_gated");
      }
      for (const more of [
        { body: token("a") },
        { body: [..."client_id=a"] },
        { body: "y".repeat(70_000) },
        { headers: basic },
        { headers: { ...form, authorization: "Bearer x" } },
        { headers: { "x-http-method-override": "POST" } },
        { path: "/token?client_id=a" },
        { path: "/token?client_secret=a" },
      ]) {
        const answer = await send(port, { as: "subject-dn", method: "OPTIONS", ...more });
        assert.deepEqual(
          [answer.status, answer.headers.allow, told.pop()],
          [405, "POST", "method_not_allowed"],
          JSON.stringify(more).slice(0, 99),
        );
      }
    });
  });
}

test("what asks for another protocol, or expects something, is refused or goes where the gate is not", async () => {
  const told = [];
  const application = (_request, response) => response.end("{}");
  const upgrade = "Connection: upgrade, close\r\nUpgrade: websocket\r\n";
  const websocket =
    "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n";
  const { create } = protocols["HTTP/1.1"];
  const onDecision = ({ code }) => told.push(code);
  for (const server of [
    create(protect(gate, application, { onDecision })),
    guard(create(), gate, application, { onDecision }),
  ]) {
    await serving(server, async (port) => {
      assert.match(
        await exchange(port, post(token("a"), { more: upgrade }), { as: "subject-dn" }),
        /^HTTP\/1.1 400 /,
      );
      assert.match(
        await exchange(
          port,
          `GET /token HTTP/1.1\r\nHost: a\r\n${websocket.replace("upgrade", "upgrade, close")}\r\n`,
        ),
        /^HTTP\/1.1 400 /,
      );
      assert.deepEqual(told.splice(0), ["upgrade_refused", "upgrade_refused"]);
      // Elsewhere the application decides.
      assert.match(
        await exchange(port, post("x", { path: "/x", more: upgrade })),
        /^HTTP\/1.1 200 /,
      );
      assert.deepEqual(told.splice(0), ["not_gated"]);
      assert.match(
        await exchange(port, post(token("a"), { more: "Expect: x\r\nConnection: close\r\n" }), {
          as: "subject-dn",
        }),
        /^HTTP\/1.1 417 /,
      );
      assert.deepEqual(told, []);
    });
  }
  // What a caller hands over itself is refused, too: `expect` counts where Node lets it through.
  for (const headers of [
    { ...form, expect: "x" },
    { ...form, upgrade: "h2c" },
    { ...form, ":protocol": "websocket" },
    { ...form, expect: ["100-continue", "100-continue"] },
  ]) {
    assert.equal(
      gate.decide({ path: "/token", headers, body: token("a") }).code,
      "upgrade_refused",
      JSON.stringify(headers),
    );
  }
});

test("requests of one connection are told apart", async () => {
  const application = (request, response) =>
    response.end(`<${request.url} ${request.headers["x-client-id"]}>`);
  await serving(protocols["HTTP/1.1"].create(protect(gate, application)), async (port) => {
    // The application reads no body, and a refusal does not close where its request is whole.
    const last = post(token("a"), { path: "/token?last", more: "Connection: close\r\n" });
    const get = "GET /token HTTP/1.1\r\nHost: a\r\n\r\n";
    const requests = [
      post(token("a")),
      post(token("nobody")),
      post("x", { path: "/x" }),
      get,
      last,
    ];
    for (const text of [requests.join(""), requests]) {
      const answer = await exchange(port, text, { as: "subject-dn" });
      assert.deepEqual(
        answer.match(/HTTP\/1.1 \d+/g),
        [200, 401, 200, 405, 200].map((status) => `HTTP/1.1 ${status}`),
        answer,
      );
      assert.deepEqual(answer.match(/<.*?>/g), ["</token a>", "</x undefined>", "</token?last a>"]);
    }
  });
});

test("an empty body in chunks has an end too, whenever it comes", async () => {
  const application = async (request, response) => response.end(`<${await textOf(request)}>`);
  await serving(protocols["HTTP/1.1"].create(protect(gate, application)), async (port) => {
    const head =
      "POST /token HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    const chunked = `${head}Authorization: ${basic.authorization}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    for (const text of [
      `${chunked}0\r\n\r\n`,
      [chunked, "0\r\n\r\n"],
      [chunked, "0", "\r", "\n\r\n"],
    ]) {
      assert.match(await exchange(port, text), /^HTTP\/1.1 200 [\s\S]*<>/);
    }
  });
});

test("a client that sends its whole body first sees why it is refused", async () => {
  await serving(protocols["HTTP/1.1"].create(protect(gate, unreached)), async (port) => {
    const body = "y".repeat(8_000_000);
    const head =
      "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    for (const text of [
      post(body),
      post(body, { more: "Connection: close\r\n" }),
      chunked,
      chunked,
      chunked,
    ]) {
      assert.match(await exchange(port, text), /^HTTP\/1.1 413 [\s\S]*too large\."\}$/);
    }
    // One that announces and does not send is not waited for.
    assert.match(
      await exchange(port, post("").replace("Length: 0", "Length: 70000")),
      /^HTTP\/1.1 413 /,
    );
  });
});

test("guard: a client that asks first need not send what is refused", async () => {
  const server = guard(protocols["HTTP/1.1"].create(), gate, show);
  const more = "Expect: 100-continue\r\nConnection: close\r\n";
  await serving(server, async (port) => {
    assert.match(
      await exchange(port, post(token("a"), { more }), { as: "subject-dn" }),
      /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /,
    );
    assert.match(
      await exchange(port, post(token("a"), { more })),
      /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 401 /,
    );
    assert.match(
      await exchange(port, post("x", { path: "/x", more })),
      /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /,
    );
    assert.match(await exchange(port, post("y".repeat(70_000), { more })), /^HTTP\/1.1 413 /);
    assert.match(
      await exchange(
        port,
        post(token("a"), { more: "Expect: something\r\nConnection: close\r\n" }),
      ),
      /^HTTP\/1.1 417 /,
    );
  });
});

test("guard: nothing else gets a request", () => {
  for (const { create } of Object.values(protocols)) {
    for (const event of [
      "request",
      "checkContinue",
      "checkExpectation",
      "connect",
      "upgrade",
      "stream",
    ]) {
      const server = guard(create(), gate, unreached);
      assert.throws(() => server.on(event, unreached), /that the gate has not seen/);
      assert.throws(
        () => guard(create().on(event, unreached), gate, unreached),
        /that the gate has not seen/,
      );
    }
    guard(create(), gate, unreached).on("tlsClientError", () => {});
  }
});

test("guard: HTTP/2, and HTTP/1.1 beside it", async () => {
  await serving(
    guard(protocols["HTTP/2"].create(undefined, { allowHTTP1: true }), gate, show),
    async (port) => {
      for (const { send } of Object.values(protocols)) {
        assert.equal(
          (await json(send(port, { as: "subject-dn", body: token("a") }))).headers["x-client-id"],
          "a",
        );
        assert.equal((await send(port, { body: token("a") })).status, 401);
      }
    },
  );
});

test("mounted at a prefix, behind and before other middleware", async () => {
  const mounted = new Gate({ ...all, endpoints: ["/oauth/token"] });
  const ask = (port, more) => send(port, { path: "/oauth/token", body: token("a"), ...more });
  const application = express();
  application.use(
    "/oauth",
    protect(mounted, (_request, _response, next) => next()),
  );
  application.use(express.urlencoded({ extended: false }));
  application.use((request, response) =>
    response.json({ client: request.get("x-client-id"), body: request.body, url: request.url }),
  );
  await serving(protocols["HTTP/1.1"].create(application), async (port) => {
    assert.equal((await ask(port)).status, 401);
    assert.deepEqual(await json(ask(port, { as: "subject-dn" })), {
      client: "a",
      body: { grant_type: "client_credentials", client_id: "a" },
      url: "/oauth/token",
    });
    assert.equal((await ask(port, { path: "/oauth/userinfo" })).status, 200);
  });

  // A body that somebody has read cannot be looked at.
  const late = express();
  late.use(express.urlencoded({ extended: false }), protect(mounted, unreached));
  await serving(protocols["HTTP/1.1"].create(late), async (port) =>
    assert.equal((await ask(port, { as: "subject-dn" })).status, 500),
  );
});

test("whoever would read the body before the gate does lets nobody past", async () => {
  const told = [];
  const inner = protect(gate, unreached, {
    onDecision: ({ code, detail }) => told.push([code, detail]),
  });
  const early = [
    (request) => request.on("data", () => {}),
    (request) => request.on("readable", () => request.read()),
    (request) => request.resume(),
    (request) => request.setEncoding("utf8"),
  ];
  for (const touch of early) {
    const listener = (request, response) => {
      touch(request);
      return inner(request, response);
    };
    await serving(protocols["HTTP/1.1"].create(listener), async (port) => {
      // The header is that of a client of another method, whom an empty body would let pass.
      const answer = await send(port, { headers: basic, body: "client_id=victim&scope=admin" });
      assert.equal(answer.status, 500, String(touch));
    });
  }
  assert.ok(
    told.length === early.length &&
      told.every(([code, detail]) => code === "host_error" && /before the gate/.test(detail)),
    JSON.stringify(told),
  );
});

test("HEAD is answered without a body, however strict the server is", async () => {
  await serving(
    protocols["HTTP/1.1"].create(protect(gate, unreached), { rejectNonStandardBodyWrites: true }),
    async (port) => {
      const { status, headers, text } = await send(port, { method: "HEAD" });
      assert.deepEqual([status, headers.allow, text], [405, "POST", ""]);
    },
  );
});

test("without TLS nobody passes, but in shadow mode", async () => {
  const told = [];
  const onDecision = ({ code, detail }) => told.push([code, detail]);
  for (const [which, status] of [
    [gate, 500],
    [shadow, 200],
  ]) {
    await serving(
      createServer(protect(which, (_request, response) => response.end(), { onDecision })),
      async (port) => {
        for (const path of ["/token", "/userinfo"]) {
          const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
            method: "POST",
            body: token("a"),
          });
          assert.equal(answer.status, status);
          await answer.arrayBuffer();
        }
      },
    );
  }
  assert.equal(told.length, 4);
  assert.ok(
    told.every(([code, detail]) => code === "host_error" && /disableRenegotiation/.test(detail)),
    JSON.stringify(told),
  );
});

test("who states that the server refuses what it cannot verify must have such a server", async () => {
  const stated = new Gate({ ...all, peer_certificate: { chain: "listener" } });
  for (const [more, untrusted] of [
    [{}, 500],
    [{ rejectUnauthorized: true }, undefined],
  ]) {
    await serving(
      protocols["HTTP/1.1"].create(
        protect(stated, (_request, response) => response.end()),
        more,
      ),
      async (port) => {
        assert.equal((await send(port, { as: "subject-dn", body: token("a") })).status, 200);
        const made = send(port, { as: "untrusted", body: token("a") }).then(
          ({ status }) => status,
          () => undefined,
        );
        assert.equal(await made, untrusted);
      },
    );
  }
});

test("a resumed session is what its handshake was", async () => {
  const server = protocols["HTTP/1.1"].create(
    protect(gate, (request, response) => response.end(`client=${request.headers["x-client-id"]}`)),
  );
  await serving(server, async (port) => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"]) {
      for (const [as, id, status] of [
        ["subject-dn", "a", 200],
        ["self-signed", "self", 200],
        ["untrusted", "a", 401],
        ["expired", "a", 401],
        [null, "a", 401],
      ]) {
        let session;
        for (const isResumed of [false, true]) {
          const options = {
            port,
            host: "127.0.0.1",
            servername: "localhost",
            ca: read("ca"),
            maxVersion,
            session,
          };
          const socket = connect(
            as ? { ...options, cert: read(as), key: read(as, "key") } : options,
          );
          socket.on("session", (ticket) => (session = ticket));
          let answer = "";
          socket.on("data", (data) => (answer += data));
          await once(socket, "secureConnect");
          assert.equal(socket.isSessionReused(), isResumed);
          socket.write(post(token(id), { more: "Connection: close\r\n" }));
          await once(socket, "close");
          assert.equal(
            Number(answer.split(" ")[1]),
            status,
            `${as}, ${maxVersion}, resumed: ${isResumed}`,
          );
          if (status === 200) assert.ok(answer.endsWith(`client=${id}`));
        }
      }
    }
  });
});

test("a client cannot go on with a certificate that nobody verified", async () => {
  const run = promisify(execFile);
  const told = [];
  const onDecision = ({ code, clientId }) => told.push(`${code} ${clientId}`);
  const application = (_request, response) => response.setHeader("content-length", 2).end("{}");
  const servers = {
    protect: () => protocols["HTTP/1.1"].create(protect(gate, application, { onDecision })),
    guard: () => guard(protocols["HTTP/1.1"].create(), gate, application, { onDecision }),
  };
  for (const [name, bodies, output, decisions] of [
    ["protect", [token("dns"), token("a")], ["200", "refused", "no answer"], ["authenticated dns"]],
    // Before the first request nothing forbids it; Node leaves `authorized` true.
    ["protect", [token("a")], ["renegotiated", "401"], ["certificate_unverified a"]],
    ["guard", [token("a")], ["refused", "no answer"], []],
  ]) {
    await serving(servers[name](), async (port) => {
      const { stdout } = await run("python3", [
        "renegotiate.py",
        String(port),
        "pki/san-dns",
        "pki/untrusted",
        ...bodies,
      ]);
      assert.deepEqual(stdout.trim().split("\n"), output, name);
    });
    assert.deepEqual(told.splice(0), decisions);
  }
});

test("what a socket says of its client is read once, and believed where nothing contradicts", () => {
  const raw = Buffer.from("DER");
  const common = {
    disableRenegotiation() {},
    getPeerX509Certificate: () => ({ raw }),
    isSessionReused: () => false,
    authorized: true,
    authorizationError: null,
  };
  const socket = (more) => ({ ...common, servername: "a.example", _SNICallback: null, ...more });
  const serverName = "a.example";
  assert.deepEqual(peerOf(socket({})), { certificate: raw, chainValid: true, serverName });
  for (const more of [
    { authorizationError: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" },
    { authorizationError: new Error("self-signed certificate") },
    { authorized: false },
    { authorized: undefined },
    { authorized: "yes" },
  ])
    assert.deepEqual(peerOf(socket(more)), { certificate: raw, chainValid: false, serverName });
  // OpenSSL has nothing against a resumed TLS 1.3 session of a client without a certificate.
  assert.deepEqual(peerOf(socket({ getPeerX509Certificate: () => undefined })), {
    certificate: null,
    chainValid: false,
    serverName,
  });
  const resumed = { isSessionReused: () => true };
  for (const [more, expected] of [
    [{ servername: false }, null],
    [{ servername: "" }, null],
    [{ servername: undefined }, null],
    [{ _SNICallback() {} }, serverName],
    [resumed, serverName],
    [{ ...resumed, servername: false }, undefined],
    [{ ...resumed, _SNICallback() {} }, "(unknown: a resumed session)"],
    // Another version of Node, which calls it otherwise.
    [{ ...resumed, _SNICallback: undefined }, "(unknown: a resumed session)"],
  ])
    assert.equal(peerOf(socket(more)).serverName, expected, JSON.stringify(more));
});

test("the certificate of a connection is read once, and its chain never", async ({ mock }) => {
  const leaf = mock.method(TLSSocket.prototype, "getPeerX509Certificate").mock;
  const chain = mock.method(TLSSocket.prototype, "getPeerCertificate").mock;
  const server = guard(
    protocols["HTTP/2"].create(undefined, { allowHTTP1: true }),
    gate,
    (_request, response) => response.end(),
  );
  await serving(server, async (port) => {
    const close = { more: "Connection: close\r\n" };
    const answers = await exchange(port, [post(token("a")), post(token("a"), close)], {
      as: "subject-dn",
    });
    assert.equal(answers.match(/HTTP\/1.1 200/g).length, 2);
    assert.equal(leaf.callCount(), 1);
    const session = connectHttp2(`https://localhost:${port}`, {
      ca: read("ca"),
      cert: read("subject-dn"),
      key: read("subject-dn", "key"),
    });
    for (let round = 0; round < 3; round++) {
      const request = session.request({ ":method": "POST", ":path": "/token", ...form });
      request.end(token("a"));
      const [{ ":status": status }] = await once(request, "response");
      assert.equal(status, 200);
    }
    session.destroy();
    assert.equal(leaf.callCount(), 2);
    // Clients look at the server's, too.
    assert.deepEqual(
      chain.calls.filter(
        ({ this: socket }) => socket.remotePort !== port && socket.localPort === port,
      ),
      [],
    );
  });
});
