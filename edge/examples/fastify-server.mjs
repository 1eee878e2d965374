// Fastify, which makes its server by `serverFactory`.

import { createServer } from "node:https";
import formbody from "@fastify/formbody";
import fastify from "fastify";
import { guard } from "tls-client-auth/node";
import { address, gate, onDecision, tls } from "./common.mjs";

const serverFactory = (listener) => guard(createServer(tls), gate, listener, { onDecision });
const application = fastify({ serverFactory });

application.register(formbody);
application.post("/token", async (request) => {
  return { client: request.headers["x-client-id"] ?? null, body: request.body };
});

await application.listen(address);
console.log(`https://localhost:${application.server.address().port}`);
