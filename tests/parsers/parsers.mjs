// Reads bodies with Node's form parsers. For each line of JSON, {"body", "headers"}, it writes a
// line: by parser, the values that a server would look up.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { ServerResponse } from "node:http";
import querystring from "node:querystring";
import { bodyParser } from "@koa/bodyparser";
import formbody from "@fastify/formbody";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import Koa from "koa";
import qs from "qs";

const credentials = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];
const version = (name) =>
  createRequire(import.meta.url)(`./node_modules/${name}/package.json`).version;

/** Every text in `value`: a program that gets an array or an object may use any of them. */
const leaves = (value) =>
  typeof value === "object" && value !== null
    ? Object.values(value).flatMap(leaves)
    : [String(value)];

/** What `form.client_id` and the like return. */
const members = (form) =>
  Object.fromEntries(
    credentials
      .filter((name) => form?.[name] !== undefined)
      .map((name) => [name, leaves(form[name])]),
  );
const parameters = (form) =>
  Object.fromEntries(
    credentials
      .filter((name) => form.has(name))
      .map((name) => [name, [form.get(name), ...form.getAll(name)].map(String)]),
  );

/** The request that a server makes of the octets. */
function requestOf(body, headers) {
  const request = Readable.from([body], { objectMode: false });
  return Object.assign(request, {
    method: "POST",
    url: "/token",
    httpVersion: "1.1",
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    socket: {},
    headers: { ...headers, "content-length": String(body.length), host: "localhost" },
  });
}

function readByExpress(make, extended) {
  const app = make();
  const waiting = new WeakMap();
  app.use(make.urlencoded({ extended }));
  app.use((request, response) => waiting.get(response).resolve(members(request.body)));
  app.use((error, request, response, next) => waiting.get(response).reject(error));
  return (body, headers) =>
    new Promise((resolve, reject) => {
      const request = requestOf(body, headers);
      const response = new ServerResponse(request);
      waiting.set(response, { resolve, reject });
      app(request, response);
    });
}

function readByKoa() {
  const app = new Koa();
  app.silent = true;
  const waiting = new WeakMap();
  app.use(
    bodyParser({
      onError: (error) => {
        throw error;
      },
    }),
  );
  app.use(async (context) => waiting.get(context.req).resolve(members(context.request.body)));
  const handle = app.callback();
  app.on("error", (error, context) => waiting.get(context.req).reject(error));
  return (body, headers) =>
    new Promise((resolve, reject) => {
      const request = requestOf(body, headers);
      waiting.set(request, { resolve, reject });
      handle(request, new ServerResponse(request));
    });
}

async function readByFastify() {
  const app = fastify();
  await app.register(formbody);
  app.post("/token", async (request) => members(request.body));
  return async (body, headers) => {
    const answer = await app.inject({ method: "POST", url: "/token", payload: body, headers });
    if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}`);
    return answer.json();
  };
}

const parsers = {
  URLSearchParams: [
    process.versions.node,
    (body) => parameters(new URLSearchParams(body.toString())),
  ],
  "Request.text, URLSearchParams": [
    process.versions.node,
    async (body, headers) =>
      parameters(new URLSearchParams(await new Response(body, { headers }).text())),
  ],
  "Request.formData": [
    process.versions.node,
    async (body, headers) => parameters(await new Response(body, { headers }).formData()),
  ],
  querystring: [process.versions.node, (body) => members(querystring.parse(body.toString()))],
  qs: [version("qs"), (body) => members(qs.parse(body.toString()))],
  "qs, allowDots": [
    version("qs"),
    (body) => members(qs.parse(body.toString(), { allowDots: true })),
  ],
  "qs, all lenience": [
    version("qs"),
    (body) =>
      members(
        qs.parse(body.toString(), {
          allowDots: true,
          decodeDotInKeys: true,
          allowPrototypes: true,
          plainObjects: true,
          allowSparse: true,
          allowEmptyArrays: true,
          ignoreQueryPrefix: true,
          charsetSentinel: true,
          depth: 50,
          delimiter: /[&;]/,
        }),
      ),
  ],
  "Express 5": [version("express"), readByExpress(express, false)],
  "Express 5, extended": [version("express"), readByExpress(express, true)],
  "Express 4": [version("express4"), readByExpress(express4, false)],
  "Express 4, extended": [version("express4"), readByExpress(express4, true)],
  Fastify: [version("fastify"), await readByFastify()],
  Koa: [version("koa"), readByKoa()],
};

const say = (line) =>
  new Promise((resolve) => process.stdout.write(`${JSON.stringify(line)}\n`, resolve));
await say(Object.fromEntries(Object.entries(parsers).map(([name, [version]]) => [name, version])));
for await (const line of createInterface({ input: process.stdin })) {
  const item = JSON.parse(line);
  const body = Buffer.from(item.body, "base64");
  const headers = Object.fromEntries(
    item.headers.map(([name, value]) => [name, Buffer.from(value, "base64").toString("latin1")]),
  );
  const answer = {};
  for (const [name, [, read]] of Object.entries(parsers)) {
    try {
      answer[name] = await read(body, headers);
    } catch (error) {
      answer[name] = { error: error.name };
    }
  }
  await say(answer);
}
process.exit();
