// main.mjs ENVOY-VERSION KEYCLOAK: Keycloak behind the filter, as docs/servers/keycloak.md sets it
// up. KEYCLOAK is the directory of a Keycloak for which `kc.sh build` was run. To be run from the
// root of the repository.

import { cpSync, writeFileSync } from "node:fs";
import { Envoy, certificate, eventually, makeCertificates } from "../environment.mjs";
import {
  Checks,
  Program,
  Recorder,
  addPart,
  answers,
  claims,
  clientCert,
  freePort,
  readPage,
} from "../support.mjs";

const [version, home] = process.argv.slice(2);
const directory = "target/servers/run/keycloak";
const page = readPage("docs/servers/keycloak.md");
const [plugin] = page.json;

makeCertificates(directory);
const recorder = await Recorder.listen();
recorder.target = await freePort();
const own = `http://127.0.0.1:${recorder.target}`;

// Where Keycloak asks users for their consent to a backchannel authentication.
const channel = await Recorder.listen();
channel.http.removeAllListeners("request");
channel.http.on("request", (_, response) => response.writeHead(201).end());

for (const realm of ["bank", "shop"]) {
  cpSync(`tests/servers/keycloak/${realm}.json`, `${home}/data/import/${realm}.json`);
}
const [, ...words] = page.sh.find(([, command]) => command === "start");
const keycloak = new Program(
  `${directory}/keycloak.log`,
  "bash",
  [
    `${home}/bin/kc.sh`,
    ...words.filter((word) => !word.startsWith("--http-port=")),
    `--http-port=${recorder.target}`,
    "--import-realm",
    "--spi-ciba-auth-channel--ciba-http-auth-channel--http-authentication-channel-uri=" +
      `http://127.0.0.1:${channel.port}/`,
  ],
  {
    env: {
      ...process.env,
      KC_BOOTSTRAP_ADMIN_USERNAME: "admin",
      KC_BOOTSTRAP_ADMIN_PASSWORD: "a password of a test",
      JAVA_OPTS_KC_HEAP: "-Xms128m -Xmx640m",
    },
  },
);
let envoy;

