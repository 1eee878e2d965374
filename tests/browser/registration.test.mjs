// What may stand in field 2, and which configurations the page offers.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { pathToFileURL } from "node:url";
import { complaints, example, open, ownCertificate, page, sees, text } from "./harness.mjs";

const { Gate, readCertificate } = await import(
  pathToFileURL(`${process.env.PAGE}/../package/index.js`)
);

beforeEach(() => open());

const certificate = () => page.getByLabel("1. The client's certificate");
const registered = () => page.getByLabel("2. What the client registered");
const body = () => page.getByLabel("Body");
const snippet = async () => JSON.parse(await text("#snippet"));
const choices = async () => {
  const labels = await page.locator("#offers label").allInnerTexts();
  return labels.map((label) => label.trim());
};

const subject = "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP";
const other = { tls_client_auth_subject_dn: "CN=other" };
const tls = (client_id, members = { tls_client_auth_subject_dn: subject }) => ({
  client_id,
  token_endpoint_auth_method: "tls_client_auth",
  ...members,
});

// What the filter decides about this certificate with a configuration that was offered.
function decided(configuration, pem) {
  const { client_id } = configuration.clients[0];
  return new Gate(configuration).decide({
    path: "/token",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: `client_id=${encodeURIComponent(client_id)}`,
    certificate: pem,
    chainValid: true,
  });
}

