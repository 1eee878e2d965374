// The types: what is right compiles, and what is wrong does not.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { test } from "node:test";

const usage = `
  import { createServer } from "node:https";
  import { Gate, readCertificate, readName, type Decision } from "tls-client-auth";
  import { protect } from "tls-client-auth/node";
  import { fromTrustedHeader, protect as protectFetch } from "tls-client-auth/fetch";

  const gate = new Gate({ clients: [] });
  const decision: Decision = gate.decide({ path: "/token", headers: { a: ["b", new Uint8Array()] }, body: new Uint8Array(), certificate: null, chainValid: null });
  if (!decision.pass) console.log(decision.status, decision.headers["content-type"], decision.body?.length, decision.forward?.set[0]?.[1]);
  createServer({}, protect(gate, (request, response) => response.end(request.url), { onDecision: ({ code }) => console.log(code) }));
  const handle = protectFetch(gate, (request: Request, env: { name: string }) => new Response(env.name + request.url), {
    peer: (request, env) => (env.name ? fromTrustedHeader("client-cert")(request) : { certificate: null, chainValid: null }),
  });
  const response: Promise<Response> = handle(new Request("https://a.example"), { name: "x" });
  console.log(response, readCertificate("x").alternativeNames[0]?.type === "dns", readName("CN=a").rdns.length);
`;
const mistakes = [
  "new Gate(7);",
  "gate.decide({});",
  "gate.decide({ path: 1 });",
  "gate.decide({ path: '/', chainValid: 'yes' });",
  "protectFetch(gate, () => new Response());",
  "fromTrustedHeader('x-anything');",
];

function compile(name, source) {
  writeFileSync(name, source);
  const options = ["--noEmit", "--strict", "--noUncheckedIndexedAccess", "--module", "nodenext", "--target", "es2023", "--lib", "es2023,dom,dom.iterable", "--types", "node"];
  return spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", ...options, name], { encoding: "utf8" });
}

test("the types fit what is done with the package", () => {
  const { status, stdout } = compile("usage.mts", usage);
  assert.equal(status, 0, stdout);
  mistakes.forEach((mistake, index) => {
    const { status, stdout } = compile(`mistake-${index}.mts`, `${usage}\n${mistake}`);
    assert.ok(status !== 0 && stdout.includes(`mistake-${index}.mts(${usage.split("\n").length + 1},`), `${mistake}: ${stdout}`);
  });
});
