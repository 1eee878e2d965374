// The adapter for node:https and node:http2, over real TLS.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { constants } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { Agent } from "node:https";
import { TLSSocket, connect } from "node:tls";
import { text as textOf } from "node:stream/consumers";
import { test } from "node:test";
import { promisify } from "node:util";
import { Gate } from "tls-client-auth";
import { guard, peerOf, protect } from "tls-client-auth/node";
import {
  all,
  basic,
  clients,
  configuration,
  exchange,
  form,
  post,
  protocols,
  read,
  secret,
  send,
  serving,
  token,
} from "./support.mjs";

const gate = new Gate(all);
const shadow = new Gate({ ...all, mode: "shadow" });

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

  test(`${protocol}: in shadow mode everything passes, whole and without identity`, async () => {
    const decisions = [];
    const server = create(
      protect(shadow, show, { onDecision: ({ code, pass }) => decisions.push([code, pass]) }),
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
        assert.deepEqual(decisions.pop(), [code, true]);
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
    const decisions = [];
    const errors = [];
    for (const [onDecision, onError] of [
      [
        (decision) => {
          decisions.push(decision);
          throw new Error("no metrics");
        },
        (error) => {
          errors.push(error.message);
          throw new Error("and again");
        },
      ],
      [
        async (decision) => {
          decisions.push(decision);
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
      decisions.map(({ code }) => code),
      ["authenticated", "certificate_missing", "authenticated", "certificate_missing"],
    );
    assert.deepEqual(errors, Array(4).fill("no metrics"));
    assert.ok(
      decisions.every((decision) => !("forward" in decision)) &&
        !JSON.stringify(decisions).includes("Basic"),
    );
  });

  test(`${protocol}: an application that throws ends its own request only`, async () => {
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
    const decisions = [];
    const server = create(
      protect(two, show, { onDecision: ({ code, tenant }) => decisions.push([code, tenant]) }),
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
        assert.deepEqual(decisions.pop(), ["authenticated", "b.example"]);
      }
      for (const [path, host] of [
        ["//token", "a.example"],
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
          [421, "invalid_request"],
          path + host,
        );
      }
    });
    const known = [
      ["authenticated", "a.example"],
      ["subject_mismatch", "b.example"],
      ["authenticated", "b.example"],
    ];
    assert.deepEqual(decisions, [...known, ...Array(5).fill(["unknown_tenant", null])]);
  });

  test(`${protocol}: of a client that goes away nothing is reported`, async () => {
    const decisions = [];
    const settled = [];
    const serve = protect(gate, unreached, {
      onDecision: ({ code }) => decisions.push(code),
      onError: (error) => decisions.push(error),
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
        socket.write(post("client_id=", { host: "a" }).replace("Length: 10", "Length: 100"));
        await once(server, "request");
        await new Promise((done) => setTimeout(done, 50));
        socket.destroy();
      }
      await Promise.all(settled);
      assert.equal(settled.length, 1);
      assert.equal((await send(port, { body: token("a") })).status, 401);
    });
    assert.deepEqual(decisions, ["certificate_missing"]);
  });
}

test("a whole URL without a path is no plain target", async () => {
  const gate = new Gate({ endpoints: ["/token"], clients: [] });
  await serving(protocols["HTTP/1.1"].create(protect(gate, unreached)), async (port) => {
    for (const [path, status] of [
      ["https://as.example.com?/token", 421],
      // Node's own answer.
      ["HTTP://as.example.com#/token", 400],
    ]) {
      const more = { path, more: "Connection: close\r\n", host: "as.example.com" };
      const answer = await exchange(port, post(token("a"), more), {});
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), path);
    }
  });
});

test("a request line with a whole URL names its host, in Host too", async () => {
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
      assert.deepEqual(await ask("san-dns", { path: `https://${rest}` }), [421, undefined], rest);
    }
    assert.deepEqual(await ask("san-dns", { path: "ftp://b.example/token" }), [421, undefined]);
    assert.deepEqual(
      await ask("subject-dn", { more: "Host: b.example\r\nConnection: close\r\n" }),
      [421, undefined],
    );
    // An application that puts `https://`, Host and target together reads another path. Node's
    // HTTP/2 lets none of these in. Nor may it read another host: an empty one is that of the path,
    // and numbers are an address.
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
      "a^b.example",
    ]) {
      assert.deepEqual(
        await ask("subject-dn", { path: "/userinfo", host }),
        [421, undefined],
        host,
      );
    }
    for (const host of ["A.example:8443", "a.example.", "a.example:443"])
      assert.equal((await ask("subject-dn", { host }))[0], 200, host);
    assert.deepEqual(await ask("subject-dn", { path: "/b.example/token", host: "" }), [
      421,
      undefined,
    ]);
    assert.deepEqual(
      await ask("subject-dn", { more: "Host: a.example\r\nConnection: close\r\n" }),
      [421, undefined],
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
      const decisions = [];
      const which = new Gate({
        endpoints: ["/token"],
        forward: { client_id: "x-client-id" },
        tenants,
        ...(server_name && { peer_certificate: { server_name } }),
      });
      const server = create(
        protect(which, show, { onDecision: ({ code, tenant }) => decisions.push([code, tenant]) }),
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
          assert.equal(decisions.at(-1)[0], isCompared ? "server_name_mismatch" : "authenticated");
          assert.equal(
            (await send(port, { path: "/userinfo", body: "x", headers: { host }, servername }))
              .status,
            200,
          );
        }
      });
      assert.equal(decisions.length, 12);
    }
  });

  test(`${protocol}: where names have own CAs, a resumed session is of no tenant`, async () => {
    // "untrusted" has the subject of a's client, and b's CA vouches for it.
    const tenants = ["a.example", "b.example"].map((host) => ({
      hosts: [host],
      clients: [clients[0]],
    }));
    const decisions = [];
    const resumed = [];
    const onDecision = ({ code, detail }) => decisions.push(`${code} ${detail ?? ""}`);
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
          for (const [servername, status] of [
            ["b.example", 200],
            ["a.example", 401],
            ["b.example", 200],
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
            const isResumed = socket.isSessionReused();
            if (isResumed) resumed.push(`${isSafe} ${maxVersion} ${servername}`);
            socket.write(post(token("a"), { host: servername, more: "Connection: close\r\n" }));
            await once(socket, "close");
            const expected = isResumed ? 421 : status;
            assert.equal(Number(answer.split(" ")[1]), expected, `${servername} ${maxVersion}`);
          }
        }
      });
    }
    // Node 20 resumes under another name, too; later ones under the name of the first handshake.
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"]) {
      assert.ok(resumed.includes(`false ${maxVersion} b.example`), resumed.join());
    }
    assert.ok(!resumed.some((line) => line.startsWith("true")), resumed.join());
    const mismatches = decisions.filter((line) => line.startsWith("server_name_mismatch"));
    assert.equal(mismatches.length, resumed.length);
    for (const line of mismatches) assert.match(line, /a resumed session/);
  });

  test(`${protocol}: OPTIONS is a preflight, or as any other method`, async () => {
    const decisions = [];
    const server = create(protect(gate, show, { onDecision: ({ code }) => decisions.push(code) }));
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
        assert.equal(decisions.pop(), "not_gated");
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
          [answer.status, answer.headers.allow, decisions.pop()],
          [405, "POST", "method_not_allowed"],
          JSON.stringify(more).slice(0, 99),
        );
      }
    });
  });
}

