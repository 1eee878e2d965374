// HTTP/2, and HTTP/1.1 beside it, through the same `request` and `response`.

import { createSecureServer } from "node:http2";
import { text } from "node:stream/consumers";
import { guard } from "tls-client-auth/node";
import { gate, listen, onDecision, tls } from "./common.mjs";

async function application(request, response) {
  const body = await text(request);
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ client: request.headers["x-client-id"] ?? null, body }));
}

listen(guard(createSecureServer({ ...tls, allowHTTP1: true }), gate, application, { onDecision }));
