// An HTTPS server of Node without a framework, whose application sees authenticated clients only.

import { createServer } from "node:https";
import { text } from "node:stream/consumers";
import { guard } from "tls-client-auth/node";
import { gate, listen, onDecision, tls } from "./common.mjs";

async function application(request, response) {
  const body = await text(request);
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ client: request.headers["x-client-id"] ?? null, body }));
}

listen(guard(createServer(tls), gate, application, { onDecision }));
