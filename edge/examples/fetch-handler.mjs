// A Workers-style handler behind a proxy that terminates TLS and writes RFC 9440's Client-Cert.

import { Gate } from "tls-client-auth";
import { fromTrustedHeader, protect } from "tls-client-auth/fetch";

const application = async (request) =>
  Response.json({ client: request.headers.get("x-client-id"), body: await request.text() });

export const handler = (configuration) => ({
  fetch: protect(new Gate(configuration), application, { peer: fromTrustedHeader("client-cert") }),
});
