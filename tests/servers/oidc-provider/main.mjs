// main.mjs ENVOY-VERSION: real OAuth clients, a real Envoy with the filter, a real authorization
// server. Each step is also tried with the certificate of another client: the filter must refuse it
// and the server must not receive it. One unexpected result fails the run. To be run from the root
// of the repository.

import { consent, oauthClient, openidClient, redirectUri } from "./flows.mjs";
import { Server, serveMutualTls, serveSecrets } from "./server.mjs";
import { Envoy, certificate, fetchWith, makeCertificates, toPort } from "../environment.mjs";

const version = process.argv[2];
const widths = [13, 7, 28, 11, 6, 26];
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
// otherwise.
async function step(cells, run, server, passes) {
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
    expect("code", code, "authenticated");
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
