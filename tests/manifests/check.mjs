// node check.mjs: checks of the shipped configurations without a running Envoy. What several files
// state must agree, and the Istio manifests must be valid by the published schemas of Istio's CRDs.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { documents, packages, root, text } from "./yaml.mjs";

const listener = (bootstrap) => bootstrap.static_resources.listeners[0].filter_chains[0];
const plugin = (bootstrap) =>
  listener(bootstrap).filters[0].typed_config.http_filters.find(
    (filter) => filter.name === "tls_client_auth",
  ).typed_config.config;

function envoyConfigurations() {
  const clients = JSON.parse(text("envoy/clients.json"));
  const [main] = documents("envoy/envoy.yaml");
  const [strict] = documents("envoy/envoy-listener-chain.yaml");
  assert.deepEqual(
    JSON.parse(plugin(main).configuration.value),
    clients,
    "envoy.yaml and clients.json differ",
  );

  // A fetched registry changes the clients and adds a cluster, nothing else.
  for (const mode of ["snapshot", "lookup"]) {
    const [fetched] = documents(`envoy/envoy-registry-${mode}.yaml`);
    const { registry, ...rest } = JSON.parse(plugin(fetched).configuration.value);
    assert.equal(registry.mode ?? "snapshot", mode);
    assert.equal(fetched.static_resources.clusters.pop().name, registry.cluster);
    plugin(fetched).configuration.value = JSON.stringify({ ...rest, clients: clients.clients });
    const same = structuredClone(main);
    plugin(same).configuration.value = JSON.stringify(clients);
    assert.deepEqual(
      fetched,
      same,
      `envoy-registry-${mode}.yaml is not envoy.yaml with a registry`,
    );
  }

  // Key sets of clients: other clients, jwks_uri, a listener of its own and two clusters.
  const [keys] = documents("envoy/envoy-jwks-uri.yaml");
  const { jwks_uri: source, ...others } = JSON.parse(plugin(keys).configuration.value);
  assert.deepEqual(
    keys.static_resources.clusters.splice(-2).map((cluster) => cluster.name),
    [source.cluster, "keys_by_name"],
  );
  const domains = keys.static_resources.listeners.pop().filter_chains[0].filters[0].typed_config
    .route_config.virtual_hosts[0].domains;
  assert.deepEqual(domains, source.hosts, "the listener serves the listed hosts alone");
  plugin(keys).configuration.value = JSON.stringify({ ...others, clients: clients.clients });
  const same = structuredClone(main);
  plugin(same).configuration.value = JSON.stringify(clients);
  assert.deepEqual(keys, same, "envoy-jwks-uri.yaml is not envoy.yaml with jwks_uri");

  // The only differences of the two listeners are those that envoy-listener-chain.yaml lists at its
  // start.
  const tls = listener(main).transport_socket.typed_config;
  tls.require_client_certificate = true;
  delete tls.common_tls_context.validation_context.trust_chain_verification;
  // The other file admits no self-signed certificates and works with Envoy 1.38, which lacks this
  // field.
  assert.equal(tls.common_tls_context.validation_context.suppress_client_ca_list, true);
  delete tls.common_tls_context.validation_context.suppress_client_ca_list;
  plugin(main).configuration.value = {
    ...clients,
    peer_certificate: { chain: "listener" },
    clients: clients.clients.filter(
      (client) => client.token_endpoint_auth_method !== "self_signed_tls_client_auth",
    ),
  };
  plugin(strict).configuration.value = JSON.parse(plugin(strict).configuration.value);
  assert.deepEqual(
    strict,
    main,
    "envoy-listener-chain.yaml is not envoy.yaml with its differences",
  );
}

// The series that Prometheus gets for each statistic. A code that no pattern matches would be
// missing in all alerts.
function statsTags() {
  const [
    {
      stats_config: { stats_tags },
    },
  ] = documents("envoy/envoy.yaml");
  const tagsOf = (name) =>
    Object.fromEntries(
      stats_tags.flatMap(({ tag_name, regex }) => {
        const match = name.match(new RegExp(regex));
        return match ? [[tag_name, match[2]]] : [];
      }),
    );
  const codes = [...text("src/rejection/code.rs").matchAll(/^ {4}[A-Z]\w+ = "(\w+)",$/gm)].map(
    ([, code]) => code,
  );
  assert.ok(
    codes.includes("authenticated") && codes.includes("registry_unavailable"),
    "src/rejection/code.rs has no codes",
  );
  for (const code of codes) {
    assert.deepEqual(tagsOf(`wasmcustom.tls_client_auth.${code}`), { code });
    for (const tenant of ["as.example.com", "*.example.net", "a.registry_clients.example"]) {
      assert.deepEqual(tagsOf(`wasmcustom.tls_client_auth_tenant.${tenant}.${code}`), {
        code,
        tenant,
      });
    }
  }
  const registry = [
    ...text("crates/proxy-wasm/src/metrics.rs").matchAll(/"(registry_\w+|ungated_lookalike)"/g),
  ].map(([, name]) => name);
  assert.equal(new Set(registry).size, 5);
  for (const name of registry) assert.deepEqual(tagsOf(`wasmcustom.tls_client_auth.${name}`), {});
  return codes.length;
}

// An API server drops members that the schema does not have, so a typing mistake would have no
// effect.
function assertKnownMembers(value, schema, path) {
  if (Array.isArray(value))
    return value.forEach((item, index) => assertKnownMembers(item, schema, `${path}/${index}`));
  if (value === null || typeof value !== "object") return;
  for (const [name, member] of Object.entries(value)) {
    assert.match(
      schema,
      new RegExp(`\\bdata\\.${name}\\b`),
      `${path}/${name} is not in the schema`,
    );
    const free =
      ["labels", "matchLabels", "selector", "value", "pluginConfig"].includes(name) &&
      !member.matchLabels;
    if (!free) assertKnownMembers(member, schema, `${path}/${name}`);
  }
}

async function istioManifests() {
  // What is of the Kubernetes Gateway API has no schema here: tests/kubernetes checks it.
  const others = ["README.md", "gateway-api.yaml"];
  const files = readdirSync(new URL("envoy/istio/", root)).filter((file) => !others.includes(file));
  const kinds = new Set();
  for (const file of files) {
    for (const manifest of documents(`envoy/istio/${file}`)) {
      const { apiVersion, kind } = manifest;
      const name = [...apiVersion.split(/[./]/), kind]
        .map((word) => word[0].toUpperCase() + word.slice(1))
        .join("");
      const schema = new URL(`@kubernetes-models/istio/_schemas/${name}.js`, packages);
      const { validate } = await import(schema);
      assert.ok(validate(manifest), `${file}: ${kind}: ${JSON.stringify(validate.errors)}`);
      assertKnownMembers(manifest.spec, readFileSync(schema, "utf8"), `${file}: ${kind}/spec`);
      kinds.add(kind);
    }
  }
  assert.deepEqual([...kinds].sort(), [
    "AuthorizationPolicy",
    "EnvoyFilter",
    "Gateway",
    "PeerAuthentication",
    "WasmPlugin",
  ]);
  return files;
}

envoyConfigurations();
console.log(`stats_tags of envoy.yaml: ${statsTags()} codes, with and without tenant`);
const files = await istioManifests();
console.log("consistent: envoy.yaml, envoy-listener-chain.yaml, clients.json");
console.log(`valid by Istio's schemas: ${files.join(", ")}`);