test("what asks for another protocol, or expects something, is refused", async () => {
  const decisions = [];
  const application = (_request, response) => response.end("{}");
  const upgrade = "Connection: upgrade, close\r\nUpgrade: websocket\r\n";
  const websocket =
    "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
  const { create } = protocols["HTTP/1.1"];
  const onDecision = ({ code }) => decisions.push(code);
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
      assert.deepEqual(decisions.splice(0), ["upgrade_refused", "upgrade_refused"]);
      // Elsewhere the application decides.
      assert.match(
        await exchange(port, post("x", { path: "/x", more: upgrade })),
        /^HTTP\/1.1 200 /,
      );
      assert.deepEqual(decisions.splice(0), ["not_gated"]);
      assert.match(
        await exchange(port, post(token("a"), { more: "Expect: x\r\nConnection: close\r\n" }), {
          as: "subject-dn",
        }),
        /^HTTP\/1.1 417 /,
      );
      assert.deepEqual(decisions, []);
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

test("requests of one connection are kept apart", async () => {
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

test("HEAD is answered without a body, however strict the server is", async () => {
  await serving(
    protocols["HTTP/1.1"].create(protect(gate, unreached), { rejectNonStandardBodyWrites: true }),
    async (port) => {
      const { status, headers, text } = await send(port, { method: "HEAD" });
      assert.deepEqual([status, headers.allow, text], [405, "POST", ""]);
    },
  );
});

test("without TLS nothing passes, but in shadow mode", async () => {
  const decisions = [];
  const onDecision = ({ code, detail }) => decisions.push([code, detail]);
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
  assert.equal(decisions.length, 4);
  assert.ok(
    decisions.every(([code, detail]) => code === "host_error" && /a TLSSocket/.test(detail)),
    JSON.stringify(decisions),
  );
});

test("a listener that refuses what it cannot verify lets in nothing else", async () => {
  const stated = new Gate({ ...all, peer_certificate: { chain: "listener" } });
  for (const [more, untrusted, ungated] of [
    [{}, 500, 200],
    [{ rejectUnauthorized: true }, undefined, undefined],
  ]) {
    await serving(
      protocols["HTTP/1.1"].create(
        protect(stated, (_request, response) => response.end()),
        more,
      ),
      async (port) => {
        assert.equal((await send(port, { as: "subject-dn", body: token("a") })).status, 200);
        const made = (path) =>
          send(port, { as: "untrusted", path, body: token("a") }).then(
            ({ status }) => status,
            () => undefined,
          );
        assert.equal(await made("/token"), untrusted);
        assert.equal(await made("/userinfo"), ungated);
      },
    );
  }
});

test("in shadow mode an error of the gate leaves no other Host", async () => {
  const stated = new Gate({ ...all, mode: "shadow", peer_certificate: { chain: "listener" } });
  const guarded = protect(stated, show, { onError() {} });
  await serving(protocols["HTTP/1.1"].create(guarded), async (port) => {
    const close = "Connection: close\r\n";
    const sent = { path: "https://b.example/token", host: "a.example", more: close };
    const answer = await exchange(port, post(token("a"), sent), { as: "untrusted" });
    const { headers } = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")));
    assert.equal(headers.host, "b.example");
  });
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

test("a client cannot go on with a certificate that was not verified", async () => {
  const run = promisify(execFile);
  const decisions = [];
  const onDecision = ({ code, clientId }) => decisions.push(`${code} ${clientId}`);
  const application = (_request, response) => response.setHeader("content-length", 2).end("{}");
  const servers = {
    protect: () => protocols["HTTP/1.1"].create(protect(gate, application, { onDecision })),
    guard: () => guard(protocols["HTTP/1.1"].create(), gate, application, { onDecision }),
  };
  for (const [name, bodies, output, expected] of [
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
    assert.deepEqual(decisions.splice(0), expected);
  }
});

test("what a socket says of its client is read once, and trusted where nothing contradicts", () => {
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
