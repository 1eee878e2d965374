// Hono, by the listener of @hono/node-server.

import { createServer } from "node:https";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { guard } from "tls-client-auth/node";
import { gate, listen, onDecision, tls } from "./common.mjs";

const application = new Hono();

application.post("/token", async (context) => {
  const client = context.req.header("x-client-id") ?? null;
  return context.json({ client, body: await context.req.parseBody() });
});

// The same body as a stream.
application.post("/revoke", async (context) => {
  const client = context.req.header("x-client-id") ?? null;
  return context.json({ client, body: await new Response(context.req.raw.body).text() });
});

const listener = getRequestListener(application.fetch);
listen(guard(createServer(tls), gate, listener, { onDecision }));
