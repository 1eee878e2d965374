// Bodies through the adapter for node:https and node:http2: the gate looks at them first, and the
// application has them as if it had not.

import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { buffer, text as textOf } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "node:tls";
import express from "express";
import { Gate } from "tls-client-auth";
import { guard, protect } from "tls-client-auth/node";
import { all, basic, exchange, form, post, protocols, read, serving, token } from "./support.mjs";

const gate = new Gate(all);
const shadow = new Gate({ ...all, mode: "shadow" });
const unreached = () => assert.fail("reached");
const { create, send } = protocols["HTTP/1.1"];

// How applications read.
const ways = {
  "async iteration": async (request) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    return body;
  },
  "data events": async (request) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    await once(request, "end");
    return body;
  },
  "readable events": async (request) => {
    let body = "";
    request.on("readable", () => {
      for (let part = request.read(); part !== null; part = request.read()) body += part;
    });
    await once(request, "end");
    return body;
  },
  "a pipe": (request) => textOf(request.pipe(new PassThrough())),
  "a pipeline": async (request) => {
    const through = new PassThrough();
    const [body] = await Promise.all([textOf(through), pipeline(request, through)]);
    return body;
  },
  "a web stream": (request) => new Response(Readable.toWeb(request)).text(),
  "the body of a Request": (request) => {
    const { method } = request;
    if (method === "GET") return textOf(request);
    return new Request("https://a", { method, body: request, duplex: "half" }).text();
  },
  "a decoder": (request) => textOf(request.setEncoding("utf8")),
  "octets in the end": async (request) => (await buffer(request)).toString(),
  "after a while": (request) => pause(20).then(() => textOf(request)),
  "paused first": async (request) => {
    request.pause();
    await pause(5);
    const body = textOf(request);
    request.resume();
    return body;
  },
};

// Where the gate stands: before everything, or behind what waits while the body arrives.
const positions = {
  first: (serve) => serve,
  "behind a wait": (serve) => (request, response) => pause(20).then(() => serve(request, response)),
};

for (const [protocol, { create, send }] of Object.entries(protocols)) {
  for (const [position, placed] of Object.entries(positions)) {
    test(`${protocol}: a gate ${position} changes no body, however it is read`, async () => {
      const long = `${token("a")}&x=`;
      const bodies = [
        token("a"),
        [...token("a")],
        long.padEnd(65_536, "y"),
        [long, "y".repeat(30_000), "z".repeat(30_000)],
      ];
      const upload = "y".repeat(300_000);
      for (const [name, way] of Object.entries(ways)) {
        const application = async (request, response) => response.end(await way(request));
        await serving(create(placed(protect(gate, application))), async (port) => {
          for (const body of bodies) {
            const { text } = await send(port, { as: "subject-dn", body });
            assert.equal(text, [body].flat().join(""), name);
          }
          for (const body of ["", ["", ""]]) {
            for (const more of [{}, { "content-length": "0" }]) {
              const { status, text } = await send(port, { body, headers: { ...basic, ...more } });
              assert.deepEqual([status, text], [200, ""], name);
            }
          }
          assert.equal((await send(port, { path: "/upload", body: upload })).text, upload, name);
          assert.equal((await send(port, { path: "/upload", method: "GET" })).text, "", name);
        });
      }
    });

    test(`${protocol}: behind a gate ${position} a request is unread`, async () => {
      const states = (request) => ({
        didRead: request.readableDidRead,
        isDisturbed: Readable.isDisturbed(request),
        flowing: request.readableFlowing,
        encoding: request.readableEncoding,
        readable: request.readable,
        ended: request.readableEnded,
        aborted: request.readableAborted,
        listeners: request.listenerCount("data") + request.listenerCount("readable"),
        own: Object.hasOwn(request, "push"),
      });
      const unread = {
        didRead: false,
        isDisturbed: false,
        flowing: null,
        encoding: null,
        readable: true,
        ended: false,
        aborted: false,
        listeners: 0,
        own: false,
      };
      const application = async (request, response) => {
        const before = states(request);
        const body = await textOf(request);
        const { didRead, ended } = states(request);
        response.end(JSON.stringify({ before, body: body.length, didRead, ended }));
      };
      for (const [which, more] of [
        [gate, { as: "subject-dn", body: token("a") }],
        [gate, { as: "subject-dn", body: [...token("a")] }],
        [gate, { body: "", headers: basic }],
        [gate, { path: "/upload", body: "y".repeat(100_000) }],
        [shadow, { body: "y".repeat(400_000) }],
        [shadow, { body: ["y".repeat(65_536), "y", "y".repeat(65_536)] }],
      ]) {
        await serving(create(placed(protect(which, application))), async (port) => {
          const { length } = [more.body].flat().join("");
          const seen = JSON.parse((await send(port, more)).text);
          assert.deepEqual(seen, {
            before: unread,
            body: length,
            didRead: length > 0,
            ended: true,
          });
        });
      }
    });
  }

  test(`${protocol}: two gates see the same body`, async () => {
    const application = async (request, response) => response.end(await textOf(request));
    await serving(create(protect(gate, protect(gate, application))), async (port) => {
      assert.equal((await send(port, { as: "subject-dn", body: token("a") })).text, token("a"));
      assert.equal((await send(port, { body: token("a") })).status, 401);
    });
  });

  test(`${protocol}: what wraps the push of a request keeps it`, async () => {
    const pushed = [];
    const application = async (request, response) => response.end(await textOf(request));
    const serve = protect(gate, application);
    const server = create((request, response) => {
      const { push } = request;
      request.push = (chunk) => push.call(request, pushed.push(String(chunk)) && chunk);
      return serve(request, response);
    });
    await serving(server, async (port) => {
      assert.equal((await send(port, { as: "subject-dn", body: token("a") })).text, token("a"));
    });
    // HTTP/2 ends a request once more when its stream closes.
    assert.deepEqual(pushed.slice(0, 2), [token("a"), "null"]);
  });

  test(`${protocol}: a body that is taken while the gate looks lets nothing pass`, async () => {
    const details = [];
    const onDecision = ({ code, detail }) => details.push(`${code} ${detail}`);
    const serve = protect(gate, unreached, { onDecision, onError: () => {} });
    for (const take of [
      (request) => request.on("data", () => {}),
      (request) => request.on("readable", () => {}),
      (request) => request.resume(),
      (request) => request.setEncoding("utf8"),
    ]) {
      let began;
      const isServed = new Promise((resolve) => (began = resolve));
      const server = create((request, response) => {
        serve(request, response);
        take(request);
        began();
      });
      await serving(server, async (port) => {
        const answered = send(port, { headers: basic, body: ["client_id=", "victim"] });
        await isServed;
        assert.equal((await answered).status, 500, String(take));
      });
      assert.match(details.pop(), /^host_error .*before the gate saw the request$/, String(take));
    }
  });
}

