// responses.mjs ENVOY-VERSION: tls_client_auth_responses.wasm in a real Envoy, oidc-provider behind
// it, openid-client and oauth4webapi in front. Tokens that the server does not bind must not leave,
// whether they are JWTs or opaque, and both libraries must find the endpoints of mutual TLS in the
// metadata. One unexpected result fails the run. To be run from the root of the repository.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import * as oauth from "oauth4webapi";
import Provider from "oidc-provider";
import * as openid from "openid-client";
import { Envoy, certificate, fetchWith, makeCertificates, toPort } from "../environment.mjs";

const version = process.argv[2];
const JWT = "urn:example:jwt";
const METADATA = "/.well-known/openid-configuration";

const listening = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

async function freePort() {
  const socket = createSocket();
  const port = await listening(socket);
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

makeCertificates("target/interop");
const own = certificate("subject-dn");
const subject = "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP";
const port = await freePort();
const [issuer, mutual] = [`https://localhost:${port}`, `https://127.0.0.1:${port}`];

// What the server received.
let seen = [];
let handle;
const server = createServer((request, response) => {
  const { method, url, headers } = request;
  seen.push({ method, url, host: headers.host });
  handle(request, response);
});
const serverPort = await listening(server);

for (const level of ["info", "warn"]) {
  const print = console[level];
  console[level] = (...words) => String(words[0]).includes("oidc-provider ") || print(...words);
}
const secret = { client_id: "filter", client_secret: "secret of the filter at introspection" };
const client = (client_id, binds) => ({
  client_id,
  token_endpoint_auth_method: "tls_client_auth",
  tls_client_auth_subject_dn: subject,
  tls_client_certificate_bound_access_tokens: binds,
});
const provider = new Provider(issuer, {
  cookies: { keys: ["a key for the cookies of a test"] },
  // The server does not bind the tokens of "unbound" and "free".
  clients: [
    ...[client("bound", true), client("unbound", false), client("free", false)].map((each) => ({
      ...each,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    })),
    { ...secret, grant_types: [], redirect_uris: [], response_types: [] },
  ],
  clientAuthMethods: ["tls_client_auth", "client_secret_basic"],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    // Tokens for this resource are JWTs, all others are opaque.
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({ scope: "a", audience: JWT, accessTokenFormat: "jwt" }),
    },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => {
        const value = ctx.get("client-cert");
        return value ? new X509Certificate(Buffer.from(value.slice(1, -1), "base64")) : undefined;
      },
      certificateAuthorized: (ctx) => Boolean(ctx.get("client-cert")),
      certificateSubjectMatches: (ctx) => ctx.get("x-oauth-client-id") === ctx.oidc.client.clientId,
    },
  },
});
// Takes the scheme from Envoy's x-forwarded-proto.
provider.proxy = true;
handle = provider.callback();

const basic = `${secret.client_id}:${encodeURIComponent(secret.client_secret)}`;
const envoy = await Envoy.start(
  version,
  {
    endpoints: ["/token", "/token/introspection", "/token/revocation"],
    forward: { client_id: "x-oauth-client-id", certificate: ["client-cert"] },
    // To the filter, those of "unbound" must be bound.
    clients: [client("bound", true), client("unbound", true), client("free", false)],
    bound_tokens: {
      response_check: "enforce",
      introspection: {
        cluster: "introspection",
        authority: `127.0.0.1:${serverPort}`,
        path: "/token/introspection",
        headers: { authorization: `Basic ${Buffer.from(basic).toString("base64")}` },
      },
    },
    discovery: { paths: [METADATA], mtls_endpoint_aliases: mutual },
  },
  (resources) => {
    const [listener] = resources.listeners;
    listener.address.socket_address.port_value = port;
    const [filter] = listener.filter_chains[0].filters[0].typed_config.http_filters;
    const { vm_config } = filter.typed_config.config;
    vm_config.code.local.filename = "target/tls_client_auth_responses.wasm";
    const [cluster] = resources.clusters;
    resources.clusters = ["introspection", cluster.name].map((name) =>
      toPort(cluster, name, serverPort),
    );
  },
);

