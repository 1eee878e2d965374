// node node-server.mjs CONFIGURATION SERVER-CERTIFICATE SERVER-KEY CLIENT-CA [PORT]: an HTTPS server whose application sees
// authenticated clients only.

import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Gate } from "tls-client-auth";
import { guard } from "tls-client-auth/node";

const [configuration, cert, key, ca] = process.argv
  .slice(2, 6)
  .map((file) => readFileSync(file, "utf8"));
const gate = new Gate(configuration);

function application(request, response) {
  let length = 0;
  request.on("data", (chunk) => (length += chunk.length));
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ client: request.headers["x-client-id"] ?? null, length }));
  });
}

const onDecision = ({ code, clientId, detail }) =>
  console.error(JSON.stringify({ code, clientId, detail }));
// TLS 1.3 knows no renegotiation, by which a client could change its certificate.
const options = {
  cert,
  key,
  ca,
  minVersion: "TLSv1.3",
  requestCert: true,
  rejectUnauthorized: false,
};
const server = guard(createServer(options), gate, application, { onDecision });
server.listen(Number(process.argv[6] ?? 0), "127.0.0.1", () =>
  console.log(`https://localhost:${server.address().port}`),
);
