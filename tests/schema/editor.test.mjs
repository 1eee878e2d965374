// What an editor makes of the schema: the JSON language service of VS Code, without its window.

import assert from "node:assert/strict";
import { test } from "node:test";
import { all } from "./configurations.mjs";
import { editor, schema } from "./support.mjs";

const { $defs } = schema;
const labels = (items) => items.map(({ label }) => label).sort();
const offered = ({ properties }) =>
  Object.keys(properties).sort();

// The cursor is behind the mark.
const members = [
  ["the top level", "{^}", schema],
  ["a tenant", '{"tenants": [{^}]}', $defs.tenant],
  ["peer_certificate", '{"peer_certificate": {^}}', $defs.peer_certificate],
  ["forward", '{"forward": {^}}', $defs.forward],
  ["registry", '{"registry": {^}}', $defs.registry],
  ["a client", '{"clients": [{^}]}', $defs.client],
  [
    "backend_authentication",
    '{"clients": [{"backend_authentication": {^}}]}',
    $defs.client.properties.backend_authentication,
  ],
  ["a key", '{"clients": [{"jwks": {"keys": [{^}]}}]}', $defs.members_of_a_key],
];
for (const [where, marked, definition] of members) {
  test(`${where}: every member is offered, with its description`, async () => {
    const [before] = marked.split("^");
    const items = await editor(marked.replace("^", "")).completions(before);
    assert.deepEqual(labels(items), offered(definition));
    for (const { label, documentation } of items)
      assert.ok(documentation, `${label} has no description`);
  });
}

const words = [
  ['{"mode": ^}', ["enforce", "shadow"]],
  ['{"log": ^}', ["rejections", "all", "none"]],
  ['{"methods": [^]}', ["tls_client_auth", "self_signed_tls_client_auth"]],
  ['{"peer_certificate": {"dialect": ^}}', ["xfcc", "client-cert", "pem", "der", "x-ssl-cert"]],
  ['{"tenants": [{"other_methods": ^}]}', ["pass", "reject"]],
];
for (const [marked, expected] of words) {
  test(`${marked}: every word is offered, with its description`, async () => {
    const [before] = marked.split("^");
    const items = await editor(marked.replace("^", "")).completions(before);
    assert.deepEqual(labels(items), expected.map((word) => JSON.stringify(word)).sort());
    for (const { label, documentation } of items)
      assert.ok(documentation, `${label} has no description`);
  });
}

test("methods of clients are offered, and others than those are allowed", async () => {
  const items = await editor('{"clients": [{"token_endpoint_auth_method": }]}').completions(
    'method": ',
  );
  for (const method of ["tls_client_auth", "self_signed_tls_client_auth", "private_key_jwt"]) {
    assert.ok(labels(items).includes(`"${method}"`), `${labels(items)}`);
  }
  const text =
    '{"clients": [{"client_id": "a", "token_endpoint_auth_method": "urn:example:other"}]}';
  assert.deepEqual(await editor(text).problems(), []);
});

test("a name under the pointer is explained", async () => {
  const { contents } = await editor('{"clients": [{"tls_client_auth_san_ip": "::1"}]}').hover(
    "san_",
  );
  assert.match(contents.join(), /RFC 8705 section 2/);
});

const client = (method, members = {}) =>
  JSON.stringify({ clients: [{ client_id: "a", token_endpoint_auth_method: method, ...members }] });
const selfSigned = "self_signed_tls_client_auth";
const messages = [
  ['{"clients": [], "endpoints": ["token"]}', /^Write a path from its first \/;/],
  ['{"clients": [], "mode": "observe"}', /Valid values: "enforce", "shadow"/],
  ['{"clients": [], "clinets": []}', /clinets is not allowed/],
  ['{"endpoints": ["/token"]}', /^Without clients and registry there are no endpoints/],
  ['{"clients": [{"client_id": "a"}]}', /Missing property "token_endpoint_auth_method"/],
  [client("mtls"), /^Write tls_client_auth, self_signed_/],
  [client("tls_client_auth"), /Missing property "tls_client_auth_subject_dn"/],
  [client("tls_client_auth", { tls_client_auth_subject_dn: "CN" }), /^Write a name such as CN=/],
  [client("tls_client_auth", { tls_client_auth_san_dns: null }), /^Exactly one of the five/],
  [client(selfSigned, { jwks: { keys: [{}] } }), /^At least one key/],
  [client("none", { tls_client_auth_san_dns: "a.test" }), /needs the method tls_client_auth/],
];
for (const [text, message] of messages) {
  test(`what is wrong is said: ${text}`, async () => {
    const problems = await editor(text).problems();
    assert.deepEqual(
      problems.filter((problem) => !message.test(problem.message)),
      [],
      "another problem",
    );
    assert.equal(problems.length, 1);
  });
}

test("no message shows a pattern in place of words", async () => {
  for (const { name, text } of all) {
    for (const { message } of await editor(text).problems()) {
      assert.doesNotMatch(message, /does not match the pattern|schema that is not allowed/, name);
    }
  }
});
