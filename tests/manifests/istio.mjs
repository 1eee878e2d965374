// node istio.mjs DIRECTORY MANIFEST...: the configuration that the Envoy of an ingress gateway gets
// from these manifests, or that of a sidecar if they contain no Gateway. Writes files with which an
// Envoy can start: envoy.json, ecds.json with the filter, and a file for each secret.
//
// Does the work of istiod, which builds the listener and applies the EnvoyFilters, and of the
// agent, which fetches the module, according to their sources of August 2026:
// pilot/pkg/networking/core (listener.go, gateway.go, envoyfilter/) and pkg/wasm. istiod makes a
// filter for a WasmPlugin itself.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { documents } from "./yaml.mjs";

const [directory, ...files] = process.argv.slice(2);
const manifests = files.flatMap(documents);
const ofKind = (kind) => manifests.filter((manifest) => manifest.kind === kind);
const hcm = "envoy.filters.network.http_connection_manager";
const extension = (name) => `type.googleapis.com/envoy.extensions.${name}`;
const wasm = extension("filters.http.wasm.v3.Wasm");
const pem = (name) => ({ filename: `target/demo/pki/${name}` });
const fromFile = (name) => ({
  path_config_source: { path: `${directory}/${name}` },
  resource_api_version: "V3",
});

const [gateway] = ofKind("Gateway");
const servicePort = 8080;

// The name of the routes of an HTTPS server whose Gateway terminates TLS. (istiod reads port name
// and Gateway from it.)
const gatewayRoutes = ({
  metadata,
  spec: {
    servers: [{ port }],
  },
}) => `https.${port.number}.${port.name}.${metadata.name}.${metadata.namespace}`;

function tlsContext({ tls }) {
  assert.ok(["MUTUAL", "OPTIONAL_MUTUAL"].includes(tls.mode), tls.mode);
  const secret = (name) => ({ name: `kubernetes://${name}`, sds_config: fromFile(`${name}.json`) });
  return {
    "@type": extension("transport_sockets.tls.v3.DownstreamTlsContext"),
    require_client_certificate: tls.mode === "MUTUAL",
    common_tls_context: {
      alpn_protocols: ["h2", "http/1.1"],
      tls_params: { tls_minimum_protocol_version: tls.minProtocolVersion.replace("TLSV", "TLSv") },
      tls_certificate_sds_secret_configs: [secret(tls.credentialName)],
      combined_validation_context: {
        default_validation_context: {},
        validation_context_sds_secret_config: secret(`${tls.credentialName}-cacert`),
      },
    },
  };
}

// The listener of a sidecar whose PeerAuthentication is STRICT, for the port of the service. Its
// certificates represent those of the mesh.
function inboundListener() {
  assert.deepEqual(
    ofKind("PeerAuthentication").map(({ spec }) => spec.mtls.mode),
    ["STRICT"],
  );
  const manager = connectionManager();
  manager.stat_prefix = `inbound_0.0.0.0_${servicePort}`;
  manager.forward_client_cert_details = "APPEND_FORWARD";
  manager.set_current_client_cert_details = { subject: true, dns: true, uri: true };
  const context = {
    "@type": extension("transport_sockets.tls.v3.DownstreamTlsContext"),
    require_client_certificate: true,
    common_tls_context: {
      tls_certificates: [{ certificate_chain: pem("server.pem"), private_key: pem("server.key") }],
      validation_context: { trusted_ca: pem("ca.pem") },
    },
  };
  return {
    name: "virtualInbound",
    address: { socket_address: { address: "127.0.0.1", port_value: 10443 } },
    filter_chains: [
      {
        transport_socket: { name: "envoy.transport_sockets.tls", typed_config: context },
        filters: [{ name: hcm, typed_config: manager }],
      },
    ],
  };
}

