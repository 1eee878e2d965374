// The client of Envoy's own oauth2 filter, with auth_type TLS_CLIENT_AUTH, as docs/clients.md sets
// it up: for a browser that comes back with a code it asks the token endpoint.

import { stringify } from "yaml";
import { readFileSync, writeFileSync } from "node:fs";
import { Program, addPart } from "../servers/support.mjs";

// One listener for each line "TLS-VERSION CERTIFICATE CLIENT". Gives an answer for each line.
export async function envoyClient(binary, directory, port, lines) {
  const page = readFileSync("docs/clients.md", "utf8");
  const [, text] = /^```yaml\n([^]*?)^```$/m.exec(page);
  writeFileSync(`${directory}/hmac`, "a key of a test");
  const config = {
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: {},
  };
  const all = { listeners: [], clusters: [], secrets: [] };
  lines.forEach((line, index) => {
    const [tls, certificate, client] = line.split(" ");
    const one = { static_resources: {} };
    addPart(one, text, {
      "client_id: ledger": `client_id: ${client}`,
      "https://as.example.com/": `https://localhost:${port}/`,
      "address: as.example.com, port_value: 443": `address: 127.0.0.1, port_value: ${port}`,
      "as.example.com": "localhost",
      "address: 127.0.0.1, port_value: 8080": "address: 127.0.0.1, port_value: 0",
      "/etc/envoy/client.pem": `${directory}/pki/${certificate}.pem`,
      "/etc/envoy/client.key": `${directory}/pki/${certificate}.key`,
      "/etc/envoy/hmac": `${directory}/hmac`,
      "/etc/ssl/certs/ca-certificates.crt": `${directory}/pki/ca.pem`,
      authorization_server: `authorization_server_${index}`,
      "name: application": `name: application_${index}`,
    });
    const { listeners, clusters, secrets } = one.static_resources;
    const version = `TLSv1_${tls.at(-1)}`;
    const socket = clusters[0].transport_socket.typed_config.common_tls_context;
    socket.tls_params = {
      tls_minimum_protocol_version: version,
      tls_maximum_protocol_version: version,
    };
    all.listeners.push(...listeners);
    all.clusters.push(...clusters);
    all.secrets = secrets;
  });
  config.static_resources = all;
  writeFileSync(`${directory}/client.yaml`, stringify(config));
  const client = new Program(`${directory}/client.log`, binary, [
    "-c",
    `${directory}/client.yaml`,
    "--admin-address-path",
    `${directory}/client.admin`,
    "--concurrency",
    "1",
    "--disable-hot-restart",
    "--log-level",
    "warning",
  ]);
  try {
    let admin;
    await client.ready(
      "the client's Envoy",
      async () => {
        admin = `http://${readFileSync(`${directory}/client.admin`, "utf8")}`;
        return (await (await fetch(`${admin}/ready`)).text()).trim() === "LIVE";
      },
      30,
    );
    const { listener_statuses: found } = await (
      await fetch(`${admin}/listeners?format=json`)
    ).json();
    const answers = [];
    for (const index of lines.keys()) {
      const { local_address: local } = found.find(({ name }) => name === `application_${index}`);
      answers.push(await visit(`http://127.0.0.1:${local.socket_address.port_value}`));
    }
    return answers;
  } finally {
    await client.stop();
  }
}

// What a browser does: it is sent to the authorization server, and comes back with a code.
async function visit(origin) {
  const headers = { "x-forwarded-proto": "https", accept: "text/html" };
  const options = { headers, redirect: "manual" };
  const first = await fetch(`${origin}/`, options);
  const state = new URL(first.headers.get("location")).searchParams.get("state");
  const cookie = first.headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
  const query = new URLSearchParams({ code: "a-code", state });
  const second = await fetch(`${origin}/callback?${query}`, {
    ...options,
    headers: { ...headers, cookie },
  });
  await second.text();
  // Envoy encrypts the token.
  const has = second.headers.getSetCookie().some((line) => /^BearerToken=[^;]/.test(line));
  return second.status === 302 && has ? "signed in" : `${second.status} refused`;
}
