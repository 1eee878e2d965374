// main.mjs ENVOY-VERSION PROGRAMS: real HTTP and OAuth clients against a real Envoy with
// envoy/envoy.yaml, and with the list of CAs that this file suppresses. PROGRAMS is the directory
// of the compiled clients. README.md says what it checks and needs. To be run from the root of the
// repository.

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Envoy, certificate, makeCertificates } from "../servers/environment.mjs";
import { envoyClient } from "./envoy.mjs";

const [version, programs] = process.argv.slice(2);
const directory = "target/servers/run/clients";
const pki = `${directory}/pki`;
let unexpected = 0;
let requests = 0;
let accepted = 0;

function expect(what, found, expected) {
  if (JSON.stringify(found) === JSON.stringify(expected)) return;
  unexpected += 1;
  console.log(`   UNEXPECTED: ${what}: ${JSON.stringify(found)}, expected ${expected}`);
}

makeCertificates(directory);
for (const name of ["subject-dn", "wrong", "untrusted", "self-signed", "self-signed-other"]) {
  const files = ["-in", `${pki}/${name}.pem`, "-inkey", `${pki}/${name}.key`];
  const words = ["pkcs12", "-export", ...files, "-passout", "pass:demo"];
  execFileSync("openssl", [...words, "-out", `${pki}/${name}.p12`]);
}

// A token endpoint, which says who the client is.
let received = 0;
const backend = createServer(async (request, response) => {
  for await (const _ of request);
  received += 1;
  response.writeHead(200, { "content-type": "application/json" });
  const client = request.headers["x-oauth-client-id"];
  const answer = { access_token: "demo", token_type: "Bearer", expires_in: 60 };
  response.end(JSON.stringify({ ...answer, authenticated_client: client }));
});
await new Promise((resolve) => backend.listen(0, "127.0.0.1", resolve));

const plugin = JSON.parse(readFileSync("envoy/clients.json", "utf8"));
const selfSigned = plugin.clients.find(({ client_id }) => client_id === "self-signed");
selfSigned.jwks.keys[0]["x5t#S256"] = certificate("self-signed").thumbprint;

// The output of a program, while the backend, which is in this process, goes on.
async function output(command, words, input, isFine = (status) => status === 0) {
  const child = spawn(command, words, { timeout: 120_000 });
  const texts = { stdout: "", stderr: "" };
  for (const name of Object.keys(texts)) child[name].on("data", (part) => (texts[name] += part));
  child.stdin.end(input);
  const status = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (!isFine(status)) throw new Error(`${command}: status ${status}: ${texts.stderr}`);
  return texts.stdout;
}

async function curl(endpoint, lines) {
  const answers = [];
  for (const line of lines) {
    const [tls, name, client] = line.split(" ");
    const out = await output("curl", [
      ...["--silent", "--max-time", "15", `--tlsv${tls}`, "--tls-max", tls],
      ...[
        "--cacert",
        `${pki}/ca.pem`,
        "--cert",
        `${pki}/${name}.pem`,
        "--key",
        `${pki}/${name}.key`,
      ],
      ...[endpoint, "--write-out", "\n%{http_code}"],
      ...["--data", `grant_type=client_credentials&client_id=${client}`],
    ]);
    const [body, status] = out.split("\n");
    const answer = JSON.parse(body);
    answers.push(status === "200" ? answer.authenticated_client : `${status} ${answer.error}`);
  }
  return answers;
}

const java = ["-cp", `${programs}/classes:${programs}/jars/*`, "Client"];
const python = [`${programs}/python/bin/python3`, "tests/clients/client.py"];
const commands = {
  "go params": [`${programs}/go/client`, "params"],
  "go header": [`${programs}/go/client`, "header"],
  "go auto": [`${programs}/go/client`, "auto"],
  jdk: ["java", ...java, "jdk"],
  nimbus: ["java", ...java, "nimbus"],
  spring: ["java", ...java, "spring"],
  "spring tls": ["java", ...java, "spring-tls"],
  python: [...python, "python"],
  authlib: [...python, "authlib"],
  "authlib basic": [...python, "authlib_basic"],
  oauthlib: [...python, "oauthlib"],
  "oauthlib body": [...python, "oauthlib_in_body"],
  node: ["node", "tests/clients/client.mjs"],
};

// The answers of a client to lines "TLS-VERSION CERTIFICATE CLIENT".
async function ask(name, envoy, lines) {
  const endpoint = `https://localhost:${envoy.port}/token`;
  if (name === "curl") return curl(endpoint, lines);
  if (name === "envoy") {
    return envoyClient(`target/envoy/${version}/bin/envoy`, directory, envoy.port, lines);
  }
  const [command, ...words] = commands[name];
  const text = await output(command, [...words, endpoint, pki], `${lines.join("\n")}\n`);
  const answers = text.trimEnd().split("\n");
  if (answers.length !== lines.length) throw new Error(`${name}: ${answers}`);
  return answers;
}

const fingerprint = (name) => createHash("sha256").update(certificate(name).der).digest("hex");