test("the body of a client that goes away in the middle of it is no body", async () => {
  const decisions = [];
  const settled = [];
  const application = (request, response) => response.end();
  const onDecision = ({ code }) => decisions.push(code);
  for (const [position, placed] of Object.entries(positions)) {
    const serve = protect(gate, application, { onDecision });
    const server = create((request, response) => {
      settled.push(placed(serve)(request, response));
    });
    await serving(server, async (port) => {
      // Both would be whole requests, were the end of the connection the end of the body.
      const open = post(token("a")).replace(/Length: \d+/, "Length: 500");
      const chunked = open.replace(/Content-Length: 500/, "Transfer-Encoding: chunked");
      for (const sent of [open, chunked.replace("\r\n\r\n", `\r\n\r\n29\r\n`)]) {
        const credential = { cert: read("subject-dn"), key: read("subject-dn", "key") };
        const trust = { ca: read("ca"), servername: "localhost" };
        const socket = connect({ port, host: "127.0.0.1", ...trust, ...credential });
        socket.on("error", () => {}).resume();
        await once(socket, "secureConnect");
        const requested = once(server, "request");
        socket.write(sent);
        await requested;
        await pause(40);
        socket.end();
        await once(socket, "close");
      }
      await Promise.all(settled);
    });
    assert.deepEqual(decisions, [], position);
  }
  assert.equal(settled.length, 4);
});

const head =
  "POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
  "Transfer-Encoding: chunked\r\n";

test("an empty body in chunks has an end too, whenever it comes", async () => {
  const application = async (request, response) => response.end(`<${await textOf(request)}>`);
  await serving(create(protect(gate, application)), async (port) => {
    const chunked = `${head}Connection: close\r\nAuthorization: ${basic.authorization}\r\n\r\n`;
    for (const text of [
      `${chunked}0\r\n\r\n`,
      [chunked, "0\r\n\r\n"],
      [chunked, "0", "\r", "\n\r\n"],
    ]) {
      assert.match(await exchange(port, text), /^HTTP\/1.1 200 [\s\S]*<>/);
    }
  });
});

