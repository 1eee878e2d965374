// What the servers beside this file have in common. Each is started so:
// node NAME.mjs CONFIGURATION SERVER-CERTIFICATE SERVER-KEY CLIENT-CA [PORT]

import { readFileSync } from "node:fs";
import { Gate } from "tls-client-auth";

const [configuration, cert, key, ca] = process.argv
  .slice(2, 6)
  .map((file) => readFileSync(file, "utf8"));

export const gate = new Gate(configuration);

// TLS 1.3 has no renegotiation, by which a client could change its certificate.
const version = { minVersion: "TLSv1.3" };
export const tls = { cert, key, ca, ...version, requestCert: true, rejectUnauthorized: false };

export const onDecision = ({ code, clientId, detail }) =>
  console.error(JSON.stringify({ code, clientId, detail }));

export const address = { port: Number(process.argv[6] ?? 0), host: "127.0.0.1" };

export function listen(server) {
  server.listen(address, () => console.log(`https://localhost:${server.address().port}`));
}