// Sends the request of each row in TLS 1.2 and 1.3. A row has the certificate, the client, the
// codes of the requests that the client sends, and whether it sends its certificate.
async function run(envoy, name, rows) {
  const each = ["1.2", "1.3"].flatMap((tls) => rows.map((row) => ({ tls, ...row })));
  const lines = each.map(({ tls, own, client }) => `${tls} ${own} ${client}`);
  const count = each.reduce((sum, { codes }) => sum + codes.length, 0);
  const { value: answers, entries } = await envoy.entriesOf(() => ask(name, envoy, lines), count);
  requests += count;
  for (const [index, { tls, own, client, codes, sends, answer }] of each.entries()) {
    const what = `${name}, TLS ${tls}, ${own} as ${client}`;
    const before = unexpected;
    const found = entries.splice(0, codes.length);
    expect(
      `${what}: codes`,
      found.map(({ code }) => code),
      codes,
    );
    for (const entry of found) {
      expect(`${what}: TLS`, entry.tls, `TLSv${tls}`);
      const digest = sends ? fingerprint(own) : null;
      expect(`${what}: certificate`, entry.certificate_sha256 ?? null, digest);
    }
    const code = codes.at(-1);
    if (code === "authenticated") accepted += 1;
    const isRight = (answer ?? answersTo(name, client, code)).test(answers[index]);
    expect(`${what}: ${answers[index]}`, isRight, true);
    if (tls === "1.3" && unexpected === before) {
      const word = sends ? "sent" : "withheld";
      const cells = [
        name.padEnd(13),
        own.padEnd(17),
        word.padEnd(8),
        codes.join(", ") || "no request",
      ];
      console.log(`   ok ${cells.join(" ")}`);
    }
  }
}

// What a client prints. Some libraries do not give the status of a refusal.
function answersTo(name, client, code) {
  if (name === "envoy") return code === "authenticated" ? /^signed in$/ : /^401 refused$/;
  if (code === "authenticated") return new RegExp(`^${client}$`);
  return code === "multiple_auth_methods"
    ? /^(400|-) invalid_request$/
    : /^(401|-) invalid_client$/;
}

// Whether the listener sends its list of CAs, as OpenSSL reads its certificate request.
async function sendsList(envoy, expected) {
  for (const tls of ["tls1_2", "tls1_3"]) {
    const words = ["s_client", "-connect", `localhost:${envoy.port}`, "-servername", "localhost"];
    const text = await output("openssl", [...words, `-${tls}`], "", () => true);
    expect(`${tls}: a certificate request`, text.includes("Requested Signature Algorithms"), true);
    const found = text.includes("Acceptable client certificate CA names");
    expect(`${tls}: the listener sends its CAs`, found, expected);
  }
}

// Certificates whose issuer has the name of a trusted CA: every client sends them.
const row = (own, client, ...codes) => ({ own, client, codes, sends: true });
const issued = [
  row("subject-dn", "by-subject-dn", "authenticated"),
  row("wrong", "by-subject-dn", "subject_mismatch"),
  row("untrusted", "by-subject-dn", "certificate_unverified"),
];
// Self-signed certificates: without a list of CAs every client sends them.
const alone = [
  row("self-signed", "self-signed", "authenticated"),
  row("self-signed-other", "self-signed", "certificate_not_registered"),
];
const withheld = alone.map((one) => ({ ...one, codes: ["certificate_missing"], sends: false }));
// A client that obeys the list sends no certificate of another issuer (RFC 8446 section 4.2.4, RFC
// 5246 section 7.4.4).
const obeying = ["go params", "jdk", "nimbus", "spring"];
const ignoring = ["curl", "python", "authlib", "oauthlib body", "node", "envoy"];
// HTTP Basic with an empty secret, whatever the certificate is.
const basic = [...issued, ...alone].map((one) => ({ ...one, codes: ["multiple_auth_methods"] }));
// A library that does not know the method.
const unsupported = alone.map((one) => ({
  ...one,
  codes: [],
  answer: /^failed java.lang.IllegalArgumentException: .*supports `client_secret_basic`/,
}));
// Basic, and then the form.
const both = [...issued, ...alone].map((one) => ({
  ...one,
  codes: ["multiple_auth_methods", ...one.codes],
}));

const start = (change) =>
  Envoy.start(version, plugin, (resources) => {
    const [{ endpoint }] = resources.clusters[0].load_assignment.endpoints[0].lb_endpoints;
    endpoint.address.socket_address.port_value = backend.address().port;
    const { common_tls_context: tls } =
      resources.listeners[0].filter_chains[0].transport_socket.typed_config;
    expect("envoy.yaml suppresses the list", tls.validation_context.suppress_client_ca_list, true);
    change(tls.validation_context);
  });

console.log(`envoy/envoy.yaml on Envoy ${version}`);
let envoy = await start(() => {});
try {
  await sendsList(envoy, false);
  for (const name of [...obeying, ...ignoring]) await run(envoy, name, [...issued, ...alone]);
  for (const name of ["go header", "authlib basic", "oauthlib"]) await run(envoy, name, basic);
  await run(envoy, "go auto", both);
  await run(envoy, "spring tls", unsupported);
} finally {
  await envoy.stop();
}

console.log(`envoy/envoy.yaml without suppress_client_ca_list on Envoy ${version}`);
envoy = await start((context) => delete context.suppress_client_ca_list);
try {
  await sendsList(envoy, true);
  for (const name of obeying) await run(envoy, name, [...issued, ...withheld]);
  for (const name of ignoring) await run(envoy, name, [...issued, ...alone]);
} finally {
  await envoy.stop();
}

expect("requests at the backend", received, accepted);
console.log(`${requests} requests, ${accepted} of them accepted and received by the backend`);
if (unexpected || !requests) {
  console.error(`FAILED: ${unexpected} unexpected results; logs are in ${directory}`);
  process.exit(1);
}
process.exit(0);