test("what refuses is not offered: each refused example offers what is accepted", async () => {
  for (const name of [
    "another subject",
    "reverse order",
    "another host name",
    "renewed certificate",
  ]) {
    await example(name);
    await sees("#decision", /Refused with 401/);
    const offered = await snippet();
    const pem = await certificate().inputValue();
    const before = { clients: [JSON.parse(await registered().inputValue())] };
    assert.equal(decided(before, pem).pass, false, name);
    assert.equal(decided(offered, pem).code, "authenticated", name);
    // A value of the same kind, where the certificate has one.
    const members = Object.keys(before.clients[0]);
    assert.deepEqual(Object.keys(offered.clients[0]), members, name);
    assert.match(await text("#snippet-says"), /only if the certificate is the client's own/);
    assert.match(await text("#snippet-says"), /registered now is refused with this certificate/);
    assert.ok(!(await choices()).some((label) => /as it is registered/.test(label)), name);
  }
  // A client keeps the certificates that it has.
  assert.equal((await snippet()).clients[0].jwks.keys.length, 2);
  for (const name of ["accepted", "client_id twice"]) {
    await example(name);
    await sees("#decision", name === "accepted" ? /authenticated/ : /correct the request/);
    assert.deepEqual((await snippet()).clients[0], JSON.parse(await registered().inputValue()));
    assert.equal(await text("#snippet-says"), "With this the certificate is accepted.");
  }
});

test("a certificate alone is enough for every registration of it", async () => {
  const names =
    "DNS:a.example,DNS:b.example,URI:urn:x:y,IP:192.0.2.7,IP:2001:db8::1,email:o@a.example";
  const { file } = ownCertificate("/C=JP/O=Own", names);
  const pem = readFileSync(file("client.pem"), "utf8");
  await example("empty");
  await body().fill("client_id=mine");
  await certificate().fill(pem);
  await sees("#decision.undecided", /register the client as shown below/);
  const { thumbprint } = readCertificate(pem);
  const expected = [
    ["Subject DN O=Own,C=JP", { tls_client_auth_subject_dn: "O=Own,C=JP" }],
    ["SAN dns a.example", { tls_client_auth_san_dns: "a.example" }],
    ["SAN dns b.example", { tls_client_auth_san_dns: "b.example" }],
    ["SAN uri urn:x:y", { tls_client_auth_san_uri: "urn:x:y" }],
    ["SAN ip 192.0.2.7", { tls_client_auth_san_ip: "192.0.2.7" }],
    ["SAN ip 2001:db8::1", { tls_client_auth_san_ip: "2001:db8::1" }],
    ["SAN email o@a.example", { tls_client_auth_san_email: "o@a.example" }],
  ].map(([label, members]) => [label, tls("mine", members)]);
  expected.push([
    `x5t#S256 ${thumbprint} (needs no CA)`,
    {
      client_id: "mine",
      token_endpoint_auth_method: "self_signed_tls_client_auth",
      jwks: { keys: [{ kty: "EC", "x5t#S256": thumbprint }] },
    },
  ]);
  assert.deepEqual((await choices()).sort(), expected.map(([label]) => label).sort());
  for (const [label, client] of expected) {
    await page.getByLabel(label, { exact: true }).check();
    const offered = await snippet();
    assert.deepEqual(offered.clients, [client], label);
    assert.equal(decided(offered, pem).code, "authenticated", label);
  }
  // The choice stays while other fields change.
  await body().fill("client_id=yours");
  await sees("#snippet", /"yours"[\s\S]*x5t#S256/);
  await page.getByLabel("no", { exact: true }).check();
  assert.equal(
    await text("#snippet-says").then((says) => says.split(".")[0]),
    "With this the certificate is accepted",
  );
  await page.getByLabel("Subject DN O=Own,C=JP").check();
  assert.match(
    await text("#snippet-says"),
    /accepted, where the TLS server has verified its chain\./,
  );
  // What was offered is accepted when it is registered.
  await page.getByLabel("yes", { exact: true }).check();
  await registered().fill(JSON.stringify((await snippet()).clients[0]));
  await sees("#decision.pass", /authenticated/);
  assert.deepEqual(complaints, []);
});

test("a certificate without a subject is registered by its other names", async () => {
  const { file } = ownCertificate("/", "DNS:a.example");
  await example("empty");
  await certificate().fill(readFileSync(file("client.pem"), "utf8"));
  await sees("#snippet", /"tls_client_auth_san_dns": "a\.example"/);
  assert.ok(!(await choices()).some((label) => label.startsWith("Subject DN")));
});

test("the kind of key is that of the certificate", async () => {
  for (const [options, kty] of [
    [["-newkey", "rsa:2048"], "RSA"],
    [["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"], "EC"],
    [["-newkey", "ed25519"], "OKP"],
  ]) {
    const command = [
      "req",
      "-x509",
      ...options,
      "-nodes",
      "-keyout",
      "/dev/null",
      "-subj",
      "/CN=a",
    ];
    const pem = execFileSync("openssl", command, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    for (const pasted of [pem, encodeURIComponent(pem)]) {
      await example("empty");
      await certificate().fill(pasted);
      await page.getByLabel(`x5t#S256 ${readCertificate(pem).thumbprint}`).check();
      assert.equal((await snippet()).clients[0].jwks.keys[0].kty, kty);
    }
  }
});

test("a list of clients is one of which the request names its own", async () => {
  await example("accepted");
  await registered().fill(JSON.stringify([tls("a", other), tls("b"), tls("c", other)]));
  for (const [id, decision] of [
    ["b", /Passes: authenticated/],
    ["a", /subject_mismatch/],
    ["d", /unknown_client/],
  ]) {
    await body().fill(`client_id=${id}`);
    await sees("#snippet", new RegExp(`"client_id": "${id}"`));
    assert.match(await text("#decision"), decision);
    const offered = await snippet();
    assert.equal(offered.clients.length, 1);
    assert.equal(decided(offered, await certificate().inputValue()).code, "authenticated", id);
    assert.match(await text("#snippet-says"), /one client: the others stay as they are/);
  }
  assert.match(
    await text("#client-note"),
    /^A list of 3 clients\. The client_id of the request says/,
  );
  await registered().fill("[]");
  await sees("#client-note", /^A list of 0 clients/);
  assert.match(await text("#decision"), /unknown_client/);
  await registered().fill(`[${JSON.stringify(tls("a"))}, {"client_id": 7}]`);
  await sees("#client-error", /^\/1\/client_id: expected a client_id/);
});

test("a configuration of the filter is used as it is", async () => {
  await example("accepted");
  const clients = [tls("s6BhdRkqt3")];
  await registered().fill(JSON.stringify({ endpoints: ["/oauth/*"], clients }));
  await sees("#decision", /not_gated/);
  assert.equal(await page.getByLabel("Endpoints that it guards").isDisabled(), true);
  assert.match(await text("#endpoints-note"), /field 2 counts\. It guards \/oauth\/\*\./);
  await page.getByLabel("Path", { exact: true }).fill("/oauth/token");
  await sees("#decision", /authenticated/);
  assert.deepEqual(await snippet(), { clients });

  const tenants = [
    { hosts: ["*.a.example"], clients: [tls("s6BhdRkqt3", other)] },
    { hosts: ["b.example"], clients },
  ];
  await registered().fill(JSON.stringify({ tenants, other_methods: "reject" }));
  await sees("#decision", /subject_mismatch/);
  assert.match(
    await text("#client-note"),
    /the request is for any\.a\.example, unless a host header/,
  );
  const headers = page.getByLabel("Headers");
  const form = "content-type: application/x-www-form-urlencoded";
  await headers.fill(`${form}\nHost: b.example`);
  await sees("#decision", /authenticated/);
  await headers.fill(`${form}\nHost: c.example`);
  await sees("#decision", /unknown_tenant/);

  const registry = { cluster: "c", authority: "a", path: "/" };
  await headers.fill(form);
  await registered().fill(JSON.stringify({ registry }));
  await sees("#decision", /registry_unavailable/);
  assert.match(await text("#client-note"), /This page fetches nothing/);
  await registered().fill(JSON.stringify({ clients, endpoint: [] }));
  await sees("#client-error", /^\/endpoint: unknown member/);
  // The field is the page's again.
  await example("accepted");
  assert.equal(await page.getByLabel("Endpoints that it guards").isDisabled(), false);
  assert.equal(await text("#endpoints-note"), "");
  assert.deepEqual(complaints, []);
});

test("clients of other servers are read", async () => {
  await example("Keycloak");
  await sees("#decision.pass", /authenticated/);
  assert.equal(await text("#client-note"), "Read as a client of Keycloak.");
  assert.deepEqual((await snippet()).clients, [tls("s6BhdRkqt3")]);

  const keycloak = JSON.parse(await registered().inputValue());
  const disabled = { ...keycloak, clientId: "off", enabled: false };
  await registered().fill(JSON.stringify({ realm: "r", clients: [disabled, keycloak] }));
  await sees("#client-note", /^Read as clients of Keycloak\. The client_id of the request says/);
  assert.match(
    await text("#client-note"),
    /Not taken: “off” \(\/clients\/0\/enabled: the client is disabled\)\.$/,
  );
  assert.match(await text("#decision"), /authenticated/);
  await registered().fill(JSON.stringify(disabled));
  await sees(
    "#client-error",
    /^The filter cannot take this client of Keycloak: “off” \(\/enabled: /,
  );
  await registered().fill(JSON.stringify({ ...keycloak, attributes: {} }));
  await sees("#client-error", /expected the attribute x509\.subjectdn/);

  const authlete = {
    clientId: 7,
    clientIdAlias: "s6BhdRkqt3",
    clientIdAliasEnabled: true,
    tokenAuthMethod: "TLS_CLIENT_AUTH",
    tlsClientAuthSubjectDn: subject,
  };
  // .NET names the state or province S.
  const printed = subject.replace("ST=", "S=");
  const secret = { Type: "X509Name", Value: printed };
  const duende = { ClientId: "s6BhdRkqt3", ClientSecrets: [secret] };
  const spring = {
    client_id: "s6BhdRkqt3",
    client_authentication_methods: "tls_client_auth",
    client_settings: JSON.stringify({
      "settings.client.x509-certificate-subject-dn": subject.replaceAll(", ", ","),
    }),
  };
  for (const [form, name] of [
    [authlete, "Authlete"],
    [duende, "Duende IdentityServer"],
    [{ IdentityServer: { Clients: [duende] } }, "Duende IdentityServer"],
    [spring, "Spring Authorization Server"],
  ]) {
    await example("empty");
    await example("accepted");
    await registered().fill(JSON.stringify(form));
    await sees("#client-note", new RegExp(`^Read as a client of ${name}\\.$`));
    assert.match(await text("#decision"), /authenticated/, name);
  }
  // Client metadata stays what it is, whatever else it has.
  await registered().fill(JSON.stringify({ ...tls("s6BhdRkqt3"), realm: "r" }));
  await sees("#left", /unused by the filter: realm/);
  assert.equal(await text("#client-note"), "");
});

test("a subject DN alone is a registration", async () => {
  const openssl = "/C=JP/ST=Tokyo/L=Chiyoda-ku/O=Client/CN=client.example.org";
  for (const [pasted, name] of [
    [subject, subject],
    [`  ${subject}\n`, subject],
    [`subject=${subject}`, subject],
    [`Subject: ${subject}`, subject],
    [JSON.stringify(subject), subject],
    [openssl, openssl],
  ]) {
    await example("empty");
    await example("accepted");
    await registered().fill(pasted);
    await sees("#client-note", /^Read as the subject DN of the client “s6BhdRkqt3”\.$/);
    assert.match(await text("#decision"), /authenticated/, pasted);
    assert.deepEqual(
      (await snippet()).clients[0],
      tls("s6BhdRkqt3", { tls_client_auth_subject_dn: name }),
    );
  }
  await registered().fill("CN=other");
  await sees("#decision", /subject_mismatch/);
  await registered().fill("client.example.org");
  await sees("#client-error", /^Neither JSON nor a distinguished name \(/);
  await body().fill("");
  await registered().fill(subject);
  await sees("#client-note", /the client “client”/);
});

test("a name in reverse order is marked RDN by RDN, but for one in the middle", async () => {
  await example("reverse order");
  await sees(
    "#comparison-says",
    /^The same name, in reverse order\. RFC 4514 begins with the most/,
  );
  const rows = page.locator("#comparison tbody tr");
  const shown = await rows.evaluateAll((all) =>
    all.map((row) => [row.className, ...[...row.children].map((cell) => cell.innerText)]),
  );
  assert.deepEqual(shown, [
    ["difference", "RDN 1", "C=JP\nmust be RDN 5", "CN=client.example.org"],
    ["difference", "RDN 2", "ST=Tokyo\nmust be RDN 4", "O=Client"],
    ["", "RDN 3", "L=Chiyoda-ku", "L=Chiyoda-ku"],
    ["difference", "RDN 4", "O=Client\nmust be RDN 2", "ST=Tokyo"],
    ["difference", "RDN 5", "CN=client.example.org\nmust be RDN 1", "C=JP"],
  ]);
  // Thumbprints beside the name have no place in it.
  const { thumbprint } = readCertificate(await certificate().inputValue());
  const client = JSON.parse(await registered().inputValue());
  await registered().fill(JSON.stringify({ ...client, certificate_thumbprints: [thumbprint] }));
  await sees("#comparison tbody", /thumbprints/);
  assert.equal(await page.locator("#comparison tr.difference").count(), 4);
});

test("a client that is bound to certificates is bound to the offered one, too", async () => {
  await example("another subject");
  const client = JSON.parse(await registered().inputValue());
  const pin = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
  await registered().fill(JSON.stringify({ ...client, certificate_thumbprints: [pin] }));
  await sees("#snippet", new RegExp(pin));
  const offered = await snippet();
  const pem = await certificate().inputValue();
  assert.equal(decided(offered, pem).code, "authenticated");
  const { thumbprint } = readCertificate(pem);
  assert.deepEqual(offered.clients[0].certificate_thumbprints, [pin, thumbprint]);
});

test("empty fields are no mistakes", async () => {
  await example("empty");
  await sees(
    "#decision.undecided",
    /Paste a certificate in field 1, and in field 2 what the client/,
  );
  for (const field of ["certificate", "client", "headers", "endpoints"]) {
    assert.equal(await text(`#${field}-error`), "");
    assert.equal(await page.locator(`#${field}`).getAttribute("aria-invalid"), "false", field);
  }
  assert.equal(await page.locator("#snippet-card").isVisible(), false);
  await registered().fill(JSON.stringify(tls("mine")));
  await body().fill("client_id=mine");
  await sees("#decision", /certificate_missing/);
  assert.deepEqual((await snippet()).clients, [tls("mine")]);
  assert.equal(await text("#snippet-says"), "");
});

test("a client of another method is held to the certificate", async () => {
  await example("private_key_jwt");
  await sees("#decision.refuse", /Refused with 401: subject_mismatch/);
  await sees("#comparison-says", /^The first difference is RDN 2\.$/);
  assert.equal(await page.locator("#comparison tr.difference").count(), 1);
  const pem = await certificate().inputValue();
  const client = JSON.parse(await registered().inputValue());
  const { certificate_binding: bound, ...unbound } = client;
  assert.ok(bound);
  // The method stays, and the kind of name that is registered comes first.
  const binding = async () => (await snippet()).clients[0].certificate_binding;
  assert.deepEqual(await binding(), { tls_client_auth_subject_dn: subject.replaceAll(", ", ",") });
  assert.match(await text("#snippet-says"), /^With this the certificate is accepted\. With its/);
  const { file } = ownCertificate("/CN=other", "DNS:other.example");
  const another = readFileSync(file("client.pem"), "utf8");
  const labels = await choices();
  assert.equal(labels.length, 3, labels.join("; "));
  for (const label of labels) {
    assert.match(label, /^private_key_jwt, and /);
    await page.getByLabel(label).check();
    const offered = await snippet();
    assert.equal(offered.clients[0].token_endpoint_auth_method, "private_key_jwt");
    assert.equal(decided(offered, pem).code, "passed_other_method", label);
    assert.equal(decided(offered, another).pass, false, label);
  }
  // What was offered passes when it is registered.
  await registered().fill(JSON.stringify((await snippet()).clients[0]));
  await sees("#decision.pass", /passed_other_method/);
  await sees("#comparison-says", /^They agree\.$/);

  // Pins stay, and a key set gains the certificate.
  const pin = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
  const { thumbprint } = readCertificate(pem);
  await registered().fill(
    JSON.stringify({ ...unbound, certificate_binding: { certificate_thumbprints: [pin] } }),
  );
  await sees("#decision.refuse", /certificate_not_registered/);
  await sees("#snippet", new RegExp(`${pin}[\\s\\S]*${thumbprint}`));
  assert.deepEqual(await binding(), { certificate_thumbprints: [pin, thumbprint] });
  const key = { kty: "EC", "x5t#S256": pin, d: "secret" };
  await registered().fill(
    JSON.stringify({ ...unbound, certificate_binding: { jwks: { keys: [key] } } }),
  );
  await sees("#left", /^Left out as secret: private parts of jwks\.$/);
  assert.match(await text("#client-note"), /private key in jwks[\s\S]*exposed/);
  const { d, ...publicKey } = key;
  assert.ok(d);
  assert.deepEqual(await binding(), {
    jwks: { keys: [publicKey, { kty: "EC", "x5t#S256": thumbprint }] },
  });
  assert.equal(decided(await snippet(), pem).code, "passed_other_method");

  // One that is not bound comes with any certificate, and may be bound. An example forgets what was
  // chosen.
  await example("private_key_jwt");
  await registered().fill(JSON.stringify(unbound));
  await sees("#decision.pass", /passed_other_method/);
  assert.equal(await page.locator("#comparison-card").isVisible(), false);
  assert.deepEqual((await snippet()).clients, [unbound]);
  assert.match(await text("#snippet-says"), /^The filter leaves this client to the/);
  await page.getByLabel(`private_key_jwt, and Subject DN ${subject.replaceAll(", ", ",")}`).check();
  assert.match(await text("#snippet-says"), /registered now lets the client come with any cert/);
  await page.getByLabel("no", { exact: true }).check();
  await sees("#snippet-says", /accepted, where the TLS server has verified its chain\./);
  assert.equal(decided(await snippet(), another).pass, false);
  assert.deepEqual(complaints, []);
});
