// resources.mjs ENVOY-VERSION: an authorization server that issues certificate-bound access tokens
// (RFC 8705 §3), JWTs and opaque ones, and a resource that knows nothing of certificates. Both are
// behind the filter, with jwt_authn as envoy/envoy-resources.yaml has it. A token is used with the
// certificate that it was issued to, with that of another client, and with none. To be run from the
// root of the repository.

import { readFileSync } from "node:fs";
import * as openid from "openid-client";
import { parse } from "yaml";
import { Envoy, certificate, fetchWith, makeCertificates, toPort } from "../environment.mjs";
import { Server, forwardedCertificate, newProvider } from "./server.mjs";

const version = process.argv[2];
const api = "https://api.example.com";
const widths = [10, 34, 13, 8, 26];
const row = (...cells) =>
  console.log(
    cells
      .map((cell, index) => String(cell).padEnd(widths[index] ?? 0))
      .join(" ")
      .trimEnd(),
  );
let unexpected = 0;

function expect(what, found, expected) {
  if (JSON.stringify(found) === JSON.stringify(expected)) return;
  unexpected += 1;
  console.log(
    `   UNEXPECTED: ${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`,
  );
}

// What is shipped for resources: jwt_authn, and where it leaves what it verified.
const [shipped] = parse(readFileSync("envoy/envoy-resources.yaml", "utf8")).static_resources
  .listeners;
const [jwtAuthn, own] = shipped.filter_chains[0].filters[0].typed_config.http_filters;
const { bound_tokens } = JSON.parse(own.typed_config.config.configuration.value);
const { issuer } = jwtAuthn.typed_config.providers.authorization_server;
const jwks = new URL(
  jwtAuthn.typed_config.providers.authorization_server.remote_jwks.http_uri.uri,
).pathname;

makeCertificates("target/interop-resources");
const server = await Server.listen();
const [right, thief] = ["subject-dn", "san-dns"].map(certificate);
const client = {
  client_id: "by-name",
  token_endpoint_auth_method: "tls_client_auth",
  tls_client_auth_subject_dn: "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP",
};
const resourceServer = { client_id: "resource-server", client_secret: "a secret for introspection" };
const basic = Buffer.from(
  [resourceServer.client_id, resourceServer.client_secret].map(encodeURIComponent).join(":"),
);