function listenerOf(server) {
  return {
    name: "0.0.0.0_8443",
    address: { socket_address: { address: "127.0.0.1", port_value: 10443 } },
    listener_filters: [
      {
        name: "envoy.filters.listener.tls_inspector",
        typed_config: {
          "@type": extension("filters.listener.tls_inspector.v3.TlsInspector"),
        },
      },
    ],
    filter_chains: [
      {
        filter_chain_match: { server_names: server.hosts },
        transport_socket: { name: "envoy.transport_sockets.tls", typed_config: tlsContext(server) },
        filters: [{ name: hcm, typed_config: connectionManager() }],
      },
    ],
  };
}

function connectionManager() {
  return {
    "@type": extension("filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: "outbound_0.0.0.0_8443",
    use_remote_address: true,
    normalize_path: true,
    forward_client_cert_details: "SANITIZE_SET",
    set_current_client_cert_details: { subject: true, cert: true, dns: true, uri: true },
    http_filters: [
      {
        name: "envoy.filters.http.cors",
        typed_config: { "@type": extension("filters.http.cors.v3.Cors") },
      },
      {
        name: "envoy.filters.http.router",
        typed_config: {
          "@type": extension("filters.http.router.v3.Router"),
        },
      },
    ],
    access_log: [
      {
        name: "envoy.access_loggers.stdout",
        typed_config: {
          "@type": extension("access_loggers.stream.v3.StdoutAccessLog"),
          log_format: { json_format: { code: "%FILTER_STATE(wasm.tls_client_auth_code:PLAIN)%" } },
        },
      },
    ],
    // istiod sets this at gateways and sidecars. It has no filters of its own, so upgrades pass
    // through the filter.
    upgrade_configs: [{ upgrade_type: "websocket" }],
    route_config: {
      name: gateway ? gatewayRoutes(gateway) : `inbound|${servicePort}||`,
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, route: { cluster: "authorization_server" } }],
        },
      ],
    },
  };
}

// Protobuf's MergeFrom in its JSON form: messages are merged, lists appended, other values
// replaced.
function merge(into, patch) {
  for (const [name, value] of Object.entries(patch)) {
    if (Array.isArray(value)) into[name] = [...(into[name] ?? []), ...value];
    else if (value !== null && typeof value === "object") merge((into[name] ??= {}), value);
    else into[name] = value;
  }
}

const matches = (chain, { listener }) => {
  const { sni, destinationPort, filter } = listener.filterChain;
  assert.ok(!filter || filter.name === hcm);
  return gateway
    ? chain.filter_chain_match.server_names.includes(sni)
    : destinationPort === servicePort;
};

// Whether a patch matches the routes: of a gateway by its name, of a sidecar by the port of the
// service.
const matchesRoutes = (routes, { routeConfiguration: { gateway: of, portNumber, ...rest } }) => {
  assert.deepEqual(rest, {});
  return gateway
    ? routes.name === gatewayRoutes(gateway) &&
        of === `${gateway.metadata.namespace}/${gateway.metadata.name}`
    : portNumber === servicePort;
};

function apply({ applyTo, match, patch: { operation, value } }, chain, extensions) {
  assert.equal(match.context, gateway ? "GATEWAY" : "SIDECAR_INBOUND");
  if (applyTo === "EXTENSION_CONFIG" && operation === "ADD")
    return extensions.push(structuredClone(value));
  const manager = chain.filters[0].typed_config;
  const found = match.routeConfiguration
    ? matchesRoutes(manager.route_config, match)
    : matches(chain, match);
  assert.ok(found, `${applyTo}: the patch matches nothing of the listener`);
  const change = {
    "HTTP_FILTER INSERT_FIRST": () => manager.http_filters.unshift(structuredClone(value)),
    "NETWORK_FILTER MERGE": () => merge(manager, value.typed_config),
    "ROUTE_CONFIGURATION MERGE": () => merge(manager.route_config, value),
    "FILTER_CHAIN MERGE": () => {
      assert.equal(value.transport_socket.name, chain.transport_socket.name);
      merge(chain.transport_socket.typed_config, value.transport_socket.typed_config);
    },
  }[`${applyTo} ${operation}`];
  assert.ok(change, `${applyTo} ${operation} is not implemented here, or istiod does not have it`);
  change();
}

