// node --test artifacts.test.mjs: which configurations each of the two modules takes.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./accepts.mjs";

const target = new URL("../../target/", import.meta.url);
const first = load(new URL("tls_client_auth.wasm", target));
const second = load(new URL("tls_client_auth_responses.wasm", target));

const plain = { endpoints: ["/token"], clients: [] };
const discovery = { paths: ["/.well-known/openid-configuration"] };
const bound = { response_check: "enforce" };
const needing = [
  ["/discovery", { ...plain, discovery }],
  ["/bound_tokens/response_check", { ...plain, bound_tokens: bound }],
  [
    "/tenants/0/bound_tokens/response_check",
    { ...plain, tenants: [{ hosts: ["a.example"], bound_tokens: bound }] },
  ],
];

test("both take what needs no responses", () => {
  for (const accepts of [first, second]) {
    assert.deepEqual(accepts(JSON.stringify(plain)), { accepted: true, lines: [] });
  }
});

for (const [pointer, configuration] of needing) {
  test(`${pointer} needs the module that reads responses`, () => {
    const text = JSON.stringify(configuration);
    assert.equal(second(text).accepted, true);
    const { accepted, lines } = first(text);
    assert.equal(accepted, false);
    assert.match(lines.join("\n"), /tls_client_auth_responses\.wasm/);
    assert.ok(lines.join("\n").includes(`${pointer}: `), lines.join("\n"));
  });
}

test("a mistake in them is refused by the one that takes them", () => {
  const text = JSON.stringify({ ...plain, discovery: { paths: ["/token"] } });
  const { accepted, lines } = second(text);
  assert.equal(accepted, false);
  assert.match(lines.join("\n"), /\/discovery\/paths\/0: expected a path that is not gated/);
});
