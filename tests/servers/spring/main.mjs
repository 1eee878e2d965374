// main.mjs ENVOY-VERSION HOME: Spring Authorization Server behind the filter, as
// docs/servers/spring.md sets it up. HOME has its classes and jars. To be run from the root of the
// repository.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Envoy, certificate, makeCertificates } from "../environment.mjs";
import {
  Checks,
  Program,
  Recorder,
  answers,
  claims,
  clientCert,
  freePort,
  readPage,
} from "../support.mjs";

const [version, home] = process.argv.slice(2);
const directory = "target/servers/run/spring";
const path = "docs/servers/spring.md";
const [plugin] = readPage(path).json;

// The page shows the very lines of the server.
const bare = (text) => text.replaceAll(/\s/g, "");
const blocks = [...readFileSync(path, "utf8").matchAll(/^```java\n([^]*?)^```$/gm)];
const source = readFileSync("tests/servers/spring/Server.java", "utf8");
const condition = /@ConditionalOnProperty\(.*matchIfMissing = true\)/;
const lines = bare(source.replace(condition, ""));
if (!blocks.length || blocks.some(([, shown]) => !lines.includes(bare(shown)))) {
  throw new Error(`${path} shows other lines than Server.java`);
}

makeCertificates(directory);
const own = certificate("self-signed");
const keys = createServer((_, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ keys: [own.jwk] }));
});
await new Promise((resolve) => keys.listen(0, "127.0.0.1", resolve));
const archive = plugin.clients.find(({ client_id }) => client_id === "archive");
archive.jwks.keys[0]["x5t#S256"] = own.thumbprint;

function start(name, port, ...words) {
  const server = new Program(`${directory}/${name}.log`, "java", [
    "-Xmx384m",
    "-XX:TieredStopAtLevel=1",
    "-cp",
    `${home}/classes:${home}/jars/*`,
    "Server",
    "--server.address=127.0.0.1",
    `--server.port=${port}`,
    `--keys=http://127.0.0.1:${keys.address().port}/jwks`,
    ...words,
  ]);
  const metadata = `http://127.0.0.1:${port}/.well-known/oauth-authorization-server`;
  return { server, ready: () => server.ready(name, () => answers(metadata), 240) };
}

const recorder = await Recorder.listen();
const port = await freePort();
recorder.target = port;
const spring = start("spring", port);
let without;
let envoy;

try {
  await spring.ready();
  envoy = await Envoy.start(version, plugin, ({ clusters: [cluster] }) => {
    const [{ endpoint }] = cluster.load_assignment.endpoints[0].lb_endpoints;
    endpoint.address.socket_address.port_value = recorder.port;
  });
  const checks = new Checks(envoy, recorder);
  const token = "/oauth2/token";
  const grant = (client_id) => ({ form: { grant_type: "client_credentials", client_id } });
  const passed = { status: 200, code: "authenticated" };
  const clients = {
    ledger: {
      its: "subject-dn",
      others: {
        wrong: "subject_mismatch",
        untrusted: "certificate_unverified",
        "self-signed": "certificate_unverified",
        expired: "certificate_expired",
      },
    },
    archive: {
      its: "self-signed",
      others: {
        "self-signed-other": "certificate_not_registered",
        "subject-dn": "certificate_not_registered",
      },
    },
  };
  for (const [client, { its, others }] of Object.entries(clients)) {
    checks.heading(`The client ${client}`);
    const forged = { "client-cert": clientCert(its) };
    const mine = { "x5t#S256": certificate(its).thumbprint };
    const first = await checks.row("token", its, token, grant(client), passed);
    checks.expect("the header at Spring", first.seen?.headers["client-cert"], clientCert(its));
    const { access_token: issued } = first.body;
    checks.expect("cnf", issued && claims(issued).cnf, mine);
    for (const [other, code] of Object.entries(others)) {
      await checks.refused("token", other, token, grant(client), code);
    }
    const withForged = { ...grant(client), headers: forged };
    const [[other, code]] = Object.entries(others);
    await checks.refused("token", null, token, grant(client), "certificate_missing");
    await checks.refused("token, forged header", null, token, withForged, "certificate_missing");
    await checks.refused("token, forged header", other, token, withForged, code);
    const steps = [
      ["introspect", { token: issued }, 200],
      [
        "par",
        {
          response_type: "code",
          redirect_uri: "https://client.example.org/callback",
          scope: "accounts",
          code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
          code_challenge_method: "S256",
        },
        201,
      ],
      ["device_authorization", { scope: "accounts" }, 200],
      ["revoke", { token: issued }, 200],
      ["introspect", { token: issued }, 200],
    ];
    let active = true;
    // A resource, which is not gated and compares the token with the certificate of the request.
    const use = { headers: { ...forged, authorization: `Bearer ${issued}` } };
    for (const [name, status, isForwarded] of [
      ["subject-dn", its === "subject-dn" ? 200 : 401, true],
      ["wrong", 401, true],
      // Its chain is not verified, so it is not handed on where nobody authenticated it.
      ["self-signed", 401, false],
      [null, 401, false],
    ]) {
      const wanted = { status, code: null };
      const { seen } = await checks.row("accounts, forged header", name, "/accounts", use, wanted);
      const expected = isForwarded ? clientCert(name) : undefined;
      checks.expect("the header at Spring", seen?.headers["client-cert"], expected);
    }
    for (const [step, form, status] of steps) {
      const request = { form: { ...form, client_id: client } };
      const url = `/oauth2/${step}`;
      await checks.refused(step, other, url, request, code);
      await checks.refused(
        `${step}, forged header`,
        null,
        url,
        { ...request, headers: forged },
        "certificate_missing",
      );
      const { body } = await checks.row(step, its, url, request, { ...passed, status });
      if (step === "introspect") {
        checks.expect(
          "introspection",
          [body.active, body.cnf],
          [active, active ? mine : undefined],
        );
      }
      active &&= step !== "revoke";
    }
  }

  checks.heading("Other clients");
  const forged = { "client-cert": clientCert("subject-dn") };
  const beside = await checks.row(
    "reports, forged header beside",
    "wrong",
    token,
    { ...grant("reports"), headers: forged },
    passed,
  );
  checks.expect("cnf", claims(beside.body.access_token).cnf, {
    "x5t#S256": certificate("wrong").thumbprint,
  });
  const basic = (secret) => {
    const pair = Buffer.from(`legacy:${encodeURIComponent(secret)}`).toString("base64");
    return {
      form: { grant_type: "client_credentials" },
      headers: { ...forged, authorization: `Basic ${pair}` },
    };
  };
  const other = { code: "passed_other_method", reached: true };
  const legacy = await checks.row(
    "legacy, forged header",
    null,
    token,
    basic("a secret of a test"),
    { ...other, status: 200 },
  );
  checks.expect("the header at Spring", legacy.seen?.headers["client-cert"], undefined);
  await checks.row("legacy, another secret", null, token, basic("x"), { ...other, status: 401 });

  checks.heading("Without the converter of the page");
  const secondPort = await freePort();
  without = start("without", secondPort, "--converter=none");
  await without.ready();
  recorder.target = secondPort;
  const refused = { status: 401, code: "authenticated", error: "invalid_client" };
  await checks.row("ledger", "subject-dn", token, grant("ledger"), refused);
  await checks.row("archive", "self-signed", token, grant("archive"), passed);
  checks.done("spring", directory);
} finally {
  await envoy?.stop();
  await spring.server.stop();
  await without?.server.stop();
}
process.exit();
