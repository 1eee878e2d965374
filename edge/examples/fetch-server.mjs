// node fetch-server.mjs CONFIGURATION SERVER-CERTIFICATE SERVER-KEY CLIENT-CA [PORT]: a Workers-style handler whose runtime, made of
// node:https here, gives it the certificate of each connection.

import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Readable } from "node:stream";
import { Gate } from "tls-client-auth";
import { protect } from "tls-client-auth/fetch";

const [configuration, cert, key, ca] = process.argv.slice(2, 6).map((file) => readFileSync(file, "utf8"));

const application = async (request) =>
  Response.json({ client: request.headers.get("x-client-id"), length: (await request.text()).length });

const handle = protect(new Gate(configuration), application, {
  peer: (_request, tls) => ({ certificate: tls.certificate, chainValid: tls.authorized }),
});

async function runtime(incoming, outgoing) {
  const headers = new Headers();
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index], incoming.rawHeaders[index + 1]);
  }
  const { method, url } = incoming;
  const body = method === "GET" || method === "HEAD" ? undefined : Readable.toWeb(incoming);
  const request = new Request(new URL(url, `https://${incoming.headers.host}`), { method, headers, body, duplex: "half" });
  const tls = { certificate: incoming.socket.getPeerCertificate(true)?.raw ?? null, authorized: incoming.socket.authorized };
  const response = await handle(request, tls);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(await response.text());
}

const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, runtime);
server.listen(Number(process.argv[6] ?? 0), "127.0.0.1", () => console.log(`https://localhost:${server.address().port}`));
