// node fetch-server.mjs CONFIGURATION SERVER-CERTIFICATE SERVER-KEY CLIENT-CA [PORT]: a Workers-style handler whose runtime, made of
// node:https here, gives it the certificate of each connection.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Readable } from "node:stream";
import { Gate } from "tls-client-auth";
import { protect } from "tls-client-auth/fetch";
import { peerOf } from "tls-client-auth/node";

const [configuration, cert, key, ca] = process.argv
  .slice(2, 6)
  .map((file) => readFileSync(file, "utf8"));

const application = async (request) =>
  Response.json({
    client: request.headers.get("x-client-id"),
    length: (await request.text()).length,
  });

const handle = protect(new Gate(configuration), application, { peer: (_request, peer) => peer });

// Nothing where the target, the host or the method is none.
function requestOf(incoming) {
  const { method, url, rawHeaders } = incoming;
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2)
    headers.append(rawHeaders[index], rawHeaders[index + 1]);
  try {
    const target = new URL(
      url.startsWith("/") ? new URL(`https://${headers.get("host")}`).origin + url : url,
    );
    headers.set("host", target.host);
    const body = method === "GET" || method === "HEAD" ? undefined : Readable.toWeb(incoming);
    return new Request(target, { method, headers, body, duplex: "half" });
  } catch {
    return undefined;
  }
}

async function runtime(incoming, outgoing) {
  const request = requestOf(incoming);
  const response = request
    ? await handle(request, peerOf(incoming.socket))
    : new Response(null, { status: 400 });
  for (const [name, value] of response.headers) outgoing.appendHeader(name, value);
  outgoing.writeHead(response.status);
  for await (const part of response.body ?? []) outgoing.write(part);
  if (!incoming.complete) {
    // Nobody wants the rest of the request. A socket that is closed before it is read resets the connection, often before the
    // client has seen the answer: it gets a second.
    incoming.removeAllListeners("data").resume();
    await Promise.race([once(incoming, "close"), new Promise((late) => setTimeout(late, 1000))]);
  }
  outgoing.end(() => incoming.complete || incoming.destroy());
}

async function serve(incoming, outgoing) {
  try {
    await runtime(incoming, outgoing);
  } catch (error) {
    console.error(error);
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500).end();
  }
}

// TLS 1.3 knows no renegotiation, by which a client could change its certificate.
const options = {
  cert,
  key,
  ca,
  minVersion: "TLSv1.3",
  requestCert: true,
  rejectUnauthorized: false,
};
const server = createServer(options, serve);
server.listen(Number(process.argv[6] ?? 0), "127.0.0.1", () =>
  console.log(`https://localhost:${server.address().port}`),
);
