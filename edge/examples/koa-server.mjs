// Koa, with its body parser.

import { createServer } from "node:https";
import { bodyParser } from "@koa/bodyparser";
import Koa from "koa";
import { guard } from "tls-client-auth/node";
import { gate, listen, onDecision, tls } from "./common.mjs";

const application = new Koa();

application.use(bodyParser({ formLimit: "64kb" }));
application.use((context) => {
  context.body = { client: context.get("x-client-id") || null, body: context.request.body };
});

listen(guard(createServer(tls), gate, application.callback(), { onDecision }));
