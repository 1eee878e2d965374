// main.mjs ENVOY-VERSION: real OAuth clients, a real Envoy with the filter, a real authorization
// server. Each step is also tried with the certificate of another client: the filter must refuse it
// and the server must not receive it. One unexpected result fails the run. To be run from the root
// of the repository.

import { webcrypto } from "node:crypto";
import * as openid from "openid-client";
import { boundClient, consent, oauthClient, openidClient, redirectUri } from "./flows.mjs";
import { Server, serveBoundTokens, serveMutualTls, serveSecrets } from "./server.mjs";
import { Envoy, certificate, fetchWith, makeCertificates, toPort } from "../environment.mjs";

const version = process.argv[2];
const widths = [13, 15, 28, 11, 6, 26];
const row = (...cells) =>
  console.log(
    cells
      .map((cell, index) => String(cell).padEnd(widths[index] ?? 0))
      .join(" ")
      .trimEnd(),
  );
const heading = () =>
  row("LIBRARY", "CLIENT", "STEP", "CERTIFICATE", "STATUS", "FILTER", "SERVER RECEIVED");
let unexpected = 0;

function expect(what, found, expected) {
  if (JSON.stringify(found) === JSON.stringify(expected)) return;
  unexpected += 1;
  console.log(
    `   UNEXPECTED: ${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`,
  );
}

const byteSequence = ({ jwk }) => `:${jwk.x5c[0]}:`;

makeCertificates("target/interop");
const servers = { mutual: await Server.listen(), secret: await Server.listen() };
const [byName, byKey, other] = ["subject-dn", "self-signed", "san-dns"].map(certificate);
const subject = "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP";
const mutual = [
  {
    client_id: "by-name",
    token_endpoint_auth_method: "tls_client_auth",
    tls_client_auth_subject_dn: subject,
  },
  {
    client_id: "by-key",
    token_endpoint_auth_method: "self_signed_tls_client_auth",
    jwks: { keys: [byKey.jwk] },
  },
];
// Both are encoded as RFC 6749 appendix B requires.
const bridged = { client_id: "a bridged:client", client_secret: "s3cret%+/& and more of it" };

const envoy = await Envoy.start(
  version,
  {
    endpoints: [
      "/token",
      "/token/introspection",
      "/token/revocation",
      "/request",
      "/device/auth",
      "/secret/token",
    ],
    forward: { client_id: "x-oauth-client-id", certificate: ["client-cert"] },
    clients: [
      ...mutual,
      {
        client_id: bridged.client_id,
        token_endpoint_auth_method: "tls_client_auth",
        tls_client_auth_subject_dn: subject,
        backend_authentication: {
          method: "client_secret_basic",
          client_secret: bridged.client_secret,
        },
      },
    ],
    // Clients of other methods, whose tokens the server binds to their certificates.
    tenants: [
      {
        hosts: ["127.0.0.1"],
        forward: { certificate: ["client-cert"], certificate_for: "gated" },
        clients: [
          { client_id: "signed", token_endpoint_auth_method: "private_key_jwt" },
          {
            client_id: "signed-and-held",
            token_endpoint_auth_method: "private_key_jwt",
            certificate_binding: { tls_client_auth_subject_dn: subject },
          },
          { client_id: "public", token_endpoint_auth_method: "none" },
        ],
      },
      // The resource, which compares the certificate with that of the token itself.
      {
        hosts: ["127.0.0.1"],
        paths: ["/me"],
        forward: { certificate: ["client-cert"], certificate_for: "every_request" },
        clients: [],
      },
    ],
  },
  (resources) => {
    const [host] =
      resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts;
    host.routes.unshift({ match: { prefix: "/secret/" }, route: { cluster: "secret" } });
    const [cluster] = resources.clusters;
    resources.clusters = [
      toPort(cluster, cluster.name, servers.mutual.port),
      toPort(cluster, "secret", servers.secret.port),
    ];
  },
);

// Runs a step and checks its result. `server` must receive its request if `passes`, and must not
// otherwise. `wanted` is the filter's code then.
async function step(cells, run, server, passes, wanted = "authenticated") {
  const before = server.seen.length;
  let error;
  const { value, decisions } = await envoy.decisionsOf(() =>
    run().catch((thrown) => {
      error = thrown;
    }),
  );
  const seen = server.seen.slice(before);
  const [{ code, status }] = decisions;
  row(
    ...cells,
    status,
    code,
    seen.map((request) => `${request.method} ${request.url}`).join(", ") || "nothing",
  );
  expect("requests", decisions.length, 1);
  if (passes) {
    expect("error", error && `${error.message} ${JSON.stringify(error.cause ?? "")}`, undefined);
    expect("code", code, wanted);
    expect("requests at the server", seen.length, 1);
  } else {
    expect(
      "refused by the filter",
      [status, error?.error ?? error?.cause?.[0]?.parameters?.error ?? error?.status],
      [401, "invalid_client"],
    );
    expect("requests at the server", seen, []);
  }
  return { value, seen };
}

