// Arguments that are not what they must be: each public function says which, and what it expects.

import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { createSecureServer, createServer as createHttp2Server } from "node:http2";
import { createServer } from "node:https";
import { test } from "node:test";
import { TLSSocket, createServer as createTlsServer } from "node:tls";
import express from "express";
import * as root from "tls-client-auth";
import * as fetch from "tls-client-auth/fetch";
import * as node from "tls-client-auth/node";
import { configuration, protocols } from "./support.mjs";

const { Gate, convertClients, readCertificate, readName } = root;
const gate = new Gate(configuration);
const listener = () => {};
const peer = () => ({ certificate: null, chainValid: null });
const tls = { requestCert: true };
const cyclic = {};
cyclic.cyclic = cyclic;

const none = [undefined, null];
const notObjects = [...none, 7, true, "text", () => {}, Symbol("x"), []];
const notStrings = [...none, 7, true, {}, [], () => {}, new URL("https://a.example")];
const notFunctions = [...none, 7, true, "text", {}, []];
const notGates = [...none, configuration, JSON.stringify(configuration), Gate, listener, {}];
const optional = (values) => values.filter((value) => value !== undefined);

// The argument, a call with it, and values that it must not have.
const wrong = {
  Gate: [
    ["configuration", (value) => new Gate(value), notObjects.filter((value) => value !== "text")],
    ["configuration", (value) => new Gate(value), [{ toJSON: () => undefined }]],
  ],
  "Gate.decide": [
    ["request", (value) => gate.decide(value), notObjects],
    ["path", (value) => gate.decide({ path: value }), notStrings],
  ],
  "Gate.decideHead": [
    ["head", (value) => gate.decideHead(value), notObjects],
    ["path", (value) => gate.decideHead({ path: value }), notStrings],
  ],
  "Gate.policy": [
    ["host", (value) => gate.policy(value), optional(notStrings)],
    ["path", (value) => gate.policy("a.example", value), optional(notStrings)],
  ],
  readCertificate: [["certificate", readCertificate, [...none, 7, true, {}, [], { raw: "DER" }]]],
  readName: [["name", readName, notStrings]],
  convertClients: [
    ["document", (value) => convertClients(value, "keycloak"), notStrings],
    ["from", (value) => convertClients("[]", value), [...notStrings, "", "Keycloak"]],
  ],
  "node.protect": [
    ["gate", (value) => node.protect(value, listener), notGates],
    ["listener", (value) => node.protect(gate, value), notFunctions],
    ["options", (value) => node.protect(gate, listener, value), optional(notObjects)],
    ...["onDecision", "onError"].map((name) => [
      name,
      (value) => node.protect(gate, listener, { [name]: value }),
      optional(notFunctions),
    ]),
  ],
  "node.guard": [
    [
      "server",
      (value) => node.guard(value, gate, listener),
      [...none, {}, createHttpServer(), createHttp2Server(), createTlsServer(tls), createServer],
    ],
    ["gate", (value) => node.guard(createServer(tls), value, listener), notGates],
    ["listener", (value) => node.guard(createServer(tls), gate, value), notFunctions],
    [
      "options",
      (value) => node.guard(createServer(tls), gate, listener, value),
      optional(notObjects),
    ],
  ],
  "node.peerOf": [["socket", node.peerOf, [...none, 7, {}, { authorized: true }]]],
  "fetch.protect": [
    ["gate", (value) => fetch.protect(value, listener, { peer }), notGates],
    ["handler", (value) => fetch.protect(gate, value, { peer }), notFunctions],
    ["options", (value) => fetch.protect(gate, listener, value), optional(notObjects)],
    ["peer", (value) => fetch.protect(gate, listener, { peer: value }), notFunctions],
    ["peer", () => fetch.protect(gate, listener), none],
    ...["onDecision", "onError"].map((name) => [
      name,
      (value) => fetch.protect(gate, listener, { peer, [name]: value }),
      optional(notFunctions),
    ]),
  ],
  "fetch.fromCloudflare": [["request", fetch.fromCloudflare, notObjects]],
  "fetch.fromTrustedHeader": [
    ["name", fetch.fromTrustedHeader, [...notStrings, "x-client-cert", ""]],
    ["name", (name) => fetch.fromTrustedHeader(name, { format: "pem" }), ["a b", "", "a:"]],
    [
      "options",
      (options) => fetch.fromTrustedHeader("client-cert", options),
      optional(notObjects),
    ],
    [
      "format",
      (format) => fetch.fromTrustedHeader("x-a", { format }),
      ["client-cert", "", "toString", null, 7, []],
    ],
    [
      "hop",
      (hop) => fetch.fromTrustedHeader("x-forwarded-client-cert", { hop }),
      [null, 7, "", "proxy.example", "0".repeat(63), `${"0".repeat(64)} `, []],
    ],
    ["hop", (hop) => fetch.fromTrustedHeader("client-cert", { hop }), ["0".repeat(64)]],
    [
      "verified",
      (verified) => fetch.fromTrustedHeader("client-cert", { verified }),
      [null, 0, 1, "false", "", []],
    ],
  ],
};

