// Servers on this machine, and clients with one of the demo's certificates or with none.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { Agent, createServer, request as httpsRequest } from "node:https";
import { createSecureServer } from "node:http2";
import { connect } from "node:tls";

export const read = (name, kind = "pem") => readFileSync(`pki/${name}.${kind}`, "utf8");
export const base64 = (name) => read(name).replace(/-----[^-]+-----|\s/g, "");
export const token = (id) => `grant_type=client_credentials&client_id=${id}`;
export const form = { "content-type": "application/x-www-form-urlencoded" };

export const clients = [
  {
    client_id: "a",
    token_endpoint_auth_method: "tls_client_auth",
    tls_client_auth_subject_dn: "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP",
  },
  {
    client_id: "dns",
    token_endpoint_auth_method: "tls_client_auth",
    tls_client_auth_san_dns: "billing.client.example.org",
  },
  {
    client_id: "self",
    token_endpoint_auth_method: "self_signed_tls_client_auth",
    jwks: { keys: [{ kty: "EC", x5c: [base64("self-signed")] }] },
  },
];
export const configuration = {
  endpoints: ["/token"],
  forward: { client_id: "x-client-id" },
  clients,
};

// More clients: one that authenticates otherwise, and one whose backend wants a secret.
export const secret = "kept-between-gate-and-application";
export const all = {
  ...configuration,
  clients: [
    ...clients,
    { client_id: "basic", token_endpoint_auth_method: "client_secret_basic" },
    {
      client_id: "secret",
      token_endpoint_auth_method: "tls_client_auth",
      tls_client_auth_san_uri: "spiffe://client.example.org/ns/payments/sa/ledger",
      backend_authentication: { method: "client_secret_basic", client_secret: secret },
    },
  ],
};
export const basic = {
  ...form,
  authorization: `Basic ${Buffer.from("basic:x").toString("base64")}`,
};

const options = {
  cert: read("server"),
  key: read("server", "key"),
  ca: read("ca"),
  requestCert: true,
  rejectUnauthorized: false,
};

// Both protocols, and what a server of each needs.
export const protocols = {
  "HTTP/1.1": {
    create: (listener, more = {}) => createServer({ ...options, ...more }, listener),
    send,
  },
  "HTTP/2": {
    create: (listener, more = {}) => createSecureServer({ ...options, ...more }, listener),
    send: sendHttp2,
  },
};

// Runs `use` with the port of the server, and ends the server whatever becomes of it.
export async function serving(server, use) {
  const sockets = new Set();
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use(server.address().port);
  } finally {
    server.close();
    sockets.forEach((socket) => socket.destroy());
  }
}

const credential = (name) => (name ? { cert: read(name), key: read(name, "key") } : {});

// The server's certificate is one of localhost, whatever name is asked for.
const checkServerIdentity = () => undefined;

// One request on a connection of its own; `body` is text, octets, or several of them, each sent
// after the other arrived.
export function send(
  port,
  {
    as,
    path = "/token",
    method = "POST",
    headers = form,
    body = "",
    trailers,
    agent,
    servername = "localhost",
  } = {},
) {
  const own = agent ?? new Agent({ ca: read("ca"), checkServerIdentity, ...credential(as) });
  return new Promise((resolve, reject) => {
    const url = urlOf(port);
    const request = httpsRequest(
      url,
      { path, agent: own, servername, method, headers },
      async (response) => {
        try {
          resolve({
            status: response.statusCode,
            headers: response.headers,
            raw: response.rawHeaders,
            text: await textOf(response),
          });
        } catch (error) {
          reject(error);
        }
        if (!agent) own.destroy();
      },
    );
    // A refusal may come before the body is sent, and the connection end.
    request.on("error", (error) => request.res ?? reject(error));
    // Node would send the body of an OPTIONS without saying that there is one.
    if (method === "OPTIONS" && body.length > 0) request.setHeader("transfer-encoding", "chunked");
    if (trailers) request.addTrailers(trailers);
    write(request, body);
  });
}

function sendHttp2(
  port,
  {
    as,
    path = "/token",
    method = "POST",
    headers = form,
    body = "",
    trailers,
    servername = "localhost",
  } = {},
) {
  const session = connectHttp2(urlOf(port), {
    ca: read("ca"),
    checkServerIdentity,
    servername,
    ...credential(as),
  });
  return new Promise((resolve, reject) => {
    session.on("error", reject);
    const authority = headers[":authority"] ?? headers.host ?? "localhost";
    const request = session.request(
      { ":method": method, ":path": path, ...headers, ":authority": authority },
      { waitForTrailers: Boolean(trailers) },
    );
    request.on("error", reject);
    request.on("wantTrailers", () => request.sendTrailers(trailers));
    request.on("response", async ({ ":status": status, ...headers }) => {
      resolve({ status, headers, text: await textOf(request).catch(reject) });
      session.close();
    });
    write(request, body);
  });
}

const urlOf = (port) => (typeof port === "number" ? `https://localhost:${port}` : port);

async function write(request, body) {
  for (const part of [body].flat()) {
    if (part.length > 0) await new Promise((sent) => request.write(part, sent));
    await new Promise(setImmediate);
  }
  request.end();
}

async function textOf(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

// These octets, in one part or several, on a TLS connection, and what comes back until the server
// ends it.
export function exchange(port, text, { as, ...more } = {}) {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      servername: "localhost",
      ca: read("ca"),
      checkServerIdentity,
      ...credential(as),
      ...more,
    });
    let answer = "";
    socket.setEncoding("latin1");
    socket.on("data", (data) => (answer += data));
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
    socket.on("secureConnect", async () => {
      for (const part of [text].flat()) {
        socket.write(part);
        await new Promise((done) => setTimeout(done, 10));
      }
    });
  });
}

// A token request as it stands on the wire.
export function post(body, { path = "/token", host = "as.example.com", more = "" } = {}) {
  const type = "Content-Type: application/x-www-form-urlencoded\r\n";
  const length = `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  return `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${type}${length}${more}\r\n${body}`;
}

// An example that runs, by the words of its runtime; `log()` is what it has written to stderr.
export async function started(runtime, example, configuration, options = {}) {
  const [program, ...words] = runtime;
  const files = [configuration, "pki/server.pem", "pki/server.key", "pki/ca.pem"];
  const server = spawn(program, [...words, example, ...files], options);
  let log = "";
  server.stderr.on("data", (chunk) => (log += chunk));
  const ended = once(server, "exit").then(() => assert.fail(`${example} ended: ${log}`));
  const [line] = await Promise.race([once(server.stdout, "data"), ended]);
  return { process: server, origin: String(line).trim(), log: () => log };
}
