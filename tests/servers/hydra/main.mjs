// main.mjs ENVOY-VERSION HYDRA: Ory Hydra behind the filter, as docs/servers/hydra.md sets it up.
// HYDRA is its program. To be run from the root of the repository.

import { writeFileSync } from "node:fs";
import { Envoy, makeCertificates } from "../environment.mjs";
import { Checks, Program, Recorder, answers, clientCert, freePort, readPage } from "../support.mjs";

const [version, program] = process.argv.slice(2);
const directory = "target/servers/run/hydra";
const page = readPage("docs/servers/hydra.md");
const [plugin] = page.json;

makeCertificates(directory);
const recorder = await Recorder.listen();
recorder.target = await freePort();
const adminPort = await freePort();
const admin = `http://127.0.0.1:${adminPort}/admin`;
let settings = page.yaml[0];
for (const [from, to] of Object.entries({ 4444: recorder.target, 4445: adminPort })) {
  if (!settings.includes(`port: ${from}`)) throw new Error(`the page has no port ${from}`);
  settings = settings.replace(`port: ${from}`, `port: ${to}`);
}
writeFileSync(`${directory}/hydra.yaml`, settings);

const [[variable, , ...words]] = page.sh;
const [name, value] = variable.split("=");
const hydra = new Program(
  `${directory}/hydra.log`,
  program,
  words.map((word) => (word === "hydra.yaml" ? `${directory}/hydra.yaml` : word)),
  { env: { ...process.env, [name]: value } },
);
let envoy;