test("a request that Node ends before any listener has it is one without a body", async () => {
  const application = async (request, response) => response.end(`<${await textOf(request)}>`);
  // An option of Node 24 and later; others do not know it.
  const server = create(protect(gate, application), { optimizeEmptyRequests: true });
  await serving(server, async (port) => {
    for (const more of [{ method: "GET", path: "/userinfo" }, { path: "/userinfo" }]) {
      assert.equal((await send(port, more)).text, "<>");
    }
    const line = "POST /token HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    const type = "Content-Type: application/x-www-form-urlencoded\r\n";
    const bare = `${line}${type}Authorization: ${basic.authorization}\r\n\r\n`;
    assert.match(await exchange(port, bare), /^HTTP\/1.1 200 [\s\S]*<>/);
  });
});

test("a client that sends its whole body first sees why it is refused", async () => {
  await serving(create(protect(gate, unreached)), async (port) => {
    const body = "y".repeat(8_000_000);
    const chunked = `${head}\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    for (const text of [
      post(body),
      post(body, { more: "Connection: close\r\n" }),
      chunked,
      chunked,
      chunked,
    ]) {
      assert.match(await exchange(port, text), /^HTTP\/1.1 413 [\s\S]*too large\."\}$/);
    }
    // One that announces a body and does not send it is not waited for.
    const announced = post("").replace("Length: 0", "Length: 70000");
    assert.match(await exchange(port, announced), /^HTTP\/1.1 413 /);
  });
});

test("guard: a client that asks first need not send what is refused", async () => {
  const application = async (request, response) => response.end(await textOf(request));
  const goesOn = (status) => new RegExp(`^HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 ${status} `);
  const close = "Connection: close\r\n";
  const more = `Expect: 100-continue\r\n${close}`;
  await serving(guard(create(), gate, application), async (port) => {
    for (const [text, as, pattern] of [
      [post(token("a"), { more }), "subject-dn", goesOn(200)],
      [post(token("a"), { more }), null, goesOn(401)],
      [post("x", { path: "/x", more }), null, goesOn(200)],
      [post("y".repeat(70_000), { more }), null, /^HTTP\/1.1 413 /],
      [post(token("a"), { more: `Expect: something\r\n${close}` }), null, /^HTTP\/1.1 417 /],
    ]) {
      assert.match(await exchange(port, text, { as }), pattern);
    }
  });
});

const mounted = new Gate({ ...all, endpoints: ["/oauth/token"] });
const ask = (port, more) => send(port, { path: "/oauth/token", body: token("a"), ...more });
const next = (_request, _response, next) => next();
const end = (_request, response) => response.end();

test("mounted at a prefix, before other middleware", async () => {
  const application = express();
  application.use("/oauth", protect(mounted, next));
  application.use(express.urlencoded({ extended: false }));
  application.use((request, response) => {
    response.json({ client: request.get("x-client-id"), body: request.body, url: request.url });
  });
  await serving(create(application), async (port) => {
    assert.equal((await ask(port)).status, 401);
    assert.deepEqual(JSON.parse((await ask(port, { as: "subject-dn" })).text), {
      client: "a",
      body: { grant_type: "client_credentials", client_id: "a" },
      url: "/oauth/token",
    });
    assert.equal((await ask(port, { path: "/oauth/userinfo" })).status, 200);
  });
});

test("a parser that is mounted before the gate is reported once, with what to do", async ({
  mock,
}) => {
  const print = mock.method(console, "error", () => {});
  for (const parser of [
    express.urlencoded({ extended: false }),
    express.raw({ type: () => true }),
  ]) {
    const reported = [];
    for (const options of [undefined, { onError: (error) => reported.push(error) }]) {
      const late = express();
      late.use(parser, protect(mounted, end, options));
      await serving(create(late), async (port) => {
        for (let round = 0; round < 3; round++) {
          assert.equal((await ask(port, { as: "subject-dn" })).status, 500);
        }
        // What is not gated goes on.
        assert.equal((await ask(port, { path: "/elsewhere" })).status, 200);
      });
    }
    assert.equal(reported.length, 3);
    for (const { message, advice } of reported)
      assert.match(`${message} ${advice}`, /mount protect/);
    const lines = print.mock.calls.map(({ arguments: [line] }) => line);
    print.mock.resetCalls();
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0], /^tls-client-auth: the body was read, .*: mount protect\(\) before .*$/);
  }
});

test("whatever would read the body before the gate does lets nothing pass", async () => {
  const decisions = [];
  const inner = protect(gate, unreached, {
    onDecision: ({ code, detail }) => decisions.push([code, detail]),
    onError: () => {},
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
    await serving(create(listener), async (port) => {
      // The header is that of a client of another method, which an empty body would let pass.
      const answer = await send(port, { headers: basic, body: "client_id=victim&scope=admin" });
      assert.equal(answer.status, 500, String(touch));
    });
  }
  assert.equal(decisions.length, early.length);
  for (const [code, detail] of decisions) {
    assert.equal(code, "host_error");
    assert.match(detail, /before the gate/);
  }
});