try {
  const issuer = `https://localhost:${envoy.port}`;
  const grants = [
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
  ];
  serveMutualTls(
    servers.mutual,
    issuer,
    mutual.map((client) => ({
      ...client,
      grant_types: grants,
      redirect_uris: [redirectUri],
      response_types: ["code"],
      tls_client_certificate_bound_access_tokens: true,
    })),
  );
  serveSecrets(servers.secret, issuer, [
    {
      ...bridged,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ]);

  console.log(
    `\nEnvoy ${version} with the filter, oidc-provider behind it, clients over mTLS to ${issuer}\n`,
  );
  heading();
  for (const makeClient of [openidClient, oauthClient]) {
    for (const [clientId, own] of [
      ["by-name", byName],
      ["by-key", byKey],
    ]) {
      const [client, otherClient] = [
        await makeClient(issuer, clientId, own),
        await makeClient(issuer, clientId, other),
      ];
      let known = {};
      for (const [name, run] of Object.entries(client.steps)) {
        const cells = [client.library, clientId, name];
        await step(
          [...cells, "another's"],
          () => otherClient.steps[name](known),
          servers.mutual,
          false,
        );
        const { value } = await step([...cells, "its own"], () => run(known), servers.mutual, true);
        known = { ...known, ...value };
        Object.assign(known, await consent(value ?? {}));
        if (name === "introspection") {
          expect("the token is active", known.introspected?.active, true);
          expect("the token is bound to the certificate", known.introspected?.cnf, {
            "x5t#S256": own.thumbprint,
          });
        }
      }
    }
  }

  console.log(
    "\nA server that supports only client_secret_basic, and a client that only has a certificate\n",
  );
  heading();
  for (const [own, whose, passes] of [
    [other, "another's", false],
    [byName, "its own", true],
  ]) {
    const request = async () => {
      const body = new URLSearchParams({
        grant_type: "client_credentials",
        client_id: bridged.client_id,
      });
      const answer = await fetchWith(own)(`${issuer}/secret/token`, { method: "POST", body });
      const json = await answer.json();
      if (!answer.ok) throw Object.assign(new Error(JSON.stringify(json)), json);
      return json;
    };
    const { value, seen } = await step(
      ["fetch", "bridged", "client credentials", whose],
      request,
      servers.secret,
      passes,
    );
    if (passes) {
      expect("the server issued a token", typeof value?.access_token, "string");
      const encoded = [bridged.client_id, bridged.client_secret].map((text) =>
        new URLSearchParams({ "": text }).toString().slice(1),
      );
      expect(
        "the credentials at the server",
        seen[0]?.authorization,
        `Basic ${Buffer.from(encoded.join(":")).toString("base64")}`,
      );
    }
  }
  console.log("\nClients of other methods, whose tokens are bound to their certificates\n");
  heading();
  const bound = `https://127.0.0.1:${envoy.port}`;
  const pair = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const key = { ...(await webcrypto.subtle.exportKey("jwk", pair.publicKey)), alg: "ES256" };
  const web = {
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: [redirectUri],
    response_types: ["code"],
    tls_client_certificate_bound_access_tokens: true,
  };
  const signed = { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [key] } };
  serveBoundTokens(servers.mutual, bound, [
    { ...web, ...signed, client_id: "signed" },
    { ...web, ...signed, client_id: "signed-and-held" },
    { ...web, client_id: "public", token_endpoint_auth_method: "none" },
  ]);
  const another = certificate("san-uri");
  for (const [clientId, auth, own, isHeld] of [
    ["signed", openid.PrivateKeyJwt(pair.privateKey), byName, false],
    // `certificate_binding`: the filter holds it to its certificate, before the server looks at
    // the assertion.
    ["signed-and-held", openid.PrivateKeyJwt(pair.privateKey), byName, true],
    ["public", openid.None(), other, false],
  ]) {
    const client = await boundClient(bound, clientId, auth, own, another);
    const name = "authorization code";
    if (isHeld) {
      const cells = ["openid-client", clientId, name, "another's"];
      await step(cells, client.other, servers.mutual, false);
    }
    const { value, seen } = await step(
      ["openid-client", clientId, name, "its own"],
      client[name],
      servers.mutual,
      true,
      "passed_other_method",
    );
    expect("the certificate at the server", seen[0]?.certificate, byteSequence(own));
    for (const [credential, whose, wanted] of [
      [own, "its own", 200],
      [another, "another's", 401],
      [undefined, "none", 401],
    ]) {
      const before = servers.mutual.seen.length;
      const status = await client
        .use(value?.access_token, credential)
        .then(() => 200)
        .catch((error) => error.status ?? error.cause?.status ?? String(error));
      const used = servers.mutual.seen.slice(before).filter(({ url }) => url === "/me");
      row("openid-client", clientId, "userinfo", whose, status, "not_gated", "GET /me");
      expect("the answer of userinfo", status, wanted);
      expect(
        "the certificate at userinfo",
        used.map(({ certificate }) => certificate),
        [credential && byteSequence(credential)],
      );
    }
  }
} finally {
  await envoy.stop();
  Object.values(servers).forEach((server) => server.close());
}
if (unexpected) {
  console.error(`FAILED: ${unexpected} unexpected results; Envoy's logs are in target/interop`);
  process.exit(1);
}
console.log("\ninterop passed");
process.exit(0);
