// NestJS on Express. In TypeScript the decorators stand before what they decorate.

import "reflect-metadata";
import { createServer } from "node:https";
import { Body, Controller, Headers, Module, Post } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ExpressAdapter } from "@nestjs/platform-express";
import { guard } from "tls-client-auth/node";
import { gate, listen, onDecision, tls } from "./common.mjs";

class TokenController {
  issue(client, body) {
    return { client: client ?? null, body };
  }
}
const { prototype } = TokenController;
Headers("x-client-id")(prototype, "issue", 0);
Body()(prototype, "issue", 1);
Post()(prototype, "issue", Object.getOwnPropertyDescriptor(prototype, "issue"));
Controller("token")(TokenController);

class ApplicationModule {}
Module({ controllers: [TokenController] })(ApplicationModule);

// Not `application.listen`: the server that it makes hands requests to Nest before the gate.
const application = await NestFactory.create(ApplicationModule, new ExpressAdapter(), {
  logger: ["error"],
});
await application.init();
const listener = application.getHttpAdapter().getInstance();
listen(guard(createServer(tls), gate, listener, { onDecision }));
