// The types: what is right compiles, and what is wrong does not.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";

const usage = `
  import { X509Certificate } from "node:crypto";
  import { IncomingMessage, ServerResponse } from "node:http";
  import {
    createSecureServer,
    type Http2ServerRequest,
    type Http2ServerResponse,
  } from "node:http2";
  import { createServer } from "node:https";
  import { TLSSocket } from "node:tls";
  import {
    convertClients,
    Gate,
    readCertificate,
    readName,
    type Configuration,
    type Decision,
    type PassCode,
    type RefusalCode,
    type ReportedDecision,
  } from "tls-client-auth";
  import { guard, peerOf, protect } from "tls-client-auth/node";
  import {
    fromCloudflare,
    fromTrustedHeader,
    protect as protectFetch,
  } from "tls-client-auth/fetch";

  const configuration: Configuration = {
    endpoints: ["/token"],
    mode: "shadow",
    max_body_bytes: 1000,
    peer_certificate: {
      source: "forwarded",
      dialect: "pem",
      header: "ssl-client-cert",
      trusted_proxies: ["edge.example.com"],
      verified: { header: "ssl-client-verify", values: ["SUCCESS"] },
      chain: "listener",
      server_name: "ignore",
    },
    unidentified_clients: "pass",
    methods: ["tls_client_auth"],
    filter_state: ["code"],
    trust_anchors: ["x"],
    revoked: ["x", { issuer: "CN=x", serial: "01" }],
    crl: [{ cluster: "c", authority: "a", path: "/", on_unavailable: "allow", issuers: ["CN=x"] }],
    ocsp: { cluster: "c", hosts: ["ocsp.example"], max_age: "10m" },
    bound_tokens: {
      resources: ["/api"],
      jwt: { metadata: "verified", payload_header: "x-jwt-payload" },
    },
    forward: {
      client_id: "x-client-id",
      certificate: ["client-cert", { header: "ssl_client_cert", format: "pem-line" }],
      certificate_for: "gated",
      thumbprint: "x-thumbprint",
      keep: ["x-client-cert-debug"],
      strip: ["x-corp-*"],
    },
    tenants: [
      {
        hosts: ["as.example.com"],
        other_methods: "reject",
        registry: { cluster: "c", authority: "a", path: "/", refresh: "500ms" },
      },
      {
        hosts: ["*.example.net"],
        clients: [
          {
            client_id: "a",
            token_endpoint_auth_method: "tls_client_auth",
            tls_client_auth_san_ip: "2001:db8::1",
            certificate_thumbprints: ["x"],
            redirect_uris: [],
          },
          {
            client_id: "b",
            token_endpoint_auth_method: "self_signed_tls_client_auth",
            jwks: { keys: [{ kty: "EC", "x5t#S256": "x" }] },
            backend_authentication: { method: "client_secret_basic", client_secret: "x" },
          },
        ],
      },
    ],
    log: "none",
  };
  for (const { clients, error } of convertClients("[]", "keycloak")) {
    console.log(clients?.[0]?.client_id, error?.message.length);
  }
  const client = { client_id: "a", token_endpoint_auth_method: "tls_client_auth" };
  new Gate({ clients: [client] });
  const gate = new Gate(configuration);
  const head = {
    path: "/token",
    headers: { a: ["b", new Uint8Array()] },
    certificate: null,
    chainValid: null,
    serverName: null,
    now: new Date(),
  };
  const decision: Decision = gate.decide({ ...head, body: new DataView(new ArrayBuffer(1)) });
  if (decision.pass)
    console.log(
      decision.forward.set[0]?.[1],
      decision.code === "not_gated" || decision.code === "passed_unidentified",
      (["token_bound"] satisfies PassCode[]).length,
    );
  else
    console.log(
      decision.status.toFixed(),
      decision.headers["content-type"],
      decision.body.length,
      decision.code satisfies RefusalCode,
    );
  const early: Decision | null = gate.decideHead({
    path: "/token",
    headers: new Headers(),
    certificate: new X509Certificate(""),
  });
  console.log(
    early?.code,
    gate.policy("as.example.com").mode === "shadow",
    gate.policy().maxBodyBytes.toFixed(),
  );

  const onDecision = (decision: ReportedDecision) =>
    console.log(decision.code, decision.pass ? decision.body : decision.status.toFixed());
  createServer(
    {},
    protect(gate, (request, response) => response.end(request.url), {
      onDecision: ({ code }) => console.log(code),
    }),
  );
  createServer(
    {},
    protect(
      gate,
      async (request, response) => {
        response.end(request.url);
      },
      { onDecision, onError: (error, request) => console.error(error, request.url) },
    ),
  );
  createSecureServer(
    {},
    protect(gate, (request: Http2ServerRequest, response: Http2ServerResponse) =>
      response.stream.end(request.authority),
    ),
  );
  guard(createServer({}), gate, (request, response) =>
    response.end(request.headersDistinct["a"]?.[0]),
  ).listen(443);
  guard(
    createSecureServer({}),
    gate,
    (request, response) => response.stream.end(request.authority),
    { onDecision },
  ).listen(443);
  const middleware: (
    request: IncomingMessage & { query: object },
    response: ServerResponse,
    next: () => void,
  ) => unknown = protect(
    gate,
    (
      _request: IncomingMessage & { query: object },
      _response: ServerResponse,
      next: () => void,
    ) => next(),
  );
  createServer({}, (request) =>
    console.log(
      middleware,
      request.socket instanceof TLSSocket && peerOf(request.socket).certificate?.length,
      request.socket instanceof TLSSocket && peerOf(request.socket).serverName?.length,
    ),
  );

  const handle = protectFetch(
    gate,
    (request: Request, env: { name: string }) => new Response(env.name + request.url),
    {
      peer: (request, env) =>
        env.name
          ? fromTrustedHeader("client-cert")(request)
          : { certificate: null, chainValid: null, serverName: "a.example" },
      onDecision,
    },
  );
  protectFetch(gate, () => new Response(), { peer: fromCloudflare });
  const headers = [
    fromTrustedHeader("cloudfront-viewer-cert-pem"),
    fromTrustedHeader("client-cert", { verified: false }),
    fromTrustedHeader("x-client-cert-b64", { format: "base64" }),
    fromTrustedHeader("x-forwarded-tls-client-cert", { format: "der", verified: false }),
    fromTrustedHeader("x-forwarded-client-cert"),
    fromTrustedHeader("x-forwarded-client-cert", { hop: "00" }),
    fromTrustedHeader("x-other", { format: "xfcc", hop: "00", verified: false }),
  ];
  console.log(headers.length);
  const response: Promise<Response> = handle(new Request("https://a.example"), { name: "x" });
  console.log(
    response,
    readCertificate(new X509Certificate("")).alternativeNames[0]?.type === "dns",
    readName("CN=a").rdns.length,
  );
`;
const mistakes = [
  "new Gate(7);",
  "new Gate({ clients: [], endpoint: [] });",
  "new Gate({ clients: [{ ...client, certificate_thumbprints: 'x' }] });",
  "new Gate({ clients: [{ client_id: 'a' }] });",
  "new Gate({ clients: [], methods: ['private_key_jwt'] });",
  "new Gate({ clients: [], mode: 'audit' });",
  "new Gate({ clients: [], peer_certificate: { dialect: 'base64' } });",
  "new Gate({ clients: [], peer_certificate: { verified: { header: 'x' } } });",
  "new Gate({ clients: [], forward: { certificate: [{ header: 'x', format: 'x-ssl-cert' }] } });",
  "new Gate({ clients: [], forward: { certificate_for: 'all' } });",
  "new Gate({ registry: { cluster: 'c', authority: 'a', path: '/', refresh: '5 seconds' } });",
  "gate.decide({});",
  "gate.decide({ path: 1 });",
  "gate.decide({ path: '/', chainValid: 'yes' });",
  "gate.decide({ path: '/', serverName: false });",
  "gate.decide({ path: '/', body: new Blob([]) });",
  "gate.decide({ path: '/', body: null });",
  "gate.decide({ path: '/', certificate: {} });",
  "gate.decide({ path: '/', headers: { a: 1 } });",
  "gate.decide({ path: '/', headers: ['a', 'b'] });",
  "gate.decide({ path: '/', now: '2027' });",
  "convertClients('[]', 'auth0');",
  "if (decision.pass) decision.status.toFixed();",
  "if (!decision.pass) decision.forward.set;",
  "decision.code === 'authentic';",
  "protect(gate, () => {}, { onDecision: (decision) => decision.forward });",
  "protect(gate, () => {}, { maxBodyBytes: 1 });",
  "protectFetch(gate, () => new Response());",
  "fromTrustedHeader('x-anything');",
  "fromTrustedHeader('x-anything', { verified: false });",
  "fromTrustedHeader('x-anything', { format: 'rfc9440' });",
  "fromTrustedHeader('x-anything', { format: 'der', hop: '00' });",
  "fromTrustedHeader('client-cert', { hop: '00' });",
  "fromTrustedHeader('client-cert', { verified: 'no' });",
  "new Gate({ tenants: [{ clients: [] }] });",
  "new Gate({ clients: [{ ...client, certificate_binding: { client_id: 'a' } }] });",
];

