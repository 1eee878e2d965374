// main.mjs ENVOY-VERSION HOME: a server on Authlete's Java library behind the filter, as
// docs/servers/authlete.md sets it up. HOME has its classes and jars. To be run from the root of
// the repository.

import { connect } from "node:net";
import { Envoy, certificate, eventually, makeCertificates } from "../environment.mjs";
import { Checks, Program, Recorder, addPart, freePort, readPage } from "../support.mjs";
import { Authlete } from "./authlete.mjs";

const [version, home] = process.argv.slice(2);
const directory = "target/servers/run/authlete";
const page = readPage("docs/servers/authlete.md");
const [plugin] = page.json;

makeCertificates(directory);
const [key, secret] = ["service-key", "service-secret"];
const [ledger, reports, selfSigned, legacy, created, branch] = [101, 102, 103, 104, 105, 106].map(
  String,
);
const authlete = await Authlete.listen(
  {
    key,
    secret,
    // The guide's service setting, and a method that is not of TLS.
    supportedTokenAuthMethods: ["TLS_CLIENT_AUTH", "CLIENT_SECRET_BASIC"],
    clients: [
      {
        clientId: Number(ledger),
        tokenAuthMethod: "TLS_CLIENT_AUTH",
        tlsClientAuthSubjectDn: "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP",
        tlsClientCertificateBoundAccessTokens: true,
      },
      {
        clientId: Number(reports),
        tokenAuthMethod: "TLS_CLIENT_AUTH",
        tlsClientAuthSanDns: "billing.client.example.org",
      },
      {
        clientId: Number(selfSigned),
        tokenAuthMethod: "SELF_SIGNED_TLS_CLIENT_AUTH",
        jwks: JSON.stringify({ keys: [certificate("self-signed").jwk] }),
      },
      {
        clientId: Number(legacy),
        tokenAuthMethod: "CLIENT_SECRET_BASIC",
        clientSecret: "a secret of a test",
      },
      {
        clientId: Number(branch),
        tokenAuthMethod: "CLIENT_SECRET_BASIC",
        clientSecret: "a secret of a test",
        tlsClientCertificateBoundAccessTokens: true,
      },
    ],
  },
  certificate("server"),
);
const recorder = await Recorder.listen();
recorder.target = await freePort();
const server = new Program(`${directory}/server.log`, "java", [
  "-Xmx256m",
  "-cp",
  `${home}/classes:${home}/jars/*`,
  "Server",
  String(recorder.target),
  `http://127.0.0.1:${authlete.port}`,
  directory,
]);
let envoy;

const listens = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(socket.destroy() && true));
    socket.on("error", () => resolve(false));
  });

