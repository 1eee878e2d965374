// The members that the parser reads are those of the schema, and it accepts the defaults that the
// schema names.

import assert from "node:assert/strict";
import { test } from "node:test";
import { all } from "./configurations.mjs";
import { read, refusal, schema, validator } from "./support.mjs";

const { $defs } = schema;
const fault = validator(schema);
const sorted = (names) => [...new Set(names)].sort();
const accepted = (configuration) => {
  const text = JSON.stringify(configuration);
  assert.equal(refusal(text), undefined, text);
  assert.equal(fault({ value: configuration }), undefined, text);
};

const unknown = "qqqqqqqqqqqqqqqq";
const registry = { cluster: "c", authority: "a.test", path: "/" };
const method = "tls_client_auth";
const client = {
  client_id: "a",
  token_endpoint_auth_method: method,
  tls_client_auth_san_dns: "a.test",
};
const jwt = { metadata: "a", payload_header: "x-a" };
const trust_anchors = [read("src/revocation/crl/tests/ca.pem")];
const backend = $defs.client.properties.backend_authentication;

// For an unknown member the parser lists those that it reads.
const places = [
  ["the top level", schema, (members) => ({ clients: [], ...members })],
  [
    "peer_certificate",
    $defs.peer_certificate,
    (members) => ({ clients: [], peer_certificate: members }),
  ],
  ["forward", $defs.forward, (members) => ({ clients: [], forward: members })],
  [
    "a tenant",
    $defs.tenant,
    (members) => ({ clients: [], tenants: [{ hosts: ["a"], ...members }] }),
  ],
  ["registry", $defs.registry, (members) => ({ registry: { ...registry, ...members } })],
  [
    "on_miss",
    $defs.registry.properties.on_miss,
    (members) => ({ registry: { ...registry, on_miss: { path: "/{client_id}", ...members } } }),
  ],
  [
    "jwks_uri",
    $defs.key_sets,
    (members) => ({ clients: [], jwks_uri: { cluster: "c", hosts: ["a.test"], ...members } }),
  ],
  [
    "bound_tokens",
    $defs.bound_tokens,
    (members) => ({ endpoints: [], bound_tokens: { resources: ["/a"], jwt, ...members } }),
  ],
  [
    "introspection",
    $defs.bound_tokens.properties.introspection,
    (members) => ({
      endpoints: [],
      bound_tokens: { resources: ["/a"], introspection: { ...registry, ...members } },
    }),
  ],
  [
    "crl",
    $defs.crl.items,
    (members) => ({ clients: [], trust_anchors, crl: [{ ...registry, ...members }] }),
  ],
  [
    "ocsp",
    $defs.ocsp,
    (members) => ({
      clients: [],
      trust_anchors,
      ocsp: { cluster: "c", hosts: ["a.test"], ...members },
    }),
  ],
  [
    "certificate_binding",
    $defs.certificate_binding,
    (members) => ({
      clients: [
        { client_id: "a", token_endpoint_auth_method: "none", certificate_binding: members },
      ],
    }),
  ],
  [
    "backend_authentication",
    backend,
    (members) => ({ clients: [{ ...client, backend_authentication: members }] }),
  ],
];
for (const [where, { properties, additionalProperties }, configuration] of places) {
  test(`${where}: the parser reads the members of the schema and no others`, () => {
    const why = refusal(JSON.stringify(configuration({ [unknown]: 1 })));
    assert.match(why, new RegExp(`/${unknown}: .*expected one of `));
    assert.deepEqual(
      sorted(why.split("expected one of ")[1].split(", ")),
      sorted(Object.keys(properties)),
    );
    assert.equal(additionalProperties, false);
  });
}

// The names of members of the tables' clients and their keys, and those of RFC 7591 section 2 and
// RFC 7517 section 4.
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const namesIn = (values) => values.filter(isObject).flatMap((value) => Object.keys(value));
const policies = all.flatMap(({ value }) => [value, ...[value?.tenants].flat()]);
const clients = policies.flatMap((policy) => policy?.clients);
const registered = [
  "client_name",
  "client_uri",
  "contacts",
  "grant_types",
  "jwks",
  "jwks_uri",
  "logo_uri",
  "policy_uri",
  "redirect_uris",
  "response_types",
  "scope",
  "software_id",
  "software_statement",
  "software_version",
  "token_endpoint_auth_method",
  "tos_uri",
];
const ofKeys = [
  "alg",
  "crv",
  "e",
  "key_ops",
  "kid",
  "kty",
  "n",
  "use",
  "x",
  "x5c",
  "x5t",
  "x5t#S256",
  "x5u",
  "y",
];

test("a client: the parser knows the members of the schema and no others", () => {
  const properties = Object.keys($defs.client.properties);
  const candidates = sorted([...namesIn(clients), ...registered, ...properties]);
  assert.ok(candidates.length > 30, `${candidates}`);
  // It suggests a member that it knows for a name that is nearly the same.
  const known = candidates.filter((name) => {
    const why = refusal(JSON.stringify({ clients: [{ ...client, [`${name}x`]: null }] }));
    return why?.startsWith(`/clients/0/${name}x: `) && why.includes(`"${name}"`);
  });
  assert.deepEqual(sorted(known), sorted(properties));
  const subjects = properties.filter((name) => name.startsWith("tls_client_auth_"));
  const why = refusal(
    JSON.stringify({ clients: [{ ...client, [`tls_client_auth_${unknown}`]: "a" }] }),
  );
  assert.deepEqual(sorted(why.split("expected one of ")[1].split(", ")), sorted(subjects));
  assert.deepEqual(sorted($defs.client.propertyNames.then.enum), sorted(subjects));
});

test("a key: the parser reads the members of the schema and no others", () => {
  const keys = clients.flatMap((one) => one?.jwks?.keys ?? []);
  const candidates = sorted([...namesIn(keys), ...ofKeys]);
  const key = { kty: "EC", "x5t#S256": "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo" };
  const ofKey = (members) => {
    const jwks = { keys: [{ ...key, ...members }] };
    return {
      clients: [{ client_id: "s", token_endpoint_auth_method: `self_signed_${method}`, jwks }],
    };
  };
  accepted(ofKey({}));
  // A member that it reads must not have a wrong value.
  const known = candidates.filter(
    (name) => refusal(JSON.stringify(ofKey({ [name]: 5 }))) !== undefined,
  );
  assert.deepEqual(sorted(known), sorted(Object.keys($defs.usable_key.properties)));
  assert.deepEqual(sorted(known), sorted(Object.keys($defs.members_of_a_key.properties)));
});

test("the parser accepts every default of the schema, alone and all at once", () => {
  const defaultsOf = ({ properties }) =>
    Object.entries(properties).flatMap(([name, { default: value }]) => {
      return value === undefined ? [] : [[name, value]];
    });
  let count = 0;
  for (const [, definition, configuration] of places) {
    const defaults = defaultsOf(definition);
    // Only with this source may there be a dialect.
    const beside = definition === $defs.peer_certificate ? { source: "forwarded" } : {};
    for (const [name, value] of defaults)
      accepted(configuration({ ...(name === "dialect" ? beside : {}), [name]: value }));
    if (defaults.length > 0)
      accepted(configuration({ ...Object.fromEntries(defaults), ...beside }));
    count += defaults.length;
  }
  assert.equal(
    count,
    [...JSON.stringify(schema).matchAll(/"default":/g)].length,
    "a default that is not tried",
  );
  assert.ok(count > 20, `${count} defaults`);
});
