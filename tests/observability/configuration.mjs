// node configuration.mjs DIRECTORY ADDRESS: writes the configurations of the observability test, made from
// shipped files: an Envoy with envoy-registry-snapshot.yaml, its listener in a file that it
// watches, two tenants, and the access log of access-log.yaml; a Prometheus with prometheus.yaml
// and shorter intervals, which also scrapes what answers at ADDRESS.

import { writeFileSync } from "node:fs";
import { documents, packages } from "../manifests/yaml.mjs";

const { stringify } = await import(new URL("yaml/dist/index.js", packages));
const [directory, untaggedAt] = process.argv.slice(2);

const [envoy] = documents("envoy/envoy-registry-snapshot.yaml");
const [listener] = envoy.static_resources.listeners;
delete envoy.static_resources.listeners;
const path = `${directory}/listeners.yaml`;
envoy.node = { id: "observed", cluster: "observed" };
envoy.dynamic_resources = {
  lds_config: { resource_api_version: "V3", path_config_source: { path } },
};
const manager = listener.filter_chains[0].filters[0].typed_config;
manager.access_log = documents("envoy/observability/access-log.yaml");
const plugin = manager.http_filters[0].typed_config.config.configuration;
const configuration = JSON.parse(plugin.value);
configuration.tenants = [{ hosts: ["localhost"] }, { hosts: ["*.example.com"], mode: "shadow" }];
plugin.value = JSON.stringify(configuration);
listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener";
writeFileSync(path, stringify({ resources: [listener] }));
writeFileSync(`${directory}/observed.yaml`, stringify(envoy));

const [prometheus] = documents("envoy/observability/prometheus.yaml");
prometheus.global = { scrape_interval: "1s", evaluation_interval: "1s" };
// An Envoy without stats_tags, of which untagged.py answers the series.
const [job] = prometheus.scrape_configs;
const untagged = { ...job, job_name: "untagged", static_configs: [{ targets: [untaggedAt] }] };
prometheus.scrape_configs.push(untagged);
prometheus.rule_files = [`${process.cwd()}/envoy/observability/alerts.yaml`];
writeFileSync(`${directory}/prometheus.yaml`, stringify(prometheus));