function serve() {
  const provider = newProvider(issuer, {
    cookies: { keys: ["a key for the cookies of a test"] },
    routes: { jwks },
    scopes: ["openid", "accounts"],
    clientAuthMethods: ["tls_client_auth", "client_secret_basic"],
    clients: [
      {
        ...client,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        tls_client_certificate_bound_access_tokens: true,
      },
      {
        ...resourceServer,
        token_endpoint_auth_method: "client_secret_basic",
        grant_types: [],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        getCertificate: forwardedCertificate,
        certificateAuthorized: (ctx) => Boolean(ctx.get("client-cert")),
        certificateSubjectMatches: (ctx) =>
          ctx.get("x-oauth-client-id") === ctx.oidc.client.clientId,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_ctx, audience) => ({
          audience,
          scope: "accounts",
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
  const callback = provider.callback();
  server.handle = (request, response) => {
    if (!request.url.startsWith("/api")) return callback(request, response);
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(JSON.stringify({ token: request.headers.authorization }));
  };
}

const envoy = await Envoy.start(
  version,
  {
    endpoints: ["/token", "/token/introspection"],
    forward: { client_id: "x-oauth-client-id", certificate: ["client-cert"] },
    clients: [client],
    bound_tokens: {
      ...bound_tokens,
      introspection: {
        cluster: "authorization_server",
        authority: new URL(issuer).host,
        path: "/token/introspection",
        headers: { authorization: `Basic ${basic.toString("base64")}` },
      },
    },
  },
  (resources) => {
    const manager = resources.listeners[0].filter_chains[0].filters[0].typed_config;
    manager.http_filters.unshift(jwtAuthn);
    const [cluster] = resources.clusters;
    resources.clusters = [toPort(cluster, "authorization_server", server.port)];
  },
);

// The client, on connections with a certificate or without one.
function clientWith(credential) {
  const at = `https://localhost:${envoy.port}`;
  const metadata = { issuer, token_endpoint: `${at}/token` };
  const config = new openid.Configuration(
    metadata,
    client.client_id,
    undefined,
    openid.TlsClientAuth(),
  );
  config[openid.customFetch] = fetchWith(credential);
  return {
    token: async (parameters) =>
      (await openid.clientCredentialsGrant(config, parameters)).access_token,
    use: (token) =>
      openid
        .fetchProtectedResource(config, token, new URL(`${at}/api/accounts`), "GET")
        .then(async (answer) => ({ status: answer.status, ...(await answer.json()) }))
        .catch((error) => ({
          status: error.status ?? error.cause?.status ?? String(error),
          challenge: error.cause?.[0]?.parameters?.error,
        })),
  };
}

try {
  serve();
  console.log(`\nEnvoy ${version} with the filter, jwt_authn and oidc-provider\n`);
  row("TOKEN", "CLIENT", "CERTIFICATE", "STATUS", "FILTER");
  const issue = async (parameters) => {
    const { value, decisions } = await envoy.decisionsOf(() =>
      clientWith(right).token(parameters),
    );
    expect("the token request", decisions.map(({ code }) => code), ["authenticated"]);
    return value;
  };
  const issued = {
    JWT: await issue({ scope: "accounts", resource: api }),
    opaque: await issue({ scope: "openid" }),
  };
  for (const [kind, token] of Object.entries(issued)) {
    const segments = token.split(".");
    expect(`the segments of the ${kind} token`, segments.length, kind === "JWT" ? 3 : 1);
    if (kind === "JWT") {
      const claims = JSON.parse(Buffer.from(segments[1], "base64url"));
      expect("the binding", claims.cnf, { "x5t#S256": right.thumbprint });
    }
    // The last one by an answer of introspection that is remembered.
    for (const [whose, credential, status, wanted] of [
      ["another's", thief, 401, "token_bound_to_another"],
      ["its own", right, 200, "token_bound"],
      ["none", undefined, 401, "token_bound_to_another"],
      ["its own", right, 200, "token_bound"],
    ]) {
      const before = server.seen.length;
      const { value, decisions } = await envoy.decisionsOf(() => clientWith(credential).use(token));
      const seen = server.seen.slice(before).filter(({ url }) => url.startsWith("/api"));
      row(kind, client.client_id, whose, value.status, decisions[0].code);
      expect("the decisions", decisions.map(({ code }) => code), [wanted]);
      expect("the status", value.status, status);
      expect("requests at the resource", seen.length, status === 200 ? 1 : 0);
      if (status === 200) expect("the token there", value.token, `Bearer ${token}`);
      else expect("the challenge", value.challenge, "invalid_token");
    }
  }
  const asked = server.seen.filter(({ url }) => url === "/token/introspection");
  expect("questions about the opaque token", asked.length, 1);
  // A token that nobody issued, with the binding of the thief. It is asked about, too, because
  // jwt_authn has not verified it; and this server answers no question about a JWT.
  const [head, , signature] = issued.JWT.split(".");
  const claims = { iss: issuer, aud: api, cnf: { "x5t#S256": thief.thumbprint } };
  const forged = [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature];
  const { value, decisions } = await envoy.decisionsOf(() =>
    clientWith(thief).use(forged.join(".")),
  );
  row("forged", client.client_id, "another's", value.status, decisions[0].code);
  expect("a forged token", [value.status, decisions[0].code], [503, "registry_unavailable"]);
  const used = server.seen.filter(({ url }) => url.startsWith("/api"));
  expect("all requests at the resource", used.length, 4);
} finally {
  await envoy.stop();
  server.close();
}
if (unexpected) {
  console.error(
    `FAILED: ${unexpected} unexpected results; Envoy's logs are in target/interop-resources`,
  );
  process.exit(1);
}
console.log("\ninterop of resources passed");
process.exit(0);