// The patches that istiod makes for a WasmPlugin (pilot/pkg/model/extensions.go,
// core/extension/extensionfilter.go).
function patchesOf({ metadata, spec }) {
  const name = `${metadata.namespace}.${metadata.name}`;
  const config = {
    name,
    configuration: {
      "@type": "type.googleapis.com/google.protobuf.StringValue",
      value: JSON.stringify(spec.pluginConfig),
    },
    failure_policy: spec.failStrategy,
    vm_config: {
      runtime: "envoy.wasm.runtime.v8",
      code: { remote: { http_uri: { uri: spec.url, cluster: "_", timeout: "30s" } } },
    },
  };
  const sni = gateway.spec.servers[0].hosts[0];
  const match = { context: "GATEWAY", listener: { filterChain: { sni } } };
  return [
    {
      applyTo: "EXTENSION_CONFIG",
      match,
      patch: { operation: "ADD", value: { name, typed_config: { "@type": wasm, config } } },
    },
    {
      applyTo: "HTTP_FILTER",
      match,
      patch: {
        operation: "INSERT_FIRST",
        value: { name, config_discovery: { config_source: { ads: {} }, type_urls: [wasm] } },
      },
    },
  ];
}

const listener = gateway ? listenerOf(gateway.spec.servers[0]) : inboundListener();
const [chain] = listener.filter_chains;
const extensions = [];
for (const { spec } of ofKind("EnvoyFilter"))
  spec.configPatches.forEach((patch) => apply(patch, chain, extensions));
for (const plugin of ofKind("WasmPlugin"))
  patchesOf(plugin).forEach((patch) => apply(patch, chain, extensions));

// The agent replaces the remote module by a file. Discovery is from files instead of istiod.
for (const { typed_config } of extensions) {
  const { code } = typed_config.config.vm_config;
  assert.match(code.remote.http_uri.uri, /^oci:/);
  typed_config.config.vm_config.code = { local: { filename: "target/tls_client_auth.wasm" } };
}
for (const { config_discovery } of chain.filters[0].typed_config.http_filters) {
  if (config_discovery) {
    delete config_discovery.config_source.ads;
    merge(config_discovery.config_source, fromFile("ecds.json"));
  }
}

const discovery = (type, resource) =>
  JSON.stringify(
    { version_info: "1", resources: [{ "@type": `type.googleapis.com/${type}`, ...resource }] },
    null,
    2,
  );
const secret = (name, content) =>
  writeFileSync(
    `${directory}/${name}.json`,
    discovery("envoy.extensions.transport_sockets.tls.v3.Secret", {
      name: `kubernetes://${name}`,
      ...content,
    }),
  );
const endpoint = { address: { socket_address: { address: "127.0.0.1", port_value: 10080 } } };
const cluster = "authorization_server";
const bootstrap = {
  node: { id: "gateway", cluster: "gateway" },
  admin: { address: { socket_address: { address: "127.0.0.1", port_value: 9901 } } },
  static_resources: {
    listeners: [listener],
    clusters: [
      {
        name: cluster,
        load_assignment: { cluster_name: cluster, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
      },
    ],
  },
};

assert.equal(extensions.length, 1);
writeFileSync(`${directory}/envoy.json`, JSON.stringify(bootstrap, null, 2));
writeFileSync(
  `${directory}/ecds.json`,
  discovery("envoy.config.core.v3.TypedExtensionConfig", extensions[0]),
);
if (gateway) {
  const { credentialName } = gateway.spec.servers[0].tls;
  secret(credentialName, {
    tls_certificate: { certificate_chain: pem("server.pem"), private_key: pem("server.key") },
  });
  secret(`${credentialName}-cacert`, { validation_context: { trusted_ca: pem("ca.pem") } });
}