function compile(name, source) {
  writeFileSync(name, source);
  const options = [
    "--noEmit",
    "--strict",
    "--noUncheckedIndexedAccess",
    "--module",
    "nodenext",
    "--target",
    "es2023",
    "--lib",
    "es2023,dom,dom.iterable",
    "--types",
    "node",
  ];
  return spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", ...options, name], {
    encoding: "utf8",
  });
}

test("the types fit what is done with the package", () => {
  const { status, stdout } = compile("usage.mts", usage);
  assert.equal(status, 0, stdout);
  const lines = usage.split("\n").length;
  const mistaken = compile("mistakes.mts", [usage, ...mistakes].join("\n"));
  mistakes.forEach((mistake, index) => {
    assert.ok(
      mistaken.stdout.includes(`mistakes.mts(${lines + 1 + index},`),
      `${mistake}: ${mistaken.stdout}`,
    );
  });
});

// The members that the gate refuses, because nobody reads what the server answers.
const ofResponses = ["discovery", "response_check"];

test("the types have the members of the JSON Schema", () => {
  const schema = JSON.parse(readFileSync(process.env.SCHEMA, "utf8"));
  const { $defs } = schema;
  const types = {
    Configuration: schema,
    'Configuration["peer_certificate"]': $defs.peer_certificate,
    'Configuration["forward"]': $defs.forward,
    'Configuration["bound_tokens"]': $defs.bound_tokens,
    Introspection: $defs.bound_tokens.properties.introspection,
    '(Configuration["tenants"] & {})[number]': $defs.tenant,
    CertificateHeader: $defs.certificate_header,
    Registry: $defs.registry,
    KeySets: $defs.key_sets,
    CrlSource: $defs.crl.items,
    OcspSource: $defs.ocsp,
    RegisteredCertificate: $defs.certificate_binding,
  };
  const comparisons = Object.entries(types).map(([type, { properties }]) => {
    const members = Object.keys(properties).filter((name) => !ofResponses.includes(name));
    assert.ok(members.length > 1, type);
    const names = members.map((name) => JSON.stringify(name)).join(" | ");
    return `true satisfies Same<keyof (${type} & {}), ${names}>;`;
  });
  const imported = Object.keys(types).filter((type) => /^[A-Za-z]+$/.test(type));
  const head = [
    `import type { ${imported.join(", ")} } from "tls-client-auth";`,
    "type Same<A, B> = [A, B] extends [B, A] ? true : { more: Exclude<A, B>; less: Exclude<B, A> };",
  ];
  const { status, stdout } = compile("members.mts", [...head, ...comparisons].join("\n"));
  assert.equal(status, 0, stdout);
});