try {
  await server.ready("the server", () => listens(recorder.target), 120);
  envoy = await Envoy.start(
    version,
    // Only sooner than on the page.
    { ...plugin, registry: { ...plugin.registry, refresh: "1s" } },
    (resources, config) => {
      addPart(config, page.yaml[0], {
        "address: api.authlete.com": "address: 127.0.0.1",
        "port_value: 443": `port_value: ${authlete.tlsPort}`,
        "api.authlete.com": "localhost",
        "/etc/ssl/certs/ca-certificates.crt": `${directory}/pki/ca.pem`,
      });
      const own = resources.clusters.find(({ name }) => name === "authorization_server");
      const [{ endpoint }] = own.load_assignment.endpoints[0].lb_endpoints;
      endpoint.address.socket_address.port_value = recorder.port;
    },
  );
  const checks = new Checks(envoy, recorder);
  const token = "/api/token";
  const grant = (client_id) => ({ form: { grant_type: "client_credentials", client_id } });
  const untilDecided = (client, name, code) =>
    eventually(
      "the registry",
      async () => {
        const { entry } = await checks.send(name, token, grant(client));
        return entry.code === code;
      },
      120_000,
    );
  await untilDecided(ledger, "subject-dn", "authenticated");
  authlete.calls = [];
  // What Authlete is asked while `run` runs: each call with its certificate's thumbprint.
  const called = async (run) => {
    authlete.calls = [];
    const value = await run();
    return { value, calls: authlete.calls };
  };
  const refused = async (...row) => {
    const { calls } = await called(() => checks.refused(...row));
    checks.expect("calls to Authlete", calls.length, 0);
  };
  const passed = { status: 200, code: "authenticated" };
  const escaped = encodeURIComponent(certificate("subject-dn").pem);
  const forged = { "x-ssl-cert": escaped };
  const der = (call) => call?.certificate?.raw.toString("base64");

  checks.heading("The guide's token request");
  const first = await called(() =>
    checks.row("ledger", "subject-dn", token, grant(ledger), passed),
  );
  checks.expect(
    "calls",
    first.calls.map(({ path }) => path),
    ["/api/auth/token"],
  );
  const [{ body }] = first.calls;
  checks.expect(
    "parameters",
    Object.fromEntries(new URLSearchParams(body.parameters)),
    grant(ledger).form,
  );
  checks.expect(
    "clientCertificate",
    der(first.calls[0]),
    certificate("subject-dn").der.toString("base64"),
  );
  checks.expect("credentials beside", [body.clientId, body.clientSecret], [undefined, undefined]);
  const { access_token: bound } = first.value.body;
  checks.expect("a token", typeof bound, "string");
  await checks.row("reports", "san-dns", token, grant(reports), passed);

  await refused("ledger", "san-dns", token, grant(ledger), "subject_mismatch");
  await refused("ledger", "untrusted", token, grant(ledger), "certificate_unverified");
  await refused("ledger", "expired", token, grant(ledger), "certificate_expired");
  await refused("ledger", null, token, grant(ledger), "certificate_missing");
  const withForged = (client) => ({ ...grant(client), headers: forged });
  await refused("ledger, forged header", null, token, withForged(ledger), "certificate_missing");
  await refused("ledger, forged header", "san-dns", token, withForged(ledger), "subject_mismatch");
  const chain = { ...forged, "x-ssl-cert-chain-1": escaped };
  const beside = await called(() =>
    checks.row(
      "reports, forged headers beside",
      "san-dns",
      token,
      { ...grant(reports), headers: chain },
      passed,
    ),
  );
  checks.expect(
    "clientCertificate",
    der(beside.calls[0]),
    certificate("san-dns").der.toString("base64"),
  );
  // The library names the leaf there too, and the forged chain did not reach it.
  const { clientCertificate, clientCertificatePath } = beside.calls[0].body;
  checks.expect("clientCertificatePath", clientCertificatePath, [clientCertificate]);
  await refused(
    "a client of the other TLS method",
    "self-signed",
    token,
    grant(selfSigned),
    "method_not_supported",
  );
  await refused("not registered", "subject-dn", token, grant("999"), "unknown_client");

  checks.heading("A client with a secret");
  const basic = (text, client = legacy) => ({
    form: { grant_type: "client_credentials" },
    headers: {
      ...forged,
      authorization: `Basic ${Buffer.from(`${client}:${text}`).toString("base64")}`,
    },
  });
  const other = { code: "passed_other_method", reached: true };
  const bySecret = await called(() =>
    checks.row("legacy, forged header", null, token, basic("a secret of a test"), {
      ...other,
      status: 200,
    }),
  );
  checks.expect("clientCertificate", bySecret.calls[0]?.body.clientCertificate, undefined);
  await checks.row("legacy, another secret", null, token, basic("x"), { ...other, status: 401 });

  const ofBranch = await called(() =>
    checks.row(
      "branch, whose tokens are bound",
      "san-dns",
      token,
      basic("a secret of a test", branch),
      { ...other, status: 200 },
    ),
  );
  const itsDer = certificate("san-dns").der.toString("base64");
  checks.expect("clientCertificate", der(ofBranch.calls[0]), itsDer);

  checks.heading("A resource, which is not gated, introspection and revocation");
  // The certificate of the request's connection, if its chain was verified.
  const use = async (holder, name, bearer, status) => {
    const headers = { "x-ssl-cert": encodeURIComponent(certificate(holder).pem) };
    const { value, calls } = await called(() =>
      checks.row(
        "hello, forged header",
        name,
        "/api/hello",
        { headers: { ...headers, authorization: `Bearer ${bearer}` } },
        { status, code: null },
      ),
    );
    checks.expect("call", calls[0]?.path, "/api/auth/introspection");
    const isVerified = name && name !== "self-signed";
    const expected = isVerified ? certificate(name).der.toString("base64") : undefined;
    checks.expect("clientCertificate", der(calls[0]), expected);
    return value.body;
  };
  const { access_token: held } = ofBranch.value.body;
  for (const [client, holder, another, bearer] of [
    [ledger, "subject-dn", "san-dns", bound],
    [branch, "san-dns", "subject-dn", held],
  ]) {
    checks.expect("its answer", await use(holder, holder, bearer, 200), `client ${client}`);
    await use(holder, another, bearer, 401);
    await use(holder, "self-signed", bearer, 401);
    await use(holder, null, bearer, 401);
  }
  const hello = { headers: { ...forged, authorization: `Bearer ${bound}` } };
  const past = await fetch(`http://127.0.0.1:${recorder.target}/api/hello`, hello);
  checks.expect("the same past Envoy", [past.status, await past.text()], [200, `client ${ledger}`]);
  const introspect = { form: { token: bound, client_id: ledger } };
  const introspection = "/api/introspection";
  await refused("introspection", "san-dns", introspection, introspect, "subject_mismatch");
  const besides = { ...introspect, headers: forged };
  await refused(
    "introspection, forged header",
    null,
    introspection,
    besides,
    "certificate_missing",
  );
  const { body: found } = await checks.row(
    "introspection",
    "subject-dn",
    introspection,
    introspect,
    passed,
  );
  const mine = { "x5t#S256": certificate("subject-dn").thumbprint };
  checks.expect("introspection", found, { active: true, cnf: mine });
  const revoke = { form: { token: bound, client_id: ledger } };
  await refused("revocation", "san-dns", "/api/revocation", revoke, "subject_mismatch");
  await refused(
    "revocation",
    null,
    "/api/revocation",
    { ...revoke, headers: forged },
    "certificate_missing",
  );
  const revoked = await called(() =>
    checks.row("revocation", "subject-dn", "/api/revocation", revoke, passed),
  );
  checks.expect("call", revoked.calls[0]?.path, "/api/auth/revocation");
  checks.expect("clientCertificate", revoked.calls[0]?.body.clientCertificate, undefined);
  const after = await checks.row(
    "introspection of what was revoked",
    "subject-dn",
    introspection,
    introspect,
    passed,
  );
  checks.expect("introspection", after.body, { active: false });

  checks.heading("The registry");
  await refused("created, before", "subject-dn", token, grant(created), "unknown_client");
  authlete.service.clients.push({
    clientId: Number(created),
    tokenAuthMethod: "TLS_CLIENT_AUTH",
    tlsClientAuthSubjectDn: "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP",
  });
  await untilDecided(created, "subject-dn", "authenticated");
  await checks.row("created", "subject-dn", token, grant(created), passed);
  checks.done("authlete", directory);
} finally {
  await envoy?.stop();
  await server.stop();
}
process.exit();