// A request to Keycloak itself, past Envoy, as its administrator.
async function administer(method, path, body, realm = "bank") {
  const form = {
    grant_type: "password",
    client_id: "admin-cli",
    username: "admin",
    password: "a password of a test",
  };
  const token = await fetch(`${own}/realms/master/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams(form),
  });
  const { access_token: bearer } = await token.json();
  const response = await fetch(`${own}/admin/realms/${realm}${path}`, {
    method,
    headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  return method === "GET" ? response.json() : undefined;
}

// The client that reads the lists, as the page describes it. Its tokens end soon.
async function createReader(clientId, secret) {
  const administrate = (method, path, body) => administer(method, path, body, "master");
  await administrate("POST", "/clients", {
    clientId,
    secret,
    standardFlowEnabled: false,
    serviceAccountsEnabled: true,
    attributes: { "access.token.lifespan": "10" },
  });
  const idOf = async (name) => (await administrate("GET", `/clients?clientId=${name}`))[0].id;
  const user = await administrate("GET", `/clients/${await idOf(clientId)}/service-account-user`);
  for (const realm of ["bank", "shop"]) {
    const id = await idOf(`${realm}-realm`);
    const role = await administrate("GET", `/clients/${id}/roles/view-clients`);
    await administrate("POST", `/users/${user.id}/role-mappings/clients/${id}`, [role]);
  }
}

// A bound token at a path that is not gated: the header has the certificate of the connection, if
// its chain was verified.
async function userinfo(checks, token, holder) {
  const path = "/realms/bank/protocol/openid-connect/userinfo";
  const headers = { "client-cert": clientCert(holder), authorization: `Bearer ${token}` };
  for (const [name, status, isForwarded] of [
    [holder, 200, true],
    ["wrong", 401, true],
    ["self-signed", 401, false],
    [null, 401, false],
  ]) {
    const row = ["userinfo, forged header", name, path, { headers }, { status, code: null }];
    const { seen } = await checks.row(...row);
    const expected = isForwarded ? clientCert(name) : undefined;
    checks.expect("the header at Keycloak", seen?.headers["client-cert"], expected);
  }
}

try {
  await keycloak.ready("Keycloak", () => answers(`${own}/realms/bank`), 400);
  const secretOfReader = "the secret of the registry's reader";
  await createReader("tls-client-auth-registry", secretOfReader);
  writeFileSync(`${directory}/registry.secret`, secretOfReader);
  envoy = await Envoy.start(
    version,
    // Only sooner than on the page.
    {
      ...plugin,
      tenants: plugin.tenants.map((tenant) => ({
        ...tenant,
        registry: { ...tenant.registry, refresh: "1s" },
      })),
    },
    (resources, config) => {
      addPart(config, page.yaml[0], {
        "port_value: 8080": `port_value: ${recorder.port}`,
        "/etc/envoy/keycloak-registry.secret": `${directory}/registry.secret`,
      });
      const manager = resources.listeners[0].filter_chains[0].filters[0].typed_config;
      manager.route_config.virtual_hosts[0].routes[0].route.cluster = "keycloak";
    },
  );
  const checks = new Checks(envoy, recorder);
  const realm = "/realms/bank/protocol/openid-connect";
  const grant = (client_id) => ({ form: { grant_type: "client_credentials", client_id } });
  // Until the filter decides so, because it has read the list anew.
  const untilDecided = (client, name, code, path = `${realm}/token`) =>
    eventually(
      "the registry",
      async () => {
        const { entry } = await checks.send(name, path, grant(client));
        return entry.code === code;
      },
      120_000,
    );
  const shop = "/realms/shop/protocol/openid-connect/token";
  await untilDecided("ledger", "subject-dn", "authenticated");
  await untilDecided("till", "subject-dn", "authenticated", shop);

  checks.heading("The token endpoint");
  const passed = { status: 200, code: "authenticated" };
  const token = `${realm}/token`;
  const mine = certificate("subject-dn").thumbprint;
  const forged = { "client-cert": clientCert("subject-dn") };
  const { body: issued, seen } = await checks.row(
    "ledger",
    "subject-dn",
    token,
    { form: { ...grant("ledger").form, scope: "openid" } },
    passed,
  );
  checks.expect("the header at Keycloak", seen?.headers["client-cert"], clientCert("subject-dn"));
  checks.expect("cnf", claims(issued.access_token).cnf, { "x5t#S256": mine });
  await checks.row("reports", "wrong", token, grant("reports"), passed);
  await checks.refused("ledger", "wrong", token, grant("ledger"), "subject_mismatch");
  await checks.refused("ledger", "untrusted", token, grant("ledger"), "certificate_unverified");
  await checks.refused("ledger", "expired", token, grant("ledger"), "certificate_expired");
  await checks.refused("ledger", null, token, grant("ledger"), "certificate_missing");
  const withForged = { ...grant("ledger"), headers: forged };
  await checks.refused("ledger, forged header", null, token, withForged, "certificate_missing");
  await checks.refused("ledger, forged header", "wrong", token, withForged, "subject_mismatch");
  const beside = { ...grant("reports"), headers: forged };
  const { body: besides, seen: got } = await checks.row(
    "reports, forged header beside",
    "wrong",
    token,
    beside,
    passed,
  );
  checks.expect("the header at Keycloak", got?.headers["client-cert"], clientCert("wrong"));
  checks.expect("a token", typeof besides.access_token, "string");
  const secret = { form: { ...grant("ledger").form, client_secret: "x" } };
  await checks.refused(
    "ledger, with a secret too",
    "subject-dn",
    token,
    secret,
    "multiple_auth_methods",
    400,
    "invalid_request",
  );
  for (const spelling of [`${token};x=1`, `${token}/`]) {
    await checks.refused(spelling.slice(-40), null, spelling, withForged, "certificate_missing");
  }
  const legacy = { form: { ...grant("legacy").form, client_secret: "a secret of a test" } };
  const other = { status: 200, code: "passed_other_method", reached: true };
  await checks.row("legacy, by its secret", null, token, legacy, other);

  // What a server does that binds the tokens of other clients too.
  const branch = {
    form: { ...grant("branch").form, client_secret: "a secret of a test", scope: "openid" },
  };
  const { body: held } = await checks.row("branch, by its secret", "san-dns", token, branch, other);
  const its = certificate("san-dns").thumbprint;
  checks.expect("cnf", held.access_token && claims(held.access_token).cnf, { "x5t#S256": its });
  const forgedBranch = { ...branch, headers: forged };
  const unheld = { ...other, status: 400, error: "invalid_request" };
  const none = await checks.row("branch, forged header", null, token, forgedBranch, unheld);
  checks.expect("the header at Keycloak", none.seen?.headers["client-cert"], undefined);

  checks.heading("Another realm, with a ledger of its own");
  await checks.row("till of shop", "subject-dn", shop, grant("till"), passed);
  await checks.refused("till of bank", "subject-dn", token, grant("till"), "unknown_client");
  await checks.refused("reports of shop", "wrong", shop, grant("reports"), "unknown_client");
  await checks.row("ledger of shop", "wrong", shop, grant("ledger"), passed);
  const ofBank = ["subject-dn", shop, grant("ledger"), "subject_mismatch"];
  await checks.refused("ledger of shop, as of bank", ...ofBank);
  const ofShop = { ...grant("ledger"), headers: { "client-cert": clientCert("wrong") } };
  await checks.refused("the same, forged header", "subject-dn", shop, ofShop, "subject_mismatch");
  // Some servers fold these to a realm, and the filter does not choose one for them.
  for (const spelling of [
    "/realms/SHOP/protocol/openid-connect/token",
    "/realms/shop;x=1/protocol/openid-connect/token",
    "/realms/shop%20/protocol/openid-connect/token",
    "/realms/master/protocol/openid-connect/token",
    "/realms/of-tomorrow/protocol/openid-connect/token",
  ]) {
    const row = [spelling.slice(0, 37), "wrong", spelling, grant("ledger")];
    await checks.refused(...row, "unknown_tenant", 421, "invalid_request");
  }
  for (const open of ["bank", "shop", "master"]) {
    const path = `/realms/${open}/.well-known/openid-configuration`;
    await checks.row(`metadata of ${open}`, null, path, {}, { status: 200, code: null });
  }

  checks.heading("The other endpoints");
  const steps = {
    "token/introspect": [{ token: issued.access_token }, 200],
    "ext/par/request": [
      {
        response_type: "code",
        redirect_uri: "https://client.example.org/callback",
        scope: "openid",
      },
      201,
    ],
    "ext/ciba/auth": [{ scope: "openid", login_hint: "alice" }, 200],
    "auth/device": [{ scope: "openid" }, 200],
    revoke: [{ token: issued.access_token }, 200],
  };
  for (const [step, [form, status]] of Object.entries(steps)) {
    const path = `${realm}/${step}`;
    const request = { form: { ...form, client_id: "ledger" } };
    const withHeader = { ...request, headers: forged };
    await checks.refused(step, "wrong", path, request, "subject_mismatch");
    await checks.refused(`${step}, forged header`, null, path, withHeader, "certificate_missing");
    if (step === "revoke") await userinfo(checks, issued.access_token, "subject-dn");
    const { body } = await checks.row(step, "subject-dn", path, request, { ...passed, status });
    if (step === "token/introspect") {
      checks.expect("active", body.active, true);
      checks.expect("cnf", body.cnf, { "x5t#S256": mine });
    }
  }
  for (const step of ["register-node", "unregister-node"]) {
    const path = `/realms/bank/clients-managements/${step}`;
    const request = { form: { client_id: "ledger", client_cluster_host: "a.example" } };
    await checks.refused(step, "wrong", path, request, "subject_mismatch");
  }
  await userinfo(checks, held.access_token, "san-dns");
  const introspect = { form: { token: issued.access_token, client_id: "ledger" } };
  const { body: revoked } = await checks.row(
    "introspection of what was revoked",
    "subject-dn",
    `${realm}/token/introspect`,
    introspect,
    passed,
  );
  checks.expect("active", revoked.active, false);

  checks.heading("The registry, as Keycloak's administrator changes it");
  const created = {
    clientId: "created",
    clientAuthenticatorType: "client-x509",
    standardFlowEnabled: false,
    serviceAccountsEnabled: true,
    attributes: {
      "x509.subjectdn": "CN=a client",
      "x509.allow.regex.pattern.comparison": "false",
    },
  };
  await checks.refused("created, before", "san-dns", token, grant("created"), "unknown_client");
  await administer("POST", "/clients", created);
  await untilDecided("created", "san-dns", "authenticated");
  await checks.row("created", "san-dns", token, grant("created"), passed);
  const [{ id }] = await administer("GET", "/clients?clientId=created");
  await administer("PUT", `/clients/${id}`, { ...created, id, enabled: false });
  await untilDecided("created", "san-dns", "unknown_client");
  await checks.refused("created, disabled", "san-dns", token, grant("created"), "unknown_client");
  await administer("DELETE", `/clients/${id}`);
  const bearers = () =>
    new Set(
      recorder.seen
        .filter(({ url, status }) => url.startsWith("/admin/realms/bank/clients") && status === 200)
        .map(({ headers }) => headers.authorization),
    );
  await eventually("a second token for the registry", () => bearers().size > 1);
  console.log(`the registry was read with ${bearers().size} tokens, one after the other`);

  // Why Keycloak must be reachable through Envoy alone.
  const past = await fetch(own + token, {
    method: "POST",
    headers: forged,
    body: new URLSearchParams(grant("ledger").form),
  });
  checks.expect("past Envoy a forged header is trusted", past.status, 200);
  checks.done("keycloak", directory);
} finally {
  await envoy?.stop();
  await keycloak.stop();
}
process.exit();