// Asks for a token with a library that was given the metadata; gives the token or the error.
const libraries = {
  "openid-client": async (clientId, parameters) => {
    const found = await openid.discovery(
      new URL(issuer),
      clientId,
      { use_mtls_endpoint_aliases: true },
      openid.TlsClientAuth(),
      { [openid.customFetch]: fetchWith(own) },
    );
    return openid.clientCredentialsGrant(found, parameters).then(
      ({ access_token }) => ({ token: access_token }),
      // It gives an answer of another status than 400 and 401 as it came.
      async ({ cause }) => {
        const body = await cause.json();
        return { error: body.error, status: cause.status, body };
      },
    );
  },
  oauth4webapi: async (clientId, parameters) => {
    const options = { [oauth.customFetch]: fetchWith(own) };
    const found = await oauth.discoveryRequest(new URL(issuer), options);
    const as = await oauth.processDiscoveryResponse(new URL(issuer), found);
    const answer = await oauth.clientCredentialsGrantRequest(
      as,
      { client_id: clientId, use_mtls_endpoint_aliases: true },
      oauth.TlsClientAuth(),
      parameters,
      options,
    );
    const body = await answer.json();
    return answer.ok
      ? { token: body.access_token }
      : { error: body.error, status: answer.status, body };
  },
};

try {
  // Directly, and through the filter.
  const [before, after] = [
    await (
      await fetch(`http://127.0.0.1:${serverPort}${METADATA}`, {
        headers: { host: `localhost:${port}`, "x-forwarded-proto": "https" },
      })
    ).json(),
    await (await fetchWith(undefined)(`${issuer}${METADATA}`)).json(),
  ];
  const aliases = Object.fromEntries(
    ["token", "introspection", "revocation"].map((name) => [
      `${name}_endpoint`,
      new URL(after[`${name}_endpoint`]).pathname,
    ]),
  );
  assert.deepEqual(
    after.mtls_endpoint_aliases,
    Object.fromEntries(Object.entries(aliases).map(([name, path]) => [name, mutual + path])),
  );
  assert.equal(before.mtls_endpoint_aliases, undefined);
  for (const method of ["tls_client_auth", "self_signed_tls_client_auth", "client_secret_basic"]) {
    assert.ok(after.token_endpoint_auth_methods_supported.includes(method), method);
  }
  assert.ok(!before.token_endpoint_auth_methods_supported.includes("self_signed_tls_client_auth"));
  assert.equal(after.tls_client_certificate_bound_access_tokens, true);
  console.log(`\n${METADATA}: aliases at ${mutual}, the methods of the filter\n`);

  const rows = [
    ["bound", {}, true],
    ["bound", { resource: JWT, scope: "a" }, true],
    ["unbound", {}, false],
    ["unbound", { resource: JWT, scope: "a" }, false],
    ["free", {}, true],
    ["free", { resource: JWT, scope: "a" }, true],
  ];
  console.log("LIBRARY        CLIENT   TOKEN   RESULT                 SERVER RECEIVED");
  for (const [library, ask] of Object.entries(libraries)) {
    for (const [clientId, parameters, leaves] of rows) {
      seen = [];
      const form = parameters.resource ? "JWT" : "opaque";
      const why = `${library}, ${clientId}, ${form}`;
      const { token, error, status, body } = await ask(clientId, parameters);
      if (leaves) {
        assert.equal(error, undefined, why);
        assert.equal(typeof token, "string", why);
        assert.equal(token.split(".").length, form === "JWT" ? 3 : 1, why);
      } else {
        assert.deepEqual([token, error, status], [undefined, "server_error", 502], why);
        assert.deepEqual(Object.keys(body), ["error", "error_description"], why);
      }
      const posts = seen.filter(({ method }) => method === "POST");
      const isAsked = clientId !== "free" && form === "opaque";
      // By the alias, which only the filter wrote; introspection comes from the filter.
      assert.deepEqual(
        posts.map(({ url, host }) => [url, host]),
        [
          ["/token", `127.0.0.1:${port}`],
          ...(isAsked ? [["/token/introspection", `127.0.0.1:${serverPort}`]] : []),
        ],
        why,
      );
      const result = leaves ? "a token" : `${status} ${error}`;
      const cells = [library.padEnd(14), clientId.padEnd(8), form.padEnd(7), result.padEnd(22)];
      console.log([...cells, posts.map(({ url }) => url).join(", ")].join(" "));
    }
  }
} finally {
  await envoy.stop();
  server.closeAllConnections();
  server.close();
}
console.log("\nresponses passed");
process.exit(0);
