// A Workers-style handler whose runtime, made of node:https here, gives it the certificate of each
// connection.

import { once } from "node:events";
import { createServer } from "node:https";
import { Readable } from "node:stream";
import { protect } from "tls-client-auth/fetch";
import { peerOf } from "tls-client-auth/node";
import { gate, listen, tls } from "./common.mjs";

const application = async (request) =>
  Response.json({ client: request.headers.get("x-client-id"), body: await request.text() });

const handle = protect(gate, application, { peer: (_request, peer) => peer });

// Nothing where the target, the host or the method is none.
function requestOf(incoming) {
  const { method, url, rawHeaders } = incoming;
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index], rawHeaders[index + 1]);
  }
  try {
    const origin = () => new URL(`https://${headers.get("host")}`).origin;
    const target = new URL(url.startsWith("/") ? origin() + url : url);
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
    // The rest of the request is not wanted. A socket that is closed before it is read resets the
    // connection, often before the client has seen the answer: it gets a second.
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

listen(createServer(tls, serve));
