// Express, where the gate is a middleware: before everything that reads bodies.

import { createServer } from "node:https";
import express from "express";
import { protect } from "tls-client-auth/node";
import { gate, listen, onDecision, tls } from "./common.mjs";

const application = express();
const next = (_request, _response, next) => next();

application.use(protect(gate, next, { onDecision }));
application.use(express.urlencoded({ extended: false }));
application.post("/token", (request, response) => {
  response.json({ client: request.get("x-client-id") ?? null, body: request.body });
});

listen(createServer(tls, application));
