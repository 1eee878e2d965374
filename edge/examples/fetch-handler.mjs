// A Workers-style handler behind a proxy that terminates TLS and writes RFC 9440's Client-Cert.

import { Gate } from "tls-client-auth";
import { fromTrustedHeader, protect } from "tls-client-auth/fetch";

export const handler = (configuration) => ({
  fetch: protect(
    new Gate(configuration),
    async (request) =>
      Response.json({
        client: request.headers.get("x-client-id"),
        length: (await request.text()).length,
      }),
    { peer: fromTrustedHeader("client-cert") },
  ),
});
