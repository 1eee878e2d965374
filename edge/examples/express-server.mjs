// Express. The gate sees all requests of the server, so it does not matter where body parsers
// stand.

import { createServer } from "node:https";
import { text } from "node:stream/consumers";
import express from "express";
import { guard } from "tls-client-auth/node";
import { gate, listen, onDecision, tls } from "./common.mjs";

const application = express();

application.post("/token", express.urlencoded({ extended: false }), (request, response) => {
  response.json({ client: request.get("x-client-id") ?? null, body: request.body });
});

// A body that no parser reads.
application.post("/revoke", async (request, response) => {
  response.json({ client: request.get("x-client-id") ?? null, body: await text(request) });
});

listen(guard(createServer(tls), gate, application, { onDecision }));