// A request to Hydra's admin API, past Envoy.
async function administer(method, path, body) {
  const isForm = body instanceof URLSearchParams;
  const response = await fetch(admin + path, {
    method,
    headers: isForm ? {} : { "content-type": "application/json" },
    body: isForm ? body : JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  return response.json();
}

try {
  await hydra.ready("Hydra", () => answers(`http://127.0.0.1:${adminPort}/health/ready`), 120);
  const callback = "https://client.example.org/callback";
  for (const { client_id, backend_authentication: backend } of plugin.clients) {
    await administer("POST", "/clients", {
      client_id,
      client_secret: backend?.client_secret ?? "a secret of a test",
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["client_credentials", "authorization_code", "refresh_token"],
      response_types: ["code"],
      redirect_uris: [callback],
      scope: "openid offline",
    });
  }
  envoy = await Envoy.start(version, plugin, ({ clusters: [cluster] }) => {
    const [{ endpoint }] = cluster.load_assignment.endpoints[0].lb_endpoints;
    endpoint.address.socket_address.port_value = recorder.port;
  });
  const checks = new Checks(envoy, recorder);
  const passed = { status: 200, code: "authenticated" };
  const token = "/oauth2/token";
  const grant = (client_id) => ({ form: { grant_type: "client_credentials", client_id } });
  const forged = { "client-cert": clientCert("subject-dn") };
  const basic = (id, secret) => {
    const encoded = [id, secret].map((text) =>
      new URLSearchParams({ "": text }).toString().slice(1),
    );
    return `Basic ${Buffer.from(encoded.join(":")).toString("base64")}`;
  };
  const introspect = async (text) =>
    administer("POST", "/oauth2/introspect", new URLSearchParams({ token: text }));

  checks.heading("Client credentials");
  const { body: issued, seen } = await checks.row(
    "ledger",
    "subject-dn",
    token,
    grant("ledger"),
    passed,
  );
  const [{ backend_authentication: backend }] = plugin.clients;
  checks.expect(
    "the credentials at Hydra",
    seen?.headers.authorization,
    basic("ledger", backend.client_secret),
  );
  const { active, client_id: owner } = await introspect(issued.access_token);
  checks.expect("introspection", [active, owner], [true, "ledger"]);
  await checks.row("reports", "san-dns", token, grant("reports"), passed);
  await checks.refused("ledger", "san-dns", token, grant("ledger"), "subject_mismatch");
  await checks.refused("ledger", "untrusted", token, grant("ledger"), "certificate_unverified");
  await checks.refused("ledger", "self-signed", token, grant("ledger"), "certificate_unverified");
  await checks.refused("ledger", null, token, grant("ledger"), "certificate_missing");
  const withForged = { ...grant("ledger"), headers: forged };
  await checks.refused("ledger, forged header", null, token, withForged, "certificate_missing");
  const { seen: got } = await checks.row(
    "ledger, forged header beside",
    "subject-dn",
    token,
    withForged,
    passed,
  );
  checks.expect("the header at Hydra", got?.headers["client-cert"], undefined);
  const refusals = {
    "ledger, Basic with the secret": {
      ...grant("ledger"),
      headers: { authorization: basic("ledger", backend.client_secret) },
    },
    "ledger, Basic without a secret": {
      ...grant("ledger"),
      headers: { authorization: basic("ledger", "") },
    },
    "ledger, the secret in the form": {
      form: { ...grant("ledger").form, client_secret: backend.client_secret },
    },
  };
  for (const [what, request] of Object.entries(refusals)) {
    await checks.refused(
      what,
      "subject-dn",
      token,
      request,
      "multiple_auth_methods",
      400,
      "invalid_request",
    );
  }
  const other = { code: "passed_other_method", reached: true };
  for (const [secret, status] of [
    ["a secret of a test", 200],
    ["another secret", 401],
  ]) {
    const request = {
      form: { grant_type: "client_credentials" },
      headers: { authorization: basic("legacy", secret) },
    };
    await checks.row(`legacy, ${secret}`, null, token, request, { ...other, status });
  }
  await checks.refused("not registered", "subject-dn", token, grant("unknown"), "unknown_client");

  checks.heading("Authorization code, refresh and revocation");
  const cookies = new Map();
  const visit = async (location) => {
    const { pathname, search } = new URL(location);
    const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
    const answer = await checks.send(null, pathname + search, { headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, key, text] = /^([^=]+)=([^;]*)/.exec(line);
      cookies.set(key, text);
    }
    return new URL(answer.headers.get("location"));
  };
  const query = new URLSearchParams({
    client_id: "ledger",
    response_type: "code",
    redirect_uri: callback,
    scope: "openid offline",
    state: "a state of the client",
  });
  let next = await visit(`https://localhost/oauth2/auth?${query}`);
  for (const [kind, body] of [
    ["login", { subject: "alice" }],
    ["consent", { grant_scope: ["openid", "offline"] }],
  ]) {
    const challenge = new URLSearchParams({
      [`${kind}_challenge`]: next.searchParams.get(`${kind}_challenge`),
    });
    const accepted = await administer(
      "PUT",
      `/oauth2/auth/requests/${kind}/accept?${challenge}`,
      body,
    );
    next = await visit(accepted.redirect_to);
  }
  const code = next.searchParams.get("code");
  const exchange = {
    form: { grant_type: "authorization_code", code, redirect_uri: callback, client_id: "ledger" },
  };
  await checks.refused("authorization code", "san-dns", token, exchange, "subject_mismatch");
  const { body: tokens } = await checks.row(
    "authorization code",
    "subject-dn",
    token,
    exchange,
    passed,
  );
  const refresh = {
    form: { grant_type: "refresh_token", refresh_token: tokens.refresh_token, client_id: "ledger" },
  };
  await checks.refused("refresh", "san-dns", token, refresh, "subject_mismatch");
  const { body: fresh } = await checks.row("refresh", "subject-dn", token, refresh, passed);
  const revoke = { form: { token: fresh.access_token, client_id: "ledger" } };
  await checks.refused("revocation", null, "/oauth2/revoke", revoke, "certificate_missing");
  checks.expect("active", (await introspect(fresh.access_token)).active, true);
  await checks.row("revocation", "subject-dn", "/oauth2/revoke", revoke, passed);
  checks.expect("active", (await introspect(fresh.access_token)).active, false);
  checks.done("hydra", directory);
} finally {
  await envoy?.stop();
  await hydra.stop();
}
process.exit();