for (const [name, calls] of Object.entries(wrong)) {
  test(`${name}: an argument of another kind is a TypeError that names it`, () => {
    for (const [argument, call, values] of calls) {
      for (const value of values) {
        assert.throws(() => call(value), {
          name: "TypeError",
          message: new RegExp(`^${argument}: expected .*$`),
        });
      }
    }
  });
}

test("every public function is among them", () => {
  const functions = (module) => Object.keys(module);
  const methods = Object.getOwnPropertyNames(Gate.prototype).filter((name) => name in gate);
  const expected = [
    ...functions(root),
    ...methods.filter((name) => name !== "constructor").map((name) => `Gate.${name}`),
    ...functions(node).map((name) => `node.${name}`),
    ...functions(fetch).map((name) => `fetch.${name}`),
  ];
  assert.deepEqual(Object.keys(wrong).sort(), expected.sort());
});

test("what is found is named, and its value is not", () => {
  const expected = "configuration: expected a plugin configuration, as an object or as JSON";
  for (const [value, found] of [
    [undefined, "undefined"],
    [null, "null"],
    [["secret"], "an array"],
    [() => "secret", "a function"],
    [7, "a number"],
  ]) {
    assert.throws(() => new Gate(value), { message: `${expected}, found ${found}` });
  }
  assert.throws(() => gate.decide({ path: "/", chainValid: "secret" }), {
    message: "chainValid: expected true, false or null, found a string",
  });
  assert.throws(() => new Gate(cyclic), TypeError);
});

test("an adapter given as a middleware without a listener is refused at start", () => {
  const application = express();
  assert.throws(() => application.use(node.protect(gate)), {
    name: "TypeError",
    message:
      "listener: expected a function that gets what passes, such as (request, response, next) => " +
      "next(), found undefined",
  });
});

test("guard: a server that asks for no certificate is refused at start", () => {
  for (const create of [createServer, createSecureServer]) {
    for (const options of [{}, { requestCert: false }]) {
      assert.throws(() => node.guard(create(options), gate, listener), {
        message: "server: without requestCert: true it asks no client for a certificate",
      });
    }
    node.guard(create(tls), gate, listener);
  }
});

test("what a runtime lacks is said at start", () => {
  const { prototype } = TLSSocket;
  const kept = Object.getOwnPropertyDescriptor(prototype, "getPeerX509Certificate");
  delete prototype.getPeerX509Certificate;
  try {
    const message = `Node ${process.versions.node} lacks getPeerX509Certificate of TLSSocket`;
    assert.throws(() => node.protect(gate, listener), { message });
    assert.throws(() => node.guard(createServer(tls), gate, listener), { message });
  } finally {
    Object.defineProperty(prototype, "getPeerX509Certificate", kept);
  }
  node.protect(gate, listener);
});

test("a gate of another copy of the package is a gate", () => {
  const other = { decide: () => {}, decideHead: () => {}, policy: () => {} };
  node.protect(other, listener);
  fetch.protect(other, listener, { peer });
  node.guard(protocols["HTTP/2"].create(), other, listener);
});
